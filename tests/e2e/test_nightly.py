"""A night as a school runs it: images of this repository and one that is broken; published, pulled back and booted."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from support import builds
from support.builds import REPOSITORY, leaks
from support.docs import commands_of
from support.registry import real_registry
from support.serve import served_folder

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images")
SLUGS = ("centos", "debian", "frr")
KINDS = ("artifact", "containerdisk")


@pytest.fixture(scope="module")
def mirror(stand_in_with_kernel):
    with served_folder(stand_in_with_kernel.root) as url:
        yield {
            "LABWRIGHT_CENTOS_MIRROR": f"{url}/9-stream",
            "LABWRIGHT_CENTOS_KEYRING": str(stand_in_with_kernel.key),
        }


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with real_registry(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("keys")
    new = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", place / "key.pem"]
    subprocess.run(new, check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", place / "key.pem", "-pubout", "-out", place / "public.pem"], check=True)
    return place / "key.pem"


class Nights:
    """The folder of nights, and the command with all that this file's nights have in common."""

    def __init__(self, place: Path, registry, key: Path, mirror: dict[str, str]) -> None:
        self.out, self.images = place / "nights", place / "images"
        self.registry, self.key, self.mirror = registry, key, mirror
        for slug in SLUGS:
            shutil.copytree(REPOSITORY / "images" / slug, self.images / slug)
        (self.images / "broken").mkdir()
        (self.images / "broken/image.meta.yaml").write_text("slug: broken\ndescription: x\nbuild:\n  type: debian\n"
                                                            "  relase: bookworm\n")  # fmt: skip

    @property
    def prefix(self) -> str:
        return f"{self.registry.host}/school"

    def run(self) -> subprocess.CompletedProcess[str]:
        kinds = [word for kind in KINDS for word in ("--as", kind)]
        return builds.command(
            "nightly", self.images, "--out", self.out, "--publish", self.prefix, *kinds, "--key", f"file:{self.key}",
            "--metrics", self.out / "labwright.prom", "--json", cache=builds.users_cache(), **self.mirror,
        )  # fmt: skip

    def record(self, number: int) -> dict[str, dict]:
        night = json.loads((self.out / f"nights/{number:04}/night.json").read_text())
        assert night["finished"]
        return {image["slug"]: image for image in night["images"]}


@pytest.fixture(scope="module")
def nights(tmp_path_factory, registry, key, mirror) -> Nights:
    made = Nights(tmp_path_factory.mktemp("school"), registry, key, mirror)
    done = made.run()
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr
    return made


@pytest.mark.timeout(3000)
def test_a_night_builds_all_but_the_broken_one_and_puts_them_in_service(nights):
    images = nights.record(1)
    assert {slug: image["state"] for slug, image in images.items()} == dict.fromkeys(SLUGS, "built") | {
        "broken": "failed"}  # fmt: skip
    assert "image.meta.yaml:5" in " ".join(
        (images["broken"]["failure"]["what"], *images["broken"]["failure"]["details"])
    )
    for slug in SLUGS:
        current = nights.out / "images" / slug / "current"
        report = json.loads((current / f"{slug}.json").read_text())
        assert builds.digest(current / f"{slug}.qcow2") == report["sha256"] == images[slug]["delivered"]["sha256"]
        assert report["tests"]["boots"]
        assert images[slug]["publish_failures"] == []
        assert [one["signed"] for one in images[slug]["published"]] == [True, True]
    assert not [line for line in leaks(builds.users_cache()) if str(nights.out) in line]
    for page in ("index.html", "nights/0001/index.html", "labwright.prom"):
        assert "frr" in (nights.out / page).read_text()


