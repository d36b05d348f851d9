"""An image from a registry back into the files of a build. Nothing of it is believed before it is checked."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from labwright.errors import Cause, LabwrightError, os_error
from labwright.foreign.inspect import inspect_image
from labwright.host.files import has_content, sync
from labwright.interfaces import Workbench
from labwright.publish.attest import signed_by
from labwright.publish.kind import Pulled
from labwright.publish.kinds import kind_of
from labwright.publish.labels import OURS
from labwright.registry.client import Registry
from labwright.registry.reference import Reference
from labwright.registry.transport import Access
from labwright.trust.keys import load_public_key

VISIBILITY = f"{OURS}.visibility"
LARGEST_REPORT = 16 << 20


@dataclass(frozen=True)
class PullOptions:
    """access: to the registry. key: the file of a public key that must have signed the image; None: anybody."""

    access: Access = field(default_factory=Access)
    key: Path | None = None


@dataclass(frozen=True)
class Brought:
    """What came. digest: of the manifest. files: where they are now. signed: whether the key was asked, and held."""

    reference: str
    kind: str
    digest: str
    files: tuple[Path, ...]
    signed: bool


def pull(reference: Reference, folder: Path, options: PullOptions, bench: Workbench) -> Brought:
    """Bring an image into a folder, as `labwright build` would have delivered it there.

    Raises LabwrightError: signature for what is not signed by the key, or has other content than its digests say;
    config for what labwright did not publish, hostile names and hostile disks; network, disk full. Then the folder is
    as it was.
    """
    key = load_public_key(options.key) if options.key else None
    with Registry(reference.host, options.access, bench.say) as registry:
        manifest = registry.get(reference)
        kind = kind_of(manifest, str(reference))
        if key is not None:
            findings = signed_by(registry, reference.repository, manifest.digest, key)
            if findings:
                raise LabwrightError(
                    f"{reference} is refused: {findings[0]}",
                    cause=Cause.SIGNATURE,
                    details=[f"digest: {manifest.digest}", *findings[1:12]],
                    hint="is it the key of those who publish? ask them for it, and for the digest that they published",
                )
        pulled = Pulled(
            manifest, lambda blob, place: registry.pull_blob(reference.repository, blob, place), str(reference)
        )
        with _aside(folder, bench) as aside:
            kind.unpack(pulled, aside, bench)
            _check(aside, str(reference))
            if manifest.annotations.get(VISIBILITY) != "public":
                for disk in aside.glob("*.qcow2"):
                    disk.chmod(0o600)
            files = _into_place(aside, folder)
    return Brought(str(reference), kind.name, manifest.digest, files, key is not None)


@contextmanager
def _aside(folder: Path, bench: Workbench) -> Iterator[Path]:
    """A hidden folder in the one that is to get the files, gone at the end."""
    aside = folder / f".pull-{uuid.uuid4().hex[:8]}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with bench.ledger.hold("folder", aside):
            aside.mkdir(mode=0o700)
            yield aside
    except OSError as error:
        raise os_error(error, f"{folder} cannot be written") from error


def _check(aside: Path, source: str) -> None:
    """Raise LabwrightError (config) for disks that reach for other files, or are not those of the report."""
    disks = sorted(aside.glob("*.qcow2"))
    if not disks:
        raise _refused(source, "there is no disk in it")
    for disk in disks:
        inspect_image(disk)
    for report in aside.glob("*.json"):
        image = report.with_suffix(".qcow2")
        try:
            if report.stat().st_size > LARGEST_REPORT:
                raise ValueError("it is too large")
            facts = json.loads(report.read_bytes())
            fits = has_content(image, int(facts["bytes"]), str(facts["sha256"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise _refused(source, "its report cannot be read") from error
        if not fits:
            raise _refused(source, "its report is of another disk")


def _into_place(aside: Path, folder: Path) -> tuple[Path, ...]:
    """Move the files, the report last, which vouches for the rest; so the old one goes first."""
    reports = sorted(aside.glob("*.json"))
    files = sorted(path for path in aside.rglob("*") if path.is_file() and path not in reports)
    places = {path: folder / path.relative_to(aside) for path in [*files, *reports]}
    for place in places.values():
        if place.parent.is_symlink() and place.parent != folder:
            raise LabwrightError(
                f"{place.parent} leads to another folder",
                cause=Cause.CONFIG,
                hint="move it away, or choose another --out",
            )
    for disk in aside.glob("*.qcow2"):
        (folder / disk.with_suffix(".json").name).unlink(missing_ok=True)
    for path, place in places.items():
        place.parent.mkdir(exist_ok=True)
        sync(path)
        path.replace(place)
    sync(folder)
    return tuple(places.values())


def _refused(source: str, why: str) -> LabwrightError:
    return LabwrightError(f"{source} is refused: {why}", cause=Cause.CONFIG, hint="publish it again from a build")
