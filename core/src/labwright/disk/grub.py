"""GRUB for both firmwares, put in place without grub-install, which wants a mounted disk that the host can see."""

from __future__ import annotations

import struct
from pathlib import Path

from labwright.disk.layout import SECTOR, Layout
from labwright.errors import Cause, LabwrightError
from labwright.interfaces import Workbench

MODULES = (
    "part_gpt", "ext2", "linux", "normal", "search", "search_fs_uuid", "serial", "terminal", "configfile", "echo",
    "boot", "test",
)  # fmt: skip
"""What grub.cfg needs and nothing more: under emulation every module costs time before the kernel starts."""

GRUB_FOLDER = Path("/usr/lib/grub")

BOOT_CODE = 440
"""Bytes of the first sector that are code; the disk signature and the protective partition follow."""

KERNEL_ARGUMENTS = "rw console=tty0 console=ttyS0,115200 net.ifnames=0 no_timer_check quiet"
"""no_timer_check: on an emulator of a busy host the timer ticks too late for the kernel's check, and it panics."""


def kernel_command_line(layout: Layout) -> str:
    """The kernel's arguments; a partition's UUID is known without an initramfs, a file system's is not."""
    return f"root=PARTUUID={layout.root.identity} {KERNEL_ARGUMENTS}"


def grub_configuration(layout: Layout, filesystem: str) -> str:
    """The text of /boot/grub/grub.cfg. filesystem: the UUID of the root file system."""
    return (
        "# Written by labwright. Serial port and screen both work; there is no menu to wait for.\n"
        "set timeout=0\n"
        "serial --unit=0 --speed=115200\n"
        "terminal_input serial console\n"
        "terminal_output serial console\n"
        f"search --no-floppy --fs-uuid --set=root {filesystem}\n"
        f"linux /boot/vmlinuz {kernel_command_line(layout)}\n"
        "boot\n"
    )


def early_configuration(filesystem: str) -> str:
    """What is built into GRUB itself: find the root file system, then read its grub.cfg."""
    return (
        f"search --no-floppy --fs-uuid --set=root {filesystem}\n"
        "set prefix=($root)/boot/grub\n"
        "configfile $prefix/grub.cfg\n"
    )


def make_loader(target: str, modules: tuple[str, ...], filesystem: str, bench: Workbench) -> Path:
    """GRUB for one target ("i386-pc" or "x86_64-efi") as a file in scratch. Raises LabwrightError (host)."""
    if not (GRUB_FOLDER / target / "modinfo.sh").exists():
        package = {"i386-pc": "grub-pc-bin", "x86_64-efi": "grub-efi-amd64-bin"}[target]
        raise LabwrightError(
            f"GRUB for {target} is not installed", cause=Cause.HOST, hint=f"install it: apt-get install {package}"
        )
    early = bench.scratch / "early.cfg"
    early.write_text(early_configuration(filesystem))
    loader = bench.scratch / f"grub-{target}"
    bench.run(
        ["grub-mkimage", "-O", target, "-p", "/boot/grub", "-c", early, "-o", loader, *MODULES, *modules],
        timeout=60,
        what=f"making GRUB for {target} failed",
    )
    return loader


def make_bios_loader(filesystem: str, bench: Workbench) -> Path:
    """GRUB's core image for BIOS."""
    return make_loader("i386-pc", ("biosdisk",), filesystem, bench)


def make_efi_loader(filesystem: str, bench: Workbench) -> Path:
    """GRUB as an EFI program; without a video driver it warns and waits before it starts a kernel."""
    return make_loader("x86_64-efi", ("fat", "all_video"), filesystem, bench)


def patched_boot_sector(boot: bytes, core_sector: int) -> bytes:
    """GRUB's boot.img, told where on the disk its core image starts: what grub-bios-setup does on a mounted disk."""
    sector = bytearray(boot)
    struct.pack_into("<Q", sector, 0x5C, core_sector)
    sector[0x64] = 0xFF  # the boot drive: take the one that the BIOS names
    sector[0x66:0x68] = b"\x90\x90"  # a jump over the check of that drive's number: no operation instead
    return bytes(sector[:BOOT_CODE])


def patched_core(core: bytes, core_sector: int) -> bytes:
    """GRUB's core image, whose first sector loads the rest, told where the rest is: right behind it."""
    image = bytearray(core)
    struct.pack_into("<Q", image, 0x1F4, core_sector + 1)
    return bytes(image)


def embed_bios_loader(core: Path, raw: Path, layout: Layout) -> None:
    """Write GRUB for BIOS to the first sector and the BIOS boot partition of the disk. Raises LabwrightError (host)."""
    image = core.read_bytes()
    if not SECTOR < len(image) <= layout.bios.size:
        raise LabwrightError(
            f"GRUB's core image has {len(image)} bytes, and its partition {layout.bios.size}",
            cause=Cause.HOST,
            hint="is grub-pc-bin installed in full? apt-get install --reinstall grub-pc-bin",
        )
    boot = (GRUB_FOLDER / "i386-pc" / "boot.img").read_bytes()
    with raw.open("r+b") as stream:
        stream.write(patched_boot_sector(boot, layout.bios.start))
        stream.seek(layout.bios.offset)
        stream.write(patched_core(image, layout.bios.start))
