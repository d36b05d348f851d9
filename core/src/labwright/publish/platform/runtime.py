"""The runtime layer: QEMU, Python and what these two load, of Debian's packages; the same for all images and nights.

It is an output of a step in the store, so that it is made again only where one of its packages has changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.ledger import Ledger, copy_whole
from labwright.host.paths import Paths
from labwright.interfaces import Bootstrapper, Pins, Workbench
from labwright.pipeline.runner import Runner
from labwright.pipeline.stage1 import package_facts
from labwright.pipeline.steps import Needs, Step, code_digest
from labwright.pipeline.store import Store, Stored, text_digest
from labwright.plugins import bootstrapper
from labwright.publish.platform.extents import Packed, Part
from labwright.publish.platform.runtime_tree import kept, write_layer
from labwright.spec.image import BuildSpec, ImageSpec
from labwright.spec.surroundings import from_environment
from labwright.trust.purl import Vendor
from labwright.trust.runtime import Runtime, RuntimePackage

STEP = "platform-runtime"
LAYER, DIFF_ID, EPOCH, NAMES = "layer.tar.gz", "diff-id", "epoch", "packages.json"
DISTRIBUTION = "debian"
PACKAGES = ("libpython3-stdlib", "ovmf", "python3-minimal", "qemu-system-x86", "qemu-utils", "seabios")


def runtime_layer(bench: Workbench) -> tuple[Packed, Runtime]:
    """The layer, from the store or made now; a copy in the bench's scratch folder. And the packages that it is of.

    Where no mirror answers the one that was made last is taken. Raises LabwrightError.
    """
    paths = Paths.from_environment()
    paths.ensure()
    ledger = Ledger(paths.ledger)
    store = Store(paths.store, ledger)
    place = bench.scratch / "runtime.tar.gz"

    def taken(stored: Stored, release: str = "") -> tuple[Packed, Runtime]:
        store.check(stored)
        copy_whole(stored.folder / LAYER, place, ledger)
        packages = json.loads((stored.folder / NAMES).read_text())
        runtime = Runtime(Vendor(DISTRIBUTION, release), tuple(RuntimePackage(*one) for one in packages))
        return Packed(place, (stored.folder / DIFF_ID).read_text().strip(), Part.RUNTIME), runtime

    spec = image_spec()
    driver = bootstrapper(DISTRIBUTION)
    try:
        pins = driver.resolve_programs(spec, PACKAGES, bench)
    except LabwrightError as error:
        last = store.newest(STEP)
        if error.cause is not Cause.NETWORK or last is None:
            raise
        bench.say(f"{error.what}: the runtime that was made last is used")
        return taken(last)
    runner = Runner("platform", paths, store, ledger, lambda event: bench.say(event.text or event.step),
                    bench.jobs, bench.source_date_epoch)  # fmt: skip
    return runner.run((runtime_step(driver, pins),), lambda done: taken(done[STEP], pins.release))


def image_spec() -> ImageSpec:
    """An image of the distribution, since a driver wants one to know mirrors and release."""
    build = from_environment(BuildSpec(type=DISTRIBUTION))
    return ImageSpec(slug="platform-runtime", description="what starts machines in containers", build=build)


def runtime_step(driver: Bootstrapper, pins: Pins) -> Step:
    """Its key: the packages, by hash, and the code that makes a layer of them."""

    def make(output: Path, _: Mapping[str, Stored], bench: Workbench) -> None:
        archive = bench.scratch / "tree.tar"
        epoch = driver.make_programs(pins, archive, bench)
        root = bench.scratch / "root"
        root.mkdir()
        bench.run(
            ["tar", "--extract", "--file", archive, "--directory", root, "--no-same-owner", "--same-permissions"],
            what="unpacking the tree of programs failed",
        )
        diff_id = write_layer(root, kept(root, bench), output / LAYER)
        (output / DIFF_ID).write_text(f"{diff_id}\n")
        (output / EPOCH).write_text(f"{epoch}\n")
        (output / NAMES).write_text(json.dumps(package_facts(pins), indent=1) + "\n")

    return Step(
        STEP,
        "Make the runtime of containers",
        make,
        {
            "packages": text_digest(*map(" ".join, package_facts(pins))),
            "driver": code_digest(type(driver).__module__.partition(".")[0]),
            "code": code_digest("labwright.publish.platform.runtime_tree"),
        },
        needs=Needs(disk=600, memory=200, seconds=40),
    )
