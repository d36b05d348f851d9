"""What the commands that speak with registries share."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.session import Session
from labwright.hooks import Event
from labwright.registry.transport import Access

Authorities = Annotated[
    Path | None, typer.Option("--ca", metavar="FILE", help="PEM file of who signs the registry's certificate.")
]
AuthFile = Annotated[
    Path | None,
    typer.Option("--auth-file", metavar="FILE", help="Credentials as docker, podman and skopeo login write them."),
]
PublicKeyFile = Annotated[
    Path | None, typer.Option("--key", metavar="PUBLIC.pem", help="Public key that must have signed the image.")
]


def access(authorities: Path | None, auth_file: Path | None) -> Access:
    """How the registry is reached."""
    return Access(authorities=authorities, auth_file=auth_file)


def teller(running: Session, subject: str) -> Callable[[str], None]:
    """Words of progress as events."""
    started = time.monotonic()

    def say(text: str) -> None:
        running.workshop.emit(Event("progress", subject, text=text, seconds=time.monotonic() - started))

    return say
