"""Spoilt copies of a flavour's mirror, each with one fault that a build must refuse or notice.

A copy is made of hard links, so what is spoilt is replaced and never changed in place.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .build import rpmbuild
from .kernel import make_stub
from .keys import Signer, export_key, make_key
from .mirror import BINARY, SOURCE, index

if TYPE_CHECKING:
    from . import StandIn

SPOILT = "setup"
NEWER = """Name: basesystem
Version: 12
Release: 1%{{?dist}}
Summary: stand-in for basesystem, spoilt
License: various
BuildArch: noarch
Requires: filesystem setup
{requires}
%description
A stand-in, of the tests: {fault}.
%install
mkdir -p %{{buildroot}}/usr/share/stand-in
touch %{{buildroot}}/usr/share/stand-in/file
{scriptlet}
%files
%dir /usr/share/stand-in
%attr(0644,{user},root) /usr/share/stand-in/file
"""


def copied(stand_in: StandIn, place: Path, flavour: str = "9-stream") -> Path:
    """An unspoilt copy."""
    shutil.copytree(stand_in.flavour(flavour), place, copy_function=_link)
    return place


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@contextmanager
def signing(stand_in: StandIn) -> Iterator[Signer]:
    """The stand-in's key in a home of one's own: tests side by side would end each other's agent."""
    with tempfile.TemporaryDirectory(prefix="key-") as folder:
        signer = Signer(Path(folder))
        shutil.copytree(stand_in.home / "gnupg", signer.home / "gnupg", ignore=shutil.ignore_patterns("S.*"))
        try:
            yield signer
        finally:
            signer.end_agent()


def unsigned_package(stand_in: StandIn, place: Path, flavour: str = "9-stream") -> Path:
    """A package without a signature, in lists that are right and signed."""
    package = _package(copied(stand_in, place, flavour))
    _unsign(package)
    _index(stand_in, place / "BaseOS" / BINARY)
    return place


def altered_package(stand_in: StandIn, place: Path, flavour: str = "9-stream") -> Path:
    """A package whose content is not what was signed, in lists that are right and signed."""
    _alter(_package(copied(stand_in, place, flavour)))
    _index(stand_in, place / "BaseOS" / BINARY)
    return place


def stale_checksum(stand_in: StandIn, place: Path, flavour: str = "9-stream") -> Path:
    """A package that is not the one in the lists."""
    _alter(_package(copied(stand_in, place, flavour)))
    return place


def changed_metadata(stand_in: StandIn, place: Path, flavour: str = "9-stream") -> Path:
    """Lists that were made anew, with the signature of the old ones."""
    repodata = copied(stand_in, place, flavour) / "BaseOS" / BINARY / "repodata"
    text = (repodata / "repomd.xml").read_text()
    _replace(repodata / "repomd.xml", text.replace("</repomd>", "<!-- changed -->\n</repomd>").encode())
    return place


def unsigned_metadata(stand_in: StandIn, place: Path, flavour: str = "9-stream") -> Path:
    """Lists without a signature."""
    (copied(stand_in, place, flavour) / "BaseOS" / BINARY / "repodata/repomd.xml.asc").unlink()
    return place


def other_key(folder: Path) -> Path:
    """The file of a valid key that has signed nothing here."""
    signer = make_key(folder, "Another stand-in")
    try:
        return export_key(signer, folder / "RPM-GPG-KEY-other")
    finally:
        signer.end_agent()


def stub_kernel_source(stand_in: StandIn, place: Path, flavour: str = "9-stream") -> Path:
    """Unspoilt: a copy with a signed kernel source RPM, whose tree is a stub that compiles nothing."""
    _add_stub(stand_in, copied(stand_in, place, flavour))
    _index(stand_in, place / "BaseOS" / SOURCE)
    return place


def unsigned_kernel_source(stand_in: StandIn, place: Path, flavour: str = "9-stream") -> Path:
    """A kernel source RPM (a stub) without a signature, in lists that are right and signed."""
    _unsign(_add_stub(stand_in, copied(stand_in, place, flavour)))
    _index(stand_in, place / "BaseOS" / SOURCE)
    return place


