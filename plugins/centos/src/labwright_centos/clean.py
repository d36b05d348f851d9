"""What must not be in a tree of the family beside what no tree should have: traces of dnf and rpm."""

from __future__ import annotations

TRACES = (
    "var/cache/dnf/*", "var/lib/rpm/.rpm.lock", "usr/lib/sysimage/rpm/.rpm.lock",
    # Journals of the databases, empty once they are closed (sqlite.org/tempfiles.html).
    "var/lib/rpm/rpmdb.sqlite-*", "usr/lib/sysimage/rpm/rpmdb.sqlite-*",
)  # fmt: skip
OF_THE_BUILD = ("cache", "log", "persist", "var/lib/dnf/*", "etc/dnf/modules.d/*")
"""What our own dnf leaves; in somebody's own root file system they may be theirs."""
