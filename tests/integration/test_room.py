"""Rooms: what a job sees, what it can change, and that nothing of it is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import builds, users

from labwright.errors import Cause, LabwrightError
from labwright.host.ledger import Ledger
from labwright.lesson.room import check, open_rooms

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    place = tmp_path_factory.mktemp("rooms")
    with open_rooms({"leaf1": "127.0.1.7", "web-2": "127.0.1.8"}, place / "s", Ledger(place / "l")) as rooms:
        yield rooms


@pytest.fixture
def lesson(tmp_path) -> Path:
    lesson = tmp_path / "lesson"
    (lesson / "stage1/configs").mkdir(parents=True)
    return lesson


@pytest.fixture
def outside():
    """A folder that a room would see if it were not hidden: the temporary ones are its own."""
    place = Path(f"/srv/labwright-{uuid.uuid4().hex[:8]}")
    place.mkdir()
    yield place
    shutil.rmtree(place)


@pytest.fixture
def mark() -> str:
    """An argument of sleep(1) that nobody else has."""
    return f"9876.{uuid.uuid4().int % 10**12}"


def running(mark: str) -> bool:
    return f"sleep\0{mark}\0".encode() in b"".join(map(content, Path("/proc").glob("[0-9]*/cmdline")))


def content(path: Path) -> bytes:
    """Of a file of /proc, whose process may end meanwhile."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def entries(folder: str) -> int:
    return len(list(Path(folder).iterdir()))


