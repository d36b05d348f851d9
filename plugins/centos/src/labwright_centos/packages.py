"""Packages fetched by their hash, checked by their signature, and compared with what the lists said of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.fetch import kept
from labwright.fetch.curl import AT_ONCE, Transfer, download
from labwright.interfaces import Package, Pins, Workbench
from labwright_centos.keys import Keyring, check_packages, rpm_environment

QUERY = "%{NAME}|%{EVR}|%|SOURCEPACKAGE?{src}:{%{ARCH}}||%{BUILDTIME}\n"


def fetch(packages: Sequence[Package], pins: Pins, pool: Path, keys: Keyring, bench: Workbench) -> list[Path]:
    """The packages' files in the folder `pool`: the pinned hash, the release's signature, the name in the lists.

    Raises LabwrightError naming the package: network, signature.
    """
    files = kept.fetch(packages, pins, pool, PACKAGES, bench)
    bench.say(f"checking the signatures of {len(files)} packages")
    check_packages(files, keys, bench)
    for package, header in zip(packages, _headers(files, bench), strict=True):
        name, version, architecture, _ = header
        if (name, without_epoch_0(version), architecture) != (
            package.name, without_epoch_0(package.version), package.architecture,
        ):  # fmt: skip
            raise LabwrightError(
                f"what the lists call {package.label} is {name} {version} in its own, signed header",
                cause=Cause.SIGNATURE,
                hint="somebody made those lists to pass an old package for a new one: check build.mirror",
            )
    return files


def newest(files: Sequence[Path], bench: Workbench) -> int:
    """When the newest of these packages was built, in seconds since 1970."""
    return max(int(built) for _, _, _, built in _headers(files, bench))


def without_epoch_0(version: str) -> str:
    """A version as dnf writes it: rpm names an epoch that is there and is 0."""
    return version.removeprefix("0:")


def _headers(files: Sequence[Path], bench: Workbench) -> list[tuple[str, str, str, str]]:
    done = bench.run(
        ["rpm", "--query", "--nosignature", "--queryformat", QUERY, "--package", *files],
        env=rpm_environment(bench),
        what="rpm cannot read a package that it found to be signed",
        cause=Cause.SIGNATURE,
    )
    found = []
    for line in str(done.output).splitlines():
        name, version, architecture, built = line.split("|")
        found.append((name, version, architecture, built))
    return found


def _name(package: Package) -> str:
    """Made of what a lock holds, not of the mirror's path."""
    return f"{package.name}-{package.version.rpartition(':')[2]}.{package.architecture}.rpm"


def _download(wanted: Sequence[kept.Wanted], careful: bool, bench: Workbench) -> None:
    transfers = [Transfer(one.url, one.place, one.size) for one in wanted]
    download(transfers, "fetching packages failed", "run it again, or check build.mirror", bench,
             at_once=1 if careful else AT_ONCE)  # fmt: skip


PACKAGES = kept.Format(
    name=_name, download=_download, settings=dict.fromkeys(("baseos", "appstream", "crb", "source"), "build.mirror")
)
