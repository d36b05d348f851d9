"""A Debian tree made into a machine of a lab: its kernel package, and what only Debian has."""

from __future__ import annotations

import shutil
from pathlib import Path

from labwright.finish import System, finish, write
from labwright.finish.machine import in_tree
from labwright.interfaces import Workbench
from labwright.spec.image import ImageSpec
from labwright_debian.clean import TRACES

SYSTEM = System(
    rootfs=Path(__file__).with_name("rootfs"),
    ssh="ssh",
    groups=("sudo", "adm"),
    enabled=("systemd-networkd.service", "systemd-resolved.service", "systemd-timesyncd.service"),
    masked=(
        # Timers that load the internet or the disk of a machine that lives for an hour.
        "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
        "e2scrub_reap.service",
        # A lab may have no network, and nothing waits for one.
        "systemd-networkd-wait-online.service",
    ),
    traces=TRACES,
    resolver="/run/systemd/resolve/stub-resolv.conf",
)  # fmt: skip


def finish_tree(image: ImageSpec, tree: Path, kernel_package: Path, bench: Workbench) -> None:
    """Finish the unpacked tree in place."""
    _install_kernel(tree, kernel_package, bench)
    write(tree, "etc/default/locale", "LANG=C.UTF-8\n")
    write(tree, "etc/timezone", "Etc/UTC\n")
    finish(image, tree, SYSTEM, bench)


def _install_kernel(tree: Path, package: Path, bench: Workbench) -> None:
    bench.say("installing the kernel")
    place = tree / "kernel.deb"
    place.unlink(missing_ok=True)
    shutil.copyfile(package, place)
    try:
        in_tree(tree, ["dpkg", "--install", "/kernel.deb"], bench)
    finally:
        place.unlink()
