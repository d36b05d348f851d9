"""Sound disks: one raw disk with a file system and random data, in every format and every wrapper."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import random
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

from support.hostile import tar_of, write
from support.hostile_appliances import ovf

SIZE = 24 << 20
FORMATS = {
    "qcow2-2": ("qcow2", "compat=0.10"), "qcow2-3": ("qcow2", "compat=1.1"),
    "qcow2-zstd": ("qcow2", "compression_type=zstd"), "qcow2-small-clusters": ("qcow2", "cluster_size=512"),
    "qcow2-large-clusters": ("qcow2", "cluster_size=2M"),
    "qcow2-subclusters": ("qcow2", "extended_l2=on,cluster_size=128k"),
    "vmdk-sparse": ("vmdk", "subformat=monolithicSparse"), "vmdk-stream": ("vmdk", "subformat=streamOptimized"),
    "vmdk-flat": ("vmdk", "subformat=monolithicFlat"), "vmdk-split": ("vmdk", "subformat=twoGbMaxExtentSparse"),
    "vmdk-split-flat": ("vmdk", "subformat=twoGbMaxExtentFlat"),
    "vdi-dynamic": ("vdi", ""), "vdi-fixed": ("vdi", "static=on"),
    "vhd-dynamic": ("vpc", "subformat=dynamic"), "vhd-fixed": ("vpc", "subformat=fixed"),
    "vhd-exact": ("vpc", "subformat=fixed,force_size=on"),
    "vhdx-dynamic": ("vhdx", ""), "vhdx-fixed": ("vhdx", "subformat=fixed,block_size=1M"),
}  # fmt: skip
ENDS = {"vpc": "vhd"}


def raw_disk(folder: Path) -> Path:
    """A disk with an ext4 on it, random data, and holes."""
    path = folder / "disk.img"
    with path.open("wb") as stream:
        stream.truncate(SIZE)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", path], check=True)
    with path.open("r+b") as stream:
        stream.seek(9 << 20)
        stream.write(random.Random(1).randbytes(1 << 20))
        stream.seek(SIZE - 4096)
        stream.write(b"the end of the disk".ljust(4096, b"."))
    return path


def converted(raw: Path, folder: Path, name: str) -> Path:
    """The disk in one of FORMATS."""
    kind, options = FORMATS[name]
    path = folder / f"disk.{ENDS.get(kind, kind)}"
    words = ["-o", options] if options else []
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", kind, *words, raw, path], check=True)
    return path


def _zstd(path: Path) -> Path:
    subprocess.run(["zstd", "-q", path], check=True)
    return path.with_name(f"{path.name}.zst")


def _zip(path: Path) -> Path:
    """With all that is beside it: the pieces of a vmdk."""
    archive = path.parent / "disk.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as stream:
        for part in sorted(path.parent.glob(f"{path.stem}*{path.suffix}")):
            stream.write(part, f"folder/{part.name}")
        stream.writestr("folder/README", "x")
    return archive


def _by(pack: Callable[[bytes], bytes], end: str) -> Callable[[Path], Path]:
    return lambda path: write(path.with_name(f"{path.name}{end}"), pack(path.read_bytes()))


def appliance(path: Path, packed: bool = False, named: bool = True, digests: bool = True) -> Path:
    """An appliance of a vmdk. packed: by gzip. named: whether its name says that too."""
    data = gzip.compress(path.read_bytes()) if packed else path.read_bytes()
    name = "box-disk1.vmdk.gz" if packed and named else "box-disk1.vmdk"
    about = ovf(name, more='ovf:compression="gzip"' if packed else "")
    lines = f"SHA256(box.ovf)= {hashlib.sha256(about).hexdigest()}\nSHA1({name})= {hashlib.sha1(data).hexdigest()}\n"
    members = [("box.ovf", about), *([("box.mf", lines.encode())] if digests else []), (name, data)]
    return tar_of(path.with_name("box.ova"), *members)


WRAPPERS: dict[str, Callable[[Path], Path]] = {
    "gz": _by(gzip.compress, ".gz"), "bz2": _by(bz2.compress, ".bz2"), "xz": _by(lzma.compress, ".xz"),
    "gz-of-many": _by(lambda data: b"".join(gzip.compress(data[start:start + (1 << 20)]) for start in
                                            range(0, len(data), 1 << 20)) + bytes(100), ".gz"),
    "zst": _zstd, "zip": _zip,
}  # fmt: skip
APPLIANCES: dict[str, Callable[[Path], Path]] = {
    "plain": appliance, "without-digests": lambda path: appliance(path, digests=False),
    "gz-inside": lambda path: appliance(path, packed=True),
    "gz-inside-unnamed": lambda path: appliance(path, packed=True, named=False),
    "gz": lambda path: WRAPPERS["gz"](appliance(path)), "zip": lambda path: _zip(appliance(path)),
}  # fmt: skip
