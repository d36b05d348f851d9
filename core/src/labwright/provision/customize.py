"""Provisioning by virt-customize: the same scripts, handed to libguestfs's own command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labwright.errors import Cause
from labwright.guest.appliance import settings
from labwright.guest.content import Release, find_root, offline_release, read_content
from labwright.host.clock import Heartbeat
from labwright.interfaces import DiskRequest, Provisioned, Workbench
from labwright.provision.family import Family, family_of
from labwright.provision.script import base_script, seal_script
from labwright.vm.accelerator import choose_accelerator


def by_virt_customize(request: DiskRequest, families: Sequence[Family], bench: Workbench) -> Provisioned:
    """Run base and seal in the image; it can run no playbook. Raises LabwrightError."""
    release = _release(request, bench)
    family = family_of(release, families)
    scripts = [base_script(request.image, family)] if request.prepare else []
    if request.seal:
        scripts.append(seal_script(family, live=False))
    words: list[str | Path] = []
    for index, text in enumerate(scripts):
        # The password is in it: a file of our own, in a folder that goes with this step.
        place = bench.scratch / f"script-{index}"
        place.touch(mode=0o600)
        place.write_text(text)
        words += ["--run", place]
    accelerator = choose_accelerator(bench)
    beat = Heartbeat(bench.say)
    bench.run(
        ["virt-customize", "--format", "raw", "--add", request.disk, "--network", *words],
        env=settings(accelerator.name == "kvm", bench), cause=Cause.GUEST, what="virt-customize failed",
        timeout=3600 * accelerator.factor, on_line=lambda line: beat.beat(line.strip()),
        hint="the lines above are from the guest",
    )  # fmt: skip
    # Its packages would cost another start of the appliance.
    return Provisioned(release.title)


def _release(request: DiskRequest, bench: Workbench) -> Release:
    content = read_content(request.disk, bench)
    root = find_root(content, request.image.build.partition, bench)
    release = offline_release(content, root, bench)
    assert release is not None, "a root is where a release was found"
    return release