def test_what_was_published_comes_back_as_it_was_is_vouched_for_and_boots(nights, tmp_path):
    public = nights.key.with_name("public.pem")
    night = nights.record(1)["debian"]
    assert {one["kind"] for one in night["published"]} == set(KINDS)
    for one in night["published"]:
        verified = builds.command("verify", one["reference"], "--key", public, cache=builds.users_cache())
        assert verified.returncode == 0, verified.stdout + verified.stderr
        back = tmp_path / one["kind"]
        pulled = builds.command("pull", one["reference"], "--out", back, "--key", public, cache=builds.users_cache())
        assert pulled.returncode == 0, pulled.stdout + pulled.stderr
        assert builds.digest(back / "debian.qcow2") == night["delivered"]["sha256"]
    tested = builds.command("test", back / "debian.qcow2", cache=builds.users_cache())
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_the_next_night_builds_and_sends_nothing_and_one_change_is_one_image(nights):
    quiet = nights.run()
    assert quiet.returncode == 1, quiet.stdout[-3000:] + quiet.stderr
    images = nights.record(2)
    assert {image["state"] for slug, image in images.items() if slug != "broken"} == {"unchanged"}
    events = [json.loads(line) for line in quiet.stdout.splitlines()]
    assert {event["step"] for event in events if event["kind"] == "step-started"} <= {"resolve"}
    for slug in SLUGS:
        assert images[slug]["published"] == [
            one | {"uploaded": 0} for one in nights.record(1)[slug]["published"]]  # fmt: skip
    (nights.images / "debian/test.sh").write_text("set -e\nid antidote\n")
    shutil.rmtree(nights.images / "broken")
    changed = nights.run()
    assert changed.returncode == 0, changed.stdout[-3000:] + changed.stderr
    images = nights.record(3)
    assert {slug: image["state"] for slug, image in images.items()} == dict.fromkeys(SLUGS, "unchanged") | {
        "debian": "built"}  # fmt: skip
    assert images["debian"]["why"] == "test: changed test.sh"
    assert images["debian"]["delivered"]["since"] == 3
    assert images["debian"]["published"][0]["uploaded"] < images["debian"]["published"][0]["total"] / 2


def test_every_command_of_the_page_works_in_its_order(registry, key, tmp_path):
    """The registry, the key and the file of metrics are the test's; else it is as it stands there."""
    shutil.copytree(REPOSITORY / "images", tmp_path / "images")
    lines = commands_of("nightly.md")
    assert len(lines) == 4
    for line in lines:
        own = line.replace("registry.example.org/school", f"{registry.host}/page").replace(
            "/etc/labwright/key.pem", str(key)
        )
        own = own.replace("/var/lib/prometheus/node-exporter", str(tmp_path))
        done = subprocess.run(
            [*builds.COMMAND, *shlex.split(own)], cwd=tmp_path, capture_output=True, text=True, check=False,
            env=os.environ | {"LABWRIGHT_CACHE": str(builds.users_cache())},
        )  # fmt: skip
        assert done.returncode == 0, (line, done.stdout, done.stderr)
    assert "labwright" in (tmp_path / "labwright.prom").read_text()
    last = json.loads((tmp_path / "nightly/nights/0004/night.json").read_text())
    assert [image["state"] for image in last["images"]] == ["unchanged"]


def test_an_image_is_built_from_a_base_in_service_with_the_same_keys_as_from_its_folder(tmp_path):
    """--base saves making the base, and changes nothing else."""
    cache = builds.users_cache()
    for words in (("router", ()), ("frr-nos", ("--base", tmp_path / "router"))):
        done = builds.command("build", f"images/{words[0]}", *words[1], "--out", tmp_path / words[0], "--json",
                              cache=cache)  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "router: " not in done.stdout
    whole = builds.command("build", "images/frr-nos", "--out", tmp_path / "whole", "--json", cache=cache)
    assert whole.returncode == 0, whole.stdout[-3000:] + whole.stderr
    with_base, without = (
        json.loads((tmp_path / place / "frr-nos.json").read_text())["steps"] for place in ("frr-nos", "whole")
    )
    assert {name: step["key"] for name, step in with_base.items()} == {
        name: step["key"] for name, step in without.items()}  # fmt: skip
    events = [json.loads(line) for line in whole.stdout.splitlines()]
    assert {event["outcome"] for event in events if event.get("image") == "frr-nos" and event["kind"] ==
            "step-finished"} == {"cached"}  # fmt: skip
