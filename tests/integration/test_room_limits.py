"""What a room is held to: disk, memory, processes, and what it does not reach of the host."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import builds, users

from labwright.errors import Cause, LabwrightError
from labwright.host.ledger import Ledger
from labwright.lesson.room import Rooms, open_rooms

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def rooms(tmp_path_factory) -> Iterator[Rooms]:
    place = tmp_path_factory.mktemp("rooms")
    with open_rooms({}, place / "s", Ledger(place / "l")) as rooms:
        yield rooms


@pytest.fixture
def lesson(tmp_path) -> Path:
    (lesson := tmp_path / "lesson").mkdir()
    return lesson


@pytest.fixture
def mark() -> str:
    """An argument of sleep(1) that nobody else has."""
    return f"9876.{uuid.uuid4().int % 10**12}"


def running(mark: str) -> bool:
    found = subprocess.run(["pgrep", "--full", f"sleep {mark}"], capture_output=True, check=False)
    return found.returncode == 0


def sh(rooms, lesson, script: str, **options):
    return rooms.run(["sh", "-c", script], lesson=lesson, timeout=60, **options)


def test_all_folders_of_a_rooms_own_share_one_size(rooms, lesson):
    script = """
        head -c 600M /dev/zero > /tmp/a && echo one
        for place in /dev/shm /var/tmp /run $HOME; do head -c 500M /dev/zero > $place/b; done
        df --output=size -BM /tmp | tail -1
    """
    done = sh(rooms, lesson, script)
    assert done.output.split() == ["one", "1024M"]
    assert done.errors.count("No space left on device") == 4
    done = sh(rooms, lesson, "head -c 900M /dev/zero > /dev/shm/a && df --output=used -BM /tmp | tail -1")
    assert done.output.split() == ["900M"], "the next room has all of it again"


def test_a_room_has_an_end_of_files_too(rooms, lesson):
    assert sh(rooms, lesson, "df --output=itotal /tmp | tail -1").output.split() == [str(1 << 18)]


@pytest.mark.parametrize("argv", [["python", "look.py"], ["sh", "-c", "python look.py"]], ids=["in place", "anew"])
def test_one_process_has_two_gibibytes_of_memory_and_of_a_file(rooms, lesson, argv):
    (lesson / "look.py").write_text(
        "import resource\n"
        "for kind in (resource.RLIMIT_DATA, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):\n"
        "    print(*resource.getrlimit(kind))\n"
        "try:\n    bytes(2200 << 20)\n    print('taken')\nexcept MemoryError:\n    print('refused')\n"
        "print(len(bytes(1200 << 20)))\n"
    )
    size = str(2048 * MEBIBYTE)
    assert rooms.run(argv, lesson=lesson).output.split() == [*[size] * 4, "0", "0", "refused", str(1200 * MEBIBYTE)]


@pytest.mark.parametrize("spawn", ["sleep {mark} &", "(sleep {mark} & sleep 0.01) &"], ids=["children", "orphans"])
def test_a_room_with_too_many_processes_is_ended_with_all_of_them(rooms, lesson, mark, spawn):
    script = f"while :; do {spawn.format(mark=mark)} done"
    with pytest.raises(LabwrightError, match="it had more than 1024 processes, so it was ended") as caught:
        sh(rooms, lesson, script)
    assert caught.value.cause is Cause.GUEST
    assert caught.value.hint
    assert not running(mark)


def test_a_room_with_many_processes_is_not_ended(rooms, lesson):
    assert sh(rooms, lesson, "for i in $(seq 400); do sleep 1.5 & done; wait; echo done").output == "done\n"


def test_processes_that_take_the_machines_memory_together_are_ended(rooms, lesson):
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    if available < 8 << 30:
        pytest.skip("this machine has no 8 GiB to spare")
    (lesson / "take.py").write_text(
        "import os, time\nfor _ in range(3): os.fork()\nheld = b'x' * (1500 << 20)\ntime.sleep(60)\n"
    )
    with pytest.raises(LabwrightError, match="its processes took more than 4096 MiB of memory, so it was ended"):
        rooms.run(["python", "take.py"], lesson=lesson, timeout=60)


@root_only
def test_a_lesson_on_a_file_system_that_was_mounted_later_is_seen(rooms, lesson):
    subprocess.run(["mount", "-t", "tmpfs", "none", lesson], check=True)
    try:
        (lesson / "there").write_text("yes")
        assert sh(rooms, lesson, "cat there; echo x > made; ! mount -o remount,suid /antidote 2>&-").output == "yes"
        assert (lesson / "made").read_text() == "x\n"
    finally:
        subprocess.run(["umount", lesson], check=True)


CONNECT = """\
import os, socket, sys
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    with socket.socket(socket.AF_UNIX, kind) as client:
        try:
            client.connect(sys.argv[1])
            print("reached")
        except OSError as error:
            print(error.strerror)