def soon(condition, seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < until:
        time.sleep(0.02)
    return met


def sh(rooms, lesson, script: str, **options):
    return rooms.run(["sh", "-c", script], lesson=lesson, timeout=60, **options)


@pytest.mark.parametrize("place", ["/", "/etc", "/usr/bin", "/var", "/dev", "/proc/sys/kernel", "/sys", "/home",
                                   "/etc/hosts", "/etc/resolv.conf", str(Path(sys.prefix))])  # fmt: skip
def test_a_job_cannot_change_the_host(rooms, lesson, place):
    target = Path(place) if Path(place).is_file() else Path(place, "made")
    before = target.read_bytes() if target.exists() else None
    done = sh(rooms, lesson, f"echo x >> {target}", accept=range(256))
    assert done.code != 0
    assert (target.read_bytes() if target.exists() else None) == before


@root_only
def test_a_job_cannot_make_the_host_writable_again(rooms, lesson):
    for command in ("mount -o remount,rw,bind /usr", "umount /etc/hosts", "umount -l /home", "mknod /tmp/vda b 254 0",
                    "unshare --mount true", "unshare --user --map-root-user --mount umount /etc/hosts",
                    "nsenter --target 1 --mount true", "ls /proc/1/root/", "chroot / true", "reboot -f",
                    "cat /proc/1/environ", "echo x > /proc/sys/kernel/core_pattern",
                    "kill -9 1 && sleep 0.2 && false"):  # fmt: skip
        assert sh(rooms, lesson, command, accept=range(256)).code != 0, command


def test_the_lesson_is_at_antidote_and_only_this_copy_of_it_changes(rooms, lesson, tmp_path):
    other = shutil.copytree(lesson, tmp_path / "other")
    sh(rooms, lesson, "pwd > /antidote/made && mkdir stage1/configs/more && chmod 700 stage1/configs")
    assert (lesson / "made").read_text() == "/antidote\n"
    assert (lesson / "stage1/configs/more").is_dir()
    assert not (other / "made").exists()
    assert sh(rooms, other, "ls").output == "stage1\n"


def test_names_of_endpoints_resolve_and_others_do_not(rooms, lesson):
    assert sh(rooms, lesson, "getent hosts leaf1 web-2").output.split() == ["127.0.1.7", "leaf1", "127.0.1.8", "web-2"]
    assert sh(rooms, lesson, "cat /etc/resolv.conf; getent hosts example.com", accept=[2]).output == ""
    assert sh(rooms, lesson, "getent hosts $(hostname)").output.startswith("127.0.0.1")


@root_only
def test_a_host_that_replaces_its_files_uncovers_nothing_in_later_rooms(tmp_path, lesson):
    """A mount goes when what it lies on is replaced: useradd does that to shadow, DHCP to resolv.conf."""
    body = """
    with open_rooms({"leaf1": "127.0.1.7"}, scratch, ledger, warm=()) as rooms:
        for name in ("hosts", "shadow", "resolv.conf"):
            Path("/etc", name + ".new").write_text("# the host's")
            Path("/etc", name + ".new").rename(Path("/etc", name))
        print(rooms.run(["sh", "-c", "getent hosts leaf1; cat /etc/shadow /etc/resolv.conf"], lesson=lesson).output)
    """
    copy = tmp_path / "etc"
    copy.mkdir()
    for name in ("passwd", "group", "nsswitch.conf", "ld.so.cache"):
        shutil.copy(Path("/etc", name), copy)
    for name in ("hosts", "shadow", "resolv.conf"):
        (copy / name).write_text("SECRET")
    found = probe(body, tmp_path, "unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"', str(copy))
    assert (found.stderr, found.stdout.split()) == ("", ["127.0.1.7", "leaf1"])


def test_every_room_has_folders_of_its_own_that_are_empty(rooms, lesson):
    places = "/tmp /var/tmp /run /dev/shm $HOME"
    script = f"for place in {places}; do ls -A $place; echo x > $place/left; done"
    assert sh(rooms, lesson, script).output == ""
    assert sh(rooms, lesson, script).output == ""
    assert not Path("/tmp/left").exists()


@root_only
def test_secrets_of_the_user_are_not_there(outside, lesson, tmp_path, monkeypatch):
    home, scratch = outside / "home", outside / "scratch"
    home.mkdir()
    (home / "id_ed25519").write_text("SECRET")
    (Path.home() / outside.name).write_text("SECRET")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
    try:
        with open_rooms({}, scratch, Ledger(tmp_path / "ledger")) as rooms:
            (scratch / "password").write_text("SECRET")
            done = sh(rooms, lesson, f"ls -A {home} {scratch} /root; cat /root/{outside.name}; env;"
                      "tr '\\0' '\\n' < /proc/1/environ; ls /etc/ssl/private; ls /home", accept=range(256))  # fmt: skip
            # In place, the script has the server's memory and the server's environment.
            (lesson / "look.py").write_text("import os\nprint(open('/proc/self/environ').read(), os.environ)")
            seen = rooms.run(["python", "look.py"], lesson=lesson).output
    finally:
        Path("/root", outside.name).unlink()
    assert "SECRET" not in done.output + seen
    assert done.output.startswith(f"/root:\n\n{outside}/home:\n\n{outside}/scratch:\n")
    assert {line.partition("=")[0] for line in done.output.splitlines()[5:]} <= {
        "USER", "LOGNAME", "HOME", "TMPDIR", "PATH", "LANG", "LC_ALL", "TZ", "PWD", "PYTHONUNBUFFERED",
        "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0",
    }  # fmt: skip


@root_only
def test_a_python_in_a_hidden_home_is_there_and_nothing_beside_it(tmp_path, outside, lesson):
    """Users have labwright in ~/venv or ~/.local: hiding the home must not hide that."""
    home = outside / "home"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "real"], check=True)
    (home / "venv").symlink_to("real")
    (home / "id_rsa").write_text("SECRET")
    (lesson / "script.py").write_text("import sys, labwright.kit; print(sys.prefix, sys.executable)")
    done = probe(
        f"""
        with open_rooms({{}}, scratch, ledger) as rooms:
            print(rooms.run(["/usr/bin/env", "python", "script.py"], lesson=lesson).output)
            print(rooms.run(["python", "script.py"], lesson=lesson).output)
            print(rooms.run(["ls", "-A", {str(home)!r}], lesson=lesson).output)
        """,
        tmp_path, python=home / "venv/bin/python", HOME=str(home),
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.split() == [f"{home}/venv", f"{home}/venv/bin/python"] * 2 + ["real", "venv"]


def probe(body: str, tmp_path: Path, *before: str, python: str | Path = sys.executable, **variables: str):
    """A program of its own with rooms: `scratch`, `ledger` and `lesson` are there."""
    program = textwrap.dedent("""
        import json, os, sys, time
        from pathlib import Path
        from labwright.errors import LabwrightError
        from labwright.host.ledger import Ledger
        from labwright.lesson.room import check, open_rooms
        base = Path(sys.argv[1])
        scratch, ledger, lesson = base / "scratch", Ledger(base / "ledger"), base / "lesson"
        lesson.mkdir(exist_ok=True)
    """) + textwrap.dedent(body)
    return subprocess.run([*before, python, "-c", program, tmp_path], capture_output=True, text=True, timeout=120,
                          check=False, env=os.environ | {"PYTHONPATH": str(builds.REPOSITORY / "core/src")}
                          | variables)  # fmt: skip


NAMESPACES = """
result = {}
with open_rooms({"leaf1": "127.0.1.1"}, scratch, ledger) as rooms:
    def sh(script, **options):
        return rooms.run(["sh", "-c", script], lesson=lesson, accept=range(256), timeout=60, **options)
    result["identity"] = sh("id -u; cat /proc/sys/kernel/hostname").output.split()
    result["links"] = sh("ls /sys/class/net; ip -br link 2>/dev/null | wc -l").output.split()
    result["network"] = sh("exec 2>&1; bash -c 'echo > /dev/tcp/198.51.100.1/80'").output
    result["loopback"] = sh("exec 2>&1; bash -c 'echo > /dev/tcp/leaf1/9'").output
    result["usr"] = sh("touch /usr/made").code
    result["processes"] = sh("ls -d /proc/[0-9]* | wc -l").output.strip()
    result["antidote"] = sh("touch /antidote/made").code
    (lesson / "script.py").write_text("import sys; print('labwright.kit' in sys.modules)")
    result["python"] = rooms.run(["python", "script.py"], lesson=lesson).output
    result["many"] = sh("mount -t tmpfs none /mnt").code
result["left"] = [len(list(scratch.iterdir())), ledger.entries(), (lesson / "made").exists()]
print(json.dumps(result))
"""
LAB = ["sh", "-c", 'ip link set lo up; exec "$@"', "lab"]


def assert_contained(found: subprocess.CompletedProcess[str]) -> None:
    assert found.stderr == ""
    result = json.loads(found.stdout)
    assert result["identity"] == ["0", "labwright"]
    assert "unreachable" in result["network"]
    assert "refused" in result["loopback"]
    assert result["usr"] != 0
    assert int(result["processes"]) <= 6
    assert result["antidote"] == 0
    assert result["python"] == "True\n"
    assert result["many"] != 0
    assert result["left"] == [0, [], True]


@root_only
def test_a_job_of_root_reaches_the_lab_and_no_other_network(tmp_path):
    assert_contained(probe(NAMESPACES, tmp_path, "unshare", "--net", *LAB))


@root_only
def test_rooms_of_an_ordinary_user_are_as_those_of_root():
    with users.ordinary_user() as user, users.readable_repository() as repository:
        place = Path(user.pw_dir) / "work"
        place.mkdir()
        os.chown(place, user.pw_uid, user.pw_gid)
        python = repository / Path(sys.executable).relative_to(builds.REPOSITORY)
        as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups", "--"]
        lab = ["unshare", "--user", "--map-root-user", "--net", *LAB]
        variables = {"HOME": user.pw_dir, "PYTHONPATH": str(repository / "core/src")}
        assert_contained(probe(NAMESPACES, place, *as_user, *lab, python=python, **variables))
        checked = probe("check()", place, *as_user, python=python, **variables)
        assert (checked.returncode, checked.stderr) == (0, "")


@root_only
def test_a_job_has_few_rights_and_gains_none(rooms, lesson):
    fields = dict(line.split(":\t", 1) for line in sh(rooms, lesson, "cat /proc/self/status").output.splitlines())
    assert fields["NoNewPrivs"] == "1"
    assert int(fields["CapEff"], 16) & 1 << 21 == 0, "CAP_SYS_ADMIN"
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16)
    assert int(fields["CapInh"], 16) == int(fields["CapAmb"], 16) == 0


