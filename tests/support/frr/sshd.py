"""A real sshd, one process for each connection as inetd would start it, in a router's namespace."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.frr.routers import Router, call, running, wait_for


@dataclass
class Server:
    """host, port: where it listens. username, password, key: of a temporary user in FRR's groups."""

    username: str
    password: str
    key: Path
    known_hosts: Path
    host: str = "127.0.0.1"
    port: int = 0
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def cut(self) -> None:
        """End all connections the hard way, with the sessions' own processes, as a network that went away would."""
        for process in self.processes:
            for pid in [*descendants(process.pid), process.pid]:
                with contextlib.suppress(OSError):
                    if "sshd" in Path(f"/proc/{pid}/comm").read_text():
                        os.kill(pid, signal.SIGKILL)
            process.wait(10)
        self.processes.clear()


def descendants(pid: int) -> list[int]:
    """The processes below one."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, file.read_text().split()):
                found += [child, *descendants(child)]
    return found


def processes_of(name: str) -> list[int]:
    """What a temporary user has left running."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, KeyError):
            if folder.owner() == name and running(int(folder.name)):
                found.append(int(folder.name))
    return found


@contextlib.contextmanager
def user(groups: str) -> Iterator[tuple[str, str]]:
    """A temporary user with a password. Gone afterwards."""
    name, password = f"frr{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    hashed = call("openssl", "passwd", "-6", password).strip()
    more = ["--groups", groups] if groups else []
    call("useradd", "--create-home", "--shell", "/bin/sh", "--password", hashed, *more, name)
    try:
        yield name, password
    finally:
        for pid in processes_of(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not processes_of(name))
        subprocess.run(["userdel", "--remove", name], check=True, capture_output=True)


@contextlib.contextmanager
def server(router: Router, groups: str = "frr,frrvty") -> Iterator[Server]:
    """An SSH server inside a router."""
    with contextlib.ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="frr-ssh-")))
        name, password = undo.enter_context(user(groups))
        for key in ("host", "client"):
            call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key)
        (folder / "authorized").write_text((folder / "client.pub").read_text())
        (folder / "config").write_text(
            f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
            f"PasswordAuthentication yes\nKbdInteractiveAuthentication no\nAllowUsers {name}\nMaxSessions 10\n"
        )
        folder.chmod(0o755)
        (folder / "authorized").chmod(0o644)
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        made = Server(name, password, folder / "client", folder / "known_hosts")
        words = ["ip", "netns", "exec", router.namespace, "/usr/sbin/sshd", "-i", "-f", str(folder / "config")]
        undo.enter_context(listening(made, words))
        key = (folder / "host.pub").read_text()
        made.known_hosts.write_text(f"[{made.host}]:{made.port} {key}")
        yield made


@contextlib.contextmanager
def listening(made: Server, words: list[str]) -> Iterator[None]:
    """words: the command of an sshd for one connection."""
    listener = socket.create_server((made.host, 0))
    made.port = listener.getsockname()[1]

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    process = subprocess.Popen(words, stdin=connection, stdout=connection, stderr=subprocess.DEVNULL)
                    made.processes.append(process)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
        for process in made.processes:
            process.terminate()
            process.wait(10)
            wait_for(lambda pid=process.pid: not running(pid))
