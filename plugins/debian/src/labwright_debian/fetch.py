"""Packages fetched by their hash, kept between builds, and laid out as an archive that any bootstrapper reads."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.files import has_content
from labwright.host.locks import IN_USE, exclusive
from labwright.host.probes import APT_HELPER
from labwright.host.retry import retried
from labwright.interfaces import Package, Pins, Workbench
from labwright_debian import acquire

AR_MAGIC = b"!<arch>\n"
TOGETHER = 40
"""Packages asked for at once: what a build that is killed has to fetch again at most."""
ROLES = {"archive": "build.mirror", "security": "build.securityMirror"}


def fetch(packages: Sequence[Package], pins: Pins, pool: Path, bench: Workbench) -> list[Path]:
    """The packages' files in the folder `pool`, each checked by its hash; what an earlier build fetched is used.

    Raises LabwrightError naming the package that its mirror cannot give: network, signature.
    """
    kept = bench.downloads / "packages"
    pool.mkdir(parents=True, exist_ok=True)
    with exclusive(kept / IN_USE, lambda: bench.say("waiting for another build that fetches packages")):
        attempts = itertools.count()
        # What failed once is asked for one by one from then on.
        retried(lambda: _fetch_missing(packages, pins, kept, bench, careful=next(attempts) > 0), bench.say)
        files = []
        for package in packages:
            os.utime(kept / package.sha256)
            name = f"{package.name}_{package.version.replace(':', '%3a')}_{package.architecture}.deb"
            os.link(kept / package.sha256, pool / name)
            files.append(pool / name)
        return files


def _fetch_missing(packages: Sequence[Package], pins: Pins, kept: Path, bench: Workbench, careful: bool) -> None:
    missing = [package for package in packages if not whole(kept / package.sha256, package)]
    failure: LabwrightError | None = None
    for first in range(0, len(missing), TOGETHER):
        bench.say(f"fetching packages {first + 1} to {min(first + TOGETHER, len(missing))} of {len(missing)}")
        some = missing[first : first + TOGETHER]
        try:
            _fetch_some(some, pins, kept, bench, careful)
        except LabwrightError as error:
            failure = _naming(some, kept, pins, error)
    if failure is not None:
        raise failure


def _fetch_some(packages: Sequence[Package], pins: Pins, kept: Path, bench: Workbench, careful: bool) -> None:
    """Fetch some, and keep those that came whole, also when others did not."""
    coming = bench.scratch / "coming"
    coming.mkdir(exist_ok=True)
    words: list[str | Path] = []
    for package in packages:
        words += [f"{pins.mirrors[package.mirror]}/{package.path}", coming / package.sha256, f"SHA256:{package.sha256}"]
    try:
        bench.run(
            [APT_HELPER, "-o", "APT::Sandbox::User=root", *acquire.OPTIONS,
             *(acquire.ONE_BY_ONE if careful else ()), "download-file", *words],
            what="fetching packages failed",
            cause=Cause.NETWORK,
            on_line=acquire.Watch("fetching packages", bench.say),
            unlogged=acquire.STATUS_WORD,
            timeout=3600,
        )  # fmt: skip
    finally:
        for package in packages:
            if whole(coming / package.sha256, package):
                (coming / package.sha256).replace(kept / package.sha256)
    for package in packages:
        if not whole(kept / package.sha256, package):
            raise LabwrightError(
                f"{package.label} is not what its hash says",
                cause=Cause.SIGNATURE,
                hint=f"check {ROLES.get(package.mirror, 'the mirror')}: it gives another file of that name",
            )


def _naming(missing: Sequence[Package], folder: Path, pins: Pins, error: LabwrightError) -> LabwrightError:
    """The same failure, with the packages that could not be had."""
    lacking = [package for package in missing if not (folder / package.sha256).is_file()]
    if not lacking:
        return error
    more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
    role = ROLES.get(lacking[0].mirror, "the mirror")
    return LabwrightError(
        f"{pins.mirrors[lacking[0].mirror]} cannot give {lacking[0].label}{more}",
        cause=error.cause,
        details=[f"{package.label}: {package.path}" for package in lacking[:8]] + list(error.details[-4:]),
        log=error.log,
        hint=f"run it again, or check {role}; if the version is gone from there, make a new lock (labwright lock) or "
        "lock against a snapshot mirror",
    )


def whole(path: Path, package: Package) -> bool:
    """Whether a file has the size and the hash of the package."""
    return has_content(path, package.size, package.sha256)


def newest(files: Sequence[Path]) -> int:
    """The date of the newest of these packages in seconds since 1970: that of its first member (deb(5), ar)."""
    return max(_date(path) for path in files)


def _date(path: Path) -> int:
    with path.open("rb") as stream:
        head = stream.read(68)
    # Magic of 8 bytes; then each member's header: name in 16 bytes, date in 12.
    date = head[24:36].strip()
    if not head.startswith(AR_MAGIC) or not date.isdigit():
        raise LabwrightError(
            f"{path} is not a Debian package", cause=Cause.SIGNATURE, hint="check the archive that it came from"
        )
    return int(date)


def index(pool: Path, suite: str, bench: Workbench) -> Path:
    """The folder of `pool` as an archive of exactly what is in there: hashes vouched for it, so it is not signed."""
    repository = pool.parent
    place = repository / "dists" / suite / "main/binary-amd64"
    place.mkdir(parents=True)
    listed = bench.run(
        ["dpkg-scanpackages", "--multiversion", "--hash", "sha256", pool.name],
        cwd=repository,
        what="the fetched packages cannot be listed",
    )
    data = listed.output.encode()
    (place / "Packages").write_bytes(data)
    (repository / "dists" / suite / "Release").write_text(
        f"Origin: Debian\nSuite: {suite}\nCodename: {suite}\nArchitectures: amd64\nComponents: main\nSHA256:\n"
        f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-amd64/Packages\n"
    )
    return repository
