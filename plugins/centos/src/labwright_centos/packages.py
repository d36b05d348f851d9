"""Packages fetched by their hash and checked by their signature, and what rpm says of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from labwright.errors import Cause
from labwright.fetch import kept
from labwright.fetch.curl import AT_ONCE, Transfer, download
from labwright.interfaces import Package, Pins, Workbench
from labwright_centos.keys import Keyring, check_packages


def fetch(packages: Sequence[Package], pins: Pins, pool: Path, keys: Keyring, bench: Workbench) -> list[Path]:
    """The packages' files in the folder `pool`, each with the pinned hash and the release's signature.

    Raises LabwrightError naming the package: network, signature.
    """
    files = kept.fetch(packages, pins, pool, PACKAGES, bench)
    bench.say(f"checking the signatures of {len(files)} packages")
    check_packages(files, keys, bench)
    return files


def _name(package: Package) -> str:
    """The name that the mirror has for it; it never leaves the folder that it is put into."""
    return unquote(PurePosixPath(package.path).name).replace("/", "_")


def _download(wanted: Sequence[kept.Wanted], careful: bool, bench: Workbench) -> None:
    transfers = [Transfer(one.url, one.place) for one in wanted]
    download(transfers, "fetching packages failed", "run it again, or check build.mirror", bench,
             at_once=1 if careful else AT_ONCE)  # fmt: skip


PACKAGES = kept.Format(
    name=_name, download=_download, settings=dict.fromkeys(("baseos", "appstream", "crb", "source"), "build.mirror")
)


def newest(files: Sequence[Path], bench: Workbench) -> int:
    """When the newest of these packages was built, in seconds since 1970."""
    done = bench.run(
        ["rpm", "--query", "--nosignature", "--queryformat", "%{BUILDTIME}\n", "--package", *files],
        what="rpm cannot read a package that it found to be signed",
        cause=Cause.SIGNATURE,
    )
    return max(int(word) for word in str(done.output).split())
