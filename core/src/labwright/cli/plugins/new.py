"""labwright plugins new."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.session import Json, failures, out, print_json
from labwright.scaffold import KINDS, write_package

KindName = Enum("KindName", {name: name for name in KINDS}, type=str)  # type: ignore[misc]


def new_plugin(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The image type, as it is written in build.type.")],
    kind: Annotated[KindName, typer.Option(help="What the driver does; nos-profile: a vendor's system, by a profile.")],
    into: Annotated[Path, typer.Option(metavar="DIR", help="The folder that gets the package's.")] = Path(),
    json_document: Json = False,
) -> None:
    """Write a package for a driver of a new type, labwright-NAME/, that works and passes its own tests."""
    with failures(json_document):
        place = write_package(name, KINDS[kind.value], into)
        files = sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())
        if json_document:
            print_json({"package": place.name, "folder": str(place.resolve()), "files": files})
            return
        out.print(
            f"{place} is written: {len(files)} files.\nNext:\n\n    pip install --editable '{place}[test]'\n"
            f"    labwright plugins check {name}\n\nand read {place}/README.md.",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
