"""Debian's packages as raw material: downloaded by apt, unpacked without a maintainer script, with a merged /usr."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .attributes import LEFT_OUT, Entry
from .packages import DEBS

KERNEL = "linux-source-6.1"
LISTS = Path("/var/lib/apt/lists")
MERGED = re.compile(r"^/(bin|sbin|lib|lib64)(?=/|$)")
KINDS = {tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "link", tarfile.LNKTYPE: "file", tarfile.REGTYPE: "file"}


@dataclass(frozen=True)
class Deb:
    """A Debian package on this machine."""

    name: str
    version: str
    file: Path


def _apt(archives: Path, *words: str) -> str:
    """apt-get as if nothing were installed, so that it resolves and downloads all that the packages need."""
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    status = archives / "nothing-installed"
    status.touch()
    options = {
        "Dir::State::status": status, "Dir::Cache::archives": archives, "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root", "Debug::NoLocking": "1",
    }  # fmt: skip
    flags = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    return subprocess.run(
        ["apt-get", "-qq", "-y", *flags, *words], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def wanted(cache: Path) -> list[str]:
    """The file names of all packages."""
    return _asked(cache, lambda empty: _apt(empty, "--print-uris", "install", *DEBS), *DEBS)


def wanted_kernel(cache: Path) -> str:
    """The file name of the package with Linux's source."""
    words = ["apt-get", "-qq", "--print-uris", "download", KERNEL]
    return _asked(cache, lambda empty: subprocess.check_output(words, cwd=empty, text=True), KERNEL)[0]


def _asked(cache: Path, ask: Callable[[Path], str], *names: str) -> list[str]:
    """What apt would download. Asking it takes seconds, so the answer is kept as long as its lists are.

    apt does not name what it has already: it is asked about a folder with nothing in it.
    """
    lists = sorted((place.name, place.stat().st_mtime_ns, place.stat().st_size) for place in LISTS.glob("*Packages*"))
    kept = cache / f"wanted-{hashlib.sha256(repr((lists, names)).encode()).hexdigest()[:16]}"
    if not kept.exists():
        (cache / "empty").mkdir(parents=True, exist_ok=True)
        lines = ask(cache / "empty").splitlines()
        partial = kept.with_name(f"{kept.name}.{os.getpid()}")
        partial.write_text("".join(f"{line.split()[1]}\n" for line in lines))
        partial.rename(kept)
    return kept.read_text().split()


def download(cache: Path) -> list[Deb]:
    names = wanted(cache)
    if not all((cache / name).exists() for name in names):
        _apt(cache, "--download-only", "install", *DEBS)
    return [_deb(cache / name) for name in names]


def download_kernel(cache: Path) -> Path:
    place = cache / wanted_kernel(cache)
    if not place.exists():
        subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", KERNEL], check=True, cwd=cache)
    return place


def _deb(file: Path) -> Deb:
    name, version, _ = file.stem.split("_")
    return Deb(name, version.replace("%3a", ":"), file)


def upstream(version: str) -> str:
    """Debian's version without epoch, revision and suffixes, which rpm would not take."""
    return re.split(r"[+~-]", version.partition(":")[2] or version)[0]


def unpack(deb: Deb, place: Path) -> dict[str, Entry]:
    """The content of a package below place, and what it says about each path."""
    found: dict[str, Entry] = {}
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb.file], stdout=subprocess.PIPE) as stream:
        assert stream.stdout
        with tarfile.open(fileobj=stream.stdout, mode="r|") as archive:
            for member in archive:
                path = merged(member.name)
                if path and not LEFT_OUT.match(path):
                    _place(archive, member, place, path)
                    found[path] = Entry(KINDS[member.type], member.mode, member.uname, member.gname)
    assert stream.returncode == 0, deb
    return found


def merged(name: str) -> str:
    """An absolute path where a merged /usr has it; empty for the root."""
    return MERGED.sub(r"/usr\g<0>", "/" + name.removeprefix(".").strip("/")).rstrip("/")


def _place(archive: tarfile.TarFile, member: tarfile.TarInfo, place: Path, path: str) -> None:
    target = Path(f"{place}{path}")
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.issym():
        target.symlink_to(member.linkname)
    elif member.islnk():
        os.link(f"{place}{merged(member.linkname)}", target)
    else:
        content = archive.extractfile(member)
        assert content
        _write(content, target)
        target.chmod(member.mode & 0o755)
        os.utime(target, (member.mtime, member.mtime))


def _write(content: IO[bytes], target: Path) -> None:
    with target.open("wb") as out:
        while block := content.read(1 << 20):
            out.write(block)
