"""A tree of programs for a container: packages unpacked, none of their scripts run, no init and no package manager."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from labwright.disk.archive import pack
from labwright.interfaces import Pins, Workbench
from labwright_debian.fetch import fetch, newest

MERGED = ("bin", "lib", "lib64", "sbin")
"""What packages still hold beside /usr, and what is a link to there on every Debian since bookworm."""
STATUS = "var/lib/dpkg/status.d"
"""A file a package: where scanners of vulnerabilities look in an image that has no dpkg."""


def make_programs(pins: Pins, destination: Path, bench: Workbench) -> int:
    """Write the tree to `destination`, a tar file; returns the latest time in it."""
    files = fetch(pins.packages, pins, bench.scratch / "pool", bench)
    epoch = bench.source_date_epoch or newest(files)
    root = bench.scratch / "programs"
    (root / STATUS).mkdir(parents=True)
    bench.say(f"unpacking {len(files)} packages")
    for file in sorted(files):
        bench.run(["dpkg-deb", "--extract", file, root], what=f"{file.name} cannot be unpacked")
        said = bench.run(["dpkg-deb", "--field", file], what=f"{file.name} does not say what it is").output
        (root / STATUS / file.name.partition("_")[0]).write_text(said)
    for name in MERGED:
        merge(root, name)
    root.chmod(0o755)
    pack(root, destination, replace(bench, source_date_epoch=epoch))
    return epoch


def merge(root: Path, name: str) -> None:
    """Move what is in a folder beside /usr to there, and leave a link."""
    beside, merged = root / name, root / "usr" / name
    merged.mkdir(parents=True, exist_ok=True)
    if beside.is_dir():
        for path in sorted(beside.rglob("*")):
            place = merged / path.relative_to(beside)
            if path.is_dir() and not path.is_symlink():
                place.mkdir(exist_ok=True)
            else:
                path.rename(place)
        for path in sorted(beside.rglob("*"), reverse=True):
            path.rmdir()
        beside.rmdir()
    beside.symlink_to(f"usr/{name}")
