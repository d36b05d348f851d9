"""Raw disks of our own as qcow2: small for what is delivered, plain for what the next step reads."""

from __future__ import annotations

from pathlib import Path

from labwright.interfaces import Workbench

SECONDS = 3600


def to_small_qcow2(raw: Path, image: Path, bench: Workbench) -> None:
    """Compressed with zstd, without the blocks that are zero; the same disk gives the same bytes."""
    _convert(raw, image, ["-c", "-o", "compression_type=zstd"], bench)


def to_plain_qcow2(raw: Path, image: Path, bench: Workbench) -> None:
    """Not compressed."""
    _convert(raw, image, [], bench)


def _convert(raw: Path, image: Path, options: list[str], bench: Workbench) -> None:
    image.unlink(missing_ok=True)
    bench.run(
        ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, raw, image],
        timeout=SECONDS,
        what="compressing the disk image failed" if options else "writing the disk image failed",
    )
