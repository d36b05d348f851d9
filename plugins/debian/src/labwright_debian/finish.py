"""A Debian tree made into a machine of a lab: kernel, user, network, first boot. No network is used."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from labwright.host.run import chroot_command
from labwright.host.trees import folder_inside, inside
from labwright.interfaces import Workbench
from labwright.spec.image import ImageSpec
from labwright_debian import clean

ROOTFS = Path(__file__).with_name("rootfs")
"""Files that every image gets, at their places; one that is executable here is executable there."""

ENABLED = (
    "systemd-networkd.service", "systemd-resolved.service", "systemd-timesyncd.service", "ssh.service",
    "labwright-interfaces.service", "labwright-host-keys.service", "labwright-coldplug.service",
    "labwright-grow-root.service", "labwright-lesson.service",
)  # fmt: skip
MASKED = (
    # Timers that load the internet or the disk of a machine that lives for an hour.
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service",
    "fstrim.timer", "systemd-tmpfiles-clean.timer",
    # What waits for hardware that a virtual machine of ours does not have, or for a network that a lab may not have.
    "systemd-networkd-wait-online.service", "systemd-pstore.service", "systemd-rfkill.socket",
    "systemd-rfkill.service", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "dev-hugepages.mount",
    # What asks for modules that are built in or that this kernel does not have.
    "modprobe@configfs.service", "modprobe@dm_mod.service", "modprobe@drm.service", "modprobe@fuse.service",
    "modprobe@loop.service", "sys-kernel-config.mount", "sys-fs-fuse-connections.mount", "systemd-repart.service",
    # The journal stays in memory, the addresses come by DHCP, and nobody reads records of past boots here.
    "systemd-journal-flush.service", "systemd-network-generator.service", "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
)  # fmt: skip
MASKED_GENERATORS = (
    "bless-boot", "cryptsetup", "gpt-auto", "hibernate-resume", "integritysetup", "tpm2", "veritysetup",
)  # fmt: skip
"""Programs that look, before anything else starts, for what this kernel or disk does not have (systemd.generator(7)
says how they are masked)."""


def finish_tree(image: ImageSpec, tree: Path, kernel_package: Path, bench: Workbench) -> None:
    """Finish the unpacked tree in place."""
    _install_kernel(tree, kernel_package, bench)
    _copy_rootfs(tree)
    _write_settings(image, tree)
    _make_user(image, tree, bench)
    _units(tree, bench)
    clean.remove_traces(tree)
    _identity(image, tree)
    _first_boot(tree)


def _chroot(tree: Path, argv: Sequence[str], bench: Workbench, stdin: str | None = None) -> str:
    done = bench.run(
        chroot_command(tree, argv),
        env={"SOURCE_DATE_EPOCH": str(bench.source_date_epoch), "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"},
        contained=True,
        stdin=stdin,
        what=f"configuring the system failed at {argv[0]}",
        timeout=300,
    )
    return str(done.output)


def _install_kernel(tree: Path, package: Path, bench: Workbench) -> None:
    bench.say("installing the kernel")
    place = tree / "kernel.deb"
    place.unlink(missing_ok=True)
    shutil.copyfile(package, place)
    try:
        _chroot(tree, ["dpkg", "--install", "/kernel.deb"], bench)
    finally:
        place.unlink()


def _copy_rootfs(tree: Path) -> None:
    for source in sorted(ROOTFS.rglob("*")):
        if not source.is_file() or source.suffix == ".pyc":
            continue
        name = source.relative_to(ROOTFS)
        folder_inside(tree, (tree / name).parent)
        _write(tree, str(name), source.read_text(), 0o755 if os.access(source, os.X_OK) else 0o644)


def _write(tree: Path, name: str, text: str, mode: int = 0o644) -> None:
    """Write a file of the image; a link that a package left there is replaced, not followed out of the tree."""
    path = inside(tree, tree / name)
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)
    os.chown(path, 0, 0)


def _write_settings(image: ImageSpec, tree: Path) -> None:
    folder_inside(tree, tree / "etc/labwright")
    folder_inside(tree, tree / "antidote")
    _write(tree, "etc/labwright/interfaces", "".join(f"{name}\n" for name in ("eth0", *image.network_interfaces)))
    _write(tree, "etc/default/locale", "LANG=C.UTF-8\n")
    _write(tree, "etc/timezone", "Etc/UTC\n")
    if image.enable_forwarding:
        _write(
            tree,
            "etc/sysctl.d/90-forwarding.conf",
            "net.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 1\n",
        )


def _make_user(image: ImageSpec, tree: Path, bench: Workbench) -> None:
    """The login that the Antidote contract asks for, with sudo that asks for no password."""
    user = image.ssh_user
    if user != "root":
        _chroot(tree, ["useradd", "--create-home", "--shell", "/bin/bash", "--groups", "sudo,adm", user], bench)
    salt = hashlib.sha256(f"{image.slug} {user}".encode()).hexdigest()[:16]
    hashed = _chroot(
        tree,
        ["perl", "-e", 'chomp(my $p = <STDIN>); print crypt($p, "\\$6\\$$ARGV[0]\\$")', salt],
        bench,
        stdin=f"{image.ssh_password.get_secret_value()}\n",
    )
    _chroot(tree, ["chpasswd", "--encrypted"], bench, stdin=f"{user}:{hashed}\n")
    _write(tree, "etc/sudoers.d/90-labwright", f"{user} ALL=(ALL:ALL) NOPASSWD: ALL\n", 0o440)
    if user == "root":
        _write(tree, "etc/ssh/sshd_config.d/20-root.conf", "PermitRootLogin yes\n")


def _units(tree: Path, bench: Workbench) -> None:
    _chroot(tree, ["systemctl", "--quiet", "enable", *ENABLED], bench)
    _chroot(tree, ["systemctl", "--quiet", "mask", *MASKED], bench)
    generators = folder_inside(tree, tree / "etc/systemd/system-generators")
    for name in MASKED_GENERATORS:
        link = generators / f"systemd-{name}-generator"
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")


def _identity(image: ImageSpec, tree: Path) -> None:
    """An empty machine-id is filled in at each machine's first boot (machine-id(5))."""
    _write(tree, "etc/machine-id", "", 0o444)
    _write(tree, "etc/hostname", f"{image.slug}\n")
    _write(
        tree,
        "etc/hosts",
        f"127.0.0.1 localhost\n127.0.1.1 {image.slug}\n::1 localhost ip6-localhost ip6-loopback\n"
        "ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n",
    )
    resolver = inside(tree, tree / "etc/resolv.conf")
    resolver.unlink(missing_ok=True)
    resolver.symlink_to("/run/systemd/resolve/stub-resolv.conf")


def _first_boot(tree: Path) -> None:
    """Have the first boot do no work that was done here already."""
    # Newer than /usr, so that users and caches are not made once more (systemd-update-done.service(8)).
    for folder in ("etc", "var"):
        _write(tree, f"{folder}/.updated", "# The packages' files are as they were installed.\n")
    table = inside(tree, tree / "etc/fstab")
    if table.is_symlink() or not table.is_file():
        return
    if all(not line.strip() or line.startswith("#") for line in table.read_text().splitlines()):
        # The root comes from the kernel's command line; without a table nothing is mounted again.
        table.unlink()
