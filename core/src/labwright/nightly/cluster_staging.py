"""The registry by which images travel between the machines of a cluster: pushed by tag, pulled by digest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.run import Stop
from labwright.interfaces import Workbench
from labwright.pipeline.runner import scratch_folder
from labwright.pipeline.workshop import Workshop
from labwright.publish.delivered import read_delivered
from labwright.publish.kinds import kind_named
from labwright.publish.publish import PublishOptions, publish
from labwright.publish.pull import PullOptions, pull
from labwright.registry.reference import Reference, parse_reference
from labwright.registry.transport import Access

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TAG = "staging"
"""Names the newest of an image, for people and for the registry's own cleaning; nothing is pulled by it."""
KIND = "artifact"
"""Of what travels: every file of a build, as it is."""


@dataclass(frozen=True)
class Staging:
    """prefix: REGISTRY/PREFIX, below which each image has a repository. access: to it, from this machine."""

    prefix: str
    workshop: Workshop = field(repr=False)
    access: Access = field(default_factory=Access, repr=False)

    def __post_init__(self) -> None:
        self.reference("image")

    def reference(self, slug: str) -> Reference:
        """Where an image is. Raises LabwrightError (config) for a prefix that is none."""
        return parse_reference(f"{self.prefix.rstrip('/')}/{slug}:{TAG}")

    def place(self, slug: str) -> str:
        """The same as text, for a worker."""
        return str(self.reference(slug))

    def push(self, folder: Path, slug: str, say: Callable[[str], None], stop: Stop | None = None) -> str:
        """Bring an image that a folder holds there, unless it is there; returns its name by digest. stop: see Patience.

        Raises LabwrightError as publish() does.
        """
        with self._bench(slug, say) as bench:
            delivered = read_delivered(folder / f"{slug}.qcow2")
            options = PublishOptions(self.access.until(stop), force=True)
            done = publish(delivered, self.reference(slug), kind_named(KIND), options, bench)
        return str(self.reference(slug).at(done.digest))

    def fetch(self, slug: str, digest: str, folder: Path, say: Callable[[str], None], stop: Stop | None = None) -> None:
        """Bring an image into a folder: the very one that a worker said it pushed. stop: see Patience.

        Raises LabwrightError.
        """
        if not DIGEST.fullmatch(digest):
            raise LabwrightError(
                f"the worker did not say which image it made of {slug}",
                cause=Cause.INTERNAL,
                hint="is the same labwright installed on every machine of the cluster?",
            )
        with self._bench(slug, say) as bench:
            pull(self.reference(slug).at(digest), folder, PullOptions(self.access.until(stop), force=True), bench)
        # Under its own name, and whole: a worker's word alone puts nothing in service.
        read_delivered(folder / f"{slug}.qcow2")

    @contextmanager
    def _bench(self, slug: str, say: Callable[[str], None]) -> Iterator[Workbench]:
        workshop = self.workshop
        workshop.paths.ensure()
        with scratch_folder(workshop.paths, workshop.ledger) as scratch:
            yield workshop.runner(slug).workbench(scratch, say, scratch / "log")
