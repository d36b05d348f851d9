"""All kinds of publication: one line each."""

from __future__ import annotations

from labwright.errors import Cause, LabwrightError
from labwright.publish.artifact import ARTIFACT
from labwright.publish.containerdisk import CONTAINERDISK
from labwright.publish.kind import KIND_ANNOTATION, Kind
from labwright.publish.platform.kind import PLATFORM
from labwright.registry.manifest import Manifest

KINDS: dict[str, Kind] = {kind.name: kind for kind in (CONTAINERDISK, ARTIFACT, PLATFORM)}


def kind_named(name: str) -> Kind:
    """The kind of this name. Raises LabwrightError (config)."""
    if name not in KINDS:
        raise LabwrightError(
            f"there is no kind of publication {name!r}", cause=Cause.CONFIG, hint=f"one of: {', '.join(KINDS)}"
        )
    return KINDS[name]


def kind_of(manifest: Manifest, source: str) -> Kind:
    """The kind that an image in a registry says it is. Raises LabwrightError (config) for an image of somebody else."""
    kind = KINDS.get(manifest.annotations.get(KIND_ANNOTATION, ""))
    if kind is None:
        raise LabwrightError(
            f"{source} is no image that labwright published",
            cause=Cause.CONFIG,
            hint="name one that `labwright publish` made; others come back by skopeo or oras",
        )
    return kind
