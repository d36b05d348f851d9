"""The same bits for any user, from a lock with no network, beside other builds, and after damage."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support import builds
from support.builds import KERNEL, digest, disk_of
from support.users import as_user

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images, makes a user")


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The debian image, by root in the user's cache; most of it is there from the tests before."""
    out = tmp_path_factory.mktemp("trust")
    done = builds.command("build", "images/debian", "--out", out, cache=builds.users_cache())
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture
def cache(tmp_path: Path, built) -> Path:
    """A cache that knows the kernel and nothing else."""
    place = tmp_path / "cache"
    builds.seed(place, builds.users_cache(), *KERNEL)
    return place


def test_an_ordinary_user_gets_the_same_bits(built, somebody, repository):
    cache = Path(somebody.pw_dir, "cache")
    builds.seed(cache, builds.users_cache(), *KERNEL, link=False)
    subprocess.run(["chown", "--recursive", f"{somebody.pw_uid}:{somebody.pw_gid}", cache], check=True)
    image, out = repository / "images/debian", Path(somebody.pw_dir, "out")
    done = as_user(somebody, repository, "build", image, "--until", "disk", "--out", out, cache=cache)
    assert done.returncode == 0, done.stdout + done.stderr
    assert disk_of(cache) == digest(built / "debian.qcow2")
    assert builds.leaks(cache) == []
    strangers = {path.stat().st_uid for path in cache.rglob("*")} - {somebody.pw_uid}
    assert strangers == set(), "everything that stays belongs to the user"


def test_the_doctor_says_what_a_user_lacks(somebody, repository):
    for table, option in (("/etc/subuid", "--del-subuids"), ("/etc/subgid", "--del-subgids")):
        ranges = [line.split(":") for line in Path(table).read_text().splitlines()]
        for first, count in [map(int, words) for name, *words in ranges if name == somebody.pw_name]:
            # By its own program, which locks the table: tests beside this one make users, too.
            subprocess.run(["usermod", option, f"{first}-{first + count - 1}", somebody.pw_name], check=True)
    cache = Path(somebody.pw_dir, "cache")
    done = as_user(somebody, repository, "build", repository / "images/debian", cache=cache)
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"/etc/subuid sets no 65535 ids aside for {somebody.pw_name}" in done.stderr.replace("\n", " ")
    assert "usermod --add-subuids" in done.stderr
    found = json.loads(as_user(somebody, repository, "doctor", "--json", cache=cache).stdout)
    namespaces = next(one for one in found if one["name"] == "user namespaces")
    assert namespaces["state"] == "missing"
    assert "usermod" in namespaces["remedy"]


def test_a_lock_is_replayed_without_a_network_and_gives_the_same_bits(built, cache, tmp_path):
    image = shutil.copytree(builds.REPOSITORY / "images/debian", tmp_path / "debian")
    assert builds.command("lock", image, cache=cache).returncode == 0
    words = ("build", image, "--locked", "--until", "disk", "--out", tmp_path / "out")
    first = builds.command(*words, cache=cache)
    assert first.returncode == 0, first.stdout + first.stderr
    bits = disk_of(cache)
    assert bits == digest(built / "debian.qcow2")
    for step in ("tree", "system", "disk"):
        assert builds.command("cache", "remove", step, cache=cache).returncode == 0
    again = subprocess.run(
        ["unshare", "--net", "--", *builds.COMMAND, *map(str, words)],
        capture_output=True, text=True, check=False, cwd=builds.REPOSITORY,
        env=os.environ | {"LABWRIGHT_CACHE": str(cache)},
    )  # fmt: skip
    assert again.returncode == 0, again.stdout + again.stderr
    assert disk_of(cache) == bits


