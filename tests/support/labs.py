"""Small lessons on real machines, in a cache folder of their own, so that what they leave behind can be told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support import builds

META = """---
name: {slug}
slug: {slug}
category: fundamentals
tier: local
description: Machines to break
shortDescription: Machines to break
endpoints:
{endpoints}
connections: {connections}
stages:
  - {{description: First, guideType: markdown}}
  - {{description: Second, guideType: markdown}}
"""
ENDPOINT = """- name: {name}
  image: {image}
  configurationType: python
  additionalPorts: {ports}
  presentations:
  - {{name: cli, port: 22, type: ssh}}
"""
PATIENCE = 120.0


@dataclass(frozen=True)
class Place:
    """A curriculum with its cache. images: where built images are."""

    folder: Path
    images: Path

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def lesson(
        self, slug: str, *names: str, image: str = "frr", script: str = "print('done')", ports: str = "[]",
        links: int = 0,
    ) -> Path:  # fmt: skip
        """A lesson of two stages, each endpoint of which is configured by this script."""
        place = self.folder / "lessons" / slug
        endpoints = "".join(ENDPOINT.format(name=name, image=image, ports=ports) for name in names)
        connections = json.dumps([{"a": names[0], "b": names[-1]}] * links)
        for stage in ("stage0", "stage1"):
            (place / stage / "configs").mkdir(parents=True)
            (place / stage / "guide.md").write_text("# Guide\n")
            for name in names:
                (place / stage / f"configs/{name}.py").write_text(script)
        (place / "lesson.meta.yaml").write_text(META.format(slug=slug, endpoints=endpoints, connections=connections))
        return place

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """labwright lesson ..., in a process group of its own, as a shell starts it."""
        return subprocess.Popen(
            ["env", "--default-signal=INT", sys.executable, "-P", "-m", "labwright", "lesson", *map(str, words)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder, stdin=subprocess.DEVNULL,
            env=os.environ | {"LABWRIGHT_CACHE": str(self.cache), "COLUMNS": "200"}, start_new_session=True,
        )  # fmt: skip

    def run(self, *words: str | Path, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        """The same, to its end."""
        with self.start(*words) as running:
            try:
                out, err = running.communicate(timeout=seconds)
            except BaseException:
                os.killpg(running.pid, signal.SIGKILL)
                raise
        assert "Traceback" not in out + err, err
        return subprocess.CompletedProcess(words, running.returncode, out, err)

    def up(self, lesson: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("up", lesson, "--images", self.images, *words)

    def start_up(self, lesson: Path, *words: str) -> subprocess.Popen[str]:
        return self.start("up", lesson, "--images", self.images, "--json", *words)

    def clean(self) -> subprocess.CompletedProcess[str]:
        """labwright clean."""
        return subprocess.run(
            [sys.executable, "-P", "-m", "labwright", "clean"], capture_output=True, text=True, check=False,
            env=os.environ | {"LABWRIGHT_CACHE": str(self.cache)}, stdin=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip

    def inside(self, lesson: Path, endpoint: str, command: str) -> str:
        """What a command in an endpoint says."""
        done = self.run("ssh", lesson, endpoint, "--", command)
        return done.stdout + done.stderr

    def status(self, lesson: Path) -> dict:
        done = self.run("status", lesson, "--json")
        return json.loads(done.stdout)["labs"][0]

    def state(self, lesson: Path) -> dict:
        """What is on disk of its lab; its folder is the first of its name."""
        (found,) = (self.cache / "labs").glob(f"{lesson.name}-*/lab.json")
        return json.loads(found.read_text())

    def left(self, *labs: dict) -> list[str]:
        """What should not be there any more: entries, folders, sockets of these labs, processes."""
        found = builds.leaks(self.cache)
        found += [str(path) for path in (self.cache / "labs").glob("*/")]
        found += [lab["sockets"] for lab in labs if Path(lab["sockets"]).exists()]
        return found

    def wait_for(self, seen: Callable[[], object], seconds: float = PATIENCE) -> None:
        until = time.monotonic() + seconds
        while not seen():
            assert time.monotonic() < until, "it does not come to that"
            time.sleep(0.02)

    def booting(self, lesson: Path) -> dict:
        """Its lab on disk, as soon as its machines have been started."""
        self.wait_for(lambda: list((self.cache / "labs").glob(f"{lesson.name}-*/lab.json")))
        state = self.state(lesson)
        self.wait_for(lambda: Path(state["sockets"], "keeper").exists())
        return state

    def gone(self, lesson: Path) -> None:
        """End its lab, whatever state a failed test left it in."""
        self.run("down", lesson)


@contextmanager
def place_with_frr(folder: Path) -> Iterator[Place]:
    """A curriculum beside the image of a router, which comes from this machine's own cache."""
    shutil.copytree(builds.REPOSITORY / "images/frr", folder / "images/frr")
    done = builds.command("build", folder / "images/frr", "--out", folder / "out", cache=builds.users_cache())
    assert done.returncode == 0, done.stderr
    place = Place(folder, folder / "out")
    place.cache.mkdir()
    yield place
    for lesson in (folder / "lessons").iterdir():
        place.gone(lesson)
    place.clean()


def qemus_of(state: dict) -> list[int]:
    """The processes of a lab's machines."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if words.startswith(b"qemu-system") and f"{state['folder']}/".encode() in words:
            found.append(int(folder.name))
    return found
