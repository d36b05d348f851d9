"""What is held is written down first, and undone when its owner has died."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from labwright.errors import LabwrightError
from labwright.host.ledger import Ledger, marked_processes, process_start


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
    assert ledger.clean() == []
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
    undone = ledger.clean()
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
        assert [undone.what for undone in ledger.clean()] == ["mark-of-this-test"]
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


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts a tmpfs")
def test_a_folder_with_a_mount_in_it_is_not_removed(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    folder = tmp_path / "work"
    (folder / "inside").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", folder / "inside"], check=True)
    try:
        entry = ledger.write("folder", str(folder))
        with pytest.raises(LabwrightError, match="mounted"):
            ledger.release(entry)
        assert ledger.entries() == [entry]
    finally:
        subprocess.run(["umount", folder / "inside"], check=True)
    ledger.release(entry)
    assert not folder.exists()


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
