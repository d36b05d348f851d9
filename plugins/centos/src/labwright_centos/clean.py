"""What must not be in a tree of the family beside what no tree should have: traces of dnf and rpm."""

from __future__ import annotations

TRACES = (
    "var/cache/dnf/*", "cache", "log", "persist", "var/lib/dnf/*", "etc/dnf/modules.d/*", "var/cache/man/*",
    # Journals of the databases, empty once they are closed (sqlite.org/tempfiles.html).
    "var/lib/rpm/rpmdb.sqlite-*", "usr/lib/sysimage/rpm/rpmdb.sqlite-*", "var/lib/rpm/.rpm.lock",
    "usr/lib/sysimage/rpm/.rpm.lock",
)  # fmt: skip
