"""What must not be in a tree: traces of the build, and identities that clones would share."""

from __future__ import annotations

import shutil
from pathlib import Path

from labwright.host.trees import inside

TRACES = (
    "etc/machine-id", "var/lib/dbus/machine-id", "etc/ssh/ssh_host_*", "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret", "var/lib/systemd/timesync/clock", "var/lib/dhcp/*",
    "var/cache/apt/*", "var/lib/apt/lists/*", "var/cache/ldconfig/*", "var/cache/debconf/*-old", "var/lib/dpkg/*-old",
    "var/cache/man/*", "var/tmp/*", "tmp/*", "run/*", "root/.*_history", "root/.wget-hsts", "etc/*-", "etc/.pwd.lock",
    "etc/apt/apt.conf.d/99mmdebstrap", "etc/dpkg/dpkg.cfg.d/99mmdebstrap", "etc/dpkg/dpkg.cfg.d/99labwright",
    "etc/apt/sources.list.d/0000sources.list",
    "etc/hostname", "etc/resolv.conf", "etc/hosts", "var/lib/apt/extended_states.*", "var/lib/dpkg/lock*",
    "var/lib/dpkg/triggers/Lock", "var/lib/apt/periodic/*", "usr/sbin/policy-rc.d", "debootstrap",
)  # fmt: skip
LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian")


def normalise(root: Path) -> None:
    """Take out the traces of the build and the documentation, whichever tool made the tree."""
    remove_traces(root)
    for folder in LEFT_OUT:
        _keep_copyright(inside(root, root / folder / "any").parent)
    for link in inside(root, root / "etc/alternatives/any").parent.glob("*"):
        # Whether a manual page's alternative was set up depends on when the tool began to leave the pages out.
        if link.is_symlink() and str(link.readlink()).lstrip("/").startswith(LEFT_OUT):
            link.unlink()


def remove_traces(root: Path) -> None:
    """Take out what identifies one machine or one build, and what only fills the disk."""
    for pattern in TRACES:
        # glob() does not find a link to nothing, so what has no wildcard is named outright.
        for path in sorted(root.glob(pattern), reverse=True) if "*" in pattern else [root / pattern]:
            remove(inside(root, path))
    for path in inside(root, root / "var/log/any").parent.rglob("*"):
        if path.is_symlink() or path.is_file():
            path.unlink()


def remove(path: Path) -> None:
    """Remove one file or folder, never what a link points at."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path)


def _keep_copyright(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_symlink() or path.is_file():
            if path.name not in {"copyright", "locale.alias"}:
                path.unlink()
        elif not any(path.iterdir()):
            path.rmdir()
