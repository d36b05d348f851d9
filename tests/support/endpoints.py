"""Endpoints as a lesson has them: a network of the test's own, a real sshd on port 22 of all its loopback addresses."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labwright.host.ledger import Ledger
from labwright.host.run import run
from labwright.interfaces import Endpoint
from labwright.lesson.configure import ConfigureContext, StageWork
from labwright.spec.lesson import LessonSpec
from support.frr import sshd
from support.frr.routers import Router, call, router
from support.netconf import end

CLONE_NEWNET = 0x40000000
USER = "antidote"
IDENTITY = 64125
# Its own /etc, so that the user is no one whom a killed test could leave behind, in a process namespace of its own.
SSHD_INSIDE = """
set -e
mount -t tmpfs -o mode=755 none /run
mkdir /run/sshd
mount --bind "$1/etc" /etc
exec /usr/sbin/sshd -D -e -f "$1/sshd_config"
"""
FRR_INSIDE = """
set -e
mkdir -p /run/frr
mount --bind "$1" /run/frr
mount --bind "$2" /etc/frr
mount --bind "$3" /tmp
exec ip netns exec "$4" /usr/sbin/sshd -i -f "$5"
"""


@contextlib.contextmanager
def own_network() -> Iterator[None]:
    """This thread, and those and the children that it starts, in a network with nothing but loopback."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        assert ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) == 0
        call("ip", "link", "set", "lo", "up")
        yield
    finally:
        ctypes.CDLL(None).setns(before, CLONE_NEWNET)
        os.close(before)


@dataclass(frozen=True)
class Machines:
    """As many machines as there are addresses in 127.0.0.0/8; all of them are one sshd with one home folder."""

    folder: Path
    password: str = field(repr=False)
    user: str = USER

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def endpoint(self, name: str, number: int = 1, **other: object) -> Endpoint:
        known: dict[str, object] = {"user": self.user, "password": self.password, "port": 22}
        return Endpoint(name=name, host=address(number), **(known | other))  # type: ignore[arg-type]


def address(number: int) -> str:
    return f"127.0.{1 + number // 250}.{number % 250}"


@contextlib.contextmanager
def machines() -> Iterator[Machines]:
    """Within own_network(). Leaves nothing."""
    folder = Path(tempfile.mkdtemp(prefix="labwright-endpoints-", dir="/var/tmp"))
    try:
        folder.chmod(0o755)
        made = Machines(folder, f"se'cret {secrets.token_hex(8)}")
        made.home.mkdir()
        os.chown(made.home, IDENTITY, IDENTITY)
        process = start_sshd(made)
        try:
            wait_for_port(process)
            yield made
        finally:
            end(process)
    finally:
        shutil.rmtree(folder)


def start_sshd(made: Machines) -> subprocess.Popen[bytes]:
    folder = made.folder
    call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host_key")
    secret = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=made.password, capture_output=True, text=True, check=True
    ).stdout.strip()
    (folder / "etc").mkdir()
    (folder / "etc/passwd").write_text(
        "root:x:0:0::/:/bin/sh\nsshd:x:64122:65534::/run/sshd:/bin/false\n"
        f"{USER}:x:{IDENTITY}:{IDENTITY}::{made.home}:/bin/sh\n"
    )
    (folder / "etc/group").write_text(f"root:x:0:\n{USER}:x:{IDENTITY}:\n")
    (folder / "etc/shadow").write_text(f"{USER}:{secret}:19000:0:99999:7:::\n")
    (folder / "sshd_config").write_text(
        f"Port 22\nListenAddress 0.0.0.0\nHostKey {folder}/host_key\nPidFile none\nUsePAM no\nUseDNS no\n"
        f"PasswordAuthentication yes\nAllowUsers {USER}\nMaxStartups 1000\nSubsystem sftp internal-sftp\n"
    )
    with (folder / "sshd.log").open("ab") as log:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child=KILL",
             "--mount-proc", "sh", "-c", SSHD_INSIDE, "sh", folder],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip


