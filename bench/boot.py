"""How long a machine takes from power-on until its SSH server greets: the same machine for every image."""

from __future__ import annotations

import tempfile
from pathlib import Path

from labwright.host.clock import Deadline, Heartbeat
from labwright.host.ledger import Ledger
from labwright.vm.accelerator import Accelerator
from labwright.vm.boot_test import BootPlan, machine_for
from labwright.vm.machine import launch, wait_for_end
from labwright.vm.ports import reserved_ports
from labwright.vm.ready import Greeting, wait_until

MEMORY = 256
"""MiB; what the peers' stock kernels and initial RAM disks start in."""
LIMIT = 300.0
EMULATION = Accelerator("tcg", 1.0, "the same on every machine")


def ssh_seconds(qcow2: Path) -> float:
    """Seconds from power-on by BIOS to the SSH greeting: emulated, one processor, MEMORY, the image not written.

    Raises LabwrightError (guest) with the console's last lines when there is no greeting within LIMIT.
    """
    # No name, no password: nobody logs in. ours=False: the disk is not made larger, so no root has to grow.
    plan = BootPlan(user="", password="", proof="ssh", memory=MEMORY, ours=False)
    with tempfile.TemporaryDirectory(prefix="labwright-") as name, reserved_ports(2) as ports:
        folder = Path(name)
        spec = machine_for(qcow2, plan, EMULATION, ports)
        with launch(spec, folder / "boot", Ledger(folder / "ledger")) as machine:
            times = wait_until(machine, [Greeting(*ports)], Deadline(LIMIT), Heartbeat(lambda _: None))
            machine.process.terminate()
            wait_for_end(machine, 5)
    return times[Greeting.name]
