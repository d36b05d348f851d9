"""The root of a room: what all rooms share is mounted once, and a room adds what is its own.

A tmpfs that is the root; on it the host's top-level folders, bound with all that is mounted in them and read-only. What
must be a room's own is mounted over that in the room's own mount namespace, and goes with it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from labwright.lesson.room import kernel, places
from labwright.lesson.room.kernel import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY
from labwright.lesson.room.wire import Layout

NODES = ("null", "zero", "full", "random", "urandom", "tty")
DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
                "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"}  # fmt: skip
LESSON = "/antidote"
"""Where the platform's jobs have the lesson."""
SPECIAL = frozenset({"antidote", "dev", "proc", "root", "run", "tmp"})
"""Top-level folders that are not the host's."""
SHARED = Path("/dev/shm")  # noqa: S108 - a room's own
HOST_NAME = "labwright"
OWN_BYTES, OWN_FILES = 1 << 30, 1 << 18
"""Of all folders that are a room's own, together: they are memory."""
OWN, HOSTS, EMPTY = ".own", ".hosts", ".empty"
"""In a room's root: where its own folders are made, and files that lie over others."""
MOST_LINKS = 40
"""As many as the kernel follows (path_resolution(7))."""


def prepare(layout: Layout) -> None:
    """Mount what all rooms share at layout.root, in the current mount namespace, which must be ours alone."""
    root = Path(layout.root)
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("room", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m")
    # The binds of the folder that it lies in leave it out.
    kernel.mount("none", root, flags=kernel.MS_UNBINDABLE)
    _bind_host(root)
    kernel.mount("none", root, flags=kernel.MS_PRIVATE)
    for name in SPECIAL - {"dev"}:
        (root / name).mkdir(exist_ok=True)
    _make_devices(root)
    (root / OWN).mkdir()
    (root / HOSTS).write_text(layout.hosts)
    (root / EMPTY).touch()
    _hide(root, layout)
    for socket in layout.sockets:
        _cover(_at(root, Path(socket)), root / EMPTY)
    kernel.set_attributes(root, kernel.READ_ONLY, recursive=False)


def _bind_host(root: Path) -> None:
    for entry in sorted(Path("/").iterdir()):
        target = root / entry.name
        if entry.is_symlink():
            target.symlink_to(entry.readlink())
        elif entry.is_dir() and entry.name not in SPECIAL:
            target.mkdir()
            kernel.bind(entry, target)


def _make_devices(root: Path) -> None:
    devices = root / "dev"
    devices.mkdir()
    for node in NODES:
        (devices / node).touch()
        kernel.mount(f"/dev/{node}", devices / node, flags=MS_BIND)
    for name, target in DEVICE_LINKS.items():
        (devices / name).symlink_to(target)
    (devices / "pts").mkdir()
    (devices / "shm").mkdir()


def inside(root: Path, place: str) -> Path:
    """The file that an absolute path leads to for who has `root` as root; links are followed as the kernel would."""
    parts, found, links = place.split("/"), root, 0
    while parts:
        part = parts.pop(0)
        step = found.parent if part == ".." and found != root else found if part in {"", ".", ".."} else found / part
        if step.is_symlink() and links < MOST_LINKS:
            links += 1
            target = str(step.readlink())
            parts = target.split("/") + parts
            step = root if target.startswith("/") else found
        found = step
    return found


def _hide(root: Path, layout: Layout) -> None:
    covers = [Path(place) for place in layout.hidden]
    for cover in covers:
        target = _at(root, cover)
        if not target.is_dir():
            continue
        kernel.mount("hidden", target, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m")
        _show(root, cover, layout.visible)
        kernel.set_attributes(target, kernel.READ_ONLY, recursive=False)


def _show(root: Path, cover: Path, needed: Iterable[str]) -> None:
    """Bind what is needed of a covered folder in its place again, with the links that lead to it."""
    for path in map(Path, needed):
        real = path.resolve()
        for link in _links(path):
            target = _at(root, link)
            if link.is_relative_to(cover) and not os.path.lexists(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(link.readlink())
        if real.is_relative_to(cover):
            _at(root, real).mkdir(parents=True, exist_ok=True)
            kernel.bind(real, _at(root, real))


def _links(path: Path) -> Iterator[Path]:
    """The links on the way to a path, each where it really is."""
    found = Path("/")
    for part in path.parts[1:]:
        step = found / part
        if step.is_symlink():
            yield step
        found = step.resolve()


def _at(root: Path, place: Path) -> Path:
    return root / place.relative_to("/")


def _replace_files(root: Path) -> None:
    """Put our files over the host's. For each room anew: one is uncovered when the host puts another in its place."""
    _replace(root, HOSTS, "/etc/hosts")
    _replace(root, EMPTY, "/etc/resolv.conf")
    for secret in map(Path, places.SECRET):
        if secret.is_dir() and os.access(secret, os.R_OK):
            kernel.mount("hidden", _at(root, secret), "tmpfs", MS_NOSUID | MS_NODEV | MS_RDONLY, "mode=700,size=4k")
        elif os.access(secret, os.R_OK):
            _replace(root, EMPTY, str(secret))


def _replace(root: Path, name: str, place: str) -> None:
    """Put a file of ours over the host's, if the host has it where a room sees it: not so in its own /run."""
    target = inside(root, place)
    if target.is_file():
        _cover(target, root / name)


def _cover(target: Path, ours: Path) -> None:
    # Gone this very moment is as good as hidden. Read-only it is by the root that it comes from.
    with contextlib.suppress(FileNotFoundError):
        kernel.mount(ours, target, flags=MS_BIND)


def enter(layout: Layout, lesson: str, tree: int) -> None:
    """Make the room of the current process, which has a process namespace of its own, and go in.

    lesson: the folder that is /antidote; empty where `tree` is a mount of it (kernel.clone).
    """
    root = Path(layout.root)
    kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS)
    kernel.libc.sethostname(HOST_NAME.encode(), len(HOST_NAME))
    # A nested mount namespace copies propagation as it is: private, as prepare() made it.
    _make_own(root, layout)
    _replace_files(root)
    kernel.mount("own", root / "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    attributes = kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV
    if lesson:
        kernel.bind(Path(lesson), _at(root, Path(LESSON)), attributes)
    else:
        kernel.attach(tree, _at(root, Path(LESSON)), attributes)
    # Root of the host may write settings of the kernel in there without any capability, as their owner.
    kernel.mount("proc", root / "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY)
    kernel.change_root(root)


def _make_own(root: Path, layout: Layout) -> None:
    """All that a job may fill is one file system, so that its size is the room's."""
    made = root / OWN
    kernel.mount("own", made, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=755,size={OWN_BYTES},nr_inodes={OWN_FILES}")
    modes = {place: places.OWN.get(str(place), 0o755) for place in places.own()} | {SHARED: 0o1777}
    for number, (place, mode) in enumerate(modes.items()):
        folder = made / str(number)
        folder.mkdir()
        folder.chmod(mode)
        kernel.mount(folder, _at(root, place), flags=MS_BIND)
        _show(root, place, layout.visible)
    kernel.detach(made)
