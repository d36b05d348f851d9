"""A disk with files that a system reads at its first start: a CD, or a USB stick with FAT."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from labwright.host.environment import find_any
from labwright.interfaces import Workbench
from labwright.spec.hardware import ConfigDisk

FAT_MEGABYTES = 16


def make_config_disk(config: ConfigDisk, render: Callable[[str], str], folder: Path, bench: Workbench) -> Path:
    """The disk's image in a folder. render: makes the text of a template. Raises LabwrightError (host, plugin)."""
    tree = folder / "files"
    for name, template in config.files.items():
        place = tree / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(render(template), encoding="utf-8")
        place.chmod(0o600)
    image = folder / f"config.{config.format}"
    # Passwords may be in it.
    image.touch(mode=0o600)
    if config.format == "iso":
        tool = find_any(["genisoimage", "xorrisofs"])
        words = [tool, "-quiet", "-volid", config.label, "-joliet", "-rational-rock", "-output", image, tree]
        bench.run(words, what="the disk with the configuration cannot be made")
        return image
    with image.open("wb") as stream:
        stream.truncate(FAT_MEGABYTES << 20)
    what = "the disk with the configuration cannot be made"
    bench.run(["mkfs.vfat", "-n", config.label.upper(), image], what=what)
    bench.run(["mcopy", "-s", "-i", image, *sorted(tree.iterdir()), "::/"], what=what)
    return image
