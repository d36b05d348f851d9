"""What a kind of publication is: how a built image becomes an image in a registry, and how it comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labwright.interfaces import Workbench
from labwright.publish.delivered import Delivered
from labwright.registry.blob import Blob
from labwright.registry.manifest import Descriptor, Manifest, described
from labwright.trust.runtime import Runtime

KIND_ANNOTATION = "org.labwright.kind"


@dataclass(frozen=True)
class Layer:
    """One blob of an image. annotations: of its descriptor in the manifest."""

    blob: Blob
    media_type: str
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def descriptor(self) -> Descriptor:
        """How the manifest names it."""
        return described(self.blob, self.media_type, self.annotations)


@dataclass(frozen=True)
class Content:
    """What goes to the registry: layers in order and a config. artifact_type: of what is no container.

    runtime: packages beside the image's own, for its papers.
    """

    layers: tuple[Layer, ...]
    config: Layer
    artifact_type: str = ""
    runtime: Runtime | None = None


@dataclass(frozen=True)
class Pulled:
    """An image in a registry that is to come back. fetch: puts a blob of it at a path, its digest checked."""

    manifest: Manifest
    fetch: Callable[[Descriptor, Path], None]
    source: str


Pack = Callable[[Delivered, Mapping[str, str], Workbench], Content]
"""Makes the content out of a built image and the labels that it gets. The same input gives the same bytes; files that
it makes go into the bench's scratch folder. The annotations of the manifest are publish()'s."""
Unpack = Callable[[Pulled, Path, Workbench], None]
"""Puts the files of `labwright build` into an empty folder, named as they are there. It checks names; the caller checks
each qcow2 before anything is put where the user wants it. Raises LabwrightError (config)."""


@dataclass(frozen=True)
class Kind:
    """name: as in --as. title: for people. tag_suffix: what a tag gets where several kinds share a repository."""

    name: str
    title: str
    tag_suffix: str
    pack: Pack
    unpack: Unpack
