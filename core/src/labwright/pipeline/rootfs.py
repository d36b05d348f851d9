"""A root file system in an archive, as containers are exported, in place of a bootstrapped tree."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from labwright.disk.archive import pack
from labwright.errors import Cause, LabwrightError
from labwright.foreign import Limits, checked_tree
from labwright.guest.content import Release, parse_release
from labwright.guest.guest import Guest
from labwright.guest.mounted import tree_guest
from labwright.interfaces import Workbench
from labwright.pipeline.stage1 import PACKAGES, TREE_CODE, Recipe, write_epoch
from labwright.pipeline.steps import Needs, Step, code_digest
from labwright.pipeline.store import Stored
from labwright.provision.driver import RELEASE
from labwright.provision.family import LINUX, family_of
from labwright.provision.script import packages_script

LEFT_BY_CONTAINERS = ("/.dockerenv", "/usr/sbin/policy-rc.d", "/etc/dpkg/dpkg.cfg.d/docker-apt-speedup")


def rootfs_step(recipe: Recipe, digest: str, limits: Limits) -> Step:
    """The step "tree" of stage 1, made from an archive: unpacked, and what a machine needs installed into it."""
    source = Path(recipe.image.build.source or "")
    wanted = recipe.driver.distribution.asked(recipe.image)

    def tree(output: Path, _: Mapping[str, Stored], bench: Workbench) -> None:
        dated = replace(bench, source_date_epoch=recipe.epoch or int(time.time()))
        bench.say("checking and unpacking the archive")
        archive = bench.scratch / "rootfs.tar"
        checked_tree(source, archive, bench, limits)
        root = bench.scratch / "rootfs"
        root.mkdir()
        bench.run(
            ["tar", "--extract", "--file", archive, "--directory", root, "--numeric-owner", "--same-permissions",
             "--same-owner"],
            what="unpacking the root file system failed",
        )  # fmt: skip
        archive.unlink()
        with tree_guest(root, bench) as guest:
            packages = _completed(guest, recipe, wanted, bench)
        pack(root, output / "tree.tar", dated)
        write_epoch(output, dated.source_date_epoch)
        (output / PACKAGES).write_text(json.dumps(packages, indent=1) + "\n")

    return Step(
        "tree",
        "Unpack the root file system and complete it",
        tree,
        {
            "source": digest,
            "system": f"{recipe.image.build.type} {recipe.release.name}",
            "packages asked for": " ".join(wanted),
            "code": code_digest("labwright.provision", "labwright.guest", "labwright.foreign") + TREE_CODE,
            "SOURCE_DATE_EPOCH": str(recipe.epoch),
        },
        needs=Needs(disk=1500, memory=300, seconds=60),
    )


def _completed(guest: Guest, recipe: Recipe, wanted: tuple[str, ...], bench: Workbench) -> list[list[str]]:
    release = parse_release(guest.script(RELEASE, "the archive's system does not say what it is").output)
    _check(release, recipe)
    guest.execute(["rm", "-f", *LEFT_BY_CONTAINERS])
    bench.say(f"{release.title}: what a machine needs and a container does not have")
    family = family_of(release, LINUX)
    guest.script(packages_script(wanted, family), "completing the root file system failed")
    return [[*line.split(), ""] for line in guest.script(family.listed, "no list of packages").output.splitlines()]


def major(version: str) -> str:
    """The part of a version that a release is named by: 9 of 9.4."""
    return version.partition(".")[0]


def _check(release: Release, recipe: Recipe) -> None:
    """The kernel and all that finishes the tree belong to one distribution and release."""
    kind, wanted = recipe.image.build.type, recipe.release
    named = wanted.name in release.title and kind in release.names
    if not (named if wanted.identity == ("", "") else (release.identifier, major(release.version)) == wanted.identity):
        raise LabwrightError(
            f"the archive holds {release.title or 'a system without a name'}, and the image is to be {kind} "
            f"{wanted.name}",
            cause=Cause.CONFIG,
            hint="set build.type and build.release to what the archive holds; labwright plugins list says which "
            "types there are",
        )