"""
PROBE = """
import os, sys
from pathlib import Path
from labwright.host.ledger import Ledger
from labwright.lesson.room import open_rooms
base, target = Path(sys.argv[1]), sys.argv[2]
lesson = base / "lesson"
lesson.mkdir()
(lesson / "connect.py").write_text(sys.argv[3])
with open_rooms({}, base / "scratch", Ledger(base / "ledger"), warm=()) as rooms:
    print(rooms.run(["python", "connect.py", target], lesson=lesson).output, end="")
    print(rooms.run(["id", "-G"], lesson=lesson).output, end="")
"""


@pytest.fixture
def listening() -> Iterator[Path]:
    """A daemon of the host's, which everybody may talk to, where no room hides anything."""
    place = Path(f"/srv/labwright {uuid.uuid4().hex[:8]}")
    place.mkdir()
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(place / "socket"))
            server.listen()
            (place / "socket").chmod(0o777)
            (place / "link").symlink_to("socket")
            yield place
    finally:
        shutil.rmtree(place)


def asked(python: Path | str, source: Path, place: Path, target: Path, *before: str) -> list[str]:
    done = subprocess.run(
        [*before, str(python), "-c", textwrap.dedent(PROBE), str(place), str(target), CONNECT], capture_output=True,
        text=True, timeout=120, check=False, env=os.environ | {"PYTHONPATH": str(source)},
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines()


@root_only
@pytest.mark.parametrize("name", ["socket", "link"])
def test_no_daemon_of_the_host_is_reached_by_a_socket_and_no_group_of_the_users_helps(tmp_path, listening, name):
    """As in a lab: its network is another than the daemon's."""
    before = ["setpriv", "--groups=4242,4243", "--", "unshare", "--net"]
    source = builds.REPOSITORY / "core/src"
    assert asked(sys.executable, source, tmp_path, listening / name, *before) == ["Connection refused"] * 2 + ["0"]


@root_only
def test_the_same_for_an_ordinary_user(listening):
    with users.ordinary_user() as user, users.readable_repository() as repository:
        place = Path(user.pw_dir) / "work"
        place.mkdir()
        os.chown(place, user.pw_uid, user.pw_gid)
        python = repository / Path(sys.executable).relative_to(builds.REPOSITORY)
        before = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups", "--",
                  "env", f"HOME={user.pw_dir}", "unshare", "--user", "--map-root-user", "--net"]  # fmt: skip
        said = asked(python, repository / "core/src", place, listening / "socket", *before)
        assert said[:2] == ["Connection refused"] * 2


STAGE = """
import functools, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from support.endpoints import stage
from labwright.host.ledger import Ledger
from labwright.interfaces import Endpoint
from labwright.lesson.configure import configure_stage
from labwright.lesson.room import open_rooms
base = Path(sys.argv[1])
script = "import os; facts = os.statvfs('/antidote'); print(facts.f_blocks * facts.f_frsize >> 20)"
made = stage(base, {"stage0/configs/r1.py": script}, [Endpoint("r1", "127.0.0.1", 22, "u", "p")])
with open_rooms({}, base / "rooms", Ledger(base / "entries")) as rooms:
    run_for = lambda copy: functools.partial(rooms.run, lesson=copy)
    (outcome,) = configure_stage(made.work(), made.context(run_for=run_for, seen_at=Path("/antidote")))
print(outcome.ok, outcome.result.output, made.left())
"""


@root_only
def test_a_copy_of_the_lesson_has_a_size_for_an_ordinary_user_too():
    """Whose mount namespace is the host's: only in the thread of a job it is one of ours."""
    with users.ordinary_user() as user, users.readable_repository() as repository:
        place = Path(user.pw_dir) / "work"
        place.mkdir()
        os.chown(place, user.pw_uid, user.pw_gid)
        python = repository / Path(sys.executable).relative_to(builds.REPOSITORY)
        done = subprocess.run(
            ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups", "--",
             "env", f"HOME={user.pw_dir}", "unshare", "--user", "--map-root-user", "--net", python, "-c", STAGE, place,
             repository / "tests"], capture_output=True, text=True, timeout=120, check=False,
            env=os.environ | {"PYTHONPATH": str(repository / "core/src")},
        )  # fmt: skip
        assert (done.stdout, done.stderr) == ("True 1024 []\n", "")
