"""A tree of the family made into a machine of a lab: its kernel package, and what only this family has."""

from __future__ import annotations

import re
from pathlib import Path

from labwright.finish import System, finish, write
from labwright.host.trees import folder_inside, inside
from labwright.interfaces import Workbench
from labwright.spec.image import ImageSpec
from labwright_centos import dnf
from labwright_centos.clean import TRACES
from labwright_centos.keys import Keyring
from labwright_centos.mirror import SNAPSHOT, is_metalink
from labwright_centos.releases import Enterprise

CONNECTION = "etc/NetworkManager/system-connections/management.nmconnection"
REPOSITORY = "etc/yum.repos.d/labwright.repo"
KEY = "etc/pki/rpm-gpg/RPM-GPG-KEY-labwright"
ENABLED = re.compile(r"^enabled[ \t]*=.*\n?", re.MULTILINE)
SECTION = re.compile(r"^\[.+\][ \t]*$", re.MULTILINE)
SYSTEM = System(
    rootfs=Path(__file__).with_name("rootfs"),
    ssh="sshd",
    groups=("wheel", "adm"),
    enabled=("NetworkManager.service", "chronyd.service"),
    masked=(
        # Timers that load the internet or the disk of a machine that lives for an hour.
        "dnf-makecache.timer", "dnf-automatic.timer", "logrotate.timer",
        # A lab may have no network, and nothing waits for one.
        "NetworkManager-wait-online.service",
        # labwright-host-keys.service makes the two kinds that are wanted; RSA takes seconds when emulated.
        "sshd-keygen.target", "sshd-keygen@rsa.service", "sshd-keygen@ecdsa.service", "sshd-keygen@ed25519.service",
        # No state of past boots, and no entries for a boot loader of its own.
        "systemd-boot-update.service", "kdump.service",
    ),
    traces=TRACES,
)  # fmt: skip


def install_kernel(release: Enterprise, tree: Path, package: Path, bench: Workbench) -> None:
    """Install the kernel's package, by this host's rpm as all others: an older one dates what it does by the clock."""
    bench.say("installing the kernel")
    # rpm opens the database by its path from here.
    inside(tree, tree / release.database.lstrip("/") / "any")
    bench.run(
        ["rpm", f"--root={tree}", "--install", "--nosignature", package],
        env=dnf.environment(release, bench),
        contained=True,
        what="installing the kernel failed",
        timeout=600,
    )


def set_repositories(mirror: str, keys: Keyring, tree: Path) -> None:
    """Have the image's own dnf use the mirror that its author chose, and not the project's."""
    if SNAPSHOT in mirror or not mirror.startswith("http") or is_metalink(mirror):
        return
    folder = folder_inside(tree, tree / "etc/yum.repos.d")
    for path in sorted(folder.glob("*.repo")):
        if path.is_file() and not path.is_symlink():
            write(tree, f"etc/yum.repos.d/{path.name}", switched_off(path.read_text(errors="surrogateescape")))
    parts = [
        f"[labwright-{name.lower()}]\nname={name} of this image's mirror\nbaseurl={mirror}/{name}/x86_64/os\n"
        f"enabled=1\ngpgcheck=1\ngpgkey=file:///{KEY}\n"
        for name in ("BaseOS", "AppStream")
    ]
    write(tree, REPOSITORY, "\n".join(parts))
    folder_inside(tree, (tree / KEY).parent)
    write(tree, KEY, keys.armored.read_text())


def switched_off(text: str) -> str:
    """A file of repositories with each of them disabled; one that does not say so is enabled (dnf.conf(5))."""
    return SECTION.sub(r"\g<0>\nenabled=0", ENABLED.sub("", text))


def finish_tree(image: ImageSpec, tree: Path, bench: Workbench) -> None:
    """Finish the unpacked tree in place; its kernel is installed."""
    write(tree, "etc/locale.conf", "LANG=C.UTF-8\n")
    if (tree / "etc/selinux").is_dir():
        # The kernel has no SELinux; a policy that a package brought must not be waited for.
        write(tree, "etc/selinux/config", "# This machine's kernel has no SELinux.\nSELINUX=disabled\n")
    finish(image, tree, SYSTEM, bench)
    # NetworkManager passes over a connection that others could read (nm-settings-keyfile(5)).
    (tree / CONNECTION).chmod(0o600)
