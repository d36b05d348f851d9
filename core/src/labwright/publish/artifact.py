"""All files of a built image, each a layer with its name: what oras, skopeo and labwright pull bring back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import Workbench
from labwright.publish.delivered import KERNEL_FILES, Delivered
from labwright.publish.kind import Content, Kind, Layer, Pulled
from labwright.publish.labels import OCI, OURS
from labwright.registry.blob import Blob, Piece
from labwright.registry.manifest import EMPTY, EMPTY_TYPE

ARTIFACT_TYPE = "application/vnd.labwright.image.v1"
DISK_TYPE = "application/vnd.labwright.disk.v1.qcow2"
REPORT_TYPE = "application/vnd.labwright.report.v1+json"
FILES_TYPE = "application/vnd.labwright.files.v1.mtree"
KERNEL_TYPE = "application/vnd.labwright.kernel.v1"
TITLE = f"{OCI}.title"


def pack(delivered: Delivered, _labels: Mapping[str, str], _bench: Workbench) -> Content:
    """An artefact with a layer a file. Its labels are the annotations of its manifest: it has no config."""
    return Content(tuple(_layers(delivered)), Layer(Blob.of(EMPTY), EMPTY_TYPE), ARTIFACT_TYPE)


def _layers(delivered: Delivered) -> Iterator[Layer]:
    # Its hash has been compared: it need not be read again for it.
    disk = Blob.of(Piece.whole(delivered.image), digest=f"sha256:{delivered.sha256}")
    yield Layer(disk, DISK_TYPE, {TITLE: delivered.image.name})
    yield _file(delivered.report, REPORT_TYPE)
    if delivered.files:
        yield _file(delivered.files, FILES_TYPE)
    for disk_file in delivered.disks.values():
        yield _file(disk_file, DISK_TYPE)
    for path in delivered.kernel:
        yield _file(path, KERNEL_TYPE, f"{path.parent.name}/{path.name}")


def _file(path: Path, media_type: str, title: str = "") -> Layer:
    return Layer(Blob.of(Piece.whole(path)), media_type, {TITLE: title or path.name})


def unpack(pulled: Pulled, folder: Path, _bench: Workbench) -> None:
    """The files by their titles. Raises LabwrightError (config) for a title that no build would give."""
    slug = pulled.manifest.annotations.get(f"{OURS}.image", "")
    allowed = re.compile(
        rf"{re.escape(slug)}(?:\.qcow2|\.json|\.mtree|-[a-z0-9][a-z0-9-]*\.qcow2"
        rf"|-kernel/(?:{'|'.join(map(re.escape, KERNEL_FILES))}))"
    )
    titles = [layer.annotations.get(TITLE, "") for layer in pulled.manifest.layers]
    for title in titles:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", slug) or not allowed.fullmatch(title) or titles.count(title) > 1:
            raise LabwrightError(
                f"{pulled.source} is refused: no build gives a file the name {title[:100]!r}, or not twice",
                cause=Cause.CONFIG,
                hint="it was not made by labwright publish",
            )
    for title, layer in zip(titles, pulled.manifest.layers, strict=True):
        place = folder / title
        place.parent.mkdir(exist_ok=True)
        pulled.fetch(layer, place)


ARTIFACT = Kind("artifact", "all files of the build", "artifact", pack, unpack)
