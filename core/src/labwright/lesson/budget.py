"""Whether a lab fits on this machine, asked before anything is started."""

from __future__ import annotations

import os

from labwright.errors import Cause, LabwrightError
from labwright.host.usage import available_memory
from labwright.lesson.plan import LabPlan

SPARE = 256
"""MiB for labwright itself and the jobs that configure the lab."""
CROWDED = 8
"""Virtual processors for each real one, from which on boots take so long that time limits are reached."""


def check_budget(plan: LabPlan, forced: bool = False) -> tuple[str, ...]:
    """Warnings. Raises LabwrightError (host) where the lab cannot run here. forced: warn of that, too."""
    refused = [*_memory(plan), *_processors(plan)]
    if refused and not forced:
        raise refused[0]
    return tuple(f"{error.what}: started all the same" for error in refused)


def _memory(plan: LabPlan) -> list[LabwrightError]:
    wanted, there = plan.memory + SPARE, available_memory() >> 20
    if wanted <= there:
        return []
    each = ", ".join(f"{machine.name} {machine.image.hardware.memory}" for machine in plan.machines)
    return [
        LabwrightError(
            f"the lab needs {wanted} MiB of memory, and this machine has {there} MiB free",
            cause=Cause.HOST,
            details=[f"MiB by endpoint: {each}; {SPARE} for labwright; the rest is QEMU's"],
            hint="end other labs (labwright lesson status) and programs, or use a larger machine; --force starts it",
        )
    ]


def _processors(plan: LabPlan) -> list[LabwrightError]:
    real = len(os.sched_getaffinity(0))
    if plan.processors <= CROWDED * real:
        return []
    return [
        LabwrightError(
            f"the lab has {plan.processors} virtual processors, and this machine {real} real ones",
            cause=Cause.HOST,
            hint=f"at most {CROWDED} for each real one boot in time; --force starts it",
        )
    ]
