"""What a raw disk holds: partitions, file systems, operating systems. Read with no mount and nothing run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.run import run
from labwright.interfaces import Workbench

SECTOR = 512
ROOTS = ("ext2", "ext3", "ext4", "xfs", "btrfs")
"""File systems that a root can be on."""
LOCKED = "crypto_LUKS"
VOLUMES = "LVM2_member"
OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
FIELD = re.compile(r"^([A-Z_]+)=(?:\"([^\"]*)\"|'([^']*)'|(\S*))\s*$", re.MULTILINE)
MOUNT_POINT = re.compile(r"(/[A-Za-z0-9._-]+)+")
LONGEST = 16384
READABLE = 80


@dataclass(frozen=True)
class Part:
    """A partition, or a disk without any. number: from 1, 0 for a whole disk. offset, size: bytes.

    names: as fstab(5) would call it: UUID=..., LABEL=..., PARTUUID=....
    """

    number: int
    offset: int
    size: int
    filesystem: str
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Content:
    """What is on a disk. size: bytes."""

    disk: Path
    size: int
    parts: tuple[Part, ...]

    @property
    def lvm(self) -> bool:
        """Whether there are logical volumes."""
        return any(part.filesystem == VOLUMES for part in self.parts)

    @property
    def candidates(self) -> tuple[Part, ...]:
        """The partitions that a root could be on."""
        return tuple(part for part in self.parts if part.filesystem in ROOTS)


@dataclass(frozen=True)
class Release:
    """What os-release(5) says, cut to what is fit to be shown."""

    identifier: str
    like: tuple[str, ...]
    version: str
    title: str

    @property
    def names(self) -> tuple[str, ...]:
        """Its own identifier and those that it is like, the closest first."""
        return (self.identifier, *self.like)


def parse_release(text: str) -> Release:
    """The fields of an os-release file; missing ones are empty."""
    fields = {name: double or single or bare for name, double, single, bare in FIELD.findall(text[:LONGEST])}
    fit = {name: "".join(sign for sign in value if sign.isprintable())[:READABLE] for name, value in fields.items()}
    return Release(
        fit.get("ID", "").lower(),
        tuple(fit.get("ID_LIKE", "").lower().split()),
        fit.get("VERSION_ID", ""),
        fit.get("PRETTY_NAME", "") or fit.get("ID", ""),
    )


def read_content(disk: Path, bench: Workbench) -> Content:
    """The content of a raw disk. Raises LabwrightError (config) for one with nothing that could be provisioned."""
    size = disk.stat().st_size
    parts = tuple(_part(disk, *place) for place in _places(disk, size))
    if any(part.filesystem == LOCKED for part in parts):
        raise LabwrightError(
            "the disk is encrypted (LUKS)",
            cause=Cause.CONFIG,
            hint="decrypt it where its passphrase is known (cryptsetup reencrypt --decrypt), then name the result",
        )
    content = Content(disk, size, parts)
    if not content.candidates and not content.lvm:
        seen = ", ".join(sorted({part.filesystem or "nothing known" for part in parts}))
        raise LabwrightError(
            f"no file system that a Linux root could be on is on the disk; there is: {seen}",
            cause=Cause.CONFIG,
            hint=f"labwright provisions systems on {', '.join(ROOTS)}, with or without LVM",
        )
    return content


def _places(disk: Path, size: int) -> list[tuple[int, int, int, str]]:
    """Number, offset, size and identity of each partition; the whole disk where there are none."""
    if _probe(disk, 0, size).get("TYPE") in (*ROOTS, VOLUMES, LOCKED):
        return [(0, 0, size, "")]
    done = run(["sfdisk", "--json", disk], accept=range(256), timeout=60)
    try:
        table = json.loads(done.output)["partitiontable"]
        sector = int(table.get("sectorsize", SECTOR))
        places = [
            (
                # The kernel's number, which may have gaps: what follows the disk's name in that of the partition.
                int(str(part["node"]).removeprefix(str(disk)).lstrip("p")),
                int(part["start"]) * sector,
                int(part["size"]) * sector,
                str(part.get("uuid", "")),
            )
            for part in table.get("partitions", ())
        ]
    except (ValueError, KeyError, TypeError):
        return [(0, 0, size, "")]
    outside = [number for number, offset, length, _ in places if offset + length > size or offset <= 0 or length <= 0]
    if outside:
        raise LabwrightError(
            f"partition {outside[0]} ends behind the end of the disk",
            cause=Cause.CONFIG,
            hint="the image was cut short: download or make it again",
        )
    return places


def _part(disk: Path, number: int, offset: int, size: int, identity: str) -> Part:
    facts = _probe(disk, offset, size)
    names = {f"{key}={facts[key]}" for key in ("UUID", "LABEL") if key in facts}
    if identity:
        names.add(f"PARTUUID={identity}")
    return Part(number, offset, size, facts.get("TYPE", ""), frozenset(name.upper() for name in names))


def _probe(disk: Path, offset: int, size: int) -> dict[str, str]:
    """What is at a place of the disk, by its signatures: TYPE, UUID, LABEL (blkid(8))."""
    done = run(
        ["blkid", "--probe", "--offset", str(offset), "--size", str(size), "--output", "export",
         "--usages", "filesystem,raid,crypto", disk],
        accept=range(256), timeout=60,
    )  # fmt: skip
    pairs = (line.partition("=") for line in done.output.splitlines())
    return {key: value for key, _, value in pairs}


def options_for(kind: str) -> str:
    """Mount options. What a superblock asks for at an error, a panic say, is not for it to decide (ext4(5))."""
    return "nodev,errors=remount-ro" if kind.startswith("ext") else "nodev"


def more_mounts(content: Content, root: Part, table: str) -> list[tuple[Part, str]]:
    """The other partitions that the system's fstab(5) has in its tree, and where, outer ones first.

    An EFI system partition is not among them: nothing that provisioning does writes there.
    """
    found = {}
    for line in table[:LONGEST].splitlines():
        words = line.split()
        if len(words) < 3 or line.lstrip().startswith("#") or not MOUNT_POINT.fullmatch(words[1]):
            continue
        name = words[0].replace('"', "").upper()
        for part in content.candidates:
            if name in part.names and part != root and ".." not in words[1].split("/"):
                found[words[1]] = part
    return [(found[place], place) for place in sorted(found)]


LOOK = r"""
mount -t "$1" -o "$2" "$3" "$4" || exit 9
for file in usr/lib/os-release etc/os-release; do
    if [ -f "$4/$file" ] && ! [ -L "$4/$file" ]; then exec cat "$4/$file"; fi
