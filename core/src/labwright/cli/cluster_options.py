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
Scheduler = Annotated[
    str, typer.Option("--scheduler", metavar="ADDRESS", help=f"Build on the workers of a cluster. {SCHEDULER}")
]
StagingPrefix = Annotated[
    str,
    typer.Option("--staging", metavar="PREFIX", help="Registry by which images travel in a cluster: HOST/PATH."),
]


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