def wait_for_port(process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None and time.monotonic() < deadline
        with contextlib.suppress(OSError), socket.create_connection((address(1), 22), 1):
            return
        time.sleep(0.02)


def lesson(folder: Path, files: Mapping[str, str]) -> Path:
    """A lesson's folder. files: by their paths in it."""
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder


def spec(stages: int = 1, **kinds: str | None) -> LessonSpec:
    """A lesson's description. kinds: configurationType by the endpoint's name, in which _ stands for -."""
    endpoints = [
        {"name": name.replace("_", "-"), "image": "utility", "additionalPorts": (22,)}
        | ({"configurationType": kind} if kind else {})
        for name, kind in kinds.items()
    ]
    return LessonSpec.model_validate(
        {
            "name": "Sample", "slug": "sample", "category": "tools", "tier": "local", "description": "A sample",
            "shortDescription": "A sample", "endpoints": tuple(endpoints),
            "stages": tuple({"description": "One", "guideType": "markdown"} for _ in range(stages)),
        }
    )  # fmt: skip


@dataclass
class Stage:
    """A stage of a lesson, ready to run in a test's folder. said: what people saw."""

    folder: Path
    kinds: Mapping[str, str | None]
    endpoints: Mapping[str, Endpoint]
    said: list[str] = field(default_factory=list)
    options: dict[str, object] = field(default_factory=dict)

    @property
    def lesson(self) -> Path:
        return self.folder / "lesson"

    def work(self, **other: object) -> StageWork:
        known: dict[str, object] = {"stage": 0, "limit": 300.0} | other
        return StageWork(self.lesson, spec(**self.kinds), endpoints=self.endpoints, **known)  # type: ignore[arg-type]

    def context(self, **other: object) -> ConfigureContext:
        known: dict[str, object] = {
            "ledger": Ledger(self.folder / "ledger"), "scratch": self.folder / "scratch", "say": self.said.append,
            "logs": self.folder / "logs", "run_for": lambda _: run, "pause": 0.05,
        }  # fmt: skip
        return ConfigureContext(**(known | other))  # type: ignore[arg-type]

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted((self.folder / "logs").glob("*")))

    def left(self) -> list[Path]:
        """What is left of copies and of the ledger's entries."""
        places = (self.folder / "scratch", self.folder / "ledger")
        return [path for place in places if place.exists() for path in place.iterdir()]


def stage(folder: Path, files: Mapping[str, str], endpoints: list[Endpoint], **kinds: str | None) -> Stage:
    """kinds: of the endpoints that are no python ones."""
    lesson(folder / "lesson", files)
    found = {one.name: kinds.get(one.name, "python") for one in endpoints}
    return Stage(folder, found, {one.name: one for one in endpoints})


@contextlib.contextmanager
def frr_machine(name: str) -> Iterator[tuple[Router, Endpoint]]:
    """A machine with FRR, of which an endpoint's configuration file says all: its daemons are where they always are."""
    with contextlib.ExitStack() as undo:
        made = undo.enter_context(router())
        made.config.chmod(0o775)
        made.execute("ip", "link", "add", "eth1", "type", "veth", "peer", "name", "eth2")
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="labwright-frr-", dir="/var/tmp")))
        folder.chmod(0o755)
        private = folder / "tmp"
        private.mkdir()
        private.chmod(0o1777)
        user, password = undo.enter_context(sshd.user("frr,frrvty"))
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host")
        (folder / "config").write_text(
            f"HostKey {folder}/host\nUsePAM no\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n"
            f"AllowUsers {user}\n"
        )
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        server = sshd.Server(user, password, folder / "none", folder / "none")
        words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", FRR_INSIDE, "sh", str(made.sockets),
                 str(made.config), str(private), made.namespace, str(folder / "config")]  # fmt: skip
        undo.enter_context(sshd.listening(server, words))
        yield made, Endpoint(name, server.host, server.port, user, password)
