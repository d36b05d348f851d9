"""The first boot of a device from beginning to end: console, readiness, login, NAPALM, files, seal, off."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

from labwright.errors import Cause, LabwrightError
from labwright.guest.napalm import Applied, Limits, apply
from labwright.host.clock import Deadline
from labwright.interfaces import DiskRequest, ImageSpec, Workbench
from labwright.vm.accelerator import Accelerator, slower
from labwright.vm.device import Device, DeviceSpec, end, is_off, launch_device, power_off
from labwright.vm.device_test import wait_for_login
from labwright.vm.ssh import Login, connect
from labwright_nos.config_disk import make_config_disk
from labwright_nos.dialogue.after import install_file, seal, shut_down, wait_until_ready
from labwright_nos.dialogue.console import Console, connected
from labwright_nos.dialogue.engine import first_boot
from labwright_nos.dialogue.session import Session
from labwright_nos.dialogue.transcript import Transcript
from labwright_nos.handover import driver_for
from labwright_nos.image import configuration_text, logins_of
from labwright_nos.profile.model import Napalm, Profile
from labwright_nos.profile.values import SECRET, rendered

COMMAND_SECONDS = 60.0
TRANSACTION_SECONDS = 300.0
"""For all that NAPALM does with KVM: Junos commits in a minute."""


@dataclass(frozen=True)
class Boot:
    """What a first boot works with. values: for templates, secrets among them."""

    profile: Profile
    request: DiskRequest
    bench: Workbench
    accelerator: Accelerator
    values: Mapping[str, object] = field(repr=False)

    @property
    def image(self) -> ImageSpec:
        """The image."""
        return self.request.image

    @property
    def factor(self) -> float:
        """By what time limits are multiplied."""
        return slower(self.accelerator)


def provision_device(boot: Boot) -> Applied | None:
    """Boot the request's disks, make them ready for learners, switch off. What NAPALM changed, where it had a part.

    Raises LabwrightError; the disks are then lost.
    """
    profile, request, bench = boot.profile, boot.request, boot.bench
    logins = logins_of(profile, request)
    secrets = [str(boot.values[name]) for name in SECRET if name in boot.values]
    if request.image.build.login:
        secrets.append(logins[0].password)
    folder = bench.scratch / "device"
    folder.mkdir(parents=True, exist_ok=True)
    spec = DeviceSpec(
        request.image.slug,
        profile.hardware,
        {"system": request.disk, **request.disks},
        boot.accelerator.name,
        len(request.image.network_interfaces),
        written=True,
        config=_config_disks(boot, folder),
    )
    with contextlib.ExitStack() as stack:
        device = stack.enter_context(launch_device(spec, folder, bench.ledger))
        transcript = Transcript(device.first.console, secrets)
        stack.callback(_keep, device.first.console, bench)
        stack.callback(transcript.close)
        console = Console(stack.enter_context(connected(device.socket)), transcript, profile.console.pace)
        session = Session(profile, console, boot.values, logins, bench.say, boot.factor)
        try:
            return _all_steps(boot, session, device)
        except LabwrightError as error:
            raise _with_evidence(error, device, transcript) from error


def _all_steps(boot: Boot, session: Session, device: Device) -> Applied | None:
    profile, image = boot.profile, boot.image
    with _timed(boot, "the dialogue on the console"):
        first_boot(session)
        wait_until_ready(session)
    with _timed(boot, "the first login over SSH"), session.console.drained():
        login = Login(device.ports["ssh"], image.ssh_user, image.ssh_password.get_secret_value())
        limit = Deadline(profile.hardware.boot * boot.factor)
        wait_for_login(device, login, limit, boot.bench.say, boot.accelerator.factor)
    applied = None
    if profile.napalm:
        with _timed(boot, "NAPALM"), session.console.drained():
            applied = _by_napalm(boot, profile.napalm, device, session)
    if boot.request.private:
        _put_files(boot, session, login)
    with _timed(boot, "seal and power-off"):
        seal(session)
        _switch_off(boot, session, device)
    return applied


def _by_napalm(boot: Boot, napalm: Napalm, device: Device, session: Session) -> Applied | None:
    """Merge the profile's configuration and the image's. Raises LabwrightError (guest, plugin)."""
    parts = [rendered(napalm.configuration, boot.values)]
    if name := boot.image.build.configuration:
        parts.append(configuration_text(boot.request.folder / name))
    text = "\n".join(part.rstrip("\n") for part in parts if part.strip())
    if not text:
        return None
    driver = driver_for(napalm, boot.image, device.ports, boot.factor)
    masked = session.console.transcript.masked
    applied = apply(
        driver,
        f"{text}\n",
        replace=False,
        say=lambda line: boot.bench.say(masked(line)),
        limits=Limits(TRANSACTION_SECONDS * boot.factor),
    )
    if boot.bench.log:
        with boot.bench.log.open("a", encoding="utf-8") as log:
            log.write(f"--- what NAPALM changed ---\n{masked(applied.difference)}\n")
    return applied


def _put_files(boot: Boot, session: Session, login: Login) -> None:
    """Private files by SFTP, then the profile's commands for each."""
    files, image = boot.profile.files, boot.image
    assert files is not None
    for number, one in enumerate(image.build.private_files):
        place = f"{files.folder}/labwright-{number}"
        boot.bench.say(f"installing {one.path}")
        with session.console.drained(), connect(login, COMMAND_SECONDS * boot.factor) as client:
            try:
                with client.open_sftp() as sftp:
                    sftp.putfo(io.BytesIO(boot.request.private[one.path]), place)
                    sftp.chmod(place, 0o600)
            except (paramiko.SSHException, OSError, EOFError) as error:
                raise LabwrightError(
                    f"the private file {one.path} cannot be written: {error}", cause=Cause.GUEST,
                    hint=f"may {login.user} write in {files.folder}, and does the device have SFTP?",
                ) from error  # fmt: skip
        facts = {"file": place, "path": one.path, "owner": one.owner, "group": one.group, "mode": one.mode}
        install_file(session, facts)


