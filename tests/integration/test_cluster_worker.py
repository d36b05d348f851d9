"""What a worker does before it works: gives back what a killed build held, whoever it belongs to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.users import as_user, ordinary_user, readable_repository

from labwright.host.ledger import Ledger
from labwright.host.namespace import subordinate_ids
from labwright.host.paths import Paths
from labwright.nightly.worker_clean import give_back

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes a user")
SHOW = ("worker", "--scheduler", "tcp://127.0.0.1:1", "--slots", "1", "--memory", "1G", "--show")


def abandon(ledger: Ledger, folder: Path) -> Path:
    """Write a folder down as held by a process that is not there any more."""
    entry = ledger.write("folder", str(folder))
    place = ledger.folder / f"{entry.identity}.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | {"owner_start": entry.owner_start + 1}))
    return place


def test_what_a_killed_build_held_is_given_back_and_what_will_not_go_is_said(tmp_path):
    paths = Paths(tmp_path / "cache")
    assert give_back(paths) == ()
    (tmp_path / "held").mkdir()
    abandon(Ledger(paths.ledger), tmp_path / "held")
    (paths.ledger / "odd.json").write_text("[]")
    (said,) = give_back(paths)
    assert not (tmp_path / "held").exists()
    assert said.startswith(
        f"what a killed build held is still there: {paths.ledger}/odd.json: this ledger entry cannot"
    )
    assert "look at what it names" in said


ENDING = """
import os, signal, socket, sys, threading, time
from pathlib import Path
from labwright.host import interrupts
from labwright.nightly import worker
from labwright.nightly.cluster_link import Link
from labwright.registry.transport import Access
interrupts.listen()
worker.PATIENCE = 60.0
ignored = signal.SIGHUP if "ignored" in sys.argv else None
if ignored:
    signal.signal(ignored, signal.SIG_IGN)
heeded = [number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if number != ignored]
handlers = [signal.getsignal(number) for number in heeded]
# Connections are taken, and nothing is said.
listener = socket.create_server(("127.0.0.1", 0))
link = Link(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
for number in heeded:
    def end():
        connection, _ = listener.accept()
        connection.recv(1)
        for each in filter(None, (ignored, number)):
            os.kill(os.getpid(), each)
    threading.Thread(target=end, daemon=True).start()
    begun = time.monotonic()
    worker.serve(link, worker.Offer(1, 1 << 30, True, False), Access(), Path(sys.argv[1]), print)
    assert time.monotonic() - begun < 30, number
    assert [signal.getsignal(number) for number in heeded] == handlers, "of asyncio's are left"
print("ended")
"""


@pytest.mark.parametrize("ignored", ["none", "ignored"])
def test_each_signal_ends_a_worker_that_still_waits_for_a_scheduler_but_one_that_is_ignored(tmp_path, ignored):
    words = ["env", "--default-signal=INT", sys.executable, "-c", ENDING, tmp_path, ignored]
    done = subprocess.run(words, capture_output=True, text=True, timeout=400, check=False)
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stdout + done.stderr


@root_only
def test_an_ordinary_user_s_worker_gives_back_files_of_subordinate_ids():
    with ordinary_user() as user, readable_repository() as repository:
        cache = Path(user.pw_dir) / "cache"
        held = cache / "held"
        held.mkdir(parents=True)
        entry = abandon(Ledger(cache / "ledger"), held)
        (held / "file").touch()
        for place in (cache, cache / "ledger", entry):
            os.chown(place, user.pw_uid, user.pw_gid)
        for place in (held / "file", held):
            os.chown(place, first_id(user.pw_name) + 100, user.pw_gid)
        held.chmod(0o700)
        done = as_user(user, repository, *SHOW, cache=cache)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 build at once" in done.stdout
        assert "still there" not in done.stdout
        assert not held.exists()


def first_id(user: str) -> int:
    """The first of the subordinate ids of a user (subuid(5))."""
    assert subordinate_ids(Path("/etc/subuid"), user, -1)
    lines = [line.split(":") for line in Path("/etc/subuid").read_text().splitlines()]
    return next(int(first) for name, first, _ in lines if name == user)
