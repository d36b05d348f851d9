"""Where builds happen on this host, and who listens."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import pluggy

from labwright.errors import Cause, LabwrightError
from labwright.hooks import Event, ImageReady, NightFinished
from labwright.host.ledger import Ledger
from labwright.host.paths import Paths
from labwright.pipeline.runner import Runner, default_jobs
from labwright.pipeline.store import Store
from labwright.plugins.calls import tell, tell_night, tell_ready


@dataclass(frozen=True)
class Workshop:
    """Paths, ledger, store and listeners, made once for a command.

    warned: of which listeners it was said that they fail. asked: see Workbench.
    """

    paths: Paths
    hooks: pluggy.PluginManager
    warned: set[str] = field(default_factory=set, compare=False, repr=False)
    asked: set[str] = field(default_factory=set, compare=False, repr=False)

    @property
    def ledger(self) -> Ledger:
        """What builds hold now."""
        return Ledger(self.paths.ledger)

    @property
    def store(self) -> Store:
        """What builds have made."""
        return Store(self.paths.store, self.ledger)

    def emit(self, event: Event) -> None:
        """Tell everybody who listens. What a package's hook raises becomes a warning; a view's own goes up."""
        tell(self.hooks, event, self.warned)

    def ready(self, image: ImageReady) -> None:
        """Tell that an image is there."""
        tell_ready(self.hooks, image, self.warned)

    def night_finished(self, night: NightFinished) -> None:
        """Tell that a night of the nightly build is over."""
        tell_night(self.hooks, night, self.warned)

    def runner(self, image: str) -> Runner:
        """A runner for one image."""
        return Runner(
            image, self.paths, self.store, self.ledger, self.emit, default_jobs(), source_date_epoch(), self.asked
        )


def source_date_epoch() -> int:
    """SOURCE_DATE_EPOCH in seconds since 1970 where it is set (reproducible-builds.org/specs), else 0."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if given and not (given.isascii() and given.isdigit()):
        raise LabwrightError(
            f"SOURCE_DATE_EPOCH is {given!r}, not a number of seconds", cause=Cause.CONFIG, hint="unset it or mend it"
        )
    return int(given) if given else 0
