"""The runtime layer: what is kept of a tree of packages, and what becomes of it."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from labwright.errors import LabwrightError
from labwright.publish.platform import runtime_tree
from labwright.publish.platform.runtime_tree import CAPABILITY, XATTR, kept, write_layer

LIBRARIES = "usr/lib/x86_64-linux-gnu"


@pytest.fixture
def tree(tmp_path, monkeypatch) -> Path:
    """Real programs and libraries of this machine: ls with what it loads, and a library that nothing loads."""
    root = tmp_path / "root"
    for name in ("usr/bin/ls", "usr/bin/cat"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(f"/{name}", root / name)
    (root / LIBRARIES).mkdir(parents=True)
    for name in ("libselinux.so.1", "libpcre2-8.so.0", "libc.so.6", "libz.so.1"):
        real = Path("/", LIBRARIES, name).resolve()
        shutil.copy(real, root / LIBRARIES / real.name)
        if real.name != name:
            (root / LIBRARIES / name).symlink_to(real.name)
    (root / "lib").symlink_to("usr/lib")
    data = root / "usr/share/data"
    (data / "left").mkdir(parents=True)
    (data / "kept").write_text("kept")
    (data / "left/out").write_text("out")
    monkeypatch.setattr(runtime_tree, "PROGRAMS", ("usr/bin/ls",))
    monkeypatch.setattr(runtime_tree, "DATA", ("lib", "usr/share/data"))
    monkeypatch.setattr(runtime_tree, "LEFT_OUT", ("*/left/*",))
    monkeypatch.setattr(runtime_tree, "PYTHON", "usr/bin/l*")
    return root


def test_libraries_of_libraries_stay_and_those_that_nothing_loads_go(tree, bench):
    names = {entry.path for entry in kept(tree, bench)}
    assert f"{LIBRARIES}/libselinux.so.1" in names
    assert any(name.startswith(f"{LIBRARIES}/libpcre2-8.so.0.") for name in names), "ls loads it by way of libselinux"
    assert f"{LIBRARIES}/libc.so.6" in names
    assert not any("libz" in name for name in names)
    assert "usr/bin/cat" not in names
    assert {"lib", "usr/share/data/kept"} <= names
    assert "usr/share/data/left/out" not in names


def test_a_release_without_one_of_the_programs_is_an_error_and_no_image_that_cannot_start(tree, bench, monkeypatch):
    monkeypatch.setattr(runtime_tree, "PROGRAMS", ("usr/bin/ls", "usr/bin/qemu-system-x86_64"))
    with pytest.raises(LabwrightError, match="no usr/bin/qemu-system-x86_64"):
        kept(tree, bench)


def test_the_layer_does_not_depend_on_owners_modes_or_times_of_the_tree(tree, bench, tmp_path):
    entries = kept(tree, bench)
    first = write_layer(tree, entries, tmp_path / "a")
    (tree / "usr/share/data/kept").chmod(0o600)
    subprocess.run(["touch", "-d", "2001-01-01", tree / "usr/bin/ls"], check=True)
    assert write_layer(tree, entries, tmp_path / "b") == first
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_one_program_has_one_capability_which_is_not_in_effect_by_itself(tree, bench, tmp_path):
    write_layer(tree, kept(tree, bench), tmp_path / "layer")
    with tarfile.open(tmp_path / "layer") as archive:
        capable = {one.name: one.pax_headers[XATTR] for one in archive if XATTR in one.pax_headers}
        assert {(one.uid, one.gid, one.mtime) for one in archive} == {(0, 0, 0)}
    assert list(capable) == ["usr/bin/ls"]
    assert capable["usr/bin/ls"].encode("utf-8", "surrogateescape") == CAPABILITY
    # Bit 0 of the first word would put it in effect: then the program would not start where the container lacks it.
    assert not CAPABILITY[0] & 1


def test_folders_come_before_what_is_in_them_and_temporary_files_are_everybodys(tree, bench, tmp_path):
    write_layer(tree, kept(tree, bench), tmp_path / "layer")
    with tarfile.open(tmp_path / "layer") as archive:
        entries = archive.getmembers()
    seen = set()
    for entry in entries:
        parent = entry.name.rpartition("/")[0]
        assert not parent or parent in seen, entry.name
        seen.add(entry.name)
    assert {entry.name: entry.mode for entry in entries}["tmp"] == 0o1777
