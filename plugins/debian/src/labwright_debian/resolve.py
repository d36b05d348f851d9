"""What an archive would give now: apt's own answer, as exact packages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote

from pydantic import TypeAdapter, ValidationError

from labwright.errors import Cause, LabwrightError
from labwright.host.files import write_whole
from labwright.interfaces import Package, Workbench
from labwright_debian.archive import Archive

ESSENTIAL = ("?and(?architecture(amd64),?essential)", "?and(?architecture(amd64),?priority(required))", "apt")
"""What debootstrap and mmdebstrap call minbase."""
PACKAGES = TypeAdapter(tuple[Package, ...])
Ask = Callable[[Archive, Sequence[str], Workbench], tuple[Package, ...]]


def system(archive: Archive, packages: Sequence[str], bench: Workbench) -> tuple[Package, ...]:
    """Every package of a minimal system with these, as apt would install them on an empty disk."""
    words = ["install", "--no-install-recommends", "--yes", *ESSENTIAL, *packages]
    return _ask(archive, words, f"no system with {' '.join(packages)} can be made from {archive.suite}", bench)


def programs(archive: Archive, packages: Sequence[str], bench: Workbench) -> tuple[Package, ...]:
    """Every package that these need and no more: not even what a system calls essential."""
    words = ["install", "--no-install-recommends", "--yes", *packages]
    return _ask(archive, words, f"{' '.join(packages)} cannot be had from {archive.suite}", bench)


def single(archive: Archive, package: str, bench: Workbench) -> Package:
    """One package, without what it needs."""
    return _ask(archive, ["download", package], f"there is no package {package} in {archive.suite}", bench)[0]


def _ask(archive: Archive, words: list[str], what: str, bench: Workbench) -> tuple[Package, ...]:
    """apt's answer, remembered for this state of the archive."""
    known = archive.folder(bench) / "answers" / f"{archive.answer_key(words, bench)}.json"
    try:
        return PACKAGES.validate_json(known.read_text())
    except (OSError, ValidationError):
        pass
    done = bench.run(
        ["apt-get", *archive.options(bench), "-o", "Acquire::ForceHash=SHA256", "--print-uris", "-qq", *words],
        what=what,
        cause=Cause.CONFIG,
        hint="check build.packages, and that build.mirror is a full mirror of build.release",
    )
    lines = [line for line in done.output.splitlines() if line.startswith("'")]
    packages = tuple(parse_uri(line, archive.mirrors) for line in lines)
    if not packages:
        raise LabwrightError(what, cause=Cause.CONFIG, hint="check build.mirror and build.release")
    known.parent.mkdir(exist_ok=True)
    write_whole(known, json.dumps([package.model_dump() for package in packages]))
    return packages


def parse_uri(line: str, mirrors: Mapping[str, str]) -> Package:
    """A package from a line of `apt-get --print-uris`: 'URI' file size SHA256:hash (apt-get(8)).

    Raises LabwrightError (network) for a line that says something else.
    """
    try:
        uri, file, size, digest = line.split()
        url = uri.strip("'")
        role = max(
            (role for role in mirrors if url.startswith(f"{mirrors[role]}/")), key=lambda role: len(mirrors[role])
        )
        stem = unquote(PurePosixPath(file).name).removesuffix(".deb")
        name, version, architecture = stem.split("_")
        return Package(
            name=name, version=version, architecture=architecture, sha256=digest.removeprefix("SHA256:"),
            size=int(size), mirror=role, path=url.removeprefix(f"{mirrors[role]}/"),
        )  # fmt: skip
    except ValueError as error:
        raise LabwrightError(
            f"apt answered {line[:200]!r}, which names no package by its hash",
            cause=Cause.NETWORK,
            hint="does the archive have SHA256 sums? check build.mirror",
        ) from error
