"""The layer with the program that starts the machine: our own modules, as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from labwright.host import text
from labwright.publish.container import Member
from labwright.publish.platform import start
from labwright.publish.platform.extents import Packed, Part, pack_layer
from labwright.vm.accelerator import boot_sector

PLACE = "usr/lib/labwright"
PROGRAM = f"/{PLACE}"
ENTRY = """import runpy, sys
sys.path.insert(0, {place!r})
runpy.run_module("{package}", run_name="__main__", alter_sys=True)
"""


def start_layer(place: Path) -> Packed:
    """The layer in a file at `place`."""
    return pack_layer(_members(), place, Part.PROGRAM)


def _members() -> Iterator[Member]:
    files = {f"{PLACE}/__main__.py": ENTRY.format(place=PROGRAM, package=start.__name__).encode(),
             f"{PLACE}/sector": boot_sector(), _place(text.__name__): Path(text.__file__).read_bytes()}  # fmt: skip
    for module in sorted(Path(next(iter(start.__path__))).glob("*.py")):
        name = start.__name__ if module.stem == "__init__" else f"{start.__name__}.{module.stem}"
        files[_place(name, module.stem == "__init__")] = module.read_bytes()
    folders = {parent.as_posix() for name in files for parent in Path(name).parents} - {"."}
    for folder in sorted(folders):
        yield Member(folder, 0o755)
    for name, data in sorted(files.items()):
        yield Member(name, 0o644, data)


def _place(module: str, package: bool = False) -> str:
    """Without the __init__.py of the folders above: what those import is not there."""
    return f"{PLACE}/{module.replace('.', '/')}{'/__init__' if package else ''}.py"
