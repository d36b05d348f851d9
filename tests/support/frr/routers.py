"""FRR in network namespaces: each router has its own daemons, sockets and configuration files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

DAEMONS = ("zebra", "staticd", "bgpd")
BINARIES = Path("/usr/lib/frr")


def call(*words: str | Path, timeout: float = 120) -> str:
    """What a command printed. Raises RuntimeError with its words when it failed."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}")
    return done.stdout


@dataclass
class Router:
    """One router: its namespace, its folders and its daemons. pathspace: FRR's own name for a set of daemons."""

    namespace: str
    folder: Path
    pathspace: str = ""
    daemons: dict[str, int] = field(default_factory=dict)

    @property
    def sockets(self) -> Path:
        return Path("/var/run/frr") / self.pathspace if self.pathspace else self.folder / "run"

    @property
    def config(self) -> Path:
        return Path("/etc/frr") / self.pathspace if self.pathspace else self.folder / "etc"

    @property
    def optional_args(self) -> dict[str, object]:
        """What the driver's transport `local` needs to speak to it."""
        return {"transport": "local", "netns": self.namespace} | self.paths

    @property
    def paths(self) -> dict[str, object]:
        """Where the driver finds the daemons."""
        if self.pathspace:
            return {"pathspace": self.pathspace}
        return {"vty_socket": str(self.sockets), "config_dir": str(self.config)}

    @property
    def state(self) -> Path:
        """Where the driver keeps its lock and a commit that waits, when it is root."""
        return Path("/run/napalm-frr") / self.instance

    @property
    def instance(self) -> str:
        """The driver's name for this set of daemons."""
        return hashlib.sha256(os.fsencode(self.sockets.resolve())).hexdigest()[:16]

    def execute(self, *words: str | Path) -> str:
        return call("ip", "netns", "exec", self.namespace, *words)

    def vtysh(self, *commands: str) -> str:
        """What commands print; the tests' own way in, that the driver has no part in."""
        where = ["-N", self.pathspace] if self.pathspace else ["--vty_socket", self.sockets]
        return self.execute("vtysh", *where, "--config_dir", self.config, *(w for c in commands for w in ("-c", c)))

    def running(self) -> str:
        return self.vtysh("show running-config no-header")

    def start(self, name: str) -> None:
        """Start one daemon, and wait until it answers."""
        pid_file = self.folder / f"{name}.pid"
        where = ["-N", self.pathspace] if self.pathspace else ["--vty_socket", self.sockets]
        more = ["-p", "179"] if name == "bgpd" else ["-s", "1048576"] if name == "zebra" else []
        # -A: the TCP vty would have a fixed port; each namespace has a loopback of its own, so there is no clash.
        self.execute(
            BINARIES / name, "-d", *where, "-z", self.sockets / "zserv.api", "-i", pid_file, "-A", "127.0.0.1",
            "-f", self.config / f"{name}.conf", "--log", f"file:{self.folder}/{name}.log", *more,
        )  # fmt: skip
        self.daemons[name] = int(pid_file.read_text())
        wait_for((self.sockets / f"{name}.vty").exists)

    def stop(self, name: str) -> None:
        """End one daemon, by the id that it had when it was started here."""
        pid = self.daemons.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        try:
            wait_for(lambda: not running(pid), 5)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
        (self.sockets / f"{name}.vty").unlink(missing_ok=True)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition, seconds: float = 60) -> None:  # type: ignore[no-untyped-def]
    """Until it is true. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not true within {seconds} s: {condition}")
        time.sleep(0.05)


def forget(state: Path, instance: str) -> None:
    """Remove the state of all users of one router."""
    for folder in (state, *Path("/tmp").glob(f"napalm-frr-{instance}-*")):
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def router(pathspace: bool = False, configuration: str = "") -> Iterator[Router]:
    """A running router. Everything that it made is gone afterwards."""
    unique = uuid.uuid4().hex[:8]
    # UNIX sockets have paths of at most 107 bytes, so not pytest's folder.
    folder = Path(tempfile.mkdtemp(prefix="frr-", dir="/tmp"))
    made = Router(f"frr-{unique}", folder, f"t{unique}" if pathspace else "")
    with contextlib.ExitStack() as undo:
        undo.callback(shutil.rmtree, folder)
        folder.chmod(0o755)
        undo.callback(forget, made.state, made.instance)
        for place in (made.sockets, made.config):
            place.mkdir(exist_ok=True, parents=True)
            undo.callback(shutil.rmtree, place, ignore_errors=True)
            shutil.chown(place, "frr", "frr")
        shutil.chown(made.sockets, "frr", "frrvty")
        made.sockets.chmod(0o775)
        shutil.chown(folder, "frr", "frr")
        (made.config / "vtysh.conf").write_text("service integrated-vtysh-config\n")
        for name in (*DAEMONS, "ospfd"):
            (made.config / f"{name}.conf").write_text("")
        (made.config / "frr.conf").write_text(configuration or "!\n")
        for file in made.config.iterdir():
            shutil.chown(file, "frr", "frr")
            file.chmod(0o640)
        call("ip", "netns", "add", made.namespace)
        undo.callback(call, "ip", "netns", "delete", made.namespace)
        made.execute("ip", "link", "set", "lo", "up")
        undo.callback(lambda: [made.stop(name) for name in list(made.daemons)])
        for name in DAEMONS:
            made.start(name)
        yield made


def cable(left: Router, right: Router, name: str = "eth1") -> None:
    """A veth pair between two routers; it goes with the namespaces."""
    call("ip", "link", "add", name, "netns", left.namespace, "type", "veth", "peer", name, "netns", right.namespace)
    for one in (left, right):
        one.execute("ip", "link", "set", name, "up")


LEFT = """\
interface eth1
 ip address 192.0.2.1/30
 ipv6 address 2001:db8::1/64