def test_git_takes_a_tree_of_another_user(rooms, lesson):
    script = "git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m one && git log --oneline"
    assert sh(rooms, lesson, script).output.endswith("one\n")
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "12345", lesson], check=True)
        assert sh(rooms, lesson, "git log --oneline").output.endswith("one\n")


def test_ansible_is_labwrights_own_and_works(rooms, lesson):
    (lesson / "leaf1.yml").write_text(
        "- hosts: all\n  gather_facts: false\n  connection: local\n"
        "  tasks:\n    - copy: {dest: /antidote/made, content: '{{ inventory_hostname }}'}\n"
    )
    if not Path(sys.executable).with_name("ansible-playbook").exists():
        pytest.skip("ansible is not beside this Python")
    done = rooms.run(["ansible-playbook", "-vvvv", "-i", "leaf1,", "/antidote/leaf1.yml"], lesson=lesson, timeout=120)
    assert (lesson / "made").read_text() == "leaf1"
    assert str(Path(sys.executable).parent) in done.output


def test_an_executable_of_the_lesson_runs_where_the_platform_has_it(rooms, lesson):
    script = lesson / "stage1/configs/push.sh"
    script.write_text("#!/bin/bash\necho pushed $0 $1\n")
    script.chmod(0o755)
    assert rooms.run(["/antidote/stage1/configs/push.sh", "x"], lesson=lesson).output == (
        "pushed /antidote/stage1/configs/push.sh x\n"
    )
    assert rooms.run(["./push.sh"], lesson=lesson, cwd=Path("/antidote/stage1/configs")).output == "pushed ./push.sh\n"


