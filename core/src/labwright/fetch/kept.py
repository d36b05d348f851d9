"""Packages by their hash: what an earlier build fetched is used, what comes is checked, what cannot come is named."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.files import has_content
from labwright.host.locks import IN_USE, exclusive
from labwright.host.retry import retried
from labwright.interfaces import Package, Pins, Workbench

TOGETHER = 40
"""Packages asked for at once: what a build that is killed has to fetch again at most."""


@dataclass(frozen=True)
class Wanted:
    """A file of a mirror. place: where it is to be written; size: bytes; sha256: its hash, in hexadecimal digits."""

    url: str
    place: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class Format:
    """How a distribution's packages are named and fetched. settings: the setting of image.meta.yaml by mirror's role.

    download: gets the wanted files; called with careful=True after a failure, and then asks for less at once. It may
    raise LabwrightError when some did not come, and need not look at their hashes.
    """

    name: Callable[[Package], str]
    download: Callable[[Sequence[Wanted], bool, Workbench], None]
    settings: Mapping[str, str]

    def setting(self, role: str) -> str:
        """What in image.meta.yaml names the mirror of this role."""
        return self.settings.get(role, "the mirror")


def fetch(packages: Sequence[Package], pins: Pins, pool: Path, how: Format, bench: Workbench) -> list[Path]:
    """The packages' files in the folder `pool`, each checked by its hash.

    Raises LabwrightError naming the package that its mirror cannot give: network, signature.
    """
    kept = bench.downloads / "packages"
    pool.mkdir(parents=True, exist_ok=True)
    with exclusive(kept / IN_USE, lambda: bench.say("waiting for another build that fetches packages")):
        attempts = itertools.count()
        # What failed once is asked for one by one from then on.
        retried(lambda: _fetch_missing(packages, pins, kept, how, bench, careful=next(attempts) > 0), bench.say)
        files = []
        for package in packages:
            os.utime(kept / package.sha256)
            place = pool / how.name(package)
            os.link(kept / package.sha256, place)
            files.append(place)
        return files


def _fetch_missing(
    packages: Sequence[Package], pins: Pins, kept: Path, how: Format, bench: Workbench, careful: bool
) -> None:
    missing = [package for package in packages if not whole(kept / package.sha256, package)]
    failure: LabwrightError | None = None
    for first in range(0, len(missing), TOGETHER):
        bench.say(f"fetching packages {first + 1} to {min(first + TOGETHER, len(missing))} of {len(missing)}")
        some = missing[first : first + TOGETHER]
        try:
            _fetch_some(some, pins, kept, how, bench, careful)
        except LabwrightError as error:
            failure = _naming(some, kept, pins, how, error)
    if failure is not None:
        raise failure


def _fetch_some(
    packages: Sequence[Package], pins: Pins, kept: Path, how: Format, bench: Workbench, careful: bool
) -> None:
    """Fetch some, and keep those that came whole, also when others did not."""
    coming = bench.scratch / "coming"
    coming.mkdir(exist_ok=True)
    wanted = [
        Wanted(f"{pins.mirrors[package.mirror]}/{package.path}", coming / package.sha256, package.size, package.sha256)
        for package in packages
    ]
    try:
        how.download(wanted, careful, bench)
    finally:
        for package in packages:
            if whole(coming / package.sha256, package):
                (coming / package.sha256).replace(kept / package.sha256)
    for package in packages:
        if not whole(kept / package.sha256, package):
            raise LabwrightError(
                f"{package.label} is not what its hash says",
                cause=Cause.SIGNATURE,
                hint=f"check {how.setting(package.mirror)}: it gives another file of that name",
            )


def _naming(missing: Sequence[Package], folder: Path, pins: Pins, how: Format, error: LabwrightError) -> LabwrightError:
    """The same failure, with the packages that could not be had."""
    lacking = [package for package in missing if not (folder / package.sha256).is_file()]
    if not lacking:
        return error
    more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
    gives = "gives, for its hash, another file as" if error.cause is Cause.SIGNATURE else "cannot give"
    return LabwrightError(
        f"{pins.mirrors[lacking[0].mirror]} {gives} {lacking[0].label}{more}",
        cause=error.cause,
        details=[f"{package.label}: {package.path}" for package in lacking[:8]] + list(error.details[-4:]),
        log=error.log,
        hint=f"run it again, or check {how.setting(lacking[0].mirror)}; if the version is gone from there, make a new "
        "lock (labwright lock) or lock against a snapshot mirror",
    )


def whole(path: Path, package: Package) -> bool:
    """Whether a file has the size and the hash of the package."""
    return has_content(path, package.size, package.sha256)
