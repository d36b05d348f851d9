"""A stand-in for mirrors of the Enterprise Linux family: Debian's binaries in signed RPMs of the family's shape.

No such mirror can be reached where the tests run. What a stand-in proves is everything around the real packages:
signatures, dependencies, scriptlets, owners, the database. It never proves the packages themselves.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .build import build
from .debs import download, download_kernel, wanted, wanted_kernel
from .faults import copied, signing
from .kernel import make_real, make_stub
from .keys import Signer, export_key, make_key
from .mirror import SOURCE, index, lay_out
from .packages import FLAVOURS
from .stage import staged, unpacked

HERE = Path(__file__).parent


@dataclass(frozen=True)
class StandIn:
    """root: a folder for each flavour. key: the file that a user has; home: of the key pair, to sign what is spoilt."""

    root: Path
    key: Path
    fingerprint: str
    home: Path

    @property
    def signer(self) -> Signer:
        return Signer(self.home)

    def flavour(self, name: str) -> Path:
        return self.root / name


def stand_in(cache: Path, *, kernel: bool = False) -> StandIn:
    """Build it, or take it from the cache: whole or not at all, and by one process only.

    kernel: whether the kernel's source RPM is of a real kernel, which takes as long as all the rest to make, or a stub.
    """
    debs = cache / "debs"
    inputs = [*wanted(debs), _sources()]
    place = cache / _digest(inputs)
    _once(place, lambda partial: _make(debs, partial))
    if not kernel:
        return _described(place)
    full = cache / _digest([*inputs, wanted_kernel(debs)])
    _once(full, lambda partial: _add_kernel(_described(place), debs, partial))
    return _described(full)


def kernel_source(stand_in: StandIn) -> Path:
    """The source RPM of the kernel, of a stand-in that was made with it."""
    return next((stand_in.flavour("9-stream") / "BaseOS" / SOURCE / "Packages").glob("kernel-*.src.rpm"))


def _digest(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _sources() -> str:
    found = hashlib.sha256()
    for file in sorted(HERE.rglob("*")):
        if "__pycache__" not in file.parts and not file.is_dir():
            content = str(file.readlink()).encode() if file.is_symlink() else file.read_bytes()
            found.update(f"{file.relative_to(HERE)} {len(content)}\0".encode() + content)
    return found.hexdigest()


def _once(place: Path, make: Callable[[Path], None]) -> None:
    """One lock for all that is made here: two at once would also download into the same files."""
    if place.exists():
        return
    with (place.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place.exists():
            return
        for dead in place.parent.glob("*.partial"):
            shutil.rmtree(dead)
        partial = place.with_name(f"{place.name}.partial")
        partial.mkdir()
        make(partial)
        partial.rename(place)


def _make(debs: Path, place: Path) -> None:
    work = place / "work"
    signer = make_key(place / "home", "Stand-in (signing key)")
    try:
        key = export_key(signer, place / "RPM-GPG-KEY-stand-in")
        layers = staged(unpacked(download(debs), work / "raw"), key, work / "stage")
        lay_out(place / "mirror", build(layers, signer, work / "build"), signer)
        _add_source(place / "mirror", make_stub(signer, work / "stub"), signer)
    finally:
        signer.end_agent()
    shutil.rmtree(work)


def _add_kernel(without: StandIn, debs: Path, place: Path) -> None:
    work = place / "work"
    shutil.copytree(without.home, place / "home", ignore=shutil.ignore_patterns("S.*"))
    shutil.copy(without.key, place)
    with signing(without) as signer:
        for flavour in FLAVOURS:
            copied(without, place / "mirror" / flavour.name, flavour.name)
        _add_source(place / "mirror", make_real(download_kernel(debs), signer, work), signer)
    shutil.rmtree(work)


def _add_source(root: Path, source: Path, signer: Signer) -> None:
    """Put the kernel's source into the mirror of each flavour, in place of the one there."""
    signer.sign_packages([source])
    for flavour in FLAVOURS:
        repository = root / flavour.name / "BaseOS" / SOURCE
        for old in (repository / "Packages").glob("kernel-*.src.rpm"):
            old.unlink()
        os.link(source, repository / "Packages" / source.name)
        index(repository, signer)
        if flavour.name.startswith("almalinux"):
            # That project has its sources in a folder of another name.
            shutil.rmtree(root / flavour.name / "BaseOS/Source", ignore_errors=True)
            (root / flavour.name / "BaseOS/Source").symlink_to(SOURCE)


def _described(place: Path) -> StandIn:
    key = place / "RPM-GPG-KEY-stand-in"
    shown = subprocess.run(
        ["gpg", "--show-keys", "--with-colons", key],
        check=True, capture_output=True, text=True, env=Signer(place / "home").environment,
    ).stdout  # fmt: skip
    fingerprint = next(line.split(":")[9] for line in shown.splitlines() if line.startswith("fpr:"))
    return StandIn(place / "mirror", key, fingerprint, place / "home")
