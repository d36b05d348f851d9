"""labwright test."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from labwright.cli.session import Json, Session, session
from labwright.errors import Cause, LabwrightError
from labwright.foreign.inspect import inspect_image
from labwright.hooks import Event
from labwright.interfaces import Hardware, Workbench
from labwright.pipeline.proof import FIRMWARES
from labwright.pipeline.runner import scratch_folder
from labwright.vm.accelerator import choose_accelerator
from labwright.vm.boot_test import BootPlan, boot_test
from labwright.vm.device import DeviceSpec
from labwright.vm.device_test import DevicePlan, test_device

PASSWORD_VARIABLE = "LABWRIGHT_TEST_PASSWORD"  # noqa: S105 - the name of a variable


def test(
    image: Annotated[Path, typer.Argument(metavar="IMAGE.qcow2", help="The image; it is not written to.")],
    firmware: Annotated[str, typer.Option(help="bios, uefi or direct; all three by default.")] = "",
    user: Annotated[str, typer.Option(help="Login; by default what the report beside the image says.")] = "",
    kernel: Annotated[Path | None, typer.Option(help="Kernel for direct boot; by default the one beside it.")] = None,
    memory: Annotated[
        int | None, typer.Option(min=64, help="MiB; by default what the build tested with, or 128.")
    ] = None,
    json_lines: Json = False,
) -> None:
    """Boot an image and check login prompt, SSH, DHCP, interface names, failed units and power-off.

    A device with hardware of its own boots in that, and is logged in to.

    The password is antidotepassword, or what LABWRIGHT_TEST_PASSWORD says.
    """
    with session(json_lines) as running:
        inspect_image(image)
        if firmware and firmware not in FIRMWARES:
            raise LabwrightError(
                f"there is no firmware {firmware!r}", cause=Cause.CONFIG, hint=f"one of: {', '.join(FIRMWARES)}"
            )
        report = _report_beside(image)
        if report.get("hardware"):
            for option, given in (("--firmware", firmware), ("--kernel", kernel), ("--memory", memory)):
                if given:
                    raise LabwrightError(
                        f"{option} is for Linux images: {image} is a device, in the hardware that its report describes",
                        cause=Cause.CONFIG,
                        hint="leave it out",
                    )
            _test_device(image, report, user, running)
        else:
            _test_machine(image, report, firmware, user, kernel, memory, running)


def _test_machine(
    image: Path, report: dict[str, Any], firmware: str, user: str, kernel: Path | None, memory: int | None,
    running: Session,
) -> None:  # fmt: skip
    """Boot with each firmware that it was built for."""
    beside = image.with_suffix("").with_name(f"{image.stem}-kernel") / "vmlinux"
    plan = BootPlan(
        user=user or report.get("user", "antidote"),
        password=_password(),
        interfaces=tuple(report.get("interfaces", ["eth0"])[1:]),
        kernel=kernel or (beside if beside.exists() else None),
        memory=memory or int(report.get("memory", 128)),
        ours=report.get("ours") is True,
    )
    tested = report.get("tests", {}).get("boots", FIRMWARES)
    chosen = [name for name in FIRMWARES if name == firmware or (not firmware and name in tested)]
    if plan.kernel is None and "direct" in chosen:
        if firmware:
            raise LabwrightError(
                f"no kernel beside {image}", cause=Cause.CONFIG, hint="name one: --kernel out/debian-kernel/vmlinux"
            )
        chosen.remove("direct")
    seen: list[dict[str, Any]] = []
    with _bench(running, image) as bench:
        accelerator = choose_accelerator(bench)
        for name in chosen:
            running.workshop.emit(Event("step-started", image.stem, name, f"Boot with {name}"))
            outcome = asdict(boot_test(image, replace(plan, firmware=name), bench, accelerator))
            words = f"{name}: SSH {outcome['ssh']} s, login {outcome['login']} s after power-on"
            running.workshop.emit(Event("step-finished", image.stem, name, words, "ran", outcome["ready"]))
            seen.append(outcome)
    running.result(f"{image} passed", image=str(image), boots=seen, accelerator=asdict(accelerator))


def _test_device(image: Path, report: dict[str, Any], user: str, running: Session) -> None:
    """Boot it in the hardware that its report says."""
    try:
        hardware = Hardware.model_validate_json(json.dumps(report["hardware"]))
    except ValidationError as error:
        raise LabwrightError(
            f"{image.with_suffix('.json')} describes no hardware that labwright knows",
            cause=Cause.CONFIG,
            hint="build the image again with this labwright",
        ) from error
    disks = {"system": image}
    for name in hardware.more_disks:
        disks[name] = image.with_name(f"{image.stem}-{name}.qcow2")
        inspect_image(disks[name])
    with _bench(running, image) as bench:
        accelerator = choose_accelerator(bench)
        data = max(0, len(report.get("interfaces", ["management"])) - 1)
        spec = DeviceSpec(image.stem, hardware, disks, accelerator.name, data, console="file")
        plan = DevicePlan(spec, user or report.get("user", "antidote"), _password())
        seen = test_device(plan, lambda _: {}, bench, accelerator)
    running.result(
        f"{image} passed: login over SSH {seen.login} s after power-on", image=str(image),
        boots=[asdict(seen)], accelerator=asdict(accelerator),
    )  # fmt: skip


@contextlib.contextmanager
def _bench(running: Session, image: Path) -> Iterator[Workbench]:
    """A workbench whose words are events."""
    workshop = running.workshop
    workshop.paths.ensure()
    with scratch_folder(workshop.paths, workshop.ledger) as scratch:
        say = _sayer(workshop.emit, image.stem)
        yield workshop.runner(image.stem).workbench(scratch, say, scratch / "log")


def _password() -> str:
    return os.environ.get(PASSWORD_VARIABLE, "antidotepassword")


def _sayer(emit: Any, name: str) -> Any:
    return lambda text: emit(Event("progress", name, text=text))


def _report_beside(image: Path) -> dict[str, Any]:
    try:
        report = json.loads(image.with_suffix(".json").read_text())
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}
