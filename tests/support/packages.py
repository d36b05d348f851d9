"""Packages of third parties, laid out in a folder as pip would."""

from __future__ import annotations

from pathlib import Path

DRIVER = "from labwright_debian import DebianBootstrapper as D\nclass Driver(D):\n    "


def lay_out(site: Path, name: str, code: str, entries: str | bytes, version: str = "1.2") -> Path:
    """A module and the metadata beside it. Returns the folder of the metadata."""
    site.mkdir(exist_ok=True)
    (site / f"{name}.py").write_text(code)
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_bytes(entries if isinstance(entries, bytes) else entries.encode())
    return info


def offers(group: str, name: str, value: str) -> str:
    """The text of entry_points.txt."""
    return f"[labwright.{group}]\n{name} = {value}\n"