def altered_kernel_source(stand_in: StandIn, place: Path, flavour: str = "9-stream") -> Path:
    """A kernel source RPM (a stub) whose content is not what was signed, in lists that are right and signed."""
    _alter(_add_stub(stand_in, copied(stand_in, place, flavour)))
    _index(stand_in, place / "BaseOS" / SOURCE)
    return place


def damaging_scriptlet(stand_in: StandIn, place: Path, flavour: str = "9-stream") -> Path:
    """A newer basesystem whose scriptlet fails after it was installed. dnf warns of it, and exits with 0."""
    _add_newer(
        stand_in, copied(stand_in, place, flavour),
        fault="its scriptlet fails", requires="Requires(post): bash", scriptlet="%post\nexit 1", user="root",
    )  # fmt: skip
    return place


def unknown_user(stand_in: StandIn, place: Path, flavour: str = "9-stream") -> Path:
    """A newer basesystem with a file of a user that nobody makes. rpm gives it to root, warns, and exits with 0."""
    _add_newer(
        stand_in, copied(stand_in, place, flavour),
        fault="nobody makes the user of its file", requires="", scriptlet="", user="nobodymakesit",
    )  # fmt: skip
    return place


ODD = """Name: {name}
Version: {version}
{epoch}Release: 1.standin
Summary: stand-in for a package with such a name
License: various
BuildArch: noarch
%description
A stand-in, of the tests.
%files
"""


def odd_names(stand_in: StandIn, place: Path, flavour: str = "9-stream") -> Path:
    """Unspoilt: with a package whose version has a caret, and one whose epoch is there and is 0."""
    packages = copied(stand_in, place, flavour) / "BaseOS" / BINARY / "Packages"
    with signing(stand_in) as signer, tempfile.TemporaryDirectory(prefix="odd-") as folder:
        for name, version, epoch in (("caret", "0^20231120.g1", ""), ("epoch-zero", "1", "Epoch: 0\n")):
            spec = Path(folder) / name / "odd.spec"
            spec.parent.mkdir()
            spec.write_text(ODD.format(name=name, version=version, epoch=epoch))
            rpmbuild("-bb", spec, ".standin", signer)
        built = sorted(Path(folder).rglob("RPMS/*/*.rpm"))
        signer.sign_packages(built)
        for file in built:
            shutil.copy(file, packages)
        index(packages.parent, signer)
    return place


def _package(mirror: Path) -> Path:
    return next((mirror / "BaseOS" / BINARY / "Packages").glob(f"{SPOILT}-[0-9]*.rpm"))


def _index(stand_in: StandIn, repository: Path) -> None:
    with signing(stand_in) as signer:
        index(repository, signer)


def _replace(file: Path, data: bytes) -> None:
    file.unlink()
    file.write_bytes(data)


def _unsign(package: Path) -> None:
    _replace(package, package.read_bytes())
    subprocess.run(["rpmsign", "--delsign", package], check=True, capture_output=True)


def _alter(package: Path) -> None:
    data = bytearray(package.read_bytes())
    data[-40] ^= 0xFF
    _replace(package, bytes(data))


def _add_newer(stand_in: StandIn, mirror: Path, **words: str) -> None:
    with signing(stand_in) as signer, tempfile.TemporaryDirectory(prefix="newer-") as folder:
        spec = Path(folder) / "newer.spec"
        spec.write_text(NEWER.format(**words))
        rpmbuild("-bb", spec, ".standin", signer)
        built = next(Path(folder).glob("RPMS/*/*.rpm"))
        signer.sign_packages([built])
        shutil.copy(built, mirror / "BaseOS" / BINARY / "Packages")
        index(mirror / "BaseOS" / BINARY, signer)


def _add_stub(stand_in: StandIn, mirror: Path) -> Path:
    packages = mirror / "BaseOS" / SOURCE / "Packages"
    for old in packages.glob("kernel-*.src.rpm"):
        old.unlink()
    with signing(stand_in) as signer, tempfile.TemporaryDirectory(prefix="stub-") as folder:
        built = make_stub(signer, Path(folder))
        signer.sign_packages([built])
        return Path(shutil.copy(built, packages))