def _switch_off(boot: Boot, session: Session, device: Device) -> None:
    shutdown = boot.profile.shutdown
    limit = shutdown.limit * boot.factor
    boot.bench.say("switching it off")
    if shutdown.how == "quit":
        end(device)
        return
    if shutdown.commands:
        off = shut_down(session, shutdown.commands, lambda: is_off(device), limit)
        # The others, where there are any, have no console to type on.
        end(device)
    else:
        off = power_off(device, limit)
    if not off:
        raise LabwrightError(
            f"the device does not power off within {limit:.0f} s",
            cause=Cause.GUEST,
            details=session.console.transcript.tail(),
            hint="does it know the power button (ACPI)? The profile's shutdown can say another way",
        )


def _config_disks(boot: Boot, folder: Path) -> dict[str, Path]:
    made = {}
    for machine in boot.profile.hardware.machines:
        if machine.config:
            place = folder / machine.name
            place.mkdir()
            made[machine.name] = make_config_disk(machine.config, _render(boot), place, boot.bench)
    return made


def _render(boot: Boot) -> Callable[[str], str]:
    return lambda template: rendered(template, boot.values)


def _with_evidence(error: LabwrightError, device: Device, transcript: Transcript) -> LabwrightError:
    """The same error; where a machine has ended, with QEMU's own words."""
    details = [transcript.masked(line) for line in error.details] or transcript.tail()
    for name, machine in device.machines.items():
        if not machine.running:
            words = machine.complaints.read_text(errors="replace").splitlines()[-3:]
            details += [*(f"QEMU: {line}" for line in words), f"the machine {name} ended"]
    return LabwrightError(
        transcript.masked(error.what), cause=error.cause, hint=error.hint, details=details, log=error.log
    )


@contextlib.contextmanager
def _timed(boot: Boot, what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    boot.bench.say(f"{what}: {time.monotonic() - started:.1f} s")


def _keep(console: Path, bench: Workbench) -> None:
    """Add what was said on the console to the step's log: no secret is in it."""
    if bench.log is None or not console.exists():
        return
    with bench.log.open("ab") as log, console.open("rb") as said:
        log.write(b"\n--- the serial console ---\n")
        while part := said.read(1 << 20):
            log.write(part)