def test_a_command_that_is_not_there_is_named(rooms, lesson):
    with pytest.raises(LabwrightError, match="no-such-tool: No such file or directory") as caught:
        rooms.run(["no-such-tool"], lesson=lesson, what="configuring leaf1 failed", cause=Cause.CONFIG)
    assert caught.value.cause is Cause.CONFIG
    with pytest.raises(LabwrightError, match="/nowhere: No such file or directory"):
        rooms.run(["true"], lesson=lesson, cwd=Path("/nowhere"))
    (lesson / "plain").write_text("echo\n")
    with pytest.raises(LabwrightError, match=r"\./plain: Permission denied"):
        rooms.run(["./plain"], lesson=lesson)
    with pytest.raises(LabwrightError, match="is not a folder"):
        rooms.run(["true"], lesson=lesson / "nowhere")


def test_exit_codes_and_streams_come_back(rooms, lesson, tmp_path):
    lines: list[str] = []
    done = sh(rooms, lesson, "echo out; echo err >&2; exit 3", accept=[3], log=tmp_path / "log", on_line=lines.append)
    assert (done.code, done.output, done.errors) == (3, "out\n", "err\n")
    assert sorted(lines) == sorted(done.log_tail) == ["err", "out"]
    assert sorted((tmp_path / "log").read_text().split()) == ["err", "out"]
    with pytest.raises(LabwrightError) as caught:
        sh(rooms, lesson, "echo it broke; kill -TERM $$", what="configuring failed")
    assert caught.value.what == "configuring failed (exit code -15)"
    assert (caught.value.cause, caught.value.details) == (Cause.GUEST, ("it broke",))


def test_standard_input_is_empty_or_what_was_given(rooms, lesson):
    assert rooms.run(["cat"], lesson=lesson).output == ""
    assert rooms.run(["cat"], lesson=lesson, stdin="grüße").output == "grüße"
    assert rooms.run(["wc", "-c"], lesson=lesson, stdin=b"x" * 3_000_000).output == "3000000\n"
    assert rooms.run(["true"], lesson=lesson, stdin=b"x" * 3_000_000).code == 0


def test_a_large_environment_and_many_arguments_arrive(rooms, lesson):
    env = {f"V{number}": "x" * 1000 for number in range(400)}
    (lesson / "count.py").write_text(
        "import os, sys; print(len(sys.argv), sum(map(len, os.environ.values())) > 400000)"
    )
    done = rooms.run(["python", "count.py", *map(str, range(5000))], lesson=lesson, env=env)
    assert done.output == "5001 True\n"


