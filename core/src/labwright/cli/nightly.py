"""labwright nightly."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.build import Locked, Offline
from labwright.cli.cluster_options import Scheduler, StagingPrefix, TlsCa, TlsCert, TlsKey, check_effect, executor_of
from labwright.cli.places import folder_place
from labwright.cli.registry_options import AuthFile, Authorities, access
from labwright.cli.session import Json, as_root, failures, out, usable_hooks
from labwright.errors import Cause
from labwright.hooks import Event, NightFinished
from labwright.host.paths import Paths
from labwright.nightly.cluster_link import Link, soon
from labwright.nightly.executor import Executor
from labwright.nightly.local import LocalExecutor, budget
from labwright.nightly.model import ImageNight, Night
from labwright.nightly.night import Book, Listener, Rules
from labwright.nightly.papers import papers, renewed
from labwright.nightly.places import PAGE, Places
from labwright.nightly.prune import Keep
from labwright.nightly.publication import Destination, RegistryPublisher, publish_night
from labwright.nightly.whole import Wanted, looker_of
from labwright.nightly.whole import nightly as run_nightly
from labwright.pipeline.prune import parse_size
from labwright.pipeline.workshop import Workshop
from labwright.publish.kinds import KINDS
from labwright.ui.nightly import NightView
from labwright.ui.views import JsonView

Slugs = list[str] | None


@dataclass(frozen=True)
class NightSession:
    """One run of the command: a workshop, and who is told."""

    workshop: Workshop
    view: NightView | JsonView

    @property
    def listener(self) -> Listener:
        """Of the night: builds' events go to whoever listens to builds."""
        return Listener(self.workshop.emit, self._changed)

    def _changed(self, night: Night, image: ImageNight) -> None:
        if isinstance(self.view, JsonView):
            self.view.write(kind="image", night=night.number, **asdict(image))
        else:
            self.view.changed(night, image)

    def result(self, night: Night, places: Places) -> None:
        """How it ended."""
        if isinstance(self.view, JsonView):
            states = {image.slug: image.state for image in night.images}
            failed = [image.slug for image in night.failed]
            record = str(places.record(night))
            self.view.result(night=night.number, images=states, failed=failed, record=record, seconds=night.seconds)
        else:
            self.view.summary(night, places.night(night) / PAGE)


@contextlib.contextmanager
def night_session(json_lines: bool) -> Iterator[NightSession]:
    """As `session`, with the views of a night."""
    with failures(json_lines, lines=True):
        as_root()
        manager = usable_hooks()
        view: NightView | JsonView = JsonView(sys.stdout) if json_lines else NightView(out)
        manager.register(view)
        with view.shown() if isinstance(view, NightView) else contextlib.nullcontext():
            yield NightSession(Workshop(Paths.from_environment(), manager), view)


def nightly(
    images_dir: Annotated[Path, typer.Argument(metavar="IMAGES_DIR", help="Folder of the images' folders.")] = Path(
        "images"
    ),
    out_dir: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of all nights: images, pages, records.")
    ] = Path("nightly"),
    only: Annotated[Slugs, typer.Option(metavar="SLUG", help="Only this image, and what it starts from.")] = None,
    without: Annotated[
        Slugs, typer.Option("--except", metavar="SLUG", help="Not this image, nor what starts from it.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Builds at once; by default half of the processors.")] = None,
    memory: Annotated[str, typer.Option(metavar="SIZE", help="Memory for all builds together, as 8G.")] = "",
    disk: Annotated[str, typer.Option(metavar="SIZE", help="Disk space for all builds together, as 100G.")] = "",
    locked: Locked = False,
    offline: Offline = False,
    keep: Annotated[int, typer.Option(min=1, metavar="N", help="Versions of each image that stay.")] = 3,
    keep_nights: Annotated[int, typer.Option(min=1, metavar="N", help="Nights whose records and pages stay.")] = 90,
    retries: Annotated[int, typer.Option(min=0, metavar="N", help="Further tries after failures of the network.")] = 3,
    metrics: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write metrics there, for Prometheus's node exporter.")
    ] = None,
    publish: Annotated[
        str,
        typer.Option(metavar="PREFIX", help="Publish what is new to PREFIX/<slug>; PREFIX: HOST[:PORT]/PATH."),
    ] = "",
    kinds: Annotated[
        list[str] | None, typer.Option("--as", help=f"Published as: {', '.join(KINDS)}; may be given again.")
    ] = None,
    key: Annotated[str, typer.Option(help="Private key to sign with: env:NAME or file:/path.")] = "",
    authorities: Authorities = None,
    auth_file: AuthFile = None,
    scheduler: Scheduler = "",
    staging: StagingPrefix = "",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    json_lines: Json = False,
) -> None:
    """Build all images whose ingredients changed, what others start from first; test them; put them in service.

    Interrupted, it goes on with the same night when it is run again. Exit code 1: it is whole, and images failed.
    """
    with night_session(json_lines) as running:
        check_effect(
            scheduler, publish, staging=staging, tls_ca=tls_ca, tls_cert=tls_cert, tls_key=tls_key, jobs=jobs,
            memory=memory, disk=disk, kinds=kinds,
        )  # fmt: skip
        folder_place(out_dir, "--out")
        allowed = {word: parse_size(text) if text else None for word, text in (("memory", memory), ("disk", disk))}
        cache = running.workshop.paths
        places = Places(out_dir.absolute())
        wanted = Wanted(
            images_dir,
            tuple(only or ()),
            tuple(without or ()),
            Rules(locked, offline, retries, vouch=papers(key, places.root), renew=renewed(key, places.root)),
            Keep(keep, keep_nights),
            metrics.absolute() if metrics else None,
        )
        destination = Destination(publish, tuple(kinds or ["artifact"]), key, access(authorities, auth_file))
        if publish:
            destination.check(places.root)

        def here() -> Executor:
            return LocalExecutor(budget(cache.root, jobs, **allowed), cache)

        make = here
        if scheduler:
            link = Link(scheduler, tls_ca, tls_cert, tls_key)
            make = executor_of(link, staging, access(authorities, auth_file), running.workshop)
            for words in soon(link):
                running.workshop.emit(Event("warning", "", text=words))

        def afterwards(book: Book) -> None:
            if publish:
                publisher = RegistryPublisher(running.workshop, destination, book.night.revision)
                publish_night(book, destination, publisher, retries)

        night = run_nightly(
            wanted,
            places,
            running.workshop,
            make,
            looker_of(running.workshop, wanted.rules),
            running.listener,
            afterwards,
        )
        told = NightFinished(
            night.number,
            places.record(night),
            places.night(night) / PAGE,
            tuple(image.slug for image in night.images if image.state == "built"),
            tuple(image.slug for image in night.failed),
        )
        running.workshop.night_finished(told)
        running.result(night, places)
    if night.failed:
        raise typer.Exit(Cause.REVIEW.exit_code)
