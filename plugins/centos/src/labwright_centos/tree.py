"""The root file system of exactly the pinned packages, by one transaction of dnf."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from labwright.disk.archive import pack
from labwright.errors import Cause, LabwrightError
from labwright.finish.files import remove_traces
from labwright.host.run import chroot_command
from labwright.host.text import plain
from labwright.interfaces import Pins, Workbench
from labwright_centos import dnf
from labwright_centos.clean import OF_THE_BUILD, TRACES
from labwright_centos.keys import Keyring
from labwright_centos.packages import fetch, newest, without_epoch_0
from labwright_centos.releases import Enterprise

ENTER = """set -e
root=$0
unset TMPDIR
mount -t tmpfs -o mode=0755,nosuid none "$root/dev"
for name in null zero full random urandom tty; do
    : > "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=0755 none "$root/run"
exec unshare --net -- "$@"
"""
"""Fixed text. A /dev of its own, since a package may set the owner and mode of that folder; no network, since scripts
of packages need none; all of it gone with the namespace it runs in."""

NOBODY_OF_THAT_NAME = re.compile(r"warning: (?:user|group) (?P<name>\S+) does not exist - using root")
"""rpm before 4.19 makes no users from sysusers.d, and says no more than this of a file that has to belong to one."""
DAMAGE = re.compile(r"^\s*(?:error: |warning: .*scriptlet failed|.*: No space left on device|Error:)")
"""What rpm and dnf say of damage, whatever their exit code."""


def make_tree(release: Enterprise, pins: Pins, keys: Keyring, destination: Path, bench: Workbench) -> int:
    """Write the tree to `destination`, a tar file; returns the latest time in it."""
    files = fetch(pins.packages, pins, bench.scratch / "pool", keys, bench)
    epoch = bench.source_date_epoch or newest(files, bench)
    dated = replace(bench, source_date_epoch=epoch)
    root = bench.scratch / "tree"
    root.mkdir(mode=0o755)
    bench.say(f"dnf: {len(pins.asked)} packages and what they need, {len(pins.packages)} in all")
    install(release, files, root, dated)
    check_installed(release, pins, root, dated)
    remove_traces(root, (*OF_THE_BUILD, *TRACES))
    os.utime(root / "dev", (epoch, epoch))
    pack(root, destination, dated, exclude=("./dev/*",))
    return epoch


def install(release: Enterprise, files: Sequence[Path], root: Path, bench: Workbench) -> None:
    """Install the package files into an empty root. Raises LabwrightError, also where dnf would go on."""
    for name, mode in (("dev", 0o755), ("proc", 0o555), ("sys", 0o555), ("run", 0o755)):
        (root / name).mkdir()
        # Not by mkdir, which the umask has a part in; rpm verifies these modes.
        (root / name).chmod(mode)
    folder = bench.scratch / "dnf"
    folder.mkdir()
    (folder / "dnf.conf").write_text(dnf.configuration(release, folder, {}))
    done = bench.run(
        ["sh", "-c", ENTER, root, dnf.program(), "--assumeyes", "--config", folder / "dnf.conf",
         f"--installroot={root}", f"--releasever={release.major}", "install", *files],
        env=dnf.environment(release, bench),
        contained=True,
        what=f"installing {release.title} failed",
        cause=Cause.HOST,
        timeout=3600,
    )  # fmt: skip
    said = [plain(line) for line in (*done.output.splitlines(), *done.errors.splitlines())]
    if damage := [line for line in said if DAMAGE.search(line)]:
        raise LabwrightError(
            f"installing {release.title} left damage, though dnf went on: {damage[0].strip()}",
            cause=Cause.HOST,
            details=damage[1:12],
            hint="the log has more; is it a package of build.packages? then report it to who makes that",
        )
    lacking = sorted({found["name"] for line in said for found in NOBODY_OF_THAT_NAME.finditer(line)})
    if lacking:
        _make_users(release, lacking, root, bench)


def _make_users(release: Enterprise, names: Sequence[str], root: Path, bench: Workbench) -> None:
    """Make the users of sysusers.d, as a newer rpm would have before it unpacked, and give them their files."""
    bench.say(f"making the users {', '.join(names)}")
    options = {"env": dnf.environment(release, bench), "contained": True, "timeout": 600}
    bench.run(chroot_command(root, ["systemd-sysusers"]), what="making users failed", **options)
    known = {line.partition(":")[0] for table in ("passwd", "group")
             for line in (root / "etc" / table).read_text().splitlines()}  # fmt: skip
    if missing := [name for name in names if name not in known]:
        raise LabwrightError(
            f"files of {release.title} belong to {missing[0]}, and no package makes that user or group",
            cause=Cause.HOST,
            details=missing[1:],
            hint="which package is it? the log names it; leave it out of build.packages, and report it to who makes it",
        )
    bench.run(["rpm", f"--root={root}", "--restore", "--all"], what="setting owners failed", **options)


def check_installed(release: Enterprise, pins: Pins, root: Path, bench: Workbench) -> None:
    """Raise LabwrightError (host) unless the tree has the pinned packages in the pinned versions and nothing else."""
    done = bench.run(
        ["rpm", f"--root={root}", "--query", "--all", "--queryformat", "%{NAME} %{EVR} %{ARCH}\n"],
        env=dnf.environment(release, bench),
        contained=True,
        what="the tree's packages cannot be listed",
    )
    lines = [line.split(" ") for line in str(done.output).splitlines() if not line.startswith("gpg-pubkey ")]
    installed = {f"{name} {without_epoch_0(version)} {architecture}" for name, version, architecture in lines}
    wanted = {f"{one.name} {without_epoch_0(one.version)} {one.architecture}" for one in pins.packages}
    if wanted != installed:
        lacking, beyond = sorted(wanted - installed), sorted(installed - wanted)
        raise LabwrightError(
            f"the tree is not what was pinned: {len(lacking)} packages lack, {len(beyond)} are too much",
            cause=Cause.HOST,
            details=[*(f"lacks {name}" for name in lacking[:6]), *(f"has {name}" for name in beyond[:6])],
            hint="this is a bug of labwright or of dnf: please report it",
        )
