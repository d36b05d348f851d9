"""Independent images on one worker and on two: real builds, from a base that is built already.

python -m bench.cluster [IMAGES]; docker-registry has to be installed. With --one-processor each worker is kept on a
processor of its own, as a machine of its own would be.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Table
from support import builds
from support.clusters import cluster
from support.registry import access, real_registry

from labwright.host.paths import Paths
from labwright.nightly.cluster import ClusterExecutor
from labwright.nightly.cluster_link import Link
from labwright.nightly.cluster_staging import Staging
from labwright.nightly.executor import Job
from labwright.pipeline.workshop import Workshop
from labwright.plugins import hook_manager

IMAGES = 4
LEAF = "slug: {slug}\ndescription: x\nbuild:\n  type: debian\n  from: ../debian\n  post: [post.sh]\n"


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    root = Paths.from_environment().root
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=root) as folder:
        yield Path(folder)


def built(folder: Path, base: Path, workers: int, count: int, apart: bool) -> float:
    """Seconds for `count` images, each worker with one slot and an empty cache of its own."""
    images = folder / "images"
    shutil.copytree(builds.REPOSITORY / "images/debian", images / "debian")
    workshop = Workshop(Paths(folder / "coordinator"), hook_manager()[0])
    with real_registry(folder / "registry") as registry, cluster(folder / "cluster") as dask:
        for number in range(workers):
            process = dask.start_worker(f"worker{number}", "--slots", "1", "--memory", "4G")
            if apart:
                for thread in Path(f"/proc/{process.pid}/task").iterdir():
                    os.sched_setaffinity(int(thread.name), {sorted(os.sched_getaffinity(0))[number % os.cpu_count()]})
        waiting = [job(folder, slug, base) for slug in (f"leaf{number}" for number in range(count))]
        left = count
        with ClusterExecutor(Link(dask.address), Staging(f"{registry.host}/staging", workshop, access())) as running:
            started = time.monotonic()
            while left:
                while waiting and running.admits(waiting[0]):
                    running.start(waiting.pop(0), lambda _: None)
                for result in running.wait(1):
                    assert result.failure is None, result.failure
                    left -= 1
            return time.monotonic() - started


def job(folder: Path, slug: str, base: Path) -> Job:
    place, output = folder / "images" / slug, folder / "out" / slug
    place.mkdir()
    output.mkdir(parents=True)
    (place / "image.meta.yaml").write_text(LEAF.format(slug=slug))
    (place / "post.sh").write_text(f"echo {slug} > /etc/leaf\n")
    return Job(slug, place, output, base)


def main(count: int, apart: bool) -> Table:
    table = Table(("seconds",), "beside one worker")
    with scratch() as folder:
        base = folder / "base"
        words = [sys.executable, "-m", "labwright", "build", "images/debian", "--out", str(base)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        one = built(folder / "one", base, 1, count, apart)
        table.add(f"{count} images, one worker", one, ratio=1.0)
        two = built(folder / "two", base, 2, count, apart)
        table.add(f"{count} images, two workers", two, ratio=one / two)
    return table


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    print(main(numbers[0] if numbers else IMAGES, "--one-processor" in sys.argv).markdown())
