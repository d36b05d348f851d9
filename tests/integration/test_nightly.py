"""The command `nightly` with real builds of a driver that does as it is told: fails, waits, or is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.builds import command, leaks, start
from support.packages import lay_out, offers

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images")
DRIVER = """
import os, pathlib
from labwright.errors import Cause, LabwrightError
from labwright.interfaces import Package, Pins
from labwright_debian import DebianBootstrapper

def package(name):
    return Package(name=name, version="1", architecture="all", sha256="0" * 64, size=1, mirror="archive", path=name)

class Driver(DebianBootstrapper):
    def resolve(self, image, bench, snapshot=""):
        if image.slug == "lost":
            raise LabwrightError("the mirror does not answer", cause=Cause.NETWORK, hint="mend the network")
        return Pins(type=image.build.type, release="bookworm", asked=self.distribution.asked(image),
                    mirrors={"archive": "http://127.0.0.1:9"}, kernel_source=package("linux-source"),
                    packages=(package("hello"),))

    def fetch_kernel_source(self, image, pins, destination, bench):
        if image.slug == "sleeps":
            bench.run(["sleep", "600"])
        if image.slug == "killed":
            os.kill(os.getpid(), 9)
        bench.run(["sh", "-c", "printf 'gcc: \\033[31mboom\\033[0m\\n' >&2; exit 3"], what="the compiler failed",
                  hint="mend the compiler", cause=Cause.GUEST)
