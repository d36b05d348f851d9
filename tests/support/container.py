"""Containers of the platform, run by runc as Kubernetes would: with what the manifest of docs allows, and no more."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RAW = "CAP_NET_RAW"
NEW_NETWORK = 0x40000000


def run(*words: str | Path, check: bool = True) -> str:
    return subprocess.run(
        [str(word) for word in words], check=check, capture_output=True, text=True, timeout=120
    ).stdout


@contextlib.contextmanager
def network() -> Iterator[str]:
    """A network namespace of our own: its name."""
    name = f"lw-{secrets.token_hex(4)}"
    run("ip", "netns", "add", name)
    try:
        run("ip", "-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        run("ip", "netns", "del", name)


def cable(a: tuple[str, str], b: tuple[str, str], mtu: int = 1500) -> None:
    """A pair of interfaces between two namespaces, each (namespace, interface)."""
    run("ip", "-n", a[0], "link", "add", a[1], "mtu", str(mtu), "type", "veth", "peer", "name", b[1], "netns", b[0])
    run("ip", "-n", b[0], "link", "set", b[1], "mtu", str(mtu))
    for name, interface in (a, b):
        # The container's own kernel keeps out: it would speak IPv6 on the machine's cable.
        run("ip", "netns", "exec", name, "sysctl", "-qw", f"net.ipv6.conf.{interface}.disable_ipv6=1")
        run("ip", "-n", name, "link", "set", interface, "up")
    for name, interface in (a, b):
        # The kernel drops what is sent before it has noticed, up to a second later, that both ends are up.
        until = time.monotonic() + 10
        while json.loads(run("ip", "-n", name, "-j", "link", "show", interface))[0]["operstate"] != "UP":
            assert time.monotonic() < until, f"{interface} does not come up"
            time.sleep(0.05)


@dataclass(frozen=True)
class Container:
    """One that runs. log: its standard output."""

    process: subprocess.Popen[bytes]
    name: str
    state: Path
    log: Path

    def signal(self, number: str) -> None:
        run("runc", "--root", self.state, "kill", self.name, number)

    def execute(self, *words: str) -> int:
        command = ["runc", "--root", str(self.state), "exec", self.name, *words]
        return subprocess.run(command, check=False, timeout=60, stdin=subprocess.DEVNULL).returncode

    def wait_for(self, text: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.said:
            assert self.process.poll() is None, f"the container ended:\n{self.said[-3000:]}"
            assert time.monotonic() < deadline, f"no {text!r} within {seconds} s:\n{self.said[-3000:]}"
            time.sleep(0.2)

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")


@contextlib.contextmanager
def container(
    root: Path, config: Mapping, namespace: str, folder: Path, environment: Mapping[str, str] | None = None,
    capabilities: Sequence[str] = (RAW,), ambient: bool = False, lesson: Path | None = None,
) -> Iterator[Container]:  # fmt: skip
    """Start the image in `root`. ambient: as Podman gives capabilities to a user other than root; then no new
    privileges are allowed. Else as Kubernetes does: what the file has counts, within the bounding set."""
    folder.mkdir(parents=True)
    name = f"labwright-test-{secrets.token_hex(6)}"
    user, group = (int(word) for word in config["config"]["User"].split(":"))
    sets = {kind: list(capabilities) for kind in ("bounding", "effective", "permitted")}
    sets |= {kind: list(capabilities) if ambient else [] for kind in ("inheritable", "ambient")}
    variables = [*config["config"]["Env"], *(f"{key}={value}" for key, value in (environment or {}).items())]
    mounts = [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]},
    ]
    if lesson:
        mounts.append({"destination": "/antidote", "type": "bind", "source": str(lesson), "options": ["rbind", "ro"]})
    facts = {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False, "user": {"uid": user, "gid": group}, "args": config["config"]["Entrypoint"],
            "env": variables, "cwd": "/", "capabilities": sets, "noNewPrivileges": ambient,
        },
        "root": {"path": str(root), "readonly": True},
        "mounts": mounts,
        "linux": {
            "namespaces": [*({"type": kind} for kind in ("pid", "ipc", "uts", "mount")),
                           {"type": "network", "path": f"/run/netns/{namespace}"}],
            # A safe sysctl of Kubernetes, and what containerd 2 and Docker set by themselves.
            "sysctl": {"net.ipv4.ip_unprivileged_port_start": "0"},
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(facts))
    state, log = folder / "state", folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["runc", "--root", str(state), "run", "--bundle", str(folder), name],
            stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env={"PATH": os.environ["PATH"]},
        )  # fmt: skip
    try:
        yield Container(process, name, state, log)
    finally:
        run("runc", "--root", state, "kill", name, "KILL", check=False)
        process.wait(30)
        run("runc", "--root", state, "delete", "--force", name, check=False)


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """This thread in another network namespace: what it opens belongs there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open("rb") as own, Path("/run/netns", namespace).open("rb") as other:
        assert libc.setns(other.fileno(), NEW_NETWORK) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert libc.setns(own.fileno(), NEW_NETWORK) == 0, os.strerror(ctypes.get_errno())
