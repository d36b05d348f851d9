"""What is held is written down first, and undone when its owner has died."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builds import loop_devices

from labwright.errors import LabwrightError
from labwright.host.ledger import Ledger, parse_entry
from labwright.host.teardown import is_mounted, marked_processes, mount_points, process_start, real_place, remove_folder


def test_an_entry_is_on_disk_while_the_thing_is_held_and_gone_afterwards(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    held = tmp_path / "work"
    with ledger.hold("folder", held):
        held.mkdir()
        (held / "file").write_text("x")
        assert [entry.what for entry in ledger.entries()] == [str(held)]
    assert not held.exists()
    assert ledger.entries() == []


def test_what_a_live_owner_holds_is_left_alone(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    held = tmp_path / "work"
    held.mkdir()
    ledger.write("folder", str(held))
    assert ledger.clean().undone == ()
    assert held.is_dir()


def test_what_a_killed_owner_held_is_undone_and_nothing_else(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from labwright.host.ledger import Ledger
        root = Path(sys.argv[1])
        with Ledger(root / "ledger").hold("folder", root / "work"), Ledger(root / "ledger").hold("file", root / "part"):
            (root / "work").mkdir(); (root / "part").touch()
            print("held", flush=True); time.sleep(60)
    """)
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE) as owner:
        assert owner.stdout.readline() == b"held\n"
        owner.send_signal(signal.SIGKILL)
    assert (tmp_path / "work").exists()
    undone = ledger.clean().undone
    assert sorted(entry.kind for entry in undone) == ["file", "folder"]
    assert not (tmp_path / "work").exists()
    assert not (tmp_path / "part").exists()
    assert foreign.is_dir()


