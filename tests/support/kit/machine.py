"""A machine like a lab's, without a kernel of its own: real systemd, sshd, sudo, FRR and ifupdown in namespaces."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from labwright.kit.connection import connect
from labwright.kit.host import Host

INSIDE = Path(__file__).parent / "inside.sh"
CGROUPS = Path("/sys/fs/cgroup/systemd")
NEEDED = ("/lib/systemd/systemd", "/usr/sbin/sshd", "/usr/bin/sudo", "/usr/sbin/ifup", "/usr/bin/vtysh")
USER, WITH_PASSWORD, NOBODY_SPECIAL = "antidote", "teacher", "visitor"
"""sudo without a password, with one, and not at all."""
KEPT = ("dbus.service", "frr.service", "networking.service", "ssh.service", "systemd-journald.service")
"""Of what this host has enabled, the units that the machine starts; all others are masked."""
STARTED = 120.0
"""Seconds until it is up, on a host that does other things beside."""

SETUP = """
set -eu
ip link set lo up
for number in 0 1 2; do
    ip link add "eth$number" type veth peer name "peer$number"
    ip link set "peer$number" up
done
ip link property add dev eth0 altname enp0s3f0
ip address add 10.0.0.15/24 dev eth0
ip link set eth0 up
hostname unnamed
echo unnamed >/etc/hostname
printf '127.0.0.1\\tlocalhost\\n127.0.1.1\\tunnamed\\n' >/etc/hosts
# Fixed text instead of useradd, which takes a second.
i=70000
for name in {users}; do
    i=$((i + 1))
    echo "$name:x:$i:$i::/home/$name:/bin/bash" >>/etc/passwd
    echo "$name:x:$i:" >>/etc/group
    echo "$name:{hash}:19000:0:99999:7:::" >>/etc/shadow
    mkdir -p "/home/$name" && chown "$i:$i" "/home/$name"
