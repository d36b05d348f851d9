"""Of a tree of packages what the runtime layer needs, and the layer made of that."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import Workbench

LEVEL = 9
USER = 107
"""Neither root nor anybody's: what KubeVirt calls qemu, too."""
PYTHON = "usr/bin/python3.*"
PROGRAMS = (
    "usr/bin/qemu-system-x86_64", "usr/bin/qemu-img", PYTHON, "usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so",
    "usr/lib/python3.*/lib-dynload/_ctypes.*", "usr/lib/python3.*/lib-dynload/_json.*",
)  # fmt: skip
"""Roots of what is kept: every shared library that one of these loads stays."""
DATA = (
    "bin", "lib", "lib64", "sbin", "usr/bin/python3", "usr/lib/python3.*", "usr/lib64/*",
    "usr/lib/*/ld-linux-x86-64.so.2",
    "usr/share/seabios/bios-256k.bin", "usr/share/seabios/vgabios-stdvga.bin", "usr/share/qemu/kvmvapic.bin",
    "usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/OVMF/OVMF_VARS_4M.fd", "var/lib/dpkg/status.d/*",
)  # fmt: skip
LEFT_OUT = (
    "*/lib-dynload/*", "*/__pycache__*", "*.pyc", "*/lib2to3*", "*/distutils*", "*/idlelib*", "*/ensurepip*",
    "*/pydoc*", "*/sqlite3*", "*/curses*", "*/tkinter*", "*/unittest*", "*/asyncio*", "*/multiprocessing*",
    "*/wsgiref*", "*/xml/*", "*/xmlrpc*", "*/turtle*", "*/dbm*", "*/http/*", "*/email/*", "*/config-3*",
    "*/encodings/cp[0-9]*", "*/encodings/iso*", "*/encodings/mac_*", "*/encodings/big5*", "*/encodings/euc*",
)  # fmt: skip
FOLDERS = (("tmp", 0o1777), ("run", 0o755), ("proc", 0o555), ("sys", 0o555), ("dev", 0o755), ("antidote", 0o755))
ACCOUNTS = {
    "etc/passwd": f"root:x:0:0:root:/:/usr/sbin/nologin\nlabwright:x:{USER}:{USER}::/:/usr/sbin/nologin\n",
    "etc/group": f"root:x:0:\nlabwright:x:{USER}:\n",
}
NET_RAW = 13
CAPABILITY = struct.pack("<IIIII", 0x02000000, 1 << NET_RAW, 0, 0, 0)
"""security.capability of linux/capability.h, revision 2: CAP_NET_RAW permitted and not in effect, so that the program
starts where the container has not got it, too."""
XATTR = "SCHILY.xattr.security.capability"
NEEDED = re.compile(r"\(NEEDED\)\s+Shared library: \[([^\]]+)\]")
LIBRARY = re.compile(r".*\.so(\.[0-9]+)*")


@dataclass(frozen=True)
class Entry:
    """A file or link of the tree. link: where a symbolic link leads to, else empty."""

    path: str
    link: str = ""


def kept(root: Path, bench: Workbench) -> list[Entry]:
    """What of the tree goes into the layer: programs, data, and the libraries that the programs load."""
    tree = {path.relative_to(root).as_posix(): path for path in _everything(root)}
    chosen = {name for name in tree if _matches(name, PROGRAMS)}
    chosen |= {name for name in tree if _matches(name, DATA, below=True) and not _matches(name, LEFT_OUT)}
    for pattern in PROGRAMS:
        if not _matches_any(pattern, chosen):
            raise LabwrightError(
                f"the packages have no {pattern}: the runtime cannot be made",
                cause=Cause.HOST, hint="this labwright does not know this release: please report it",
            )  # fmt: skip
    libraries = {name.rpartition("/")[2]: name for name in sorted(tree, reverse=True) if LIBRARY.fullmatch(name)}
    todo = [name for name in chosen if _is_program(tree[name])]
    while todo:
        found = _loaded([tree[name] for name in todo], bench)
        todo = []
        for name in sorted(found & libraries.keys()):
            for place in _chain(libraries[name], tree):
                if place not in chosen:
                    chosen.add(place)
                    todo.append(place)
    return [Entry(name, str(tree[name].readlink()) if tree[name].is_symlink() else "") for name in sorted(chosen)
            if tree[name].is_symlink() or tree[name].is_file()]  # fmt: skip


def _everything(root: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(root):
        yield from (Path(parent, name) for name in (*folders, *files))


def _matches(name: str, patterns: Sequence[str], below: bool = False) -> bool:
    return any(fnmatchcase(name, pattern) or (below and fnmatchcase(name, f"{pattern}/*")) for pattern in patterns)


def _matches_any(pattern: str, names: set[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names)


def _is_program(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) == b"\x7fELF"


def _chain(name: str, tree: Mapping[str, Path]) -> Iterator[str]:
    """A library and, where it is a link to one beside it, that one too."""
    while name in tree:
        yield name
        if not tree[name].is_symlink():
            return
        name = os.path.normpath(Path(name).parent / tree[name].readlink())


def _loaded(programs: Sequence[Path], bench: Workbench) -> set[str]:
    """The libraries that these name (ELF, DT_NEEDED)."""
    said = bench.run(["readelf", "--dynamic", "--wide", *programs], what="the runtime's programs cannot be read")
    return set(NEEDED.findall(said.output))


def write_layer(root: Path, entries: Sequence[Entry], place: Path) -> str:
    """Write the layer: owned by root, times 0, and the one capability. Its digest before it was packed."""
    digest, packer = hashlib.sha256(), zlib.compressobj(LEVEL, zlib.DEFLATED, 31)
    with place.open("wb") as stream:
        for data in _tar(root, entries):
            digest.update(data)
            stream.write(packer.compress(data))
        stream.write(packer.flush())
    return f"sha256:{digest.hexdigest()}"


def _tar(root: Path, entries: Sequence[Entry]) -> Iterator[bytes]:
    folders = {parent.as_posix() for entry in entries for parent in Path(entry.path).parents} | {"etc"}
    for name in sorted(folders - {"."}):
        yield _header(name, tarfile.DIRTYPE, 0o755)
    for name, mode in FOLDERS:
        yield _header(name, tarfile.DIRTYPE, mode)
    for name, text in ACCOUNTS.items():
        yield from _file(name, 0o644, text.encode())
    for entry in entries:
        if entry.link:
            yield _header(entry.path, tarfile.SYMTYPE, 0o777, link=entry.link)
        else:
            path = root / entry.path
            mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
            yield from _file(entry.path, mode, path.read_bytes(), capable=fnmatchcase(entry.path, PYTHON))
    yield bytes(2 * tarfile.BLOCKSIZE)


def _file(name: str, mode: int, data: bytes, capable: bool = False) -> Iterator[bytes]:
    yield _header(name, tarfile.REGTYPE, mode, len(data), capable=capable)
    yield data
    yield bytes(-len(data) % tarfile.BLOCKSIZE)


def _header(name: str, kind: bytes, mode: int, size: int = 0, link: str = "", capable: bool = False) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size, entry.linkname = kind, mode, size, link
    if capable:
        # A pax value is bytes; tarfile writes text, and this is how it writes any byte there is.
        entry.pax_headers = {XATTR: CAPABILITY.decode("utf-8", "surrogateescape")}
    return entry.tobuf(format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape")
