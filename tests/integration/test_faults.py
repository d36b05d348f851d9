"""What goes wrong while a build runs: the message says which class of cause, nothing is left, the next build succeeds.

Real mounts, real limits, the real mirror behind a server that spoils answers. The kernel has no part in it: these
builds stop at the tree.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import builds
from support.mirror import FaultyMirror, served

from labwright.errors import Cause, LabwrightError
from labwright.host.run import run
from labwright_debian.archive import host_mirror

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, and builds as root")
KEPT = Path(os.environ.get("LABWRIGHT_CACHE", str(Path.home() / ".cache/labwright"))) / "tests"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 700 MB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700m,mode=755", "none", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.fixture
def targets(bench) -> dict[str, str]:
    return {"debian": host_mirror(bench, security=False), "security": host_mirror(bench, security=True)}


def image(tmp_path: Path, **build: object) -> Path:
    folder = tmp_path / "faulty"
    folder.mkdir(exist_ok=True)
    facts = {"slug": "faulty", "description": "x", "build": {"type": "debian", **build}}
    (folder / "image.meta.yaml").write_text(json.dumps(facts))
    return folder


def test_what_cannot_fit_is_refused_before_anything_is_fetched(tmp_path, small):
    done = builds.command("build", image(tmp_path), "--out", tmp_path / "out", cache=small)
    assert done.returncode == 6, done.stdout + done.stderr
    assert "MB free" in done.stderr
    assert "at its peak" in done.stderr
    assert not (small / "downloads").exists()


def test_an_output_folder_that_is_too_small_is_refused_at_once(tmp_path):
    place = tmp_path / "tiny"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=10m", "none", place], check=True)
    try:
        done = builds.command("build", image(tmp_path), "--out", place, cache=tmp_path / "cache")
    finally:
        subprocess.run(["umount", place], check=True)
    assert done.returncode == 6, done.stdout + done.stderr
    assert "--out" in done.stderr


def test_a_disk_that_fills_up_in_the_middle(tmp_path, small):
    """Somebody else fills it while the tree is made. Then there is room again, and the build goes on."""
    subprocess.run(["mount", "-o", "remount,size=1200m", small], check=True)
    cache, filler = small / "cache", small / "somebody-else"
    words = ("build", image(tmp_path), "--out", tmp_path / "out", "--until", "tree", "--json")
    with builds.start(*words, cache=cache) as running:
        builds.wait_for_step(running, "tree")
        fill(filler, leave=100_000_000)
        out, err = running.communicate()
    last = json.loads(out.splitlines()[-1])
    assert (running.returncode, last["cause"]) == (6, "disk full"), out + err
    assert builds.leaks(cache) == []
    filler.unlink()
    assert builds.command(*words, cache=cache).returncode == 0


def fill(place: Path, leave: int) -> None:
    facts = os.statvfs(place.parent)
    with place.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, facts.f_bavail * facts.f_frsize - leave)


def test_a_child_without_memory_is_a_matter_of_memory(tmp_path):
    source = tmp_path / "large.c"
    source.write_text(
        "".join(f"int f{n}(int x) {{ return x * {n} + f{n - 1 if n else 0}(x); }}\n" for n in range(20000))
    )
    with pytest.raises(LabwrightError) as caught:
        run(["prlimit", "--as=90000000", "gcc", "-O2", "-c", source, "-o", tmp_path / "out.o"], what="compiling failed")
    assert caught.value.cause is Cause.MEMORY, (caught.value.what, caught.value.details)


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group that may take 200 MB, of version 1 or 2."""
    old = Path("/sys/fs/cgroup/memory")
    place = (old if old.is_dir() else Path("/sys/fs/cgroup")) / f"labwright-{os.getpid()}"
    try:
        place.mkdir()
        (place / ("memory.limit_in_bytes" if old.is_dir() else "memory.max")).write_text("200000000")
    except OSError as error:
        pytest.skip(f"needs control groups with memory that may be made here: {error}")
    yield place
    place.rmdir()


def inside(group: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *map(str, words)],
        capture_output=True, text=True, check=False, cwd=builds.REPOSITORY,
    )  # fmt: skip


def test_a_container_with_too_little_memory_is_refused_at_once(tmp_path, group):
    done = inside(group, *builds.COMMAND, "build", image(tmp_path), "--out", tmp_path / "out")
    assert done.returncode == 10, done.stdout + done.stderr
    assert "MB of memory are available" in done.stderr


def test_what_the_kernel_kills_for_want_of_memory_is_a_matter_of_memory(tmp_path, group):
    """The limit is met by a child in the middle of its work, as by a compiler in a small container."""
    code = (
        "from labwright.host.run import run\n"
        "from labwright.cli.session import failures\n"
        "with failures():\n"
        "    run(['python3', '-c', 'x = bytearray(400_000_000)'], what='working failed')\n"
    )
    done = inside(group, builds.COMMAND[0], "-c", f"import typer, sys\n{code}")
    assert "error (memory): working failed" in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("fault", "code", "cause"),
    [("404", 4, "network"), ("503", 4, "network"), ("drop", 4, "network"), ("garbage", 4, "network")],
)
def test_a_mirror_that_only_fails_has_its_class_of_cause(tmp_path, targets, fault, code, cause):
    mirror = FaultyMirror(targets, KEPT / "mirror", {fault: 1.0})
    with served(mirror):
        folder = image(tmp_path, mirror=mirror.url("debian"), securityMirror=mirror.url("security"))
        done = builds.command("build", folder, "--out", tmp_path / "out", "--json", cache=tmp_path / "cache")
    last = builds.last_event(done)
    assert (done.returncode, last["cause"]) == (code, cause), last
    assert builds.leaks(tmp_path / "cache") == []


def test_a_mirror_that_fails_one_request_in_five_is_got_through(tmp_path, targets):
    rates = dict.fromkeys(("404", "503", "drop", "garbage", "slow"), 0.04)
    mirror = FaultyMirror(targets, KEPT / "mirror", rates, random.Random(2))
    with served(mirror):
        folder = image(tmp_path, mirror=mirror.url("debian"), securityMirror=mirror.url("security"))
        words = ("build", folder, "--out", tmp_path / "out", "--until", "tree", "--json")
        done = builds.command(*words, cache=tmp_path / "cache")
    assert done.returncode == 0, builds.last_event(done)
    assert sum(mirror.spoilt.values()) > 15
    assert builds.leaks(tmp_path / "cache") == []