done
"""
READ_ONLY = {"xfs": "ro,nodev,noexec,norecovery", "btrfs": "ro,nodev,noexec"}


def offline_release(content: Content, part: Part, bench: Workbench) -> Release | None:
    """What system is on a partition; None for none. Raises LabwrightError where this host cannot look.

    Read by debugfs(8) on ext file systems; others are mounted, read-only, in a namespace that ends with the look.
    """
    if part.filesystem in READ_ONLY:
        point = bench.scratch / "look"
        point.mkdir(exist_ok=True)
        options = f"{READ_ONLY[part.filesystem]},loop,offset={part.offset},sizelimit={part.size}"
        done = bench.run(
            ["sh", "-c", LOOK, "sh", part.filesystem, options, content.disk, point],
            contained=True, timeout=60, what=f"a {part.filesystem} file system cannot be mounted on this host",
        )  # fmt: skip
        return parse_release(done.output) if "ID=" in done.output else None
    for name in OS_RELEASE:
        done = bench.run(
            ["debugfs", "-R", f"cat {name}", f"{content.disk}?offset={part.offset}"], accept=range(256), timeout=60
        )
        if "ID=" in done.output:
            return parse_release(done.output)
    return None


def find_root(content: Content, wanted: int | None, bench: Workbench) -> Part:
    """The partition with the system. wanted: its number, where the user says it. Raises LabwrightError."""
    if wanted is not None:
        chosen = [part for part in content.candidates if part.number == wanted]
        if not chosen:
            numbers = ", ".join(str(part.number) for part in content.candidates)
            raise LabwrightError(
                f"partition {wanted} holds no file system that a root could be on",
                cause=Cause.CONFIG,
                hint=f"set build.partition to one of: {numbers}",
            )
        return chosen[0]
    if content.lvm and not content.candidates:
        raise LabwrightError(
            "the system is on logical volumes, which only the appliance enters", cause=Cause.CONFIG,
            hint="use --method appliance",
        )  # fmt: skip
    systems = {part: release for part in content.candidates if (release := offline_release(content, part, bench))}
    if not systems:
        raise LabwrightError(
            "no operating system is on the disk: no partition has an os-release file",
            cause=Cause.CONFIG,
            hint="is it a data disk? Name the disk that boots. A system in a btrfs subvolume is entered by --method "
            "appliance",
        )
    if len(systems) > 1:
        raise several(f"partition {part.number}: {release.title}" for part, release in systems.items())
    return next(iter(systems))


def several(systems: Iterable[str]) -> LabwrightError:
    """More than one system on a disk: which one is meant is not ours to guess."""
    return LabwrightError(
        "more than one operating system is on the disk",
        cause=Cause.CONFIG,
        details=tuple(systems),
        hint="say which one with build.partition",
    )
