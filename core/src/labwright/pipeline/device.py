"""Stage 2 for a device with hardware of its own: one step for its first boot, one that boots it anew."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from labwright.disk.qcow2 import to_small_qcow2_quickly
from labwright.errors import Cause, LabwrightError
from labwright.foreign import to_raw
from labwright.host.environment import version_of
from labwright.host.files import file_digest
from labwright.interfaces import DiskRequest, Hardware, Workbench
from labwright.pipeline.proof import DISK, FACTS
from labwright.pipeline.stage1 import password_digest, secret_digest
from labwright.pipeline.stage2 import Provisioning, driver_code, own_test, provision
from labwright.pipeline.steps import Needs, Step, code_digest
from labwright.pipeline.store import Stored, text_digest
from labwright.spec.image import ImageSpec
from labwright.vm.accelerator import DEVICE, Accelerator, choose_accelerator
from labwright.vm.device import DeviceSpec
from labwright.vm.device_test import DevicePlan, compare_devices, test_device
from labwright.vm.snapshot import resume, take_snapshot

STEP, SNAPSHOT = "device", "snapshot"
CODE = ("labwright.vm", "labwright.foreign", "labwright.finish")
UNFIT = ("packages", "playbook", "pre", "post", "partition", "disk_size", "release", "mirror")
"""What a build says of a Linux image, and a device has no use for."""


def other_disk(name: str) -> str:
    """The file of a disk beside the one in build.from."""
    return f"disk-{name}.qcow2"


def check_device(image: ImageSpec, hardware: Hardware) -> None:
    """Raise LabwrightError (config) where an image asks for what its device cannot have."""
    build = image.build
    needless = [BUILD.get(name, name) for name in UNFIT if getattr(build, name)]
    if needless:
        raise LabwrightError(
            f"{image.slug}: build.{needless[0]} is for Linux images, and {build.type} is a device with a console",
            cause=Cause.CONFIG,
            hint="take it out; a configuration for it goes into build.configuration, files into build.privateFiles",
        )
    if build.quick_launch and any(machine.firmware != "bios" for machine in hardware.machines):
        raise LabwrightError(
            f"{image.slug}: build.quickLaunch: QEMU saves no machine that starts by UEFI",
            cause=Cause.CONFIG,
            hint="take it out: its variables are in a raw file, and that has no snapshots",
        )
    wanted, given = set(hardware.more_disks), set(build.disks)
    if wanted != given:
        names = ", ".join(sorted(wanted)) or "none"
        raise LabwrightError(
            f"{image.slug}: beside build.from {build.type} has these disks: {names}; build.disks names "
            f"{', '.join(sorted(given)) or 'none'}",
            cause=Cause.CONFIG,
            hint="name each of them in build.disks, with the path of its file",
        )


BUILD = {"disk_size": "diskSize"}
"""Names in the file, where they are others."""


def device_steps(wanted: Provisioning) -> tuple[Step, ...]:
    """The first boot and the test."""
    hardware = wanted.driver.hardware
    assert hardware is not None
    check_device(wanted.image, hardware)
    wanted.driver.check(wanted.image, wanted.folder)
    steps = (first_boot_step(wanted, hardware), device_test_step(wanted, hardware))
    return (*steps, snapshot_step(wanted, hardware)) if wanted.image.build.quick_launch else steps


def first_boot_step(wanted: Provisioning, hardware: Hardware) -> Step:
    """From the vendor's disks to ones that learners can log in to."""
    image, build = wanted.image, wanted.image.build
    sources = {"system": Path(build.source or "")} | {name: Path(path) for name, path in build.disks.items()}

    def device(output: Path, _: Mapping[str, Stored], bench: Workbench) -> None:
        raw = {name: bench.scratch / f"{name}.raw" for name in sources}
        for name, source in sources.items():
            bench.say(f"reading the disk image {source.name}")
            to_raw(source, raw[name], bench, wanted.limits)
        others = {name: disk for name, disk in raw.items() if name != "system"}
        request = DiskRequest(
            image, raw["system"], wanted.folder, wanted.way.method, private=wanted.private, disks=others
        )
        provision(wanted, request, output, bench)
        for name, disk in raw.items():
            to_small_qcow2_quickly(disk, output / (DISK if name == "system" else other_disk(name)), bench)
            disk.unlink()

    private = {
        f"private {one.path}": f"{one.owner}:{one.group} {one.mode} {secret_digest(image, wanted.private[one.path])}"
        for one in build.private_files
    }
    return Step(
        STEP,
        "First boot: serial console, NAPALM, seal",
        device,
        {
            "source": wanted.source,
            "driver": driver_code(wanted.driver),
            "code": code_digest(*CODE),
            "hardware": hardware.model_dump_json(),
            "slug": image.slug,
            "user": f"{image.ssh_user} {image.config_user}",
            "password": f"{password_digest(image)} {config_digest(image)}",
            "build.login": build.login.user if build.login else "",
            "networkInterfaces": " ".join(image.network_interfaces),
            "enableForwarding": str(image.enable_forwarding),
            "configuration": file_digest(wanted.folder / build.configuration) if build.configuration else "",
        }
        | {f"disk {name}": digest for name, digest in wanted.disks.items()}
        | private,
        needs=Needs(disk=4000, memory=200 + hardware.memory, seconds=4 * hardware.boot),
        private=bool(private) or wanted.secret,
    )