def test_a_flood_of_output_on_both_streams_does_not_block(rooms, lesson):
    done = sh(rooms, lesson, "head -c 3000000 /dev/zero | tr '\\0' 'x' | fold; seq 100000 >&2")
    assert len(done.output) > 3_000_000


def test_an_endless_flood_is_ended(rooms, lesson):
    with pytest.raises(LabwrightError, match="it wrote more than 64 MiB"):
        rooms.run(["sh", "-c", "yes $(head -c 60000 /dev/zero | tr '\\0' x)"], lesson=lesson)


def test_a_time_limit_ends_the_job_with_the_children_that_it_hid(rooms, lesson, mark):
    hide = f"setsid sh -c 'trap \"\" TERM HUP; (sleep {mark} & sleep {mark}) &' >/dev/null 2>&1 & sleep 60"
    started = time.monotonic()
    with pytest.raises(LabwrightError, match="no end after 1 s"):
        rooms.run(["sh", "-c", hide], lesson=lesson, timeout=1)
    assert time.monotonic() - started < 20
    assert not running(mark)


@pytest.mark.parametrize("keep", ["", ">/dev/null 2>&1"], ids=["that hold its streams", "that let go"])
def test_children_in_the_background_end_with_the_job(rooms, lesson, mark, keep):
    started = time.monotonic()
    assert sh(rooms, lesson, f"setsid sleep {mark} {keep} & sleep 0.1; echo done").output == "done\n"
    assert time.monotonic() - started < 20
    assert not running(mark)


def test_a_job_is_ended_when_its_machine_dies(rooms, lesson, mark):
    asked: list[float] = []

    def stop() -> LabwrightError | None:
        asked.append(time.monotonic())
        return LabwrightError("leaf1 has died", cause=Cause.GUEST) if len(asked) == 3 else None

    started = time.monotonic()
    with pytest.raises(LabwrightError, match="leaf1 has died"):
        rooms.run(["sleep", mark], lesson=lesson, stop=stop)
    assert 1 < asked[-1] - started < 30
    assert not running(mark)


def test_what_a_listener_raises_ends_the_job(rooms, lesson, mark):
    def listen(line: str) -> None:
        raise ValueError(line)

    with pytest.raises(ValueError, match="hello"):
        rooms.run(["sh", "-c", f"echo hello; sleep {mark}"], lesson=lesson, on_line=listen)
    assert not running(mark)


def test_a_hundred_jobs_at_once(rooms, tmp_path):
    (copies := tmp_path / "copies").mkdir()

    def job(number: int) -> str:
        lesson = copies / str(number)
        lesson.mkdir()
        (lesson / "script.py").write_text(
            "import os, paramiko, sys, time\ntime.sleep(1)\nopen('/antidote/made', 'w').write(sys.argv[1])\n"
            "print(sys.argv[1], os.environ['TARGET'], sys.stdin.read())"
        )
        done = rooms.run(["python", "script.py", str(number)], lesson=lesson, env={"TARGET": f"host{number}"},
                         stdin=f"in{number}", timeout=100)  # fmt: skip
        assert (lesson / "made").read_text() == str(number)
        return done.output

    with ThreadPoolExecutor(100) as pool:
        assert list(pool.map(job, range(100))) == [f"{n} host{n} in{n}\n" for n in range(100)]


def test_no_descriptor_and_no_process_is_left_by_jobs_of_any_end(rooms, lesson):
    def ends() -> None:
        sh(rooms, lesson, "true", stdin="x")
        for argv, options in ((["false"], {}), (["no-such"], {}), (["sleep", "9"], {"timeout": 0.05})):
            with pytest.raises(LabwrightError):
                rooms.run(argv, lesson=lesson, **options)

    def held() -> tuple[int, int, int]:
        server = rooms._server.pid
        inner = int(Path(f"/proc/{server}/task/{server}/children").read_text())
        return (entries("/proc/self/fd"), entries(f"/proc/{inner}/fd"),
                len(Path(f"/proc/{inner}/task/{inner}/children").read_text().split()))  # fmt: skip

    ends()
    assert soon(lambda: held()[2] == 0)
    before = held()
    for _ in range(8):
        ends()
    assert soon(lambda: held() == before), (before, held())


