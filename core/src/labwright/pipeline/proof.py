"""The last step of every build: boot the image as a learner's platform will, and run its own test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from labwright.interfaces import Workbench
from labwright.pipeline.steps import Needs, Step, code_digest
from labwright.pipeline.store import Stored, text_digest
from labwright.spec.image import ImageSpec
from labwright.vm.accelerator import choose_accelerator
from labwright.vm.boot_test import BootPlan, Proof, boot_test
from labwright.vm.clones import compare_clones
from labwright.vm.machine import Firmware

FIRMWARES: tuple[Firmware, ...] = ("bios", "uefi", "direct")
FACTS = "provisioned.json"
"""In the output of a step that provisions: what the driver says of the disk."""
BOOTS = "boots.json"
"""In the output of a step that starts from a foreign disk: the firmwares that it can boot with."""
DISK = "disk.qcow2"
OURS_MEMORY, CUSTOMIZED_MEMORY, FOREIGN_MEMORY = 128, 256, 768
"""MiB. What an image's author adds needs some; a foreign system has a distribution's kernel and initial RAM disk."""


@dataclass(frozen=True)
class Proven:
    """What is to be proven. disk: the step with the image. kernel: the step with the kernel, empty for a foreign disk.

    script: the image's own test, run in it over SSH.
    """

    image: ImageSpec
    proof: Proof
    disk: str
    kernel: str = ""
    script: str = ""
    memory: int = OURS_MEMORY


def test_step(wanted: Proven, source: str = "") -> Step:
    """The step that boots the image. source: the step that says how a foreign disk boots."""

    def proof(output: Path, done: Mapping[str, Stored], bench: Workbench) -> None:
        kernel = done[wanted.kernel].folder / "vmlinux" if wanted.kernel else None
        firmwares = json.loads((done[source].folder / BOOTS).read_text()) if source else FIRMWARES
        facts = json.loads((done[wanted.disk].folder / FACTS).read_text()) if source else {"systemd": True}
        shown = wanted if facts["systemd"] else replace(wanted, proof="ssh")
        report = prove(shown, done[wanted.disk].folder / DISK, kernel, firmwares, bench)
        (output / "report.json").write_text(json.dumps(report, indent=1, sort_keys=True))

    own = f", {wanted.image.slug}'s own test" if wanted.script else ""
    how = "its firmware" if source else "BIOS, UEFI, direct kernel"
    return Step(
        "test",
        f"Boot it: {how}{own}, two clones",
        proof,
        {
            "code": code_digest("labwright.vm"),
            "proof": wanted.proof,
            "memory": str(wanted.memory),
            "networkInterfaces": " ".join(wanted.image.network_interfaces),
            "test.sh": text_digest(wanted.script),
        },
        tuple(dict.fromkeys(name for name in (wanted.disk, wanted.kernel, source) if name)),
        Needs(disk=700, memory=900 + 2 * wanted.memory, seconds=150),
    )


def prove(
    wanted: Proven, disk: Path, kernel: Path | None, firmwares: tuple[Firmware, ...], bench: Workbench
) -> dict[str, object]:
    """Boot the image with each firmware, then two clones at once. Raises LabwrightError when a check fails."""
    image = wanted.image
    accelerator = choose_accelerator(bench)
    plan = BootPlan(
        user=image.ssh_user,
        password=image.ssh_password.get_secret_value(),
        interfaces=image.network_interfaces,
        proof=wanted.proof,
        kernel=kernel,
        memory=wanted.memory,
        ours=bool(wanted.kernel),
        script=wanted.script,
    )
    boots = {}
    for firmware in firmwares:
        bench.say(f"booting with {firmware}")
        boots[firmware] = asdict(boot_test(disk, replace(plan, firmware=firmware), bench, accelerator))
        # Once is enough: what the image's own test looks at does not depend on the firmware.
        plan = replace(plan, script="")
    clones = None
    if wanted.proof == "systemd":
        bench.say("booting two clones")
        clones = asdict(compare_clones(disk, replace(plan, firmware=firmwares[0]), bench, accelerator))
    return {"accelerator": asdict(accelerator), "boots": boots, "clones": clones}
