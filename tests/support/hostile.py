"""Images and archives that try something: a corpus for labwright convert, and what it says of each.

    PYTHONPATH=tests python -m support.hostile

prints the table that is in docs/convert.md.
"""

from __future__ import annotations

import importlib
import io
import os
import re
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SECRET = "the-content-of-another-file"
"""What is in the file that some of the corpus try to read."""
SECRET_NAME = "secret"
SECONDS = 20
"""No case may take longer, though it packs hours of work or terabytes."""


@dataclass(frozen=True)
class Case:
    """build: makes the file in an empty folder beside SECRET_NAME, and returns it.

    opened: whether qemu-img has to look at it; all others are refused before it starts.
    """

    name: str
    tries: str
    build: Callable[[Path], Path]
    opened: bool = False


CASES: list[Case] = []
TREES: list[Case] = []


def case(build: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """Take a function into the corpus: its name, and its first line of text as what it tries."""
    CASES.append(_case(build))
    return build


def opened_case(build: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """The same, for what only qemu-img can see."""
    CASES.append(_case(build, opened=True))
    return build


def tree(build: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """Take a function into the corpus of root file systems."""
    TREES.append(_case(build))
    return build


def _case(build: Callable[[Path], Path], opened: bool = False) -> Case:
    return Case(build.__name__.replace("_", "-"), (build.__doc__ or "").strip().rstrip("."), build, opened)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def put(data: bytes, offset: int, piece: bytes) -> bytes:
    """Data with a piece of it replaced, longer if need be."""
    data = data.ljust(offset + len(piece), b"\0")
    return data[:offset] + piece + data[offset + len(piece) :]


def tar_of(path: Path, *members: tuple[str, bytes] | tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> Path:
    """A tar archive of files and of members that are no files."""
    with tarfile.open(path, "w", format=form) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            facts = tarfile.TarInfo(member[0])
            facts.size = len(member[1])
            archive.addfile(facts, io.BytesIO(member[1]))
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A member that is no file."""
    facts = tarfile.TarInfo(name)
    facts.type, facts.linkname, facts.mode = kind, target, 0o755
    return facts


def load() -> tuple[list[Case], list[Case]]:
    """The corpus: of disks, and of root file systems."""
    for name in ("qcow2", "vmdk", "disks", "files", "archives", "appliances", "trees"):
        importlib.import_module(f"support.hostile_{name}")
    # By their own name: this module may also run as the program.
    home = importlib.import_module("support.hostile")
    return home.CASES, home.TREES


def place(folder: Path) -> Path:
    """A folder for one case, beside a file that it must not read."""
    (folder / SECRET_NAME).write_text(SECRET * 2000)
    inside = folder / "in"
    inside.mkdir()
    return inside


def plain_name(source: Path) -> str:
    """The name as a message shows it, without what a terminal would obey."""
    from labwright.host.text import plain

    return plain(source.name)


def table() -> str:
    """The corpus as Markdown: what each tries, and what labwright says."""
    from typer.testing import CliRunner

    from labwright.cli.app import app

    lines = ["| name | what it tries | exit code | message |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as root:
        os.environ["LABWRIGHT_CACHE"] = f"{root}/cache"
        for number, one in enumerate(load()[0]):
            folder = Path(root) / str(number)
            folder.mkdir()
            source = one.build(place(folder))
            done = CliRunner().invoke(app, ["convert", str(source), f"{root}/new.qcow2"])
            said = done.output.partition("error (")[2].partition("): ")[2].partition("\n")[0]
            said = re.sub(r"(?<=['\" ])/\S*/", "", said.replace(f"{source.parent}/", "")).replace(root, "")
            lines.append(f"| {one.name} | {one.tries} | {done.exit_code} | {said.replace('|', '/')} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