HOLDER = """
with open_rooms({}, scratch, ledger) as rooms:
    import os, threading, time
    BEFORE
    threading.Thread(target=lambda: rooms.run(["sh", "-c", "setsid sleep MARK & sleep MARK"], lesson=lesson),
                     daemon=True).start()
    rooms.run(["sh", "-c", "echo ready; sleep MARK"], lesson=lesson, on_line=lambda line: print(line, flush=True))
"""


def hold(tmp_path: Path, mark: str, before: str = "") -> subprocess.Popen[str]:
    """A caller as a process of its own, in the middle of a job."""
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        from labwright.host.ledger import Ledger
        from labwright.lesson.room import open_rooms
        base = Path(sys.argv[1])
        scratch, ledger, lesson = base / "scratch", Ledger(base / "ledger"), base / "lesson"
    """)
    program += HOLDER.replace("MARK", mark).replace("BEFORE", before)
    caller = subprocess.Popen([sys.executable, "-c", program, tmp_path], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)  # fmt: skip
    assert caller.stdout.readline() == "ready\n"
    assert soon(lambda: running(mark))
    return caller


def room_mounts(place: Path) -> bool:
    return any(str(place).encode() in content(path) for path in Path("/proc").glob("[0-9]*/mountinfo"))


def test_nothing_is_left_of_a_caller_that_is_killed(tmp_path, lesson, mark):
    with hold(tmp_path, mark) as caller:
        assert room_mounts(tmp_path)
        caller.send_signal(signal.SIGKILL)
        caller.wait()
        assert soon(lambda: not running(mark) and not room_mounts(tmp_path))
    cleaned = Ledger(tmp_path / "ledger").clean()
    assert cleaned.failures == ()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_caller_is_seen_to_be_killed_though_a_child_of_it_holds_the_channel(tmp_path, lesson, mark):
    """multiprocessing's children do, and so does every child for a moment before it is another program."""
    with hold(tmp_path, mark, f"os.fork() or (open({str(tmp_path / 'child')!r}, 'w').write(str(os.getpid())),"
              " os.closerange(0, 3), time.sleep(60), os._exit(0))") as caller:  # fmt: skip
        caller.send_signal(signal.SIGKILL)
        caller.wait()
        try:
            assert soon(lambda: not running(mark))
        finally:
            os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)


def test_ctrl_c_ends_jobs_and_leaves_nothing(tmp_path, lesson, mark):
    with hold(tmp_path, mark) as caller:
        caller.send_signal(signal.SIGINT)
        _, errors = caller.communicate(timeout=30)
        assert "KeyboardInterrupt" in errors
        assert soon(lambda: not running(mark) and not room_mounts(tmp_path))
    assert Ledger(tmp_path / "ledger").entries() == []
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_fork_server_that_dies_takes_its_jobs_along_and_is_reported(tmp_path, lesson, mark):
    with open_rooms({}, tmp_path / "scratch", Ledger(tmp_path / "ledger"), warm=()) as rooms:
        killer = threading.Timer(0.5, lambda: rooms._server.kill())
        killer.start()
        with pytest.raises(LabwrightError, match="the process from which jobs are started is gone") as caught:
            rooms.run(["sleep", mark], lesson=lesson)
        assert caught.value.cause is Cause.HOST
        assert "memory" in caught.value.hint
        assert not running(mark)
        with pytest.raises(LabwrightError, match="is gone"):
            rooms.run(["true"], lesson=lesson)
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("most", [6, 9], ids=["for the server", "for the job"])
def test_a_fork_server_that_may_open_no_more_files_says_so_and_goes_on(rooms, lesson, most):
    server = rooms._server.pid
    inner = Path(f"/proc/{server}/task/{server}/children").read_text().strip()
    limits = subprocess.run(["prlimit", "--pid", inner, "--nofile", "--noheadings", "--output", "SOFT,HARD"],
                            capture_output=True, text=True, check=True).stdout.split()  # fmt: skip
    subprocess.run(["prlimit", "--pid", inner, f"--nofile={most}:"], check=True)
    with pytest.raises(LabwrightError, match=r"can start none|no room can be made for it"):
        rooms.run(["true"], lesson=lesson)
    subprocess.run(["prlimit", "--pid", inner, f"--nofile={limits[0]}:"], check=True)
    assert rooms.run(["true"], lesson=lesson).code == 0


