"""The third kind: a container image that boots the machine, for the Antidote platform, Docker and Kubernetes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import Workbench
from labwright.publish.container import CONFIG_TYPE, Member
from labwright.publish.delivered import Delivered
from labwright.publish.kind import Content, Kind, Layer
from labwright.publish.labels import created
from labwright.publish.platform.device import describe, hardware_of
from labwright.publish.platform.disk import disk_from_layers
from labwright.publish.platform.extents import DISKS, FOLDER, PART, ZEROS, Layout, Packed, Part, pack_disks, pack_layer
from labwright.publish.platform.runtime import runtime_layer
from labwright.publish.platform.runtime_tree import USER
from labwright.publish.platform.start.settings import CONTRACT, DEVICE
from labwright.publish.platform.start_layer import PROGRAM, start_layer
from labwright.registry.blob import Blob, Piece

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
ENTRY = ["/usr/bin/python3", "-I", "-S", PROGRAM]
SECOND = 1_000_000_000
MOST_LAYERS = 120
"""Docker's overlay driver takes 128, some of which are for those who build upon the image."""


def pack(delivered: Delivered, labels: Mapping[str, str], bench: Workbench) -> Content:
    """Runtime, program, the pieces of the disks, and what ties them together: in the order of how seldom they change.

    Raises LabwrightError.
    """
    hardware = hardware_of(delivered)
    disks = {"system": delivered.image, **delivered.disks}
    first, runtime = runtime_layer(bench)
    layers = [first, start_layer(bench.scratch / "start.tar.gz")]
    layouts, pieces = pack_disks({disk.name: disks[disk.name] for disk in hardware.disks}, bench)
    layers += pieces
    sizes = {name: layout.size for name, layout in layouts.items()}
    layers.append(_last(delivered, describe(delivered, hardware, sizes), layouts, bench))
    unique = list({layer.diff_id: layer for layer in layers}.values())
    check_count(delivered, len(unique))
    return Content(tuple(_layer(layer) for layer in unique), _config(delivered, labels, unique), runtime=runtime)


def check_count(delivered: Delivered, layers: int) -> None:
    """Raise LabwrightError (config) for more layers than a container starts with."""
    if layers > MOST_LAYERS:
        raise LabwrightError(
            f"{delivered.slug} would be a container of {layers} layers: at most {MOST_LAYERS} can be",
            cause=Cause.CONFIG,
            hint="publish it --as artifact",
        )


def _layer(packed: Packed) -> Layer:
    return Layer(Blob.of(Piece.whole(packed.file)), LAYER_TYPE, {PART: packed.part})


def _last(delivered: Delivered, device: str, layouts: Mapping[str, Layout], bench: Workbench) -> Packed:
    """The small files that differ from image to image and from night to night."""
    members = [
        Member("etc", 0o755),
        Member(DEVICE.parent.as_posix().lstrip("/"), 0o755),
        Member(DEVICE.as_posix().lstrip("/"), 0o444, device.encode()),
        DISKS,
        Member(f"{FOLDER}/{ZEROS}", 0o444, bytes(512)),
        Member(f"{FOLDER}/{delivered.slug}.json", 0o444, delivered.report.read_bytes()),
    ]
    for name, layout in layouts.items():
        members.append(Member(f"{FOLDER}/{name}.vmdk", 0o444, layout.descriptor().encode()))
        members.append(Member(f"{FOLDER}/{name}.layout.json", 0o444, layout.text().encode()))
    return pack_layer(members, bench.scratch / "last.tar.gz", Part.DEVICE)


def _config(delivered: Delivered, labels: Mapping[str, str], layers: Sequence[Packed]) -> Layer:
    """The config of the image. Docker's health check is no part of the OCI's specification, and harms nobody there."""
    when = created(delivered)
    facts: dict[str, Any] = {
        "architecture": "amd64",
        "os": "linux",
        "created": when,
        "config": {
            "User": f"{USER}:{USER}",
            "Entrypoint": ENTRY,
            "Env": ["PATH=/usr/bin", "PYTHONDONTWRITEBYTECODE=1"],
            "ExposedPorts": {f"{port}/{protocol}": {} for protocol, port in CONTRACT},
            "Labels": dict(labels),
            "StopSignal": "SIGTERM",
            "WorkingDir": "/",
            "Healthcheck": {
                "Test": ["CMD", *ENTRY, "health"], "Interval": 10 * SECOND, "Timeout": 10 * SECOND,
                "StartPeriod": 600 * SECOND, "Retries": 3,
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": when, "created_by": "labwright publish"} for _ in layers],
    }  # fmt: skip
    return Layer(Blob.of(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()), CONFIG_TYPE)


PLATFORM = Kind("platform", "a container that boots it, for the Antidote platform", "platform", pack, disk_from_layers)
