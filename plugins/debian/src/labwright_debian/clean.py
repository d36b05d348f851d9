"""What must not be in a Debian tree beside what no tree should have: traces of apt, dpkg and the bootstrappers."""

from __future__ import annotations

from pathlib import Path

from labwright.finish.files import remove_traces
from labwright.host.trees import inside

TRACES = (
    "var/lib/dhcp/*", "var/cache/apt/*", "var/lib/apt/lists/*", "var/cache/debconf/*-old", "var/lib/dpkg/*-old",
    "var/cache/man/*", "root/.wget-hsts",
    "etc/apt/apt.conf.d/99mmdebstrap", "etc/dpkg/dpkg.cfg.d/99mmdebstrap", "etc/dpkg/dpkg.cfg.d/99labwright",
    "etc/apt/sources.list.d/0000sources.list", "etc/hosts",
    "var/lib/apt/extended_states.*", "var/lib/dpkg/lock*",
    "var/lib/dpkg/triggers/Lock", "var/lib/apt/periodic/*", "usr/sbin/policy-rc.d", "debootstrap",
)  # fmt: skip
LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian")


def normalise(root: Path) -> None:
    """Take out the traces of the build and the documentation, whichever tool made the tree."""
    remove_traces(root, TRACES)
    for folder in LEFT_OUT:
        _keep_copyright(inside(root, root / folder / "any").parent)
    for link in inside(root, root / "etc/alternatives/any").parent.glob("*"):
        # Whether a manual page's alternative was set up depends on when the tool began to leave the pages out.
        if link.is_symlink() and str(link.readlink()).lstrip("/").startswith(LEFT_OUT):
            link.unlink()


def _keep_copyright(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_symlink() or path.is_file():
            if path.name not in {"copyright", "locale.alias"}:
                path.unlink()
        elif not any(path.iterdir()):
            path.rmdir()