def config_digest(image: ImageSpec) -> str:
    """A digest of the password of configUser."""
    return secret_digest(image, image.config_password.get_secret_value().encode())


def device_test_step(wanted: Provisioning, hardware: Hardware) -> Step:
    """Boot the finished disks in their hardware."""
    script = own_test(wanted.folder) if hardware.shell else ""

    def test(output: Path, done: Mapping[str, Stored], bench: Workbench) -> None:
        folder = done[STEP].folder
        disks = {"system": folder / DISK} | {name: folder / other_disk(name) for name in hardware.more_disks}
        report = prove_device(wanted, hardware, disks, script, bench)
        (output / "report.json").write_text(json.dumps(report, indent=1, sort_keys=True))

    return Step(
        "test",
        f"Boot it in its hardware{', its own test' if script else ''}{', two clones' if hardware.shell else ''}",
        test,
        {"code": code_digest("labwright.vm"), "hardware": hardware.model_dump_json(), "test.sh": text_digest(script)},
        (STEP,),
        Needs(disk=700, memory=300 + 2 * hardware.memory, seconds=4 * hardware.boot),
    )


def snapshot_step(wanted: Provisioning, hardware: Hardware) -> Step:
    """Copies of the disks with a snapshot of the booted device in them, resumed once to see that it works."""
    image = wanted.image

    def snapshot(output: Path, done: Mapping[str, Stored], bench: Workbench) -> None:
        names = {"system": DISK} | {name: other_disk(name) for name in hardware.more_disks}
        made = {name: copied(done[STEP].folder / file, output / file, bench) for name, file in names.items()}
        accelerator = choose_accelerator(bench)
        plan = plan_of(image, hardware, made, accelerator)
        take_snapshot(plan, bench, accelerator)
        copies = {name: copied(file, bench.scratch / file.name, bench) for name, file in made.items()}
        facts = {"quickLaunch": asdict(resume(plan, copies, bench, accelerator))}
        seen = json.loads((done[STEP].folder / FACTS).read_text())
        (output / FACTS).write_text(json.dumps(seen | facts, indent=1) + "\n")

    return Step(
        SNAPSHOT,
        "Keep a snapshot of the booted device",
        snapshot,
        {
            "code": code_digest("labwright.vm"),
            "qemu": version_of("qemu-system-x86_64"),
            "user": image.ssh_user,
            # A snapshot is for the accelerator that it was taken with; whether it works is known only when it is tried.
            "accelerator": f"/dev/kvm is {'there' if DEVICE.exists() else 'not there'}",
        },
        (STEP,),
        Needs(disk=1000 + 2 * hardware.memory, memory=300 + hardware.memory, seconds=2 * hardware.boot),
        private=bool(image.build.private_files) or wanted.secret,
    )


def copied(source: Path, place: Path, bench: Workbench) -> Path:
    """A copy of a disk that shares its blocks where the file system can."""
    bench.run(["cp", "--reflink=auto", "--sparse=always", source, place], what=f"{place.name} cannot be copied")
    return place


def plan_of(
    image: ImageSpec, hardware: Hardware, disks: Mapping[str, Path], accelerator: Accelerator, script: str = ""
) -> DevicePlan:
    """How a finished device of this image is booted."""
    data = len(image.network_interfaces)
    spec = DeviceSpec(image.slug, hardware, disks, accelerator.name, data, console="file")
    return DevicePlan(spec, image.ssh_user, image.ssh_password.get_secret_value(), script)


def prove_device(
    wanted: Provisioning, hardware: Hardware, disks: Mapping[str, Path], script: str, bench: Workbench
) -> dict[str, object]:
    """Boot it, log in, ask it what it is; two clones where users have a shell, by which copies can be told apart."""
    image, driver = wanted.image, wanted.driver
    accelerator = choose_accelerator(bench)
    plan = plan_of(image, hardware, disks, accelerator, script)
    bench.say("booting it in its hardware")
    seen = test_device(plan, lambda ports: driver.examine(image, ports, bench), bench, accelerator)
    clones = None
    if hardware.shell:
        bench.say("booting two clones")
        clones = asdict(compare_devices(plan, bench, accelerator))
    return {"accelerator": asdict(accelerator), "boots": {STEP: asdict(seen)}, "clones": clones}
