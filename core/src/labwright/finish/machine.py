"""Login, interfaces, units, first boot. No network is used, and nothing here depends on a package manager."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.finish.files import copy_files, remove_traces, write
from labwright.host.run import chroot_command
from labwright.host.trees import folder_inside, inside
from labwright.interfaces import Workbench
from labwright.spec.image import ImageSpec

ROOTFS = Path(__file__).with_name("rootfs")
"""Files that every image gets, at their places."""

ENABLED = (
    "labwright-interfaces.service", "labwright-host-keys.service", "labwright-coldplug.service",
    "labwright-grow-root.service", "labwright-lesson.service",
)  # fmt: skip
MASKED = (
    # Timers for the disk of a machine that lives for an hour.
    "fstrim.timer", "systemd-tmpfiles-clean.timer",
    # What waits for hardware that a virtual machine of ours does not have.
    "systemd-pstore.service", "systemd-rfkill.socket", "systemd-rfkill.service", "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount", "dev-hugepages.mount",
    # What asks for modules that are built in or that this kernel does not have.
    "modprobe@configfs.service", "modprobe@dm_mod.service", "modprobe@drm.service", "modprobe@fuse.service",
    "modprobe@loop.service", "sys-kernel-config.mount", "sys-fs-fuse-connections.mount", "systemd-repart.service",
    # The journal stays in memory, and nobody reads records of past boots here.
    "systemd-journal-flush.service", "systemd-network-generator.service", "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
)  # fmt: skip
MASKED_GENERATORS = (
    "bless-boot", "cryptsetup", "gpt-auto", "hibernate-resume", "integritysetup", "tpm2", "veritysetup",
)  # fmt: skip
"""Programs that look, before anything else starts, for what this kernel or disk does not have (systemd.generator(7)
says how they are masked)."""


@dataclass(frozen=True)
class System:
    """What differs between distributions.

    rootfs: its own files, at their places. ssh: the name of its SSH server's unit. groups: of the login, beside its
    own. enabled, masked: its units beside the common ones. traces: patterns of what its tools leave. resolver: where
    /etc/resolv.conf leads, empty for a file that something writes at boot.
    """

    rootfs: Path
    ssh: str
    groups: tuple[str, ...]
    enabled: tuple[str, ...]
    masked: tuple[str, ...]
    traces: tuple[str, ...]
    resolver: str = ""


def finish(image: ImageSpec, tree: Path, system: System, bench: Workbench) -> None:
    """Finish the unpacked tree in place; the kernel is installed already."""
    for folder in (ROOTFS, system.rootfs):
        copy_files(folder, tree, {"@SSH@": system.ssh})
    _write_settings(image, tree)
    _make_user(image, tree, system, bench)
    _units(tree, system, bench)
    remove_traces(tree, system.traces)
    _identity(image, tree, system)
    _first_boot(tree)


def in_tree(tree: Path, argv: Sequence[str], bench: Workbench, stdin: str | None = None) -> str:
    """Run a program of the tree in it. Returns what it prints. Raises LabwrightError (host)."""
    done = bench.run(
        chroot_command(tree, argv),
        env={"SOURCE_DATE_EPOCH": str(bench.source_date_epoch), "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"},
        contained=True,
        stdin=stdin,
        what=f"configuring the system failed at {argv[0]}",
        timeout=300,
    )
    return str(done.output)


def _write_settings(image: ImageSpec, tree: Path) -> None:
    folder_inside(tree, tree / "etc/labwright")
    folder_inside(tree, tree / "antidote")
    write(tree, "etc/labwright/interfaces", "".join(f"{name}\n" for name in ("eth0", *image.network_interfaces)))
    if image.enable_forwarding:
        write(
            tree,
            "etc/sysctl.d/90-forwarding.conf",
            "net.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 1\n",
        )


def _make_user(image: ImageSpec, tree: Path, system: System, bench: Workbench) -> None:
    """The login that the Antidote contract asks for, with sudo that asks for no password."""
    user = image.ssh_user
    if user != "root":
        in_tree(tree, ["useradd", "--create-home", "--shell", "/bin/bash", "--groups", ",".join(system.groups), user],
                bench)  # fmt: skip
    hashed = hashed_password(image, bench)
    in_tree(tree, ["chpasswd", "--encrypted"], bench, stdin=f"{user}:{hashed}\n")
    write(tree, "etc/sudoers.d/90-labwright", f"{user} ALL=(ALL:ALL) NOPASSWD: ALL\n", 0o440)
    if user == "root":
        write(tree, "etc/ssh/sshd_config.d/20-root.conf", "PermitRootLogin yes\n")


def hashed_password(image: ImageSpec, bench: Workbench) -> str:
    """The login's password as crypt(5) has it: the same for the same image."""
    return crypted(image.ssh_password.get_secret_value(), f"{image.slug} {image.ssh_user}", bench)


def crypted(password: str, seed: str, bench: Workbench) -> str:
    """A password as crypt(5) has it, by SHA-512. seed: of the salt.

    Made by this host's openssl, since a minimal tree need not have any program for it.
    """
    salt = hashlib.sha256(seed.encode()).hexdigest()[:16]
    done = bench.run(
        ["openssl", "passwd", "-6", "-salt", salt, "-stdin"],
        stdin=f"{password}\n",
        what="the password cannot be hashed",
    )
    return str(done.output).strip()


def _units(tree: Path, system: System, bench: Workbench) -> None:
    in_tree(tree, ["systemctl", "--quiet", "enable", f"{system.ssh}.service", *ENABLED, *system.enabled], bench)
    in_tree(tree, ["systemctl", "--quiet", "mask", *MASKED, *system.masked], bench)
    generators = folder_inside(tree, tree / "etc/systemd/system-generators")
    for name in MASKED_GENERATORS:
        link = generators / f"systemd-{name}-generator"
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")


def _identity(image: ImageSpec, tree: Path, system: System) -> None:
    """An empty machine-id is filled in at each machine's first boot (machine-id(5))."""
    write(tree, "etc/machine-id", "", 0o444)
    write(tree, "etc/hostname", f"{image.slug}\n")
    write(
        tree,
        "etc/hosts",
        f"127.0.0.1 localhost\n127.0.1.1 {image.slug}\n::1 localhost ip6-localhost ip6-loopback\n"
        "ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n",
    )
    if system.resolver:
        inside(tree, tree / "etc/resolv.conf").symlink_to(system.resolver)


def _first_boot(tree: Path) -> None:
    """Have the first boot do no work that was done here already."""
    # Newer than /usr, so that users and caches are not made once more (systemd-update-done.service(8)).
    for folder in ("etc", "var"):
        write(tree, f"{folder}/.updated", "# The packages' files are as they were installed.\n")
    table = inside(tree, tree / "etc/fstab")
    if table.is_symlink() or not table.is_file():
        return
    if all(not line.strip() or line.startswith("#") for line in table.read_text().splitlines()):
        # The root comes from the kernel's command line; without a table nothing is mounted again.
        table.unlink()
