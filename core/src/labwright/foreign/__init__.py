"""Images from outside: what they are, and a qcow2 or raw disk made of them. Nothing in them is trusted."""

from __future__ import annotations

from pathlib import Path

from labwright.foreign.model import Found, Limits, refusal
from labwright.foreign.qemu import QCOW2, RAW, convert
from labwright.foreign.source import identify, prepared
from labwright.foreign.tree import checked_tree
from labwright.interfaces import Workbench

__all__ = ["Found", "Limits", "checked_tree", "identify", "to_qcow2", "to_raw"]


def to_qcow2(source: Path, destination: Path, bench: Workbench, limits: Limits = Limits()) -> Found:  # noqa: B008
    """Make a qcow2 (version 3, compressed by zstd, nothing stored for empty blocks) of any disk that labwright takes.

    Written whole or not at all; a file that was at `destination` is replaced. Raises LabwrightError (config for what
    is not taken, host, disk full, memory); then `destination` is as it was.
    """
    return _convert(source, destination, QCOW2, bench, limits)


def to_raw(source: Path, destination: Path, bench: Workbench, limits: Limits = Limits()) -> Found:  # noqa: B008
    """Make a raw disk of any disk that labwright takes, a file with holes where it is empty; else as to_qcow2."""
    return _convert(source, destination, RAW, bench, limits)


def _convert(source: Path, destination: Path, options: tuple[str, ...], bench: Workbench, limits: Limits) -> Found:
    with prepared(source, bench, limits) as ready:
        if any(_same(path, destination) for path in ready.stamps):
            raise refusal(destination, "it is a file that is to be read", "choose another name for the result")
        convert(ready, destination, options, bench, limits)
        return ready.found


def _same(path: Path, other: Path) -> bool:
    return other.exists() and path.samefile(other)