done
mkdir -p /etc/sudoers.d
echo '{free} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/free
echo '{asked} ALL=(ALL) ALL' >/etc/sudoers.d/asked
chmod 0440 /etc/sudoers.d/*
for unit in {masked}; do ln -sf /dev/null "/etc/systemd/system/$unit"; done
printf 'auto lo\\niface lo inet loopback\\n' >/etc/network/interfaces
rm -rf /etc/network/interfaces.d
rm -f /etc/frr/*.conf /run/nologin
printf 'bgpd=no\\nvtysh_enable=yes\\nzebra_options="-A 127.0.0.1"\\nbgpd_options="-A 127.0.0.1"\\n' >/etc/frr/daemons
chown frr:frr /etc/frr/daemons
"""


@dataclass
class Machine:
    """A machine that runs. pid: of its process 1. port: of its sshd, on loopback. password: of all its users."""

    pid: int
    password: str = field(repr=False)
    port: int = 0
    user: str = USER

    def execute(self, *words: str | Path, check: bool = True) -> str:
        """What a command prints, as root: the tests' own way in, that the kit has no part in."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-a", "--", *map(str, words)],
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(f"{words}: {done.stdout}{done.stderr}")
        return done.stdout

    def read(self, place: str) -> str:
        return self.execute("cat", place)

    def status(self, place: str) -> str:
        """Owner, group and mode."""
        return self.execute("stat", "-c", "%U:%G %a", place).strip()

    def environment(self, user: str = "") -> dict[str, str]:
        """What a lesson's script gets."""
        return {
            "ANTIDOTE_TARGET_HOST": "127.0.0.1",
            "ANTIDOTE_TARGET_USERNAME": user or self.user,
            "ANTIDOTE_TARGET_PASSWORD": self.password,
            "LABWRIGHT_TARGET_PORT": str(self.port),
        }

    @contextlib.contextmanager
    def host(self, user: str = "") -> Iterator[Host]:
        with connect("127.0.0.1", user or self.user, self.password, self.port) as made:
            yield made


def missing() -> str:
    """What this host lacks for it; empty if nothing."""
    if os.geteuid() != 0:
        return "root, for namespaces"
    if not CGROUPS.is_dir():
        return "the hierarchy of control groups that systemd 252 asks for (/sys/fs/cgroup/systemd)"
    lacks = [path for path in NEEDED if not Path(path).exists()]
    return f"{', '.join(lacks)}: make test-packages" if lacks else ""


@contextlib.contextmanager
def machine(keep: tuple[str, ...] = KEPT) -> Iterator[Machine]:
    """A machine. Nothing of it is left afterwards."""
    with contextlib.ExitStack() as undo:
        folder = Path(tempfile.mkdtemp(prefix="labwright-kit-", dir="/tmp"))
        undo.callback(shutil.rmtree, folder)
        (folder / "overlay").mkdir()
        password = secrets.token_hex(8)
        (folder / "setup").write_text(setup(password, keep))
        group = CGROUPS / f"labwright-{uuid.uuid4().hex[:8]}"
        group.mkdir()
        undo.callback(forget, group)
        process = start(folder, group)
        undo.callback(end, process)
        first = wait_for_child(process)
        made = Machine(first, password)
        wait_until_running(made, folder)
        undo.enter_context(listening(made, folder))
        yield made


def setup(password: str, keep: tuple[str, ...]) -> str:
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=password, capture_output=True, text=True, check=True
    ).stdout.strip()
    enabled = [path.name for path in Path("/etc/systemd/system").glob("*.wants/*")]
    enabled += [path.name for path in Path("/lib/systemd/system").glob("*.wants/*")]
    masked = sorted(
        name for name in {*enabled, "systemd-udevd.service", "systemd-udevd-kernel.socket"}
        if name not in keep and name.endswith((".service", ".timer", ".mount", ".socket"))
        and not name.startswith(("systemd-journald", "dbus", "systemd-tmpfiles-setup.", "systemd-update-utmp"))
    )  # fmt: skip
    values = {"users": f"{USER} {WITH_PASSWORD} {NOBODY_SPECIAL}", "hash": hashed.replace("$", "\\$"),
              "free": USER, "asked": WITH_PASSWORD, "masked": " ".join(masked)}  # fmt: skip
    text = SETUP
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", value)
    return text


def start(folder: Path, group: Path) -> subprocess.Popen[bytes]:
    """Process 1 in namespaces of its own; when what we started ends, the kernel ends all of it."""
    joined = f'echo $$ >"{group}/cgroup.procs" && exec "$@"'
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "sh", "-c", joined, "sh", "unshare", "--mount", "--propagation",
             "private", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child=KILL",
             "sh", INSIDE, folder, folder / "setup"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip


def wait_for_child(process: subprocess.Popen[bytes]) -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end = time.monotonic() + STARTED
    while time.monotonic() < end:
        if found := children.read_text().split():
            return int(found[0])
        time.sleep(0.02)
    raise TimeoutError("the machine does not start")


def wait_until_running(made: Machine, folder: Path) -> None:
    end = time.monotonic() + STARTED
    while time.monotonic() < end:
        if Path(f"/proc/{made.pid}/comm").exists() and Path(f"/proc/{made.pid}/comm").read_text().strip() == "systemd":
            said = made.execute("systemctl", "is-system-running", check=False).strip()
            if said in {"running", "degraded"}:
                return
        time.sleep(0.05)
    raise TimeoutError(f"the machine is not up:\n{(folder / 'log').read_text()}\n"
                       + made.execute("systemctl", "list-jobs", check=False))  # fmt: skip


def end(process: subprocess.Popen[bytes]) -> None:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    with contextlib.suppress(OSError, ProcessLookupError):
        for child in children.read_text().split():
            os.kill(int(child), signal.SIGKILL)
    process.wait(20)


def forget(group: Path) -> None:
    """Remove an emptied control group with all below it."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            for path in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
                path.rmdir()
            group.rmdir()
            return
        time.sleep(0.05)


@contextlib.contextmanager
def listening(made: Machine, folder: Path) -> Iterator[None]:
    """A real sshd in the machine, one process for each connection as inetd would start it, reached over loopback."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host"], check=True)
    made.execute("mkdir", "-p", "/run/sshd")
    config = (
        "HostKey /run/sshd-key\nUsePAM no\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n"
        "PermitRootLogin yes\nMaxSessions 20\nSubsystem sftp internal-sftp\n"
    )
    for place, text in (("/run/sshd-key", (folder / "host").read_text()), ("/run/sshd-config", config)):
        subprocess.run(
            ["nsenter", "-t", str(made.pid), "-a", "--", "sh", "-c", 'umask 077; cat >"$0"', place],
            input=text, text=True, check=True,
        )  # fmt: skip
    listener = socket.create_server(("127.0.0.1", 0))
    made.port = listener.getsockname()[1]
    processes: list[subprocess.Popen[bytes]] = []
    words = ["nsenter", "-t", str(made.pid), "-a", "--", "/usr/sbin/sshd", "-i", "-f", "/run/sshd-config"]

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    processes.append(
                        subprocess.Popen(words, stdin=connection, stdout=connection, stderr=subprocess.DEVNULL)
                    )

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
        for process in processes:
            process.terminate()
            process.wait(10)