def test_builds_at_once_do_not_disturb_each_other(built, cache, tmp_path):
    """Two of one image and one of another, and somebody who prunes the cache all the time."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "image.meta.yaml").write_text(
        "slug: other\ndescription: x\nbuild:\n  type: debian\n  packages: [tcpdump]\n"
    )
    running = [
        builds.start("build", image, "--until", "disk", "--out", tmp_path / f"out{number}", "--json", cache=cache)
        for number, image in enumerate(("images/debian", "images/debian", other))
    ]
    for build in running:
        # From here on each has the kernel in use.
        builds.wait_for_step(build, "tree")
    removed = 0
    while any(build.poll() is None for build in running):
        done = builds.command("cache", "prune", "--to", "0", "--json", cache=cache)
        removed += len(json.loads(done.stdout)["removed"])
        time.sleep(1)
    assert removed > 0
    for build in running:
        out, err = build.communicate()
        assert build.returncode == 0, out[-2000:] + err
    assert builds.leaks(cache) == []


def test_damage_in_the_store_is_found_and_only_that_is_made_anew(built, tmp_path):
    cache = tmp_path / "cache"
    builds.seed(cache, builds.users_cache(), *KERNEL, "tree", "system", "disk", "test", link=False)
    (disk,) = (cache / "store/disk").glob(f"{key_of(built, 'disk')}/disk.qcow2")
    with disk.open("r+b") as stream:
        stream.seek(1_000_000)
        byte = stream.read(1)
        stream.seek(1_000_000)
        stream.write(bytes([byte[0] ^ 1]))
    done = builds.command("build", "images/debian", "--offline", "--out", tmp_path / "out", "--json", cache=cache)
    assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["step"] for event in events if event["kind"] == "warning"] == ["disk"]
    ran = [event["step"] for event in events if event["kind"] == "step-finished" and event["outcome"] == "ran"]
    assert ran == ["disk"]
    assert digest(tmp_path / "out/debian.qcow2") == digest(built / "debian.qcow2")


def key_of(built: Path, step: str) -> str:
    return str(json.loads((built / "debian.json").read_text())["steps"][step]["key"])


def test_an_output_folder_that_fills_up_gets_nothing_half(built, tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=30m", "none", place], check=True)
    try:
        words = ("build", "images/debian", "--offline", "--out", place, "--json")
        done = builds.command(*words, cache=builds.users_cache())
        assert done.returncode == 6, done.stdout
        assert builds.last_event(done)["cause"] == "disk full"
        assert not (place / "debian.qcow2").exists()
        assert not [path for path in place.rglob("*") if "partial" in path.name]
        assert not (place / "debian.json").exists()
    finally:
        subprocess.run(["umount", place], check=True)


def test_explain_says_why_two_images_differ(built, cache, tmp_path):
    image = tmp_path / "debian"
    image.mkdir()
    text = "slug: debian\ndescription: x\nbuild:\n  type: debian\n"
    for more in ("", "  packages: [tcpdump]\n"):
        (image / "image.meta.yaml").write_text(text + more)
        done = builds.command("build", image, "--until", "tree", "--out", tmp_path / "out", cache=cache)
        assert done.returncode == 0, done.stdout + done.stderr
    said = builds.command("explain", "tree", "--all", cache=cache)
    assert said.returncode == 0, said.stderr
    assert "packages asked for" in said.stdout
    assert any(
        line.strip().startswith("tcpdump ") and "only in the second" in line for line in said.stdout.splitlines()
    )
    assert "./usr/bin/tcpdump: only in the second" in said.stdout
    same = builds.command("explain", built / "debian.qcow2", built / "debian.json", cache=cache)
    assert "bit for bit" in same.stdout


STOPS = (signal.SIGKILL, signal.SIGTERM)


@pytest.mark.parametrize(
    ("number", "moment"), [(stop, random.Random(7 + at).uniform(1, 40)) for at, stop in enumerate(STOPS)]
)
def test_a_stopped_build_leaves_nothing_and_goes_on(built, cache, tmp_path, number, moment):
    """A few of the moments of `make soak`."""
    words = ("build", "images/debian", "--until", "disk", "--out", tmp_path / "out", "--json")
    with builds.start(*words, cache=cache) as running:
        time.sleep(moment)
        running.send_signal(number)
        out, _ = running.communicate()
    assert running.returncode in {0, 130, -signal.SIGKILL}, out
    if number == signal.SIGKILL:
        time.sleep(0.5)
        assert builds.command("clean", cache=cache).returncode == 0
    assert builds.leaks(cache) == []
    assert builds.loop_devices(tmp_path) == set()
    done = builds.command(*words, cache=cache)
    assert done.returncode == 0, done.stdout
    assert disk_of(cache) == digest(built / "debian.qcow2")
