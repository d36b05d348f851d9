"""Installing CentOS's base set beside bare dnf: same mirror, same packages, both with an empty cache.

python -m bench.centos MIRROR KEYRING, such as those of the stand-in that the tests make
"""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench.measure import Measured, Table, measure

from labwright.host.ledger import Ledger
from labwright.host.run import run
from labwright.interfaces import Workbench
from labwright.spec.image import BuildSpec, ImageSpec
from labwright_centos import CentosBootstrapper, keys, tree
from labwright_centos.releases import RELEASES

RELEASE = "9-stream"
RUNS = 3


def installing(mirror: str, keyring: Path, folder: Path) -> Table:
    """Ours is the whole command up to the step tree; dnf's is `dnf --installroot install` and nothing else."""
    table = Table(("seconds", "CPU seconds", "memory MB"), ratio="time, of bare dnf")
    theirs = [bare(mirror, keyring, folder / f"theirs-{number}") for number in range(RUNS)]
    floor = statistics.median(one.wall for one in theirs)
    table.add("dnf --installroot", *costs(theirs), ratio=1.0)
    ours = [labwright(mirror, keyring, folder / f"ours-{number}") for number in range(RUNS)]
    table.add("labwright build --until tree", *costs(ours), ratio=costs(ours)[0] / floor)
    share = install_only(mirror, keyring, folder / "share")
    table.add("of which the one transaction of dnf", share, 0, 0, ratio=share / floor)
    again = [labwright(mirror, keyring, folder / "ours-0") for _ in range(RUNS)]
    table.add("labwright, nothing changed", *costs(again), ratio=costs(again)[0] / floor)
    return table


def costs(runs: list[Measured]) -> tuple[float, float, float]:
    middle = sorted(runs, key=lambda one: one.wall)[len(runs) // 2]
    return middle.wall, middle.cpu, middle.peak_memory / 1e6


def names() -> list[str]:
    return [*CentosBootstrapper.distribution.packages, RELEASES[RELEASE].package]


def bare(mirror: str, keyring: Path, folder: Path) -> Measured:
    """As its manual would have it, with signatures checked."""
    home = folder / "home"
    home.mkdir(parents=True)
    (home / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n")
    parts = [
        f"[{name}]\nname={name}\nbaseurl={mirror}/{name}/x86_64/os\ngpgkey=file://{keyring}\nrepo_gpgcheck=1\n"
        for name in ("BaseOS", "AppStream", "CRB")
    ]
    main = (
        f"[main]\ngpgcheck=1\ninstall_weak_deps=0\ntsflags=nodocs\nplugins=0\nreposdir={folder}\nvarsdir={folder}\n"
        "module_platform_id=platform:el9\n"
    )
    (folder / "dnf.conf").write_text(main + "".join(parts))
    words = ["dnf", "--assumeyes", "--config", folder / "dnf.conf", f"--installroot={folder}/root", "--releasever=9"]
    done = measure([*words, "install", *names()], env={"HOME": str(home)}).checked()
    shutil.rmtree(folder / "root")
    return done


def labwright(mirror: str, keyring: Path, folder: Path) -> Measured:
    place = folder / "bench"
    place.mkdir(parents=True, exist_ok=True)
    build = {"type": "centos", "release": RELEASE, "mirror": mirror, "keyring": str(keyring)}
    facts = {"slug": "bench", "description": "x", "build": build}
    (place / "image.meta.yaml").write_text(json.dumps(facts))
    return measure(
        [sys.executable, "-m", "labwright", "build", place, "--until", "tree", "--out", folder / "out", "--json"],
        env={"LABWRIGHT_CACHE": str(folder / "cache")},
    ).checked()


def install_only(mirror: str, keyring: Path, folder: Path) -> float:
    """Seconds of the transaction alone, with the packages in a folder."""
    for name in ("scratch", "downloads"):
        (folder / name).mkdir(parents=True)
    bench = Workbench(
        run=functools.partial(run, log=folder / "log"), scratch=folder / "scratch", downloads=folder / "downloads",
        ledger=Ledger(folder / "ledger"), say=lambda _: None, source_date_epoch=1_700_000_000, jobs=2,
    )  # fmt: skip
    build = BuildSpec(type="centos", release=RELEASE, mirror=mirror, keyring=str(keyring))
    image = ImageSpec(slug="bench", description="x", build=build)
    pins = CentosBootstrapper().resolve(image, bench)
    files = tree.fetch(
        pins.packages, pins, folder / "pool", keys.keyring(RELEASES[RELEASE], str(keyring), bench), bench
    )
    root = folder / "root"
    root.mkdir(mode=0o755)
    started = time.monotonic()
    tree.install(RELEASES[RELEASE], files, root, bench)
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mirror")
    parser.add_argument("keyring", type=Path)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        print(installing(wanted.mirror.rstrip("/"), wanted.keyring.absolute(), Path(name)).markdown())


if __name__ == "__main__":
    main()
