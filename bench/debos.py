"""A peer: debos makes the same kind of image, with the distribution's own kernel, on the same machine.

    measure_debos(folder, mirror, "bookworm", ["curl"])

Needs root, and `apt-get install debos udev`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.measure import Measured, measure

from labwright.errors import Cause, LabwrightError
from labwright.host.environment import environment, has_tool
from labwright.host.run import run
from labwright.host.teardown import detach_loops, loop_devices, mount_points, remove_folder, unmount

PACKAGES = ("dbus", "grub-pc", "linux-image-amd64", "openssh-server", "sudo", "systemd-sysv", "udev")
"""What the recipe itself relies on; systemd-networkd comes with systemd."""

RAW, QCOW2 = "image.raw", "image.qcow2"
UDEVD = Path("/lib/systemd/systemd-udevd")
UDEV_MAKES = (Path("/run/udev"), Path("/dev/disk"))
START_SECONDS = 10.0
BUILD_SECONDS = 3600.0
LOOP_CTL_ADD = 0x4C80
"""From linux/loop.h; loop(4) describes it."""

FINISH = """set -e
useradd --create-home --shell /bin/bash --groups sudo antidote
echo antidote:antidotepassword | chpasswd
echo 'antidote ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/antidote
chmod 440 /etc/sudoers.d/antidote
echo debos > /etc/hostname
printf '127.0.0.1 localhost debos\\n' > /etc/hosts
printf '[Match]\\nType=ether\\n\\n[Network]\\nDHCP=yes\\n' > /etc/systemd/network/80-dhcp.network
printf 'PasswordAuthentication yes\\n' > /etc/ssh/sshd_config.d/password.conf
systemctl enable systemd-networkd.service ssh.service serial-getty@ttyS0.service
apt-get clean
rm -rf /var/lib/apt/lists/*
"""

BOOT = """set -e
cat > /etc/default/grub <<END
GRUB_TIMEOUT=0
GRUB_DISABLE_OS_PROBER=true
GRUB_CMDLINE_LINUX="console=ttyS0,115200 quiet"
END
grub-install --target=i386-pc "$IMAGE"
update-grub
"""


def measure_debos(
    folder: Path, mirror: str, suite: str, packages: Sequence[str], compress: bool = True
) -> tuple[Path, Measured]:
    """Build the image and say what it cost, the conversion to qcow2 included; not what udevd did meanwhile.

    compress: as labwright's images are, with zstd. Whatever debos leaves mounted or attached in `folder` is taken down.
    """
    if not has_tool("debos") or not has_tool("udevadm") or not UDEVD.exists():
        raise LabwrightError("debos needs packages: apt-get install debos udev", cause=Cause.HOST)
    if os.geteuid() != 0:
        raise LabwrightError("debos --disable-fakemachine needs root", cause=Cause.HOST, hint="sudo make bench")
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "recipe.yaml"
    file.write_text(json.dumps(recipe(mirror, suite, packages, compress), indent=1) + "\n")
    with udevd(), _nothing_left(folder):
        measured = measure(
            ["debos", "--disable-fakemachine", f"--artifactdir={folder}", file], cwd=folder, timeout=BUILD_SECONDS
        ).checked()
    return folder / QCOW2, measured


def recipe(mirror: str, suite: str, packages: Sequence[str], compress: bool) -> dict[str, Any]:
    """The recipe. Written as JSON, which is YAML too."""
    how = "-c -o compression_type=zstd" if compress else ""
    actions = [
        {"action": "debootstrap", "suite": suite, "mirror": mirror, "components": ["main"], "variant": "minbase"},
        {"action": "apt", "recommends": False, "packages": sorted({*PACKAGES, *packages})},
        {"action": "run", "description": "user, network, console", "chroot": True, "command": FINISH},
        {
            "action": "image-partition",
            "imagename": RAW,
            "imagesize": "2GiB",
            "partitiontype": "gpt",
            "mountpoints": [{"mountpoint": "/", "partition": "root"}],
            "partitions": [
                {"name": "bios", "fs": "none", "start": "1MiB", "end": "2MiB", "flags": ["bios_grub"]},
                {"name": "root", "fs": "ext4", "start": "2MiB", "end": "100%"},
            ],
        },
        {"action": "filesystem-deploy"},
        {"action": "run", "description": "boot loader", "chroot": True, "command": BOOT},
        {
            "action": "run",
            "description": "qcow2",
            "postprocess": True,
            "command": f"qemu-img convert -f raw -O qcow2 {how} {RAW} {QCOW2} && rm {RAW}",
        },
    ]
    return {"architecture": "amd64", "actions": actions}


@contextlib.contextmanager
def udevd() -> Iterator[None]:
    """A running udevd, which debos waits for after partitioning. One of our own where none answers, ended after it."""
    if _udevd_answers():
        yield
        return
    new = [folder for folder in UDEV_MAKES if not folder.exists()]
    # As our child, in the foreground: one whose parent is process 1 ends what else is in its control group.
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", "--", str(UDEVD)],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _udevd_answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise LabwrightError("udevd does not start", cause=Cause.HOST, hint=f"try it: {UDEVD} --debug")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for folder in new:
            # What it knew of devices that are gone would be believed: lsblk and libudev read it without a udevd.
            shutil.rmtree(folder, ignore_errors=True)


def _udevd_answers() -> bool:
    ping = ["udevadm", "control", "--ping", "--timeout=2"]
    done = subprocess.run(ping, env=environment(), capture_output=True, stdin=subprocess.DEVNULL, check=False)
    return done.returncode == 0


@contextlib.contextmanager
def _nothing_left(folder: Path) -> Iterator[None]:
    """Afterwards nothing is mounted in the folder, no loop device holds its image, and none is missing."""
    before = _loops()
    try:
        yield
    finally:
        for point in reversed(mount_points()):
            if point.is_relative_to(folder):
                unmount(point)
        for device in loop_devices(folder / RAW):
            # They would outlive the device's file: debos made them one by one.
            run(["partx", "--delete", device], accept=(0, 1))
        detach_loops(folder / RAW)
        run(["udevadm", "settle", f"--timeout={START_SECONDS:.0f}"], accept=(0, 1))
        for scratch in folder.glob(".debos-*"):
            remove_folder(scratch)
        # debos removes the device itself, its node in /dev too.
        for number in sorted(before - _loops()):
            with contextlib.suppress(OSError), Path("/dev/loop-control").open("rb") as control:
                fcntl.ioctl(control, LOOP_CTL_ADD, number)


def _loops() -> set[int]:
    return {int(folder.name.removeprefix("loop")) for folder in Path("/sys/block").glob("loop*")}
