"""labwright pull."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from labwright.cli.places import folder_place
from labwright.cli.registry_options import AuthFile, Authorities, PublicKeyFile, access, teller
from labwright.cli.session import Json, session
from labwright.pipeline.runner import scratch_folder
from labwright.publish.pull import PullOptions
from labwright.publish.pull import pull as pull_image
from labwright.registry.reference import parse_reference


def pull(
    reference: Annotated[str, typer.Argument(metavar="REF", help="HOST[:PORT]/REPOSITORY:TAG or @DIGEST")],
    out: Annotated[Path, typer.Option(help="Folder for the image and what comes with it.")] = Path("out"),
    key: PublicKeyFile = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace disks of the same names that are other ones.")
    ] = False,
    authorities: Authorities = None,
    auth_file: AuthFile = None,
    json_lines: Json = False,
) -> None:
    """Bring an image that labwright published from a registry; every hash is checked, and the disk looked at."""
    with session(json_lines, root=False) as running:
        place = parse_reference(reference)
        folder_place(out, "--out")
        workshop = running.workshop
        workshop.paths.ensure()
        with scratch_folder(workshop.paths, workshop.ledger) as scratch:
            bench = workshop.runner("pull").workbench(scratch, teller(running, place.repository), scratch / "log")
            brought = pull_image(place, out, PullOptions(access(authorities, auth_file), key, force), bench)
        running.result(
            escape("\n".join(map(str, brought.files))) + f"\n{brought.digest}; "
            + ("signed by this key" if brought.signed else "not asked who signed it: no --key")
            + (f"\nwarning: {escape(brought.warning)}" if brought.warning else ""),
            **{"as": brought.kind}, reference=brought.reference, digest=brought.digest,
            files=[str(path) for path in brought.files], signed=brought.signed, warning=brought.warning,
        )  # fmt: skip
