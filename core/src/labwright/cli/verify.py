"""labwright verify."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.registry_options import AuthFile, Authorities, PublicKeyFile, access
from labwright.cli.session import Json, failures, out, print_json
from labwright.errors import Cause
from labwright.publish.verify import holds, verify_delivered, verify_published
from labwright.registry.reference import parse_reference
from labwright.trust.keys import load_public_key


def verify(
    image: Annotated[str, typer.Argument(metavar="REF|IMAGE.qcow2", help="In a registry, or what build delivered.")],
    key: PublicKeyFile = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read all of it, not only sizes; of a registry.")] = False,
    authorities: Authorities = None,
    auth_file: AuthFile = None,
    json_document: Json = False,
) -> None:
    """Look whether an image is what was published: its hashes, and by --key who signed it."""
    with failures(json_document):
        public = load_public_key(key) if key else None
        if image.endswith(".qcow2"):
            found = verify_delivered(Path(image), public)
        else:
            reference = parse_reference(image)
            found = verify_published(reference, public, deep, access(authorities, auth_file), lambda _: None)
        good = holds(found)
        if json_document:
            print_json({"image": image, "holds": good, "findings": [asdict(one) for one in found]})
        else:
            for one in found:
                out.print(str(one), markup=False, highlight=False, soft_wrap=True)
        if not good:
            raise typer.Exit(Cause.SIGNATURE.exit_code)
