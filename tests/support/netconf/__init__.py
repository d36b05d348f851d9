"""A real NETCONF server: netconfd behind OpenSSH, as many at once as wanted, on loopback."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ncclient import manager

from support.registry import free_port

NETCONFD, SUBSYSTEM, SSHD = map(Path, ("/usr/sbin/netconfd", "/usr/sbin/netconf-subsystem", "/usr/sbin/sshd"))
MODEL = Path(__file__).parent / "lab.yang"
HOST = "127.0.0.1"
USER = "netadmin"

# In a mount namespace of its own, sshd has a user that this machine does not have, and the folder that it insists on:
# neither is anything that a killed test could leave behind. All of /etc, since a mount over /etc/passwd alone goes away
# as soon as anybody adds a user outside. In a process namespace of its own, its sessions end when it does.
SSHD_INSIDE = """
set -e
mount -t tmpfs -o mode=755 none /run
mkdir /run/sshd
mount --bind "$1/etc" /etc
exec "$2" -D -e -f "$1/sshd_config"
"""
# netconfd writes to .yuma in its user's home, which it takes neither from HOME nor from --home.
NETCONFD_INSIDE = """
set -e
mount --bind "$1" "$2"
shift 2
exec "$@"
"""


@dataclass
class NetconfServer:
    """A server that runs. A session of its user may do everything: it is the server's superuser."""

    folder: Path
    port: int
    password: str
    netconfd: subprocess.Popen[bytes]
    sshd: subprocess.Popen[bytes]
    host: str = HOST
    user: str = USER

    @contextlib.contextmanager
    def session(self) -> Iterator[manager.Manager]:
        """A session that owes nothing to NAPALM. It is cut at the end, as by a broken network, not closed."""
        session = manager.connect(
            host=self.host, port=self.port, username=self.user, password=self.password, timeout=10,
            hostkey_verify=False, allow_agent=False, look_for_keys=False,
        )  # fmt: skip
        try:
            yield session
        finally:
            session._session.close()  # ncclient offers no other way to cut a session

    def leaves(self, store: str = "running") -> dict[str, str]:
        """What stands in a datastore, names and values, asked in a session of its own."""
        with self.session() as session:
            reply = session.get_config(store).data_xml
        return dict(re.findall(r"<([\w-]+)>([^<\n]+)</", reply))

    def sessions(self) -> int:
        """How many sessions the server's host has: processes that sshd started for this server."""
        found = 0
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                words = (process / "cmdline").read_bytes().split(b"\0")
                found += words[0] == bytes(SUBSYSTEM) and words[1].endswith(f"@{self.folder}/ncx.sock".encode())
        return found

    def stands_still(self) -> None:
        """From now on the server answers nothing, and its connections stay."""
        self.netconfd.send_signal(signal.SIGSTOP)

    def goes_on(self) -> None:
        self.netconfd.send_signal(signal.SIGCONT)

    def dies(self) -> None:
        end(self.netconfd)

    def loses_its_sessions(self) -> None:
        """The network between the server and everybody breaks."""
        end(self.sshd)

    def starts_again(self) -> None:
        (self.folder / "ncx.sock").unlink()  # a server that was killed leaves it, and then refuses to start
        self.netconfd = start_netconfd(self.folder, self.port)
        wait_for(self)

    def log(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))


def missing() -> str:
    """What this host lacks for it; empty if nothing."""
    if os.geteuid() != 0:
        return "root, for sshd"
    lacks = [path.name for path in (NETCONFD, SUBSYSTEM, SSHD) if not path.exists()]
    return f"{', '.join(lacks)}: packages netconfd and openssh-server" if lacks else ""


@contextlib.contextmanager
def netconf_server() -> Iterator[NetconfServer]:
    """With candidate, validate, confirmed commit and startup, and the model lab.yang. Leaves nothing."""
    with contextlib.ExitStack() as stack:
        # Not pytest's folder: the user must be able to reach the socket, and its path has a limit of 107 bytes.
        folder = Path(tempfile.mkdtemp(prefix="labwright-netconf-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder)
        folder.chmod(0o755)
        port, password = free_port(), secrets.token_hex(8)
        sshd = start_sshd(folder, port, password)
        stack.callback(end, sshd)
        server = NetconfServer(folder, port, password, start_netconfd(folder, port), sshd)
        stack.callback(lambda: end(server.netconfd))  # the one that runs then, which need not be the first
        wait_for(server)
        yield server


def start_sshd(folder: Path, port: int, password: str) -> subprocess.Popen[bytes]:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host_key"], check=True)
    secret = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=password, capture_output=True, text=True, check=True
    ).stdout.strip()
    (folder / "etc").mkdir()
    (folder / "etc/passwd").write_text(
        "root:x:0:0::/:/bin/sh\n"
        "sshd:x:64122:65534::/run/sshd:/bin/false\n"  # whom it runs as until a password was right
        f"{USER}:x:64123:64123::/:/bin/sh\n"
    )
    (folder / "etc/shadow").write_text(f"{USER}:{secret}:19000:0:99999:7:::\n")
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress {HOST}\nHostKey {folder}/host_key\nPidFile none\nUsePAM no\n"
        f"PasswordAuthentication yes\nAllowUsers {USER}\n"
        f"Subsystem netconf {SUBSYSTEM} --ncxserver-sockname={port}@{folder}/ncx.sock\n"
    )
    with (folder / "sshd.log").open("ab") as log:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child=KILL",
             "--mount-proc", "sh", "-c", SSHD_INSIDE, "sh", folder, SSHD],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip


def start_netconfd(folder: Path, port: int) -> subprocess.Popen[bytes]:
    home = pwd.getpwuid(os.geteuid()).pw_dir
    shutil.copy(MODEL, folder)  # the home that is hidden may be where this repository is
    with (folder / "netconfd.log").open("ab") as log:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "sh", "-c", NETCONFD_INSIDE, "sh", folder, home,
             NETCONFD, f"--module={folder}/{MODEL.name}", f"--superuser={USER}", "--target=candidate",
             "--with-startup=true", "--with-validate=true", f"--ncxserver-sockname={folder}/ncx.sock",
             f"--port={port}", "--log-level=info"],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip


def answers(server: NetconfServer) -> bool:
    try:
        with server.session():
            return True
    except Exception:  # ncclient's, paramiko's or the operating system's: it is not there yet
        return False


def wait_for(server: NetconfServer, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not answers(server):
        died = any(child.poll() is not None for child in (server.netconfd, server.sshd))
        assert not died and time.monotonic() < deadline, f"the server does not answer:\n{server.log()}"
        time.sleep(0.05)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill it and wait for it, and for what it started: the first process of a namespace takes all of it along."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended already
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
            process.wait()
    process.kill()
    process.wait()