"""


@pytest.fixture
def images(tmp_path, monkeypatch) -> Path:
    lay_out(tmp_path / "site", "obedient", DRIVER, offers("bootstrappers", "obedient", "obedient:Driver"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    return tmp_path / "images"


def describe(images: Path, slug: str, base: str = "", kind: str = "obedient") -> None:
    build = {"type": kind} | ({"from": base} if base else {})
    (images / slug).mkdir(parents=True)
    (images / slug / "image.meta.yaml").write_text(json.dumps({"slug": slug, "description": slug, "build": build}))


def the_night(out: Path, number: int = 1) -> dict:
    return json.loads((out / f"nights/{number:04}/night.json").read_text())


def wait_until(true, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def sleeping(running: subprocess.Popen[str]) -> None:
    """Read events until the build of the image that sleeps is at it."""
    for line in running.stdout:
        event = json.loads(line)
        if (event.get("image"), event.get("step"), event["kind"]) == ("sleeps", "kernel-source", "step-started"):
            return
    raise AssertionError(running.communicate())


def test_every_failure_is_told_with_its_remedy_and_the_night_is_whole(images, tmp_path):
    for slug in ("fails", "killed", "lost"):
        describe(images, slug)
    describe(images, "above", "../fails", "debian")
    describe(images, "wrong", kind="nobody-knows")
    (images / "broken").mkdir()
    (images / "broken/image.meta.yaml").write_text("slug: broken\n")
    out = tmp_path / "out"
    words = ("nightly", images, "--out", out, "--retries", "0", "--jobs", "2")
    done = command(*words, "--json", cache=tmp_path / "cache")
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["kind"] == "result"
    states = dict.fromkeys(("broken", "fails", "killed", "lost", "wrong"), "failed") | {"above": "skipped"}
    assert lines[-1]["images"] == states
    night = the_night(out)
    assert night["finished"]
    failures = {image["slug"]: image["failure"] for image in night["images"]}
    assert "image.meta.yaml:1" in " ".join((failures["broken"]["what"], *failures["broken"]["details"]))
    assert (failures["lost"]["what"], failures["lost"]["cause"]) == ("the mirror does not answer", "network")
    assert failures["killed"]["cause"] == "memory"
    assert failures["wrong"]["cause"] in {"config", "plugin"}
    assert (failures["fails"]["cause"], failures["fails"]["hint"]) == ("guest", "mend the compiler")
    assert "gcc: boom" in failures["fails"]["details"], "without its colours"
    assert (out / "nights/0001" / failures["fails"]["log"]).read_text() == "gcc: boom\n"
    (steps,) = (image["steps"] for image in night["images"] if image["slug"] == "fails")
    assert [(step["name"], step["outcome"]) for step in steps] == [("resolve", "ran"), ("kernel-source", "failed")]
    assert (out / "index.html").is_file()
    assert leaks(tmp_path / "cache") == []

    shown = command(*words, cache=tmp_path / "cache")
    assert shown.returncode == 1
    for text in ("5 failed", "1 skipped", "what to do: mend the compiler", "night 0002", "the whole log: "):
        assert text in shown.stdout, shown.stdout
    assert "Traceback" not in shown.stdout + shown.stderr
    assert "\x1b" not in shown.stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_nothing_survives_an_end_by_a_signal_and_the_night_goes_on_afterwards(images, tmp_path, number, code):
    describe(images, "fails")
    describe(images, "sleeps")
    out, cache = tmp_path / "out", tmp_path / "cache"
    words = ("nightly", images, "--out", out, "--json", "--retries", "0")
    with start(*words, cache=cache) as running:
        sleeping(running)
        running.send_signal(number)
        _, errors = running.communicate(timeout=60)
    assert running.returncode == code
    assert "Traceback" not in errors
    wait_until(lambda: not [one for one in leaks(cache) if one.startswith("process")])
    assert not the_night(out)["finished"]
    left = {image["slug"]: image["state"] for image in the_night(out)["images"]}
    assert left["sleeps"] == ("building" if number == signal.SIGKILL else "waiting"), "only a death counts as one"
    # What sleeps goes on sleeping, so the next run is without it.
    done = command(*words, "--only", "fails", cache=cache)
    assert done.returncode == 1, done.stdout + done.stderr
    night = the_night(out)
    assert (night["number"], night["resumed"], night["finished"]) == (1, 1, True)
    assert {image["slug"]: image["state"] for image in night["images"]} == {"fails": "failed", "sleeps": "skipped"}
    assert leaks(cache) == []
    assert not list(out.glob("images/*/.*"))


def test_a_second_nightly_build_of_a_folder_is_refused_and_told_who_has_it(images, tmp_path):
    describe(images, "sleeps")
    words = ("nightly", images, "--out", tmp_path / "out")
    with start(*words, "--json", cache=tmp_path / "cache") as running:
        sleeping(running)
        second = command(*words, cache=tmp_path / "cache")
        assert second.returncode == 3
        assert f"process {running.pid}, since 2" in " ".join(second.stderr.split())
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)


def test_a_full_disk_ends_the_night_with_a_remedy_and_it_goes_on_when_there_is_room(images, tmp_path):
    describe(images, "fails")
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", out], check=True)
    try:
        words = ("nightly", images, "--out", out, "--retries", "0")
        (out / "ballast").write_bytes(bytes(1 << 20))
        full = command(*words, cache=tmp_path / "cache")
        assert full.returncode == 6, full.stderr
        assert "Traceback" not in full.stderr
        assert "the disk is full" in " ".join(full.stderr.split())
        (out / "ballast").unlink()
        done = command(*words, cache=tmp_path / "cache")
        assert done.returncode == 1, done.stdout + done.stderr
        assert the_night(out)["finished"]
    finally:
        subprocess.run(["umount", out], check=True)


def test_what_cannot_be_asked_for_is_refused_before_anything_runs(images, tmp_path):
    describe(images, "fails")
    for words in (("--only", "nobody"), ("--memory", "much"), ("--publish", "https://x/y"),
                  ("--publish", "127.0.0.1:9/x", "--as", "zip")):  # fmt: skip
        done = command("nightly", images, "--out", tmp_path / "out", *words, cache=tmp_path / "cache")
        assert done.returncode == 2, (words, done.stderr)
        assert not (tmp_path / "out/nights").exists()
