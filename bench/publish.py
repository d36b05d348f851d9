"""What publishing costs: bytes and seconds for an image, for the same again, and for it with a little changed in it.

    PYTHONPATH=tests python -m bench.publish out/debian.qcow2 [--changed out/other/debian.qcow2]

Beside it `skopeo copy` of the same blobs. Each time to a docker-registry of its own, on loopback. Without --changed the
second image is the first with a file of 300 kB more in its root file system, put there by debugfs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Table
from support.registry import access, real_registry
from support.registry_images import said_of

from labwright.host.ledger import Ledger
from labwright.host.run import run
from labwright.interfaces import Workbench
from labwright.publish.delivered import Delivered, read_delivered
from labwright.publish.kind import Kind
from labwright.publish.kinds import KINDS
from labwright.publish.publish import Published, PublishOptions, publish
from labwright.registry.reference import parse_reference

RUNS = 3
NEW_FILE = 300_000
"""Bytes: about a small package."""


@dataclass(frozen=True)
class Timed:
    """What was published, and in how many seconds."""

    published: Published
    seconds: float


def timed(delivered: Delivered, host: str, tag: str, kind: Kind, bench: Workbench) -> Timed:
    started = time.monotonic()
    done = publish(delivered, parse_reference(f"{host}/bench:{tag}"), kind, PublishOptions(access()), bench)
    return Timed(done, time.monotonic() - started)


def measure_kind(kind: Kind, image: Delivered, changed: Delivered, folder: Path, bench: Workbench) -> list[Timed]:
    """The whole, the same again under another tag, the changed one."""
    with real_registry(folder) as server:
        steps = ((image, "one"), (image, "two"), (changed, "three"))
        return [timed(delivered, server.host, tag, kind, bench) for delivered, tag in steps]


def beside_skopeo(kind: Kind, image: Delivered, folder: Path, bench: Workbench) -> tuple[float, float]:
    """Seconds of publishing and of skopeo copy for the same blobs, by turns; medians."""
    ours, theirs = [], []
    layout = folder / "layout"
    for number in range(RUNS):
        with real_registry(folder / f"ours-{number}") as server:
            ours.append(timed(image, server.host, "one", kind, bench).seconds)
            if not layout.exists():
                skopeo("--src-tls-verify=false", f"docker://{server.host}/bench:one", f"oci:{layout}:one")
        with real_registry(folder / f"theirs-{number}") as server:
            started = time.monotonic()
            skopeo("--dest-tls-verify=false", f"oci:{layout}:one", f"docker://{server.host}/bench:one")
            theirs.append(time.monotonic() - started)
        for name in ("ours", "theirs"):
            shutil.rmtree(folder / f"{name}-{number}")
    return statistics.median(ours), statistics.median(theirs)


def skopeo(*words: str) -> None:
    subprocess.run(["skopeo", "copy", "--quiet", "--preserve-digests", *words], check=True)


def with_a_file_more(image: Path, folder: Path) -> Path:
    """A copy of an image and its report, with a new file in its largest partition (ext4)."""
    folder.mkdir()
    raw, new = folder / "raw", folder / "new"
    subprocess.run(["qemu-img", "convert", "-O", "raw", image, raw], check=True)
    table = json.loads(subprocess.run(["sfdisk", "--json", raw], check=True, capture_output=True).stdout)
    partition = max(table["partitiontable"]["partitions"], key=lambda one: one["size"])
    new.write_bytes(os.urandom(NEW_FILE))
    offset = partition["start"] * table["partitiontable"].get("sectorsize", 512)
    words = ["debugfs", "-w", "-R", f"write {new} labwright-bench", f"{raw}?offset={offset}"]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    assert "Allocated inode" in done.stdout, done.stderr
    made = folder / image.name
    options = ["-c", "-o", "compression_type=zstd"]
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, raw, made], check=True)
    report = json.loads(image.with_suffix(".json").read_text())
    made.with_suffix(".json").write_text(json.dumps(report | said_of(made)))
    kernel = image.with_name(f"{image.stem}-kernel")
    if kernel.is_dir():
        (folder / kernel.name).symlink_to(kernel.resolve())
    if image.with_suffix(".mtree").is_file():
        shutil.copy(image.with_suffix(".mtree"), folder)
    raw.unlink()
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=Path, help="what build delivered")
    parser.add_argument("--changed", type=Path, help="the same image, built again after something changed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        (folder / "scratch").mkdir()
        bench = Workbench(run, folder / "scratch", folder, Ledger(folder / "ledger"), lambda _: None, 0, 2)
        image = read_delivered(given.image)
        changed = read_delivered(given.changed or with_a_file_more(given.image, folder / "changed"))
        bytes_table = Table(("seconds", "MB sent", "MB in all"))
        peers = Table(("seconds", "MB a second"))
        for kind in KINDS.values():
            what = zip(("the whole", "the same again", "changed"), measure_kind(
                kind, image, changed, folder / kind.name, bench), strict=True)  # fmt: skip
            for words, one in what:
                sent, total = one.published.uploaded / 1e6, one.published.total / 1e6
                bytes_table.add(f"{kind.name}: {words}", one.seconds, sent, total, ratio=sent / total)
            ours, theirs = beside_skopeo(kind, image, folder / f"{kind.name}-peer", bench)
            peers.add(f"{kind.name}: skopeo copy of the same blobs", theirs, total / theirs, ratio=1.0)
            peers.add(f"{kind.name}: labwright publish, all checks in it", ours, total / ours, ratio=ours / theirs)
        print(bytes_table.markdown(), peers.markdown(), sep="\n\n")


if __name__ == "__main__":
    main()
