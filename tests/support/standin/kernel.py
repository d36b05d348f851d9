"""The source RPM of a kernel as el9 has it: Linux of a Debian source package, or a stub that compiles nothing."""

from __future__ import annotations

import difflib
import io
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .build import rpmbuild
from .keys import EPOCH, Signer

STUB = Path(__file__).with_name("stub")
RELEASE = "1.standin"
DIST = ".el9"
VERSION_FILES = ("Makefile", "init/version.c")
BANNER = ('" (" LINUX_COMPILER ") %s\\n"', '" (" LINUX_COMPILER ") (stand-in) %s\\n"')
CONFIG = """# x86_64
# CONFIG_BTRFS_FS is not set
CONFIG_64BIT=y
CONFIG_SMP=y
CONFIG_MODULES=y
CONFIG_NET=y
CONFIG_INET=y
CONFIG_PCI=y
CONFIG_VIRTIO=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=m
CONFIG_VIRTIO_NET=m
CONFIG_EXT4_FS=m
CONFIG_XFS_FS=m
CONFIG_SECURITY_SELINUX=y
CONFIG_DEBUG_INFO_BTF=y
CONFIG_WERROR=y
"""
SPEC = """%define tarfile_release {version}-{release}
%define patchversion {patchversion}
%define specrelease {specrelease}%{{?dist}}
Name: kernel
Summary: stand-in for kernel: {about}
Version: {version}
Release: %{{specrelease}}
License: GPLv2
ExclusiveArch: x86_64
BuildRequires: gcc, make, bc, bison, flex, elfutils-devel, openssl-devel, dwarves
Source0: linux-%{{tarfile_release}}.tar.xz
Source1: Makefile.rhelver
Source32: kernel-x86_64-rhel.config
Patch1: patch-%{{patchversion}}-redhat.patch
Patch999999: linux-kernel-test.patch
Patch1000000: 1000-debrand-some-messages.patch
%description
A stand-in, of the tests: {about}.
%prep
%setup -q -n kernel-%{{tarfile_release}} -c
"""


@dataclass(frozen=True)
class Tree:
    """What the source RPM says about the tree in it."""

    version: str
    banner: str

    @property
    def top(self) -> str:
        return f"linux-{self.version}-{RELEASE}{DIST}"

    @property
    def patchversion(self) -> str:
        return ".".join(self.version.split(".")[:2])


def make_real(deb: Path, signer: Signer, folder: Path) -> Path:
    """Linux as Debian has it. Only the name of its top folder changes, so it is packed again as it is unpacked."""
    version = deb.name.split("_")[1].split("-")[0]
    return _make(version, lambda top, out: _repack(deb, top, out), signer, folder, "Linux of Debian's source package")


def make_stub(signer: Signer, folder: Path) -> Path:
    """A few files whose Makefile knows the targets of a kernel's and compiles nothing: made in a second."""
    return _make("5.14.0", _pack_stub, signer, folder, "a stub, no kernel at all")


def _make(version: str, pack: Callable[[str, Path], dict[str, str]], signer: Signer, folder: Path, about: str) -> Path:
    sources = folder / "SOURCES"
    sources.mkdir(parents=True)
    top = Tree(version, "").top
    texts = pack(top, sources / f"{top}.tar.xz")
    tree = Tree(_version(texts["Makefile"]), texts["init/version.c"])
    assert tree.top == top, f"the tree is {tree.version} and not {version}"
    major, minor = 9, 99
    (sources / "Makefile.rhelver").write_text(f"RHEL_MAJOR = {major}\nRHEL_MINOR = {minor}\nRHEL_RELEASE = {RELEASE}\n")
    (sources / "kernel-x86_64-rhel.config").write_text(CONFIG)
    (sources / f"patch-{tree.patchversion}-redhat.patch").touch()
    (sources / "linux-kernel-test.patch").touch()
    (sources / "1000-debrand-some-messages.patch").write_text(_debrand(tree.banner))
    spec = folder / "kernel.spec"
    spec.write_text(
        SPEC.format(
            version=tree.version,
            release=RELEASE + DIST,
            specrelease=RELEASE,
            patchversion=tree.patchversion,
            about=about,
        )
    )
    rpmbuild("-bs", spec, DIST, signer)
    return next((folder / "SRPMS").glob("*.src.rpm"))


def _version(makefile: str) -> str:
    return ".".join(re.findall(r"^(?:VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)$", makefile, re.MULTILINE))


def _debrand(text: str) -> str:
    """A patch that applies whatever else the file says, and whose effect is seen in /proc/version."""
    assert BANNER[0] in text, "init/version.c has another banner"
    name = "init/version.c"
    old, new = (text.splitlines(keepends=True), text.replace(*BANNER).splitlines(keepends=True))
    difference = "".join(difflib.unified_diff(old, new, f"a/{name}", f"b/{name}"))
    return (
        "From: Stand-in <stand-in@localhost>\nSubject: [PATCH] debrand some messages\n\n---\n"
        f" {name} | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n\n"
        f"diff --git a/{name} b/{name}\n{difference}"
    )


def _repack(deb: Path, top: str, target: Path) -> dict[str, str]:
    """The tree of the Debian package under another top folder; what VERSION_FILES say."""
    found: dict[str, str] = {}
    with (
        _unpacked(deb) as source, _packed(target) as sink,
        tarfile.open(fileobj=source, mode="r|") as old,
        tarfile.open(fileobj=sink, mode="w|", format=tarfile.GNU_FORMAT) as new,
    ):  # fmt: skip
        for member in old:
            inner = member.name.partition("/")[2]
            content = old.extractfile(member) if member.isreg() else None
            if content and inner in VERSION_FILES:
                data = content.read()
                found[inner] = data.decode()
                content = io.BytesIO(data)
            member.name = f"{top}/{inner}".rstrip("/")
            if member.islnk():
                member.linkname = f"{top}/{member.linkname.partition('/')[2]}"
            new.addfile(member, content)
            old.members.clear()
    return found


@contextmanager
def _unpacked(deb: Path) -> Iterator[IO[bytes]]:
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as package,
        subprocess.Popen(
            ["tar", "-x", "--to-stdout", "--wildcards", "*/linux-source-*.tar.xz"],
            stdin=package.stdout, stdout=subprocess.PIPE,
        ) as inner,
        subprocess.Popen(["xz", "-dc", "-T2"], stdin=inner.stdout, stdout=subprocess.PIPE) as tree,
    ):  # fmt: skip
        assert tree.stdout
        yield tree.stdout
        tree.stdout.read()
    assert (package.returncode, inner.returncode, tree.returncode) == (0, 0, 0)


@contextmanager
def _packed(target: Path) -> Iterator[IO[bytes]]:
    """xz at its fastest: the archive is half as large again as Debian's, and there in a third of the time."""
    with target.open("wb") as out, subprocess.Popen(["xz", "-0", "-T2"], stdin=subprocess.PIPE, stdout=out) as xz:
        assert xz.stdin
        yield xz.stdin
        xz.stdin.close()
    assert xz.returncode == 0


def _pack_stub(top: str, target: Path) -> dict[str, str]:
    with tarfile.open(target, "w:xz", preset=0) as archive:
        for file in (STUB, *sorted(STUB.rglob("*"))):
            member = archive.gettarinfo(file, f"{top}/{file.relative_to(STUB)}".removesuffix("/."))
            member.mtime, member.uid, member.gid, member.uname, member.gname = EPOCH, 0, 0, "root", "root"
            archive.addfile(member, io.BytesIO(file.read_bytes()) if file.is_file() else None)
    return {name: (STUB / name).read_text() for name in VERSION_FILES}
