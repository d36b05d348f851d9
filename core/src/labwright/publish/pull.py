"""An image from a registry back into the files of a build. Nothing of it is believed before it is checked."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from labwright.errors import Cause, LabwrightError, os_error
from labwright.foreign.inspect import inspect_image
from labwright.host.files import has_content
from labwright.interfaces import Workbench
from labwright.publish.attest import other_name, signed_by
from labwright.publish.delivered import SLUG
from labwright.publish.kind import Pulled
from labwright.publish.kinds import kind_of
from labwright.publish.labels import OURS
from labwright.publish.place import LARGEST_REPORT, check_free, into_place
from labwright.registry.client import Registry
from labwright.registry.reference import Reference
from labwright.registry.transport import Access
from labwright.trust.keys import load_public_key

VISIBILITY = f"{OURS}.visibility"


@dataclass(frozen=True)
class PullOptions:
    """access: to the registry. key: the file of a public key that must have signed the image; None: anybody.

    force: replace disks of the same names that are other ones.
    """

    access: Access = field(default_factory=Access)
    key: Path | None = None
    force: bool = False


@dataclass(frozen=True)
class Brought:
    """What came. digest: of the manifest. files: where they are now. signed: whether the key was asked, and held.

    warning: of what a signature does not say; empty where there is none.
    """

    reference: str
    kind: str
    digest: str
    files: tuple[Path, ...]
    signed: bool
    warning: str = ""


def pull(reference: Reference, folder: Path, options: PullOptions, bench: Workbench) -> Brought:
    """Bring an image into a folder, as `labwright build` would have delivered it there.

    Raises LabwrightError: signature for what is not signed by the key, or has other content than its digests say;
    config for what labwright did not publish, hostile names and hostile disks, and another disk of that name in the
    folder; network, disk full. Then the folder is as it was.
    """
    key = load_public_key(options.key) if options.key else None
    with Registry(reference.host, options.access, bench.say) as registry:
        manifest = registry.get(reference)
        kind = kind_of(manifest, str(reference))
        warning = other_name(reference.repository, manifest) if key is not None else ""
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
            slug = manifest.annotations.get(f"{OURS}.image", "")
            _check(aside, slug, str(reference))
            if manifest.annotations.get(VISIBILITY) != "public":
                for disk in aside.glob("*.qcow2"):
                    disk.chmod(0o600)
            if not options.force:
                check_free(aside, folder)
            files = into_place(aside, folder, slug)
    return Brought(str(reference), kind.name, manifest.digest, files, key is not None, warning)


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


def _check(aside: Path, slug: str, source: str) -> None:
    """Raise LabwrightError (config) for disks that reach for other files, or are not those of the report."""
    disks = sorted(aside.glob("*.qcow2"))
    if not SLUG.fullmatch(slug) or not (aside / f"{slug}.qcow2").is_file():
        raise _refused(source, f"there is no disk of {slug[:100]!r} in it")
    if other := [path.name for path in aside.iterdir() if not re.fullmatch(rf"{slug}([.-].*)?", path.name)]:
        raise _refused(source, f"{other[0]} is of another image")
    for disk in disks:
        inspect_image(disk)
    for report in aside.glob("*.json"):
        image = report.with_suffix(".qcow2")
        try:
            if report.stat().st_size > LARGEST_REPORT:
                raise ValueError("it is too large")
            facts = json.loads(report.read_bytes())
            size = facts["bytes"]
            # JSON has 1e999, which is infinite.
            if not isinstance(size, int):
                raise TypeError("its size is no number of bytes")
            fits = has_content(image, size, str(facts["sha256"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise _refused(source, "its report cannot be read") from error
        if not fits:
            raise _refused(source, "its report is of another disk")


def _refused(source: str, why: str) -> LabwrightError:
    return LabwrightError(f"{source} is refused: {why}", cause=Cause.CONFIG, hint="publish it again from a build")
