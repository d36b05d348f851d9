"""What commands that work with a cluster share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from labwright.errors import Cause, LabwrightError
from labwright.nightly.cluster_link import Link, check_link, with_dask
from labwright.nightly.executor import Executor
from labwright.pipeline.workshop import Workshop
from labwright.registry.transport import Access

SCHEDULER = "Dask's scheduler: tls://HOST:PORT, or on one machine tcp://127.0.0.1:8786."
TlsCa = Annotated[Path | None, typer.Option("--tls-ca", metavar="FILE", help="PEM file of the cluster's authority.")]
TlsCert = Annotated[Path | None, typer.Option("--tls-cert", metavar="FILE", help="This machine's certificate by it.")]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="The key of that certificate.")]
_OPTIONS = {"kinds": "--as"}
"""Options that are called otherwise than what they give."""
Scheduler = Annotated[
    str, typer.Option("--scheduler", metavar="ADDRESS", help=f"Build on the workers of a cluster. {SCHEDULER}")
]
StagingPrefix = Annotated[
    str,
    typer.Option("--staging", metavar="PREFIX", help="Registry by which images travel in a cluster: HOST/PATH."),
]


def check_effect(scheduler: str, publish: str, **given: object) -> None:
    """Options of a night that would do nothing. given: what the user wrote, by the name of the option.

    Raises LabwrightError (config) naming them.
    """
    for needed, names, remedy in (
        (bool(scheduler), ("staging", "tls_ca", "tls_cert", "tls_key"), "they are for --scheduler ADDRESS"),
        (not scheduler, ("jobs", "memory", "disk"), "with --scheduler each worker says what it has: labwright worker "
         "--slots, --memory"),
        (bool(publish), ("kinds",), "it is for --publish PREFIX"),
    ):  # fmt: skip
        idle = [_OPTIONS.get(name, f"--{name.replace('_', '-')}") for name in names if given.get(name)]
        if idle and not needed:
            raise LabwrightError(f"{', '.join(idle)}: without effect here", cause=Cause.CONFIG, hint=remedy)


def executor_of(link: Link, staging: str, access: Access, workshop: Workshop) -> Callable[[], Executor]:
    """Makes the executor of a cluster. Raises LabwrightError: config for options that do not fit, host without Dask."""
    check_link(link)
    if not staging:
        raise LabwrightError(
            "--scheduler needs --staging: images travel between machines by a registry",
            cause=Cause.CONFIG,
            hint="name one that every machine of the cluster reaches: --staging registry.example.org/staging",
        )
    way = with_dask("labwright.nightly.cluster_staging").Staging(staging, workshop, access)
    cluster = with_dask("labwright.nightly.cluster")

    def make() -> Executor:
        made: Executor = cluster.ClusterExecutor(link, way)
        return made

    return make
