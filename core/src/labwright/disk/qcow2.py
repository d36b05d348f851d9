"""Raw disks of our own as qcow2: small for what is delivered, plain for what the next step reads."""

from __future__ import annotations

from pathlib import Path

from labwright.interfaces import Workbench

SECONDS = 3600
SMALL = ("-c", "-o", "compression_type=zstd")
OUT_OF_ORDER = ("-m", "8", "-W")
"""Clusters as the processors finish them: half the time, and other bytes each time."""


def to_small_qcow2(raw: Path, image: Path, bench: Workbench) -> None:
    """Compressed with zstd, without the blocks that are zero; the same disk gives the same bytes."""
    _convert(raw, image, SMALL, bench)


def to_small_qcow2_quickly(raw: Path, image: Path, bench: Workbench) -> None:
    """The same disk in the same form, in half the time, for a disk whose bytes are another's each time anyway."""
    _convert(raw, image, (*SMALL, *OUT_OF_ORDER), bench)


def to_plain_qcow2(raw: Path, image: Path, bench: Workbench) -> None:
    """Not compressed."""
    _convert(raw, image, OUT_OF_ORDER, bench)


def _convert(raw: Path, image: Path, options: tuple[str, ...], bench: Workbench) -> None:
    image.unlink(missing_ok=True)
    bench.run(
        ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, raw, image],
        timeout=SECONDS,
        what=f"{image.name} cannot be written",
    )
