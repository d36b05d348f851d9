"""Which places of the host a room hides, which are its own, and what in them its Python needs all the same."""

from __future__ import annotations

import contextlib
import os
import site
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import labwright
from labwright.host.sockets import named

OWN = {"/tmp": 0o1777, "/var/tmp": 0o1777, "/run": 0o755, "/root": 0o700}  # noqa: S108
"""Empty folders of each room, with their modes. /root is HOME: what reads the table of users goes there too."""
HIDDEN = ("/home", "/media", "/mnt", "/var/snap", "/var/spool", "/var/lib/incus", "/var/lib/lxd")
"""Homes, and disks that users put in; under /mnt, Windows's own (WSL). Folders of daemons that bind their sockets by
relative names, or give whoever reaches them the rights of root."""
SOCKETS = ("/proc/1/net/unix", "/proc/self/net/unix")
"""The named sockets (proc(5)) of the host's network, where daemons are, and of the one that we are in."""
SECRET = ("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers", "/etc/ssl/private",
          "/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ed25519_key")  # fmt: skip
"""What root of the host could read in a room; in a user namespace, where labs belong, nobody can. It covers what was
there when the room was made: a file that the host replaces meanwhile, as useradd does, is seen."""


def own(places: Iterable[str] = tuple(OWN)) -> list[Path]:
    """The folders of each room where they really are: /var/tmp may be a link to /tmp."""
    return list(dict.fromkeys(Path(place).resolve() for place in places))


def hidden(scratch: Path) -> list[Path]:
    """Folders that are empty in a room: homes, and what else we keep."""
    wanted = [*map(Path, HIDDEN), Path(os.environ.get("HOME", "/root")), scratch]
    found = list(dict.fromkeys(place.resolve() for place in wanted if place.is_dir()))
    return [place for place in found if not _holds_system(place) and not _in_any(place, own())]


def _holds_system(place: Path) -> bool:
    """A home of / or /usr, as daemons have them, is no place of secrets, and hiding it would hide everything."""
    return any(Path(path).is_relative_to(place) for path in ("/usr", "/etc", "/var/tmp", "/dev", "/proc"))  # noqa: S108


def sockets(covers: Iterable[Path]) -> list[Path]:
    """The named sockets of the host that a room would reach: to be read-only keeps nobody from connecting to one."""
    covers = [*covers, *own(), Path("/dev"), Path("/proc")]
    found = {}
    for table in map(Path, SOCKETS):
        # Where others' processes are hidden (hidepid of proc(5)) the first cannot be read.
        with contextlib.suppress(OSError):
            for name, _ in named(table):
                with contextlib.suppress(OSError, RuntimeError, ValueError):
                    place = Path(name).resolve()
                    if place.is_socket() and not _in_any(place, covers):
                        found[place] = True
    return sorted(found)


def visible(covers: Iterable[Path]) -> list[Path]:
    """The folders under `covers` without which this Python, or labwright, could not be imported; outermost only."""
    covers = list(covers)
    needed = dict.fromkeys(path for path in _python() if path.is_dir() and _in_any(path.resolve(), covers))
    # One that holds a whole home would undo the hiding.
    fit = [path for path in needed if not any(cover.is_relative_to(path.resolve()) for cover in covers)]
    return [path for path in fit if not any(other != path and path.is_relative_to(other) for other in fit)]


def _python() -> Iterator[Path]:
    yield from map(Path, (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix))
    yield Path(sys.base_prefix).resolve()
    yield Path(labwright.__file__).parents[1]
    # Not the first, which Python itself put there: the folder of whatever program has called us.
    program = Path(sys.argv[0]).resolve().parent
    yield from (Path(entry) for entry in sys.path if Path(entry).is_absolute() and Path(entry) != program)
    yield from _named()
    link = Path(sys.executable)
    while link.is_symlink():
        link = Path(os.path.normpath(link.parent / link.readlink()))
        yield link.parent


def _named() -> list[Path]:
    """The folders of PYTHONPATH; relative ones count from where we are, and a room is somewhere else."""
    return [Path.cwd() / entry for entry in os.environ.get("PYTHONPATH", "").split(":") if entry]


def python_variables() -> dict[str, str]:
    """What Python's start must be told so that it finds in a room what it finds here."""
    variables = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    if named := _named():
        variables["PYTHONPATH"] = ":".join(map(str, named))
    if site.ENABLE_USER_SITE and site.getusersitepackages() in sys.path:
        variables["PYTHONUSERBASE"] = site.getuserbase()
    return variables


def _in_any(path: Path, places: Iterable[Path]) -> bool:
    return any(path.is_relative_to(place) for place in places)
