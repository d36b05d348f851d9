"""Two machines from one snapshot and the cable between them: each is itself, the cable does as it is told.

And what is left when the process that starts a lab dies before anybody could know of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.labs import Place, place_with_frr, qemus_of
from support.pcap import read_pcap
from support.users import as_user

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images, makes a user")
LINK = "r1--r2"
LLDP = (
    "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('enp0s3f1', 0));"
    "s.send(bytes.fromhex('0180c200000e020000000001' + '88cc') + b'labwright' * 6)"
)
LISTEN = (
    "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88cc));"
    "s.bind(('enp0s3f1', 0x88cc));"
    # As lldpd does: a network card takes no multicast that nobody asked for.
    "s.setsockopt(263, 1, socket.if_nametoindex('enp0s3f1').to_bytes(4, 'little')"
    " + bytes.fromhex('000006000180c200000e0000'));"
    "s.settimeout(240); print('listens', flush=True); print(s.recv(2000).hex())"
)
BEHIND = 24
"""Seconds that the clock in the snapshot is behind at least when it is resumed."""
NUMBERS = "cat /etc/machine-id /etc/ssh/ssh_host_*_key.pub; cat /sys/class/net/e*/address"


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Place]:
    with place_with_frr(tmp_path_factory.mktemp("machines")) as made:
        made.lesson("one", "r1")
        done = made.run("prepare", "lessons/one", "--images", made.images)
        assert done.returncode == 0, done.stdout + done.stderr
        time.sleep(BEHIND)
        yield made


@pytest.fixture(scope="module")
def pair(place) -> Iterator[Path]:
    """The lesson with two routers, up; while it came up somebody tried all the time to get in."""
    lesson = place.lesson("pair", "r1", "r2", links=1)
    running = place.start_up(lesson)
    state = place.booting(lesson)
    over, seen = threading.Event(), set[str]()
    ports = [machine["ports"]["22"] for machine in state["machines"]]
    watchers = [threading.Thread(target=watch, args=(port, over, seen)) for port in ports]
    for watcher in watchers:
        watcher.start()
    try:
        out, err = running.communicate(timeout=600)
    finally:
        over.set()
        for watcher in watchers:
            watcher.join()
    assert running.returncode == 0, out + err
    (lesson / "seen").write_text("\n".join(sorted(seen)))
    for number, name in enumerate(("r1", "r2"), 1):
        command = f"sudo ip address add 192.0.2.{number}/24 dev enp0s3f1 && sudo ip link set enp0s3f1 up"
        done = place.run("ssh", lesson, name, "--", command)
        assert done.returncode == 0, done.stdout + done.stderr
    yield lesson
    place.gone(lesson)


def watch(port: int, over: threading.Event, seen: set[str]) -> None:
    """Every host key that this port of the host ever shows."""
    keys, last_attempts = set[str](), 3
    while not over.is_set() or (not keys and last_attempts):
        last_attempts -= over.is_set()
        # Patient: each connection that is given up waits all the same for the machine to let somebody in.
        done = subprocess.run(
            ["ssh-keyscan", "-T", "60", "-t", "ed25519", "-p", str(port), "127.0.0.1"], capture_output=True,
            text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        keys |= {line.split()[-1] for line in done.stdout.splitlines() if not line.startswith("#")}
        # A refusal comes at once.
        time.sleep(0.2)
    seen |= keys


def until(seen, seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end, "it does not come to that"
        time.sleep(0.3)


def test_each_copy_of_the_snapshot_is_a_machine_of_its_own(place, pair):
    facts = {endpoint["name"]: endpoint for endpoint in place.status(pair)["endpoints"]}
    found = {}
    for name, endpoint in facts.items():
        assert endpoint["from_snapshot"]
        lines = place.inside(pair, name, NUMBERS).splitlines()
        assert sorted(lines[-3:]) == sorted(endpoint["mac"])
        found[name] = set(lines)
        before = time.time()
        clock = float(place.inside(pair, name, "date +%s.%N"))
        # It is set over SSH, which takes its time where the host is busy.
        assert before - (BEHIND - 2) < clock < time.time() + 3
        assert "10.0.0.15/24" in place.inside(pair, name, "ip -br -4 address show eth0")
        assert place.inside(pair, name, "hostname -I").split()
    assert not found["r1"] & found["r2"]


def test_nobody_ever_saw_the_keys_of_the_snapshot(place, pair):
    own = {place.inside(pair, name, "cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub").strip() for name in ("r1", "r2")}
    assert set((pair / "seen").read_text().split()) == own


def test_nothing_listens_but_on_loopback_and_nobody_else_can_open_its_sockets(place, pair):
    state = place.state(pair)
    keeper = str(state["keeper"])
    inside = subprocess.run(
        ["nsenter", "--target", keeper, "--net", "ss", "-Hlntu"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert inside
    assert all(re.search(r"\s127\.0\.1\.\d+:\d+\s", line) for line in inside), inside
    outside = subprocess.run(["ss", "-Hlntup"], capture_output=True, text=True, check=True).stdout
    machines = qemus_of(state)
    assert len(machines) == 2
    assert not [line for line in outside.splitlines() if any(f"pid={process}," in line for process in machines)]
    mine = [line for line in outside.splitlines() if f"pid={keeper}," in line]
    assert mine
    assert all(re.search(r"\s127\.0\.0\.1:\d+\s", line) for line in mine), mine
    sockets, folder = Path(state["sockets"]), Path(state["folder"])
    assert {place.stat().st_mode & 0o777 for place in (sockets, folder)} == {0o700}
    modes = {path.name: path.stat().st_mode & 0o777 for path in sockets.iterdir()}
    assert {"keeper", "1a.q", "1a.c", "0a.t", "0a.o"} <= set(modes)
    assert {name for name, mode in modes.items() if mode & 0o077} == set()


def test_a_large_packet_passes_whole(place, pair):
    for name in ("r1", "r2"):
        place.inside(pair, name, "sudo ip link set enp0s3f1 mtu 9000")
    # -w: until so many are answered, however late. Late answers come together, and may be more than are waited for.
    said = place.inside(pair, "r1", "ping -c 3 -i 0.3 -w 60 -M do -s 8972 192.0.2.2")
    assert "8980 bytes from 192.0.2.2" in said, said
    assert int(re.search(r"(\d+) received", said)[1]) >= 3, said


def test_lldp_passes_as_no_bridge_would_let_it(place, pair):
    listener = place.start("ssh", pair, "r2", "--", f'sudo python3 -c "{LISTEN}"')
    assert listener.stdout is not None
    assert listener.stdout.readline() == "listens\n"
    place.inside(pair, "r1", f'sudo python3 -c "{LLDP}"')
    out, err = listener.communicate(timeout=300)
    assert out.strip() == "0180c200000e02000000000188cc" + (b"labwright" * 6).hex(), err


def test_a_cable_that_is_cut_takes_the_carrier_of_both_ends_and_mending_brings_it_back(place, pair):
    def carrier(name: str) -> str:
        return place.inside(pair, name, "cat /sys/class/net/enp0s3f1/carrier").strip()

    assert (carrier("r1"), carrier("r2")) == ("1", "1")
    assert "is cut" in place.run("link", pair, LINK, "--cut").stdout
    until(lambda: (carrier("r1"), carrier("r2")) == ("0", "0"))
    assert "NO-CARRIER" in place.inside(pair, "r1", "ip link show enp0s3f1")
    assert " 0 received" in place.inside(pair, "r1", "ping -c 1 -W 2 192.0.2.2")
    assert "carries every frame" in place.run("link", pair, "r2--r1", "--mend").stdout
    until(lambda: (carrier("r1"), carrier("r2")) == ("1", "1"))
    assert "1 received" in place.inside(pair, "r1", "ping -c 1 -W 10 192.0.2.2")


def test_delay_and_loss_are_what_a_ping_sees(place, pair):
    assert "delay 100" in place.run("link", pair, LINK, "--delay", "100").stdout
    said = place.inside(pair, "r1", "ping -c 5 -i 0.3 192.0.2.2")
    slow = float(re.search(r"= ([\d.]+)/", said)[1])
    assert 200 <= slow < 300, said
    place.run("link", pair, LINK, "--loss", "100")
    assert " 0 received" in place.inside(pair, "r1", "ping -c 1 -W 2 192.0.2.2")
    place.run("link", pair, LINK, "--mend")
    said = place.inside(pair, "r1", "ping -c 5 -i 0.3 192.0.2.2")
    assert float(re.search(r"= ([\d.]+)/", said)[1]) < 100, said


def test_a_capture_has_the_pings(place, pair, tmp_path):
    file = tmp_path / "link.pcap"
    assert f"captured in {file}" in place.run("link", pair, LINK, "--capture", file).stdout
    refused = place.run("link", pair, LINK, "--capture", file)
    assert refused.returncode == 2
    assert "is there already" in refused.stderr
    place.inside(pair, "r1", "ping -c 4 -i 0.3 -w 60 192.0.2.2")
    place.run("link", pair, LINK, "--no-capture")
    pings = [frame for _, frame in read_pcap(file) if frame[12:14] == b"\x08\x00" and frame[23] == 1]
    kinds = [frame[34] for frame in pings]
    assert kinds.count(8) >= 4 and kinds.count(0) >= 4, kinds
    assert len({(frame[34], frame[38:42]) for frame in pings}) == len(pings), "each once"


def test_guests_reach_each_other_by_name_and_nothing_beyond(place, pair):
    greeting = "exec 3<>/dev/tcp/r2/22; head -n 1 <&3"
    assert place.inside(pair, "r1", f"timeout 60 bash -c '{greeting}'").startswith("SSH-2.0-")
    assert "10.0.0.102" in place.inside(pair, "r1", "getent hosts r2")
    # 10.0.0.2 is QEMU's own, which answers a ping itself, and would be the host if it let anything through.
    assert "1 received" not in place.inside(pair, "r1", "ping -c 1 -W 2 8.8.8.8 2>&1")
    attempts = "; ".join(
        f"timeout 2 bash -c 'exec 3<>/dev/tcp/{address}/{port}' 2>/dev/null && echo reached {address} {port}"
        for address in ("10.0.0.2", "8.8.8.8")
        for port in (22, 80)
    )
    assert "reached" not in place.inside(pair, "r1", f"{attempts}; true")


def test_the_console_without_a_terminal_is_its_log_and_with_one_takes_keys(place, pair):
    before = place.run("console", pair, "r1")
    assert before.returncode == 0
    process, terminal = pty.fork()
    if process == 0:
        os.environ |= {"LABWRIGHT_CACHE": str(place.cache)}
        os.execv(sys.executable, [sys.executable, "-P", "-m", "labwright", "lesson", "console", str(pair), "r1"])
    try:
        read_until(terminal, rb"Ctrl-\] leaves")
        os.write(terminal, b"\r")
        read_until(terminal, rb"login: ")
        os.write(terminal, b"\x1d")
        _, status = os.waitpid(process, 0)
        assert os.waitstatus_to_exitcode(status) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        os.close(terminal)
    assert "login:" in place.run("console", pair, "r1").stdout


def read_until(terminal: int, pattern: bytes, seconds: float = 120) -> None:
    seen, end = b"", time.monotonic() + seconds
    while not re.search(pattern, seen):
        ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
        assert ready, seen
        seen += os.read(terminal, 4096)


def test_a_machine_that_is_rebooted_by_its_learner_comes_back(place, pair):
    boot = place.inside(pair, "r2", "cat /proc/sys/kernel/random/boot_id")
    place.inside(pair, "r2", "sudo systemctl reboot")

    def back() -> bool:
        # QEMU's own network takes connections to a machine that is down, and these never get an answer.
        with contextlib.suppress(subprocess.TimeoutExpired):
            now = place.inside(pair, "r2", "cat /proc/sys/kernel/random/boot_id")
            return bool(re.fullmatch(r"[0-9a-f-]{36}\s*", now)) and now != boot
        return False

    until(back, 900)


def test_an_up_that_dies_before_it_has_written_its_lab_down_is_no_obstacle(place):
    """Its entry would otherwise have `clean` take the folder of the lab that came after it."""
    lesson = place.lesson("half-made", "r1")
    code = (
        "import os, signal, sys; from pathlib import Path;"
        "from labwright.host.ledger import Ledger; from labwright.host.paths import Paths;"
        "from labwright.lesson.lab import folder_of;"
        "paths = Paths(Path(sys.argv[1])); folder = folder_of(Path(sys.argv[2]), paths);"
        "Ledger(paths.ledger).write('folder', str(folder)); folder.mkdir(parents=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, place.cache, lesson], check=False)
    running = place.start_up(lesson, "--cold")
    state = place.booting(lesson)
    place.clean()
    assert Path(state["folder"], "lab.json").exists()
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=300)
    assert running.returncode == 130, out + err
    assert [line for line in place.left(state) if "half-made" in line] == []


def test_up_whose_keeper_is_killed_says_so(place):
    lesson = place.lesson("killed-keeper", "r1")
    running = place.start_up(lesson, "--cold")
    state = place.booting(lesson)
    os.kill(state["keeper"], signal.SIGKILL)
    out, _ = running.communicate(timeout=300)
    assert "the lab's own process has died" in json.loads(out.splitlines()[-1])["what"]
    assert [line for line in place.left(state) if "killed-keeper" in line] == []


def test_a_lab_whose_lesson_is_gone_can_still_be_ended(place):
    lesson = place.lesson("gone", "r1")
    running = place.start_up(lesson, "--cold")
    state = place.booting(lesson)
    running.kill()
    running.communicate()
    shutil.rmtree(lesson)
    done = place.run("down", lesson)
    assert done.returncode == 0, done.stderr
    place.clean()
    assert [line for line in place.left(state) if "/gone-" in line] == []
    assert not Path(state["sockets"]).exists()


def test_an_ordinary_user_has_labs_without_root(place, somebody, repository):
    home = Path(somebody.pw_dir)
    cache, lesson, images = home / "cache", home / "lessons/plain", home / "out"
    shutil.copytree(place.cache / "snapshots", cache / "snapshots")
    shutil.copytree(place.images, images)
    shutil.copytree(place.folder / "lessons/one", lesson)
    subprocess.run(["chown", "--recursive", f"{somebody.pw_uid}:{somebody.pw_gid}", home], check=True)

    def labwright(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return as_user(somebody, repository, "lesson", *words, cache=cache)

    done = labwright("up", lesson, "--images", images)
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        assert labwright("ssh", lesson, "r1", "--", "id", "-un").stdout == "antidote\n"
        assert labwright("stage", lesson, "1").returncode == 0
        keeper = json.loads(labwright("status", "--json").stdout)["labs"][0]["process"]
        assert Path(f"/proc/{keeper}").stat().st_uid == somebody.pw_uid
    finally:
        ended = labwright("down", lesson)
    assert ended.returncode == 0, ended.stderr
    assert not list((cache / "ledger").iterdir())
    assert [path for path in (cache / "labs").iterdir() if path.is_dir()] == []