def test_a_process_of_a_dead_owner_is_found_by_its_mark_and_ended(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    entry = ledger.write("process", "mark-of-this-test")
    path = ledger.folder / f"{entry.identity}.json"
    facts = json.loads(path.read_text()) | {"owner_start": 1}
    path.write_text(json.dumps(facts))
    with subprocess.Popen(["sleep", "60"], env={"LABWRIGHT_LEDGER": "mark-of-this-test"}) as child:
        while child.pid not in marked_processes("mark-of-this-test"):
            time.sleep(0.01)
        assert [undone.what for undone in ledger.clean().undone] == ["mark-of-this-test"]
        assert child.wait(5) == -signal.SIGTERM


def test_a_reused_process_id_is_not_mistaken_for_the_owner(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    entry = ledger.write("file", str(tmp_path / "x"))
    path = ledger.folder / f"{entry.identity}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"owner_start": process_start(os.getpid()) - 1}))
    assert [found.what for found in ledger.abandoned()] == [str(tmp_path / "x")]


def test_an_entry_that_cannot_be_read_is_named(tmp_path):
    folder = tmp_path / "ledger"
    folder.mkdir()
    (folder / "broken.json").write_text("{")
    with pytest.raises(LabwrightError, match=r"broken\.json"):
        Ledger(folder).entries()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts a tmpfs")


def abandon(ledger: Ledger, entry) -> None:
    """Make an entry look as if its owner had died."""
    path = ledger.folder / f"{entry.identity}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"owner_start": 1}))


@pytest.fixture(params=["inside", "mit Leerzeichen", "schön", "back\\slash", "tab\tand\nline", "\udcff"])
def mounted(request, tmp_path):
    """A folder of ours, reached through a link, with a tmpfs in it that holds a file nobody may lose."""
    folder = tmp_path / "data" / "work"
    point = folder / request.param
    point.mkdir(parents=True)
    (tmp_path / "link").symlink_to("data")
    subprocess.run(["mount", "-t", "tmpfs", "none", point], check=True)
    (point / "precious").touch()
    yield tmp_path / "link" / "work", point
    subprocess.run(["umount", point], check=False, stderr=subprocess.DEVNULL)


@needs_root
def test_a_folder_with_a_mount_in_it_is_not_removed_whatever_its_path_looks_like(tmp_path, mounted):
    folder, point = mounted
    ledger = Ledger(tmp_path / "ledger")
    entry = ledger.write("folder", str(folder))
    with pytest.raises(LabwrightError, match="mounted"):
        ledger.release(entry)
    assert (point / "precious").exists()
    assert ledger.entries() == [entry]
    subprocess.run(["umount", point], check=True)
    ledger.release(entry)
    assert not folder.exists()


@needs_root
def test_a_mount_is_given_back_whatever_its_path_looks_like(tmp_path, mounted):
    folder, point = mounted
    ledger = Ledger(tmp_path / "ledger")
    entry = ledger.write("mount", str(folder / point.name))
    assert is_mounted(folder / point.name)
    ledger.release(entry)
    assert point not in mount_points()
    assert ledger.entries() == []


@needs_root
def test_a_mount_that_is_in_use_stays_in_the_ledger_and_does_not_stop_the_rest(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    point, part = tmp_path / "point", tmp_path / "part"
    point.mkdir()
    part.touch()
    subprocess.run(["mount", "-t", "tmpfs", "none", point], check=True)
    try:
        for kind, what in (("mount", point), ("file", part)):
            abandon(ledger, ledger.write(kind, str(what)))
        with subprocess.Popen(["sleep", "60"], cwd=point) as user:
            cleaned = ledger.clean()
            user.kill()
        assert [entry.kind for entry in cleaned.undone] == ["file"]
        assert "umount" in cleaned.failures[0].what
        assert [entry.kind for entry in ledger.entries()] == ["mount"]
        assert [entry.kind for entry in ledger.clean().undone] == ["mount"]
    finally:
        subprocess.run(["umount", point], check=False, stderr=subprocess.DEVNULL)


@needs_root
def test_a_loop_device_is_found_by_its_file_even_when_that_is_deleted(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    backing = tmp_path / "schöne Datei"
    backing.write_bytes(b"\0" * 1048576)
    entry = ledger.write("loop", str(backing))
    subprocess.run(["losetup", "--find", backing], check=True)
    backing.unlink()
    assert loop_devices(tmp_path) != set()
    ledger.release(entry)
    assert loop_devices(tmp_path) == set()


def test_a_missing_tool_is_an_error_that_keeps_the_entry(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path / "ledger")
    entry = ledger.write("mount", "/proc")
    monkeypatch.setattr("labwright.host.environment.SEARCH_PATH", "/nowhere")
    with pytest.raises(LabwrightError, match="umount is not installed"):
        ledger.release(entry)
    assert ledger.entries() == [entry]


def test_a_relative_path_means_the_place_where_it_was_written_down(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path / "ledger")
    here, there = tmp_path / "here", tmp_path / "there"
    for place in (here, there):
        (place / "work").mkdir(parents=True)
    monkeypatch.chdir(here)
    abandon(ledger, ledger.write("folder", "work"))
    monkeypatch.chdir(there)
    assert len(ledger.clean().undone) == 1
    assert not (here / "work").exists()
    assert (there / "work").is_dir()


def test_one_failure_does_not_stop_the_others(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    part = tmp_path / "part"
    part.touch()
    abandon(ledger, ledger.write("file", str(tmp_path)))
    abandon(ledger, ledger.write("file", str(part)))
    (ledger.folder / "broken.json").write_text("[")
    cleaned = ledger.clean()
    assert not part.exists()
    assert len(cleaned.undone) == 1
    assert sorted("ledger entry" in failure.what for failure in cleaned.failures) == [False, True]


@pytest.mark.parametrize(
    "change",
    [{"kind": "tree"}, {"what": "relative"}, {"what": ""}, {"what": 3}, {"owner": "1"}, {"created": None}, {"more": 1},
     {"identity": "other"}, {"kind": "process", "what": ""}],
)  # fmt: skip
def test_an_entry_that_we_would_not_have_written_is_refused(change):
    facts = {"identity": "i", "kind": "folder", "what": "/x", "owner": 1, "owner_start": 1, "created": 1.0}
    assert parse_entry(json.dumps(facts), "i").kind == "folder"
    with pytest.raises((ValueError, TypeError)):
        parse_entry(json.dumps(facts | change), "i")


@given(st.text())
def test_no_text_in_the_ledger_brings_another_error(text):
    with pytest.raises((ValueError, TypeError, RecursionError)):
        parse_entry(text, "i")


def test_a_process_that_is_asked_to_end_is_asked_once(tmp_path):
    script = textwrap.dedent("""
        import signal, time
        asked = []
        signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
        print("ready", flush=True)
        while not asked: time.sleep(0.01)
        time.sleep(0.5)
        print(len(asked), flush=True)
    """)
    ledger = Ledger(tmp_path / "ledger")
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env={"LABWRIGHT_LEDGER": "asked-once"}
    ) as child:
        assert child.stdout.readline() == b"ready\n"
        ledger.release(ledger.write("process", "asked-once"))
        assert child.stdout.read() == b"1\n"


def test_a_process_with_an_odd_name_has_a_start_time():
    script = "open('/proc/self/comm','wb').write(b'a) R \\xff(\\n'); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        assert process_start(child.pid) >= process_start(os.getpid()) > 0
        child.stdin.close()


def test_the_real_place_keeps_the_last_link_and_no_other(tmp_path, monkeypatch):
    (tmp_path / "data/work").mkdir(parents=True)
    (tmp_path / "link").symlink_to("data")
    assert real_place(tmp_path / "link/work") == tmp_path / "data/work"
    assert real_place(tmp_path / "link") == tmp_path / "link"
    assert real_place(tmp_path / "link/work/..") == tmp_path / "data"
    monkeypatch.chdir(tmp_path / "link")
    assert real_place(Path("work")) == tmp_path / "data/work"


def test_a_link_to_a_folder_is_not_followed(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    (target / "precious").touch()
    link = tmp_path / "link"
    link.symlink_to(target)
    ledger = Ledger(tmp_path / "ledger")
    ledger.release(ledger.write("folder", str(link)))
    assert (target / "precious").exists()


def test_process_start_of_nobody_is_zero():
    assert process_start(2**22 + 5) == 0
    assert process_start(os.getpid()) > 0
    assert Path("/proc/self").exists()


def nested(place: Path, depth: int) -> None:
    """Folders in folders, deeper than a path may be long."""
    place.mkdir()
    folder = os.open(place, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=inner))
        os.close(folder)
        folder = inner
    os.close(folder)


def test_a_folder_that_is_nested_deeper_than_python_calls_itself_and_paths_go_is_removed(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    work = tmp_path / "work"
    entry = ledger.write("folder", str(work))
    nested(work, 2100)
    ledger.release(entry)
    assert not work.exists()
    assert ledger.entries() == []


def test_links_in_a_folder_are_removed_and_not_followed(tmp_path):
    precious, work = tmp_path / "precious", tmp_path / "work"
    (precious / "inner").mkdir(parents=True)
    (precious / "file").touch()
    (work / "a/b").mkdir(parents=True)
    for place in (work, work / "a", work / "a/b"):
        (place / "link").symlink_to(precious)
        (place / "file").symlink_to(precious / "file")
        os.mkfifo(place / "pipe")
    remove_folder(work)
    assert not work.exists()
    assert sorted(path.name for path in precious.iterdir()) == ["file", "inner"]


def test_folders_without_permissions_are_removed_by_their_owner(tmp_path):
    """As an ordinary user: root may do without."""
    script = """
        import os, sys
        from pathlib import Path
        from labwright.host.teardown import remove_folder
        work = Path(sys.argv[1]) / "work"
        if os.geteuid() == 0:
            os.chown(sys.argv[1], 65534, 65534)
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
        (work / "a/b/c").mkdir(parents=True)
        (work / "a/b/file").touch()
        for place, mode in (("a/b/c", 0), ("a/b", 0o555), ("a", 0), ("", 0o500)):
            (work / place).chmod(mode)
        remove_folder(work)
    """
    place = Path(tempfile.mkdtemp(prefix="labwright-", dir="/var/tmp"))
    try:
        subprocess.run([sys.executable, "-c", textwrap.dedent(script), place], check=True)
        assert list(place.iterdir()) == []
    finally:
        place.rmdir()


def test_an_entry_that_brings_an_error_of_another_kind_does_not_stop_the_others(tmp_path):
    """A path with a zero byte, which no call of the kernel takes, is a ValueError."""
    ledger = Ledger(tmp_path / "ledger")
    abandon(ledger, ledger.write("file", str(tmp_path / "odd")))
    (path,) = ledger.folder.iterdir()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"what": f"{tmp_path}/o\0dd"}))
    part = tmp_path / "part"
    part.touch()
    abandon(ledger, ledger.write("file", str(part)))
    cleaned = ledger.clean()
    assert not part.exists()
    assert [entry.what for entry in cleaned.undone] == [str(part)]
    (failure,) = cleaned.failures
    assert "cannot be given back: ValueError" in failure.what
    assert len(ledger.entries()) == 1