exit
interface lo
 ip address 10.0.0.1/32
exit
router bgp 65001
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
 neighbor 192.0.2.2 remote-as 65002
 neighbor 192.0.2.2 description the right one
 neighbor 192.0.2.2 timers connect 1
 neighbor 192.0.2.9 remote-as 65009
 neighbor 192.0.2.9 shutdown
 address-family ipv4 unicast
  network 10.0.0.1/32
 exit-address-family
exit
"""
# 1.0.4.0/24 and 8.8.8.8 are what NAPALM's conformance suite asks for.
RIGHT = """\
interface eth1
 ip address 192.0.2.2/30
 ipv6 address 2001:db8::2/64
exit
interface lo
 ip address 8.8.8.8/32
exit
ip route 1.0.4.0/24 Null0
route-map OUT permit 10
 set community 65002:1 65002:2
 set metric 77
exit
router bgp 65002
 bgp router-id 8.8.8.8
 no bgp ebgp-requires-policy
 neighbor 192.0.2.1 remote-as 65001
 neighbor 192.0.2.1 timers connect 1
 address-family ipv4 unicast
  network 8.8.8.8/32
  network 1.0.4.0/24
  neighbor 192.0.2.1 route-map OUT out
 exit-address-family
exit
"""


@contextlib.contextmanager
def bgp_pair() -> Iterator[tuple[Router, Router]]:
    """Two routers with a BGP session and neighbours at layer 2 between them; the right one has a pathspace."""
    with router() as left, router(pathspace=True) as right:
        cable(left, right)
        for one, text in ((left, LEFT), (right, RIGHT)):
            file = one.folder / "given"
            file.write_text(text)
            where = ["-N", one.pathspace] if one.pathspace else ["--vty_socket", one.sockets]
            one.execute("vtysh", *where, "--config_dir", one.config, "-f", file)

        def told() -> bool:
            """Each has the other's routes, and the left one has counted what it sent."""
            learnt = left.vtysh("show ip route bgp")
            peers = json.loads(left.vtysh("show bgp summary json"))["ipv4Unicast"]["peers"]
            return (
                all(prefix in learnt for prefix in ("8.8.8.8/32", "1.0.4.0/24"))
                and "10.0.0.1" in right.vtysh("show ip route")
                and peers["192.0.2.2"].get("pfxSnt") == 3
            )

        wait_for(told, 60)
        left.execute("ping", "-c", "1", "2001:db8::2")
        yield left, right
