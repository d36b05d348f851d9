"""A guest as a machine that runs, entered over SSH: for systems that only work alive. The slowest way under emulation.

The disk's own system boots, so its login has to be known: the image's, or build.login.
"""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import paramiko

from labwright.errors import Cause, LabwrightError
from labwright.guest.guest import Answer, Guest
from labwright.host.clock import Deadline, Heartbeat
from labwright.interfaces import Workbench
from labwright.vm.accelerator import Accelerator, slower
from labwright.vm.console import guest_error
from labwright.vm.machine import FIRST_SLOT, Firmware, Machine, MachineSpec, Nic, launch, wait_for_end
from labwright.vm.ports import reserved_ports
from labwright.vm.ready import CLOSED_PORT, Greeting, wait_until
from labwright.vm.ssh import Login, closed_after, connect, no_answer

MEMORY = 1024
BOOT_SECONDS = 180.0
LOGIN_SECONDS = 30.0
CHUNK = 32768
LARGEST_ANSWER = 64 * 1024 * 1024
ALLOW = 'umask 337; echo "$1 ALL=(ALL:ALL) NOPASSWD: ALL" > /etc/sudoers.d/zzz-labwright-way'
OFF = (
    "rm -f /etc/sudoers.d/zzz-labwright-way /root/.sudo_as_admin_successful /home/*/.sudo_as_admin_successful; "
    "sync; fstrim -a 2>/dev/null; sync; (sleep 1; echo u > /proc/sysrq-trigger; poweroff -f) >/dev/null 2>&1 &"
)
"""Off at once: a shutdown in order would write seeds, leases and logs that the seal has just taken out."""


class BootedGuest(Guest):
    """A running machine with an SSH connection as root, or as a user with sudo."""

    method = "booted"

    def __init__(self, client: paramiko.SSHClient, become: str) -> None:
        self._client = client
        self._become = become

    def _execute(self, argv: Sequence[str], stdin: bytes | Path, seconds: float) -> Answer:
        """Run a command in the machine."""
        command = f"{self._become}env HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 {shlex.join(argv)}"
        try:
            transport = self._client.get_transport()
            if transport is None:
                raise EOFError("the connection is gone")
            with transport.open_session(timeout=LOGIN_SECONDS) as channel, closed_after(channel, seconds):
                channel.settimeout(seconds)
                channel.exec_command(command)
                _send(channel, stdin)
                return _answer(channel)
        except (TimeoutError, paramiko.SSHException, OSError, EOFError) as error:
            raise no_answer(argv[0], error) from error


def _send(channel: paramiko.Channel, stdin: bytes | Path) -> None:
    """A command that does not read its input is no error."""
    with contextlib.suppress(OSError):
        if isinstance(stdin, Path):
            with stdin.open("rb") as stream:
                while part := stream.read(CHUNK):
                    channel.sendall(part)
        else:
            channel.sendall(stdin)
        channel.shutdown_write()


def _answer(channel: paramiko.Channel) -> Answer:
    output, errors = bytearray(), bytearray()
    while True:
        # Asked before reading: what comes between the last read and this question is read in one more round.
        ended = channel.exit_status_ready() and (channel.eof_received or channel.closed)
        quiet = True
        if channel.recv_ready():
            output += channel.recv(CHUNK)
            quiet = False
        if channel.recv_stderr_ready():
            errors += channel.recv_stderr(CHUNK)
            quiet = False
        if len(output) + len(errors) > LARGEST_ANSWER:
            raise OSError("it wrote more than 64 MiB")
        if quiet:
            if ended:
                break
            time.sleep(0.02)
    return Answer(channel.recv_exit_status(), output.decode(errors="replace"), errors.decode(errors="replace"))


@contextlib.contextmanager
def booted_guest(
    disk: Path, firmware: Firmware, user: str, password: str, accelerator: Accelerator, bench: Workbench
) -> Iterator[Guest]:
    """The system on a raw disk, booted with the network up. What is written is on the disk afterwards.

    Raises LabwrightError with the console's last lines where it does not boot or lets nobody in.
    """
    with reserved_ports(2) as ports:
        forwards = f"hostfwd=tcp:127.0.0.1:{ports[0]}-:22,hostfwd=tcp:127.0.0.1:{ports[1]}-:{CLOSED_PORT}"
        spec = MachineSpec(
            name="labwright-guest",
            image=disk,
            accelerator=accelerator.name,
            memory=MEMORY,
            nics=(Nic("52:54:00:4c:57:01", FIRST_SLOT, "net0"),),
            backends=(f"user,id=net0,ipv6=off,{forwards}",),
            firmware=firmware,
            written=True,
        )
        bench.say("booting the disk")
        with launch(spec, bench.scratch / "guest", bench.ledger) as machine:
            limit = BOOT_SECONDS * slower(accelerator)
            wait_until(machine, [Greeting(ports[0], ports[1])], Deadline(limit), Heartbeat(bench.say))
            with _logged_in(machine, Login(ports[0], user, password), accelerator.factor) as guest:
                yield guest
                guest.execute(["sh", "-c", OFF])
            if not wait_for_end(machine, limit):
                raise guest_error(machine, "the guest does not power off", "what keeps it? see the lines above")


def _as_root(client: paramiko.SSHClient) -> BootedGuest | None:
    for become in ("", "sudo -n -- "):
        guest = BootedGuest(client, become)
        if guest.execute(["id", "-u"]).output.strip() == "0":
            return guest
    return None


@contextlib.contextmanager
def _logged_in(machine: Machine, login: Login, factor: float) -> Iterator[BootedGuest]:
    try:
        with connect(login, LOGIN_SECONDS * factor) as client:
            asking = BootedGuest(client, "")
            if (guest := _as_root(client)) is None:
                # Once, for a rule that holds until the end: a sudo that has just asked does not read the next password,
                # and the command would get it.
                words = ["sudo", "-k", "-S", "-p", "", "--", "sh", "-c", ALLOW, "sh", login.user]
                asking.execute(words, f"{login.password}\n".encode())
                guest = _as_root(client)
            if guest is not None:
                yield guest
                return
            raise LabwrightError(
                f"{login.user} is neither root nor may use sudo in the guest",
                cause=Cause.GUEST,
                hint="name a login that may in build.login",
            )
    except LabwrightError as error:
        if error.details:
            raise
        hint = f"{error.hint}; build.login names another login"
        raise guest_error(machine, error.what, hint) from error
