"""What KubeVirt boots: an image with one disk in /disk, readable by the user that QEMU runs as there.

Source of the rules: KubeVirt user guide, Disks and Volumes, containerDisk: `/disk` holds one raw or qcow2 file, owned
by 107:107.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import Workbench
from labwright.publish.container import Member, container_config, tar_layer
from labwright.publish.delivered import Delivered
from labwright.publish.kind import Content, Kind, Pulled
from labwright.publish.untar import AT_ONCE, BadArchive, Entry, entries
from labwright.registry.blob import Piece

QEMU = 107
FOLDER = "disk"
NAME = re.compile(r"(?:\./)?disk/([a-z0-9][a-z0-9-]*\.qcow2)")


def pack(delivered: Delivered, labels: Mapping[str, str], _bench: Workbench) -> Content:
    """A container image of one layer."""
    if delivered.disks:
        raise LabwrightError(
            f"{delivered.image} has {1 + len(delivered.disks)} disks: an image for KubeVirt has one",
            cause=Cause.CONFIG,
            hint="publish it --as artifact",
        )
    disk = Member(f"{FOLDER}/{delivered.image.name}", 0o440, Piece.whole(delivered.image), QEMU)
    layers = (tar_layer([Member(FOLDER, 0o555, None, QEMU), disk]),)
    return Content(layers, container_config(delivered, layers, labels))


def unpack(pulled: Pulled, folder: Path, bench: Workbench) -> None:
    """The disk. Raises LabwrightError (config) for a layer that holds anything else."""
    if len(pulled.manifest.layers) != 1:
        raise _refused(pulled, "it has not one layer")
    layer = pulled.manifest.layers[0]
    place = bench.scratch / "layer.tar"
    pulled.fetch(layer, place)
    try:
        _take(entries(place), pulled, folder)
    except BadArchive as error:
        raise _refused(pulled, f"its layer {error}") from error
    finally:
        place.unlink(missing_ok=True)


def _take(found: Iterator[Entry], pulled: Pulled, folder: Path) -> None:
    """Put the one disk of an archive into the folder; nothing else of it is looked at further."""
    taken = False
    for member in found:
        if member.is_folder and member.name.removeprefix("./").rstrip("/") in {"", ".", FOLDER}:
            continue
        name = NAME.fullmatch(member.name)
        if name is None or not member.is_file or taken:
            raise _refused(pulled, "its layer holds something else than one disk/<slug>.qcow2")
        with (folder / name[1]).open("xb") as output:
            shutil.copyfileobj(member, output, AT_ONCE)
        taken = True
    if not taken:
        raise _refused(pulled, "its layer holds no disk")


def _refused(pulled: Pulled, why: str) -> LabwrightError:
    return LabwrightError(
        f"{pulled.source} is refused: {why}", cause=Cause.CONFIG, hint="it was not made by labwright publish"
    )


CONTAINERDISK = Kind("containerdisk", "a disk for KubeVirt", "containerdisk", pack, unpack)
