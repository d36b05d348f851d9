"""Builds as processes of their own, what they may leave behind, and a cache that knows the kernel already."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
KERNEL = ("kernel-source", "kernel", "kernel-package")
"""The steps that take long, and that caches of tests are given."""
COMMAND = (sys.executable, "-m", "labwright")


def users_cache() -> Path:
    """The cache that builds on this machine share: a kernel that is in there is not compiled again."""
    return Path(USERS_CACHE)


# Read before any test sets another.
USERS_CACHE = os.environ.get("LABWRIGHT_CACHE", str(Path.home() / ".cache/labwright"))


def start(*words: str | Path, cache: Path, **environment: str) -> subprocess.Popen[str]:
    """The command line as a user runs it, in the background, with a line of JSON an event."""
    # A shell starts what it puts in the background with Ctrl-C ignored, and a runner of CI may be started so.
    return subprocess.Popen(
        ["env", "--default-signal=INT", *COMMAND, *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY,
        env=os.environ | {"LABWRIGHT_CACHE": str(cache)} | environment,
    )  # fmt: skip


def command(*words: str | Path, cache: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same, to its end."""
    with start(*words, cache=cache, **environment) as running:
        out, err = running.communicate(timeout=3000)
    return subprocess.CompletedProcess(words, running.returncode, out, err)


def wait_for_step(running: subprocess.Popen[str], step: str) -> None:
    """Read events until this step starts. The rest of the output is left for communicate()."""
    assert running.stdout is not None
    for line in running.stdout:
        event = json.loads(line)
        if (event.get("step"), event.get("kind")) == (step, "step-started"):
            return
    raise AssertionError(f"the build ended before the step {step}: {running.communicate()}")


def seed(cache: Path, source: Path, *steps: str, link: bool = True) -> None:
    """Copy the outputs of these steps, and what the mirrors said, from another cache; hard links where that works."""
    # Without what another build is writing there: it has another name a moment later.
    shutil.copytree(source / "pins", cache / "pins", ignore=shutil.ignore_patterns(".*"), dirs_exist_ok=True)
    for step in steps:
        for output in (source / "store" / step).glob("*"):
            place = cache / "store" / step / output.name
            if not place.exists():
                shutil.copytree(output, place, copy_function=_link if link else shutil.copy2)


def _link(source: str, destination: str) -> None:
    try:
        os.link(source, destination)
    except OSError:
        shutil.copy2(source, destination)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def disk_of(cache: Path) -> str:
    """The hash of the only disk in a cache."""
    (disk,) = (cache / "store/disk").glob("*/disk.qcow2")
    return digest(disk)


def last_event(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    return json.loads(done.stdout.splitlines()[-1])


def loop_devices(below: Path | str) -> set[str]:
    """The loop devices of files in a folder; those of other tests beside this one are none of its business."""
    listed = subprocess.run(["losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE"],
                            capture_output=True, text=True, check=True)  # fmt: skip
    return {line for line in listed.stdout.splitlines() if f"{below}/" in line}


def leaks(cache: Path) -> list[str]:
    """What a build left that it should not have: ledger entries, folders, mounts, processes."""
    found = []
    for name in ("ledger", "scratch"):
        if (cache / name).exists():
            found += [str(path) for path in (cache / name).iterdir()]
    found += [str(path) for path in cache.glob("store/.incoming*")]
    found += [str(path) for path in cache.glob("store/.removed*")]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(cache) in line]
    found += [f"process {process}: {line[:120]}" for process, line in command_lines(f"{cache}/")
              if process != os.getpid()]  # fmt: skip
    return found


def command_lines(*words: str | Path) -> Iterator[tuple[int, str]]:
    """Number and command line of the processes that have all these words in theirs."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if all(str(word) in line for word in words):
            yield int(folder.name), line
