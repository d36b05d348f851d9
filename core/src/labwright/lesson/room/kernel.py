"""Calls of the kernel that Python 3.11 has no names for. Errors are OSError with the place in them."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC = 1, 2, 4, 8, 4096, 16384
MS_UNBINDABLE, MS_PRIVATE = 1 << 17, 1 << 18
MNT_DETACH = 2
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID = 0x20000, 0x4000000, 0x8000000, 0x20000000
"""linux/mount.h and linux/sched.h."""
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4
READ_ONLY = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
PR_SET_NO_NEW_PRIVS = 38
CAPABILITY_VERSION_3 = 0x20080522
"""linux/capability.h."""

SYS_MOUNT_SETATTR = 442
"""The same on every architecture but alpha (arch/*/kernel/syscalls, since 5.12)."""
SYS_OPEN_TREE, SYS_MOVE_MOUNT = 428, 429
"""Likewise, since 5.2."""
OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, MOVE_MOUNT_F_EMPTY_PATH = 1, os.O_CLOEXEC, 4
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}

libc = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")]


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapabilitySet(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


def mount(source: str | Path, target: str | Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2)."""
    _checked(
        libc.mount(os.fsencode(source), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags),
                   options.encode() or None), target
    )  # fmt: skip


def bind(source: Path, target: Path, attributes: int = READ_ONLY) -> None:
    """Show a place, with all that is mounted in it, at another; attributes of mount_setattr(2) for all of it."""
    mount(source, target, flags=MS_BIND | MS_REC)
    set_attributes(target, attributes)


def set_attributes(target: Path, attributes: int, recursive: bool = True) -> None:
    """Set attributes of what is mounted there: mount_setattr(2)."""
    wanted = _MountAttributes(attr_set=attributes)
    flags = AT_RECURSIVE if recursive else 0
    _checked(
        libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, os.fsencode(target), flags, ctypes.byref(wanted),
                     ctypes.c_size_t(ctypes.sizeof(wanted))), target
    )  # fmt: skip


def clone(place: Path) -> int:
    """A descriptor of what is mounted at a place, as a mount that is nowhere yet: open_tree(2)."""
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE
    tree = libc.syscall(SYS_OPEN_TREE, AT_FDCWD, os.fsencode(place), flags)
    _checked(min(tree, 0), place)
    return int(tree)


def attach(tree: int, target: Path, attributes: int) -> None:
    """Mount what clone() gave, in whatever mount namespace we are: move_mount(2)."""
    _checked(libc.syscall(SYS_MOVE_MOUNT, tree, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH), target)
    set_attributes(target, attributes)


def detach(place: Path) -> None:
    """Unmount, and what is still in use once it is not: umount2(2)."""
    _checked(libc.umount2(os.fsencode(place), MNT_DETACH), place)


def change_root(root: Path) -> None:
    """Make a mount point the root and let go of the old one, as pivot_root(2) says under `pivot_root(".", ".")`."""
    os.chdir(root)
    _checked(libc.syscall(SYS_PIVOT_ROOT.get(os.uname().machine, -1), b".", b"."), root)
    _checked(libc.umount2(b".", MNT_DETACH), root)
    os.chdir("/")


def unshare(flags: int) -> None:
    """unshare(2)."""
    _checked(libc.unshare(flags), "new namespaces")


def join(namespace: int) -> None:
    """setns(2) with a descriptor of any kind of namespace."""
    _checked(libc.setns(namespace, 0), "own namespace")


def forbid_new_privileges() -> None:
    """No program that is started from now on gains rights by its file: PR_SET_NO_NEW_PRIVS of prctl(2)."""
    _checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")


def keep_capabilities(kept: int) -> None:
    """Give up every capability that is not in the mask `kept`: capset(2)."""
    header = _CapabilityHeader(CAPABILITY_VERSION_3, 0)
    sets = (_CapabilitySet * 2)()
    _checked(libc.capget(ctypes.byref(header), sets), "capabilities")
    for word, half in enumerate(sets):
        half.permitted &= kept >> 32 * word & 0xFFFFFFFF
        half.effective = half.permitted
        half.inheritable = 0
    _checked(libc.capset(ctypes.byref(header), sets), "capabilities")


def _checked(result: int, place: str | Path) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(place))
