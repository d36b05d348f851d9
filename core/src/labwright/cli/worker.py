"""labwright worker."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from labwright.cli.cluster_options import SCHEDULER, TlsCa, TlsCert, TlsKey
from labwright.cli.registry_options import AuthFile, Authorities, access
from labwright.cli.session import Json, failures, out, print_json, workshop
from labwright.host.text import plain
from labwright.nightly.cluster_link import Link, check_link, soon, with_dask
from labwright.pipeline.prune import parse_size
from labwright.pipeline.runner import scratch_folder
from labwright.ui.views import JsonView


def worker(
    scheduler: Annotated[str, typer.Option(metavar="ADDRESS", help=SCHEDULER)],
    slots: Annotated[int | None, typer.Option(min=1, help="Builds at once; by default half of the processors.")] = None,
    memory: Annotated[
        str, typer.Option(metavar="SIZE", help="For all builds, 8G for instance; default what is free.")
    ] = "",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    ca: Authorities = None,
    auth_file: AuthFile = None,
    show: Annotated[bool, typer.Option("--show", help="Only say what this machine offers.")] = False,
    json_wanted: Json = False,
) -> None:
    """Build images here for the nightly build of another machine, until Ctrl-C."""
    with failures(json_wanted):
        link = check_link(Link(scheduler, tls_ca, tls_cert, tls_key))
        dask_worker = with_dask("labwright.nightly.worker")
        offered = dask_worker.offer(workshop(), slots, parse_size(memory) if memory else None)
        warnings = soon(link)
        facts = {"resources": offered.resources, "lacking": list(offered.why), "warnings": list(warnings)}
        if show and json_wanted:
            print_json(facts)
            return
        say = _in_lines(facts) if json_wanted else _say
        for line in () if json_wanted else (*offered.why, *warnings):
            say(line)
        if show:
            say(dask_worker.in_words(offered))
            return
        here = workshop()
        # In the ledger, so that what a worker leaves that is killed goes with the start of the next one.
        with scratch_folder(here.paths, here.ledger) as scratch:
            dask_worker.serve(link, offered, access(ca, auth_file), scratch, say)


def _in_lines(offer: Mapping[str, object]) -> Callable[[str], None]:
    view = JsonView(sys.stdout)
    view.write(kind="offer", **offer)
    return lambda text: view.write(kind="progress", text=text)


def _say(text: str) -> None:
    out.print(plain(text), highlight=False, soft_wrap=True, markup=False)