def test_closing_rooms_ends_the_jobs_of_other_threads(tmp_path, lesson, mark):
    failures: list[LabwrightError] = []

    def job(rooms) -> None:
        try:
            rooms.run(["sleep", mark], lesson=lesson)
        except LabwrightError as error:
            failures.append(error)

    with open_rooms({}, tmp_path / "scratch", Ledger(tmp_path / "ledger"), warm=()) as rooms:
        thread = threading.Thread(target=job, args=(rooms,))
        thread.start()
        assert soon(lambda: running(mark))
    thread.join(10)
    assert not running(mark)
    assert [error.cause for error in failures] == [Cause.INTERRUPTED]


@pytest.mark.parametrize("hosts", [{"a\nb": "127.0.0.1"}, {"a b": "127.0.0.1"}, {"a": "127.0.0.1 evil"}, {"": "::1"},
                                   {"-": "::1"}, {"a": "leaf1"}])  # fmt: skip
def test_names_from_a_lesson_cannot_write_lines_of_hosts(tmp_path, hosts):
    with pytest.raises(LabwrightError) as caught, open_rooms(hosts, tmp_path / "s", Ledger(tmp_path / "l")):
        pass
    assert caught.value.cause is Cause.CONFIG


def test_modules_that_are_not_there_or_broken_do_not_stop_rooms(tmp_path, lesson):
    with open_rooms({}, tmp_path / "s", Ledger(tmp_path / "l"), warm=("no_such_module", "json")) as rooms:
        (lesson / "script.py").write_text("import sys; print('json' in sys.modules)\nimport no_such_module")
        with pytest.raises(LabwrightError) as caught:
            rooms.run(["python", "script.py"], lesson=lesson)
    assert caught.value.details[-1] == "ModuleNotFoundError: No module named 'no_such_module'"


def test_a_module_that_starts_threads_cannot_be_loaded_beforehand(tmp_path, monkeypatch):
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    (tmp_path / "threader.py").write_text(thread)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with (pytest.raises(LabwrightError, match="threader starts threads"),
          open_rooms({}, tmp_path / "s", Ledger(tmp_path / "l"), warm=("threader",))):  # fmt: skip
        pass


def test_rooms_can_be_made_here():
    check()


@root_only
def test_without_the_right_to_mount_the_check_says_so_and_what_to_do(tmp_path):
    body = """
    try:
        check()
    except LabwrightError as error:
        print(error.cause.value, error.what, error.hint)
    """
    found = probe(body, tmp_path, "setpriv", "--bounding-set=-sys_admin", "--")
    assert found.stdout.startswith("host no rooms for lessons can be made: unshare:")
    assert "sysctl" in found.stdout


@root_only
def test_a_container_that_masks_proc_is_told_how_not_to(tmp_path):
    body = """
    try:
        with open_rooms({}, scratch, ledger):
            pass
    except LabwrightError as error:
        print(error.cause.value, error.what, *error.details, error.hint)
    print(len(list(scratch.iterdir())), ledger.entries())
    """
    masked = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc/sys && exec "$@"', "masked",
              "unshare", "--user", "--map-root-user", "--net"]  # fmt: skip
    found = probe(body, tmp_path, *masked)
    assert found.stderr == ""
    assert found.stdout.startswith("host making rooms failed")
    assert "/proc" in found.stdout
    assert "systempaths=unconfined" in found.stdout
    assert found.stdout.endswith("\n0 []\n")
