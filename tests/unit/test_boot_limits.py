"""How long a machine may take to boot: what a test of an image waits for, before anything has booted."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from labwright.errors import Cause, LabwrightError
from labwright.guest import booted
from labwright.vm import boot_test, clones
from labwright.vm.accelerator import Accelerator
from labwright.vm.boot_test import BOOT_SECONDS, BootPlan

USUAL, EMULATED, BUSY = Accelerator("kvm", 1.0, ""), Accelerator("tcg", 1.0, ""), Accelerator("tcg", 3.0, "")


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """The seconds that a machine was given; none is started, and none comes up."""
    given: list[float] = []

    def wait(machine, signs, deadline, beat):
        given.append(deadline.seconds)
        raise LabwrightError("it does not come up", cause=Cause.GUEST, details=["x"])

    for module in (boot_test, clones, booted):
        monkeypatch.setattr(module, "launch", lambda *words: contextlib.nullcontext())
        monkeypatch.setattr(module, "wait_until", wait)
    monkeypatch.setattr(clones, "_when_there", lambda path: contextlib.nullcontext())
    monkeypatch.setattr(boot_test, "Prompt", lambda machine: None)
    monkeypatch.setattr(clones, "Prompt", lambda machine: None)
    return given


@pytest.mark.parametrize(("accelerator", "times"), [(USUAL, 1), (EMULATED, 8), (BUSY, 24)])
@pytest.mark.parametrize("ours", [True, False])
def test_a_machine_without_kvm_has_longer_for_its_boot(bench, waits, accelerator, times, ours):
    plan = BootPlan("antidote", "antidotepassword", ours=ours)
    with pytest.raises(LabwrightError, match="does not come up"):
        boot_test.boot_test(Path("x.qcow2"), plan, bench, accelerator)
    with pytest.raises(LabwrightError, match="does not come up"):
        clones.compare_clones(Path("x.qcow2"), plan, bench, accelerator)
    assert waits == [BOOT_SECONDS * times, 2 * BOOT_SECONDS * times]


@pytest.mark.parametrize(("accelerator", "times"), [(USUAL, 1), (EMULATED, 8), (BUSY, 24)])
def test_a_disk_that_is_booted_to_be_changed_has_longer_too(bench, waits, accelerator, times):
    with (
        pytest.raises(LabwrightError, match="does not come up"),
        booted.booted_guest(Path("x.raw"), "bios", "antidote", "x", accelerator, bench),
    ):
        pass
    assert waits == [booted.BOOT_SECONDS * times]
