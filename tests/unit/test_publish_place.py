"""Pulled files into their place: all of them or none, whenever somebody has enough of it."""

from __future__ import annotations

import json
from pathlib import Path

from support.interrupted import at_each_touch

from labwright.publish.place import into_place

OLD = {
    "leaf.json": json.dumps({"disks": {"data": {}}}),
    "leaf.qcow2": "old",
    "leaf-data.qcow2": "old",
    "leaf.mtree": "old",
    "leaf-kernel/bzImage": "old",
    "leaf-kernel/vmlinux": "old",
    "other.qcow2": "another image",
}
NEW = {"leaf.json": "{}", "leaf.qcow2": "new", "leaf-kernel/bzImage": "new"}
AFTERWARDS = NEW | {"other.qcow2": "another image"}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def files_of(folder: Path) -> dict[str, str]:
    found = (path for path in folder.rglob("*") if path.is_file() and "aside" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_text() for path in found}


def test_at_every_moment_the_folder_holds_the_old_image_or_the_new_one(tmp_path):
    def make(moment: int) -> Path:
        folder = tmp_path / str(moment)
        write(folder, OLD)
        write(folder / "aside", NEW)
        return folder

    seen = [files_of(folder) for folder in at_each_touch(make, lambda at: into_place(at / "aside", at, "leaf"))]
    assert [one for one in seen if one not in (OLD, AFTERWARDS)] == []
    assert (seen[0], seen[-1]) == (OLD, AFTERWARDS)
