"""What is on a disk after provisioning, and images to provision that labwright did not make."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

from labwright.guest.content import find_root, read_content
from labwright.guest.guest import Guest
from labwright.guest.mounted import mounted_guest
from labwright.host.ledger import Ledger
from labwright.host.run import run
from labwright.interfaces import Workbench

LIST = (
    "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/log "
    "-o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg \\) -prune -o -printf '%p %y %m %u %g %l\\n' "
    "| sort"
)


def bench_in(folder: Path) -> Workbench:
    """A bench of a test's own."""
    scratch, downloads = folder / "scratch", folder / "downloads"
    for place in (scratch, downloads):
        place.mkdir(parents=True, exist_ok=True)
    return Workbench(
        run=functools.partial(run, log=folder / "log"),
        scratch=scratch, downloads=downloads, ledger=Ledger(folder / "ledger"), say=lambda _: None,
        source_date_epoch=0, jobs=2,
    )  # fmt: skip


def as_raw(image: Path, folder: Path) -> Path:
    """A raw copy of a qcow2."""
    raw = folder / f"{image.stem}.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", image, raw], check=True)
    return raw


def facts(image: Path, folder: Path, packages: str = "dpkg-query --show") -> dict[str, list[str]]:
    """Packages, users, groups, rules and files of an image, read through a mount."""
    folder.mkdir(parents=True, exist_ok=True)
    bench = bench_in(folder)
    raw = as_raw(image, folder)
    content = read_content(raw, bench)
    with mounted_guest(content, find_root(content, None, bench), bench) as guest:
        found = {
            "packages": _ask(guest, packages),
            "users": _ask(guest, "cat /etc/passwd"),
            "groups": _ask(guest, "cat /etc/group"),
            "passwords": [line.split(":")[0] + line.split(":")[1][:3] for line in _ask(guest, "cat /etc/shadow")],
            "sudo": _ask(guest, "cat /etc/sudoers /etc/sudoers.d/*"),
            "ssh": _ask(guest, "cat /etc/ssh/sshd_config"),
            "files": _ask(guest, LIST),
            "identity": _ask(guest, "cat /etc/machine-id; ls /etc/ssh/ssh_host_* 2>/dev/null; true"),
        }
    raw.unlink()
    return found


def read_file(image: Path, place: str, folder: Path) -> bytes:
    """One file of an image."""
    folder.mkdir(parents=True, exist_ok=True)
    bench = bench_in(folder)
    raw = as_raw(image, folder)
    content = read_content(raw, bench)
    with mounted_guest(content, find_root(content, None, bench), bench) as guest:
        guest.get(place, folder / "file")
    raw.unlink()
    return (folder / "file").read_bytes()


def _ask(guest: Guest, command: str) -> list[str]:
    answer = guest.execute(["sh", "-c", command])
    assert answer.code == 0, answer
    return answer.output.splitlines()


def image_folder(parent: Path, slug: str, source: Path | None, **build: object) -> Path:
    """A folder with an image.meta.yaml that starts from a disk."""
    folder = parent / slug
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, object] = {"type": "debian"}
    if source is not None:
        settings["from"] = str(source)
    text = {"slug": slug, "description": "a test", "build": settings | build}
    (folder / "image.meta.yaml").write_text(json.dumps(text))
    return folder


SYSTEM = "linux-image-cloud-amd64,grub-pc,systemd-sysv,initramfs-tools,ifupdown,isc-dhcp-client,openssh-server,iproute2"


def make_foreign_debian(disk: Path) -> None:
    """A Debian as others make it: stock kernel, initramfs, GRUB by grub-install, ifupdown, names like enp0s4; a vmdk.

    Made with mmdebstrap and libguestfs alone, so that nothing of labwright's is in it. Its sshd lets nobody in with a
    password, by a drop-in as cloud images have it, and it has neither sudo nor Python.
    """
    import guestfs

    folder = disk.parent
    tree, raw = folder / "tree.tar", folder / "foreign.raw"
    subprocess.run(
        ["mmdebstrap", "--variant=minbase", "--quiet", f"--include={SYSTEM}", "bookworm", tree],
        check=True,
    )
    os.environ["LIBGUESTFS_BACKEND"], os.environ["LIBGUESTFS_BACKEND_SETTINGS"] = "direct", "force_tcg"
    with raw.open("wb") as stream:
        stream.truncate(3 << 30)
    machine = guestfs.GuestFS(python_return_dict=True)
    machine.add_drive_opts(str(raw), format="raw", cachemode="unsafe")
    machine.set_memsize(1024)
    machine.launch()
    machine.part_disk("/dev/sda", "mbr")
    machine.mkfs("ext4", "/dev/sda1")
    machine.mount("/dev/sda1", "/")
    machine.tar_in(str(tree), "/")
    machine.write("/etc/fstab", f"UUID={machine.vfs_uuid('/dev/sda1')} / ext4 errors=remount-ro 0 1\n")
    machine.write("/etc/hostname", "foreign\n")
    machine.write("/etc/network/interfaces", "auto lo\niface lo inet loopback\nauto enp0s4\niface enp0s4 inet dhcp\n")
    machine.write(
        "/etc/default/grub", 'GRUB_TIMEOUT=0\nGRUB_CMDLINE_LINUX="console=ttyS0"\nGRUB_DISABLE_OS_PROBER=true\n'
    )
    machine.write("/etc/ssh/sshd_config.d/50-cloud-init.conf", "PasswordAuthentication no\nPermitRootLogin no\n")
    machine.command(["grub-install", "--target=i386-pc", "/dev/sda"])
    machine.command(["update-grub"])
    machine.umount_all()
    machine.shutdown()
    machine.close()
    subprocess.run(["qemu-img", "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, disk], check=True)
    raw.unlink()
    tree.unlink()


def make_ova(disk: Path, place: Path) -> None:
    """An appliance around a vmdk, as virtualisation products export it: descriptor, manifest, disk."""
    size = json.loads(
        subprocess.run(["qemu-img", "info", "--output=json", disk], capture_output=True, check=True).stdout
    )["virtual-size"]
    descriptor = f"""<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
<References><File ovf:href="{disk.name}" ovf:id="file1"/></References>
<DiskSection><Info>disks</Info><Disk ovf:diskId="d1" ovf:fileRef="file1" ovf:capacity="{size}"
 ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/></DiskSection>
</Envelope>
""".encode()
    content = disk.read_bytes()
    name = place.stem
    manifest = (
        f"SHA256({name}.ovf)= {hashlib.sha256(descriptor).hexdigest()}\n"
        f"SHA256({disk.name})= {hashlib.sha256(content).hexdigest()}\n"
    ).encode()
    with tarfile.open(place, "w", format=tarfile.USTAR_FORMAT) as archive:
        for member, data in ((f"{name}.ovf", descriptor), (f"{name}.mf", manifest), (disk.name, content)):
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
