"""labwright publish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from labwright.cli.registry_options import AuthFile, Authorities, access, teller
from labwright.cli.session import Json, session
from labwright.host.quantities import size
from labwright.pipeline.runner import scratch_folder
from labwright.publish.delivered import read_delivered
from labwright.publish.kinds import KINDS, kind_named
from labwright.publish.labels import Origin
from labwright.publish.publish import Published, PublishOptions
from labwright.publish.publish import publish as publish_image
from labwright.registry.reference import parse_reference
from labwright.spec.load import load_image
from labwright.trust.revision import revision_of


def publish(
    image: Annotated[Path, typer.Argument(metavar="IMAGE.qcow2", help="What build delivered, its report beside it.")],
    reference: Annotated[str, typer.Argument(metavar="REF", help="HOST[:PORT]/REPOSITORY:TAG")],
    kind: Annotated[str, typer.Option("--as", help=f"{', '.join(KINDS)}.")] = "artifact",
    key: Annotated[str, typer.Option(help="Private key to sign with: env:NAME or file:/path.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="A further tag; may be given again.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a tag that names another image.")] = False,
    mount: Annotated[
        list[str] | None, typer.Option(metavar="REPOSITORY", help="Another of the registry that may have parts of it.")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(metavar="IMAGE_DIR", help="The image's folder: description and git revision are noted."),
    ] = None,
    authorities: Authorities = None,
    auth_file: AuthFile = None,
    json_lines: Json = False,
) -> None:
    """Bring a built image to a registry. What is there already is not sent again."""
    with session(json_lines, root=False) as running:
        wanted = kind_named(kind)
        place = parse_reference(reference)
        warnings: list[str] = []
        origin = origin_of(source, warnings.append)
        options = PublishOptions(
            access(authorities, auth_file), force, tuple(tag or ()), tuple(mount or ()), origin, key
        )
        workshop = running.workshop
        workshop.paths.ensure()
        with scratch_folder(workshop.paths, workshop.ledger) as scratch:
            say = teller(running, image.stem)
            say("reading what was built")
            bench = workshop.runner(image.stem).workbench(scratch, say, scratch / "log")
            published = publish_image(read_delivered(image), place, wanted, options, bench)
        published = replace(published, warnings=(*warnings, *published.warnings))
        running.result(escape(in_words(published)), **facts(published))


def in_words(published: Published) -> str:
    """For people."""
    new = "nothing was sent, it had all of it" if not published.uploaded else f"{size(published.uploaded)} sent"
    signed = "signed" if published.signed else "not signed: no --key"
    warnings = "".join(f"\nwarning: {one}" for one in published.warnings)
    return f"{published.reference}\n{published.digest}\n{size(published.total)} in all, {new}; {signed}{warnings}"


def facts(published: Published) -> dict[str, object]:
    """For programs; `kind` is the word of each line of events."""
    found = asdict(published)
    return {"as": found.pop("kind"), **found}


def origin_of(folder: Path | None, warn: Callable[[str], None]) -> Origin:
    """Of an image's folder: its description, and its git revision with -dirty where something is not committed."""
    if folder is None:
        return Origin()
    return Origin(revision_of(folder, warn), description=load_image(folder).description)
