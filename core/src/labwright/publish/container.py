"""What kinds that are container images share: a layer of files that are not copied for it, and the config."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from labwright.publish.delivered import Delivered
from labwright.publish.kind import Layer
from labwright.publish.labels import created
from labwright.registry.blob import Blob, Part, Piece
from labwright.registry.manifest import Descriptor

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
TAR_TYPE = "application/vnd.oci.image.layer.v1.tar"
END = bytes(2 * tarfile.BLOCKSIZE)


@dataclass(frozen=True)
class Member:
    """A file or, without content, a folder of a layer. name: without a slash at the beginning."""

    name: str
    mode: int
    content: Part | None = None
    owner: int = 0


def tar_layer(members: Iterable[Member], annotations: Mapping[str, str] | None = None) -> Layer:
    """A layer as a tar archive with all times 0. Not packed: what is in it is, and what is equal stays equal.

    Raises LabwrightError (host) for a file that cannot be read.
    """
    parts: list[Part] = []
    for member in members:
        entry = tarfile.TarInfo(member.name)
        entry.mode, entry.uid, entry.gid, entry.mtime = member.mode, member.owner, member.owner, 0
        entry.type = tarfile.DIRTYPE if member.content is None else tarfile.REGTYPE
        entry.size = 0 if member.content is None else _size(member.content)
        parts.append(entry.tobuf(format=tarfile.PAX_FORMAT))
        if member.content is not None:
            parts += [member.content, bytes(-entry.size % tarfile.BLOCKSIZE)]
    return Layer(Blob.of(*parts, END), TAR_TYPE, annotations or {})


def container_config(
    delivered: Delivered, layers: Sequence[Layer], labels: Mapping[str, str], **settings: object
) -> Layer:
    """The config of a container image for amd64. settings: of its `config`, for instance Entrypoint.

    layers: made by tar_layer, so their digests are those of their unpacked form too.
    """
    when = created(delivered)
    facts = {
        "architecture": "amd64",
        "os": "linux",
        "created": when,
        "config": {"Labels": dict(labels), **settings},
        "rootfs": {"type": "layers", "diff_ids": [layer.blob.digest for layer in layers]},
        "history": [{"created": when, "created_by": "labwright publish"} for _ in layers],
    }
    return Layer(Blob.of(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()), CONFIG_TYPE)


def empty_image(layers: Iterable[Descriptor]) -> Layer:
    """The config of an image of no platform, as cosign gives it to what it stores: every registry takes it."""
    facts = {"architecture": "", "created": "0001-01-01T00:00:00Z", "config": {}, "os": "",
             "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]}}  # fmt: skip
    return Layer(Blob.of(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()), CONFIG_TYPE)


def _size(part: Part) -> int:
    return part.size if isinstance(part, Piece) else len(part)
