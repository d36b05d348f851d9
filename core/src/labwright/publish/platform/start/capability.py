"""CAP_NET_RAW, as the file /usr/bin/python3.11 of the runtime gives it: permitted, and in effect only where we say so.

Kubernetes gives a user other than root no capability of its own (no ambient ones); one that a file has needs
allowPrivilegeEscalation, since no_new_privs forbids it. Root has it in effect from the start.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

NET_RAW = 13
VERSION_3 = 0x20080522
NO_NEW_PRIVILEGES = 38
"""PR_SET_NO_NEW_PRIVS of linux/prctl.h."""
STATUS = Path("/proc/self/status")


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def permitted(status: str) -> bool:
    """Whether /proc/self/status permits raw sockets (proc(5), CapPrm)."""
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == "CapPrm":
            return bool(int(value, 16) >> NET_RAW & 1)
    return False


@contextlib.contextmanager
def raw_sockets() -> Iterator[bool]:
    """In the body raw sockets can be opened; says whether that is so. Afterwards neither we nor any child can again.

    Raises OSError.
    """
    allowed = permitted(STATUS.read_text())
    if allowed:
        _keep(1 << NET_RAW, 1 << NET_RAW)
    try:
        yield allowed
    finally:
        _keep(0, 0)
        # Dropped alone it is one exec away: the bounding set keeps it, and the file of this very program has it.
        _forbid_new_privileges()


def _keep(effective: int, allowed: int) -> None:
    """capset(2): these of the first 32 capabilities and no others. Raises OSError."""
    header, sets = _Header(VERSION_3, 0), (_Sets * 2)()
    sets[0].effective, sets[0].permitted = effective, allowed
    _check(_libc().capset(ctypes.byref(header), ctypes.byref(sets)))


def _forbid_new_privileges() -> None:
    """prctl(2), PR_SET_NO_NEW_PRIVS, which children inherit. Raises OSError."""
    on, unused = ctypes.c_ulong(1), ctypes.c_ulong(0)
    _check(_libc().prctl(NO_NEW_PRIVILEGES, on, unused, unused, unused))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(failed: int) -> None:
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
