"""What KubeVirt boots: an image with one disk in /disk, readable by the user that QEMU runs as there.

Source of the rules: KubeVirt user guide, Disks and Volumes, containerDisk: `/disk` holds one raw or qcow2 file, owned
by 107:107.
"""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import Workbench
from labwright.publish.container import Member, container_config, tar_layer
from labwright.publish.delivered import Delivered
from labwright.publish.kind import Content, Kind, Pulled
from labwright.registry.blob import Piece

QEMU = 107
FOLDER = "disk"
NAME = re.compile(r"(?:\./)?disk/([a-z0-9][a-z0-9-]*\.qcow2)")
RATIO, SLACK = 64, 64 << 20
"""A qcow2 of ours is packed already: what becomes much larger by unpacking is a bomb."""


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
        with tarfile.open(place, "r|*") as archive:
            _take(archive, pulled, folder, RATIO * layer.size + SLACK)
    except (tarfile.TarError, EOFError) as error:
        raise _refused(pulled, "its layer is no tar archive") from error
    finally:
        place.unlink(missing_ok=True)


def _take(archive: tarfile.TarFile, pulled: Pulled, folder: Path, largest: int) -> None:
    """Put the one disk of an archive into the folder; nothing else of it is looked at further."""
    taken = False
    for member in archive:
        if member.isdir() and member.name.removeprefix("./").rstrip("/") in {"", ".", FOLDER}:
            continue
        name = NAME.fullmatch(member.name)
        stream = archive.extractfile(member) if member.type == tarfile.REGTYPE else None
        if name is None or stream is None or taken or member.issparse():
            raise _refused(pulled, "its layer holds something else than one disk/<slug>.qcow2")
        if member.size > largest:
            raise _refused(pulled, "much more comes out of its layer than went in")
        with (folder / name[1]).open("xb") as output:
            shutil.copyfileobj(stream, output, 1 << 20)
        taken = True
    if not taken:
        raise _refused(pulled, "its layer holds no disk")


def _refused(pulled: Pulled, why: str) -> LabwrightError:
    return LabwrightError(
        f"{pulled.source} is refused: {why}", cause=Cause.CONFIG, hint="it was not made by labwright publish"
    )


CONTAINERDISK = Kind("containerdisk", "a disk for KubeVirt", "containerdisk", pack, unpack)
