"""CentOS Stream from nothing to a machine that was booted, from a stand-in for its mirror (tests/support/standin).

dnf, rpm, signatures, the way from the source package to the running kernel are real; the programs in the packages are
Debian's.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
from support import builds
from support.builds import KERNEL, digest, disk_of
from support.disks import image_folder
from support.docs import commands_of
from support.serve import served_folder
from support.users import as_user

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images, makes a user")


@pytest.fixture(scope="module")
def mirror(stand_in_with_kernel):
    with served_folder(stand_in_with_kernel.root) as url:
        yield {
            "LABWRIGHT_CENTOS_MIRROR": f"{url}/9-stream",
            "LABWRIGHT_CENTOS_KEYRING": str(stand_in_with_kernel.key),
        }


@pytest.fixture(scope="module")
def built(mirror, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("centos")
    done = builds.command("prove", "images/centos", "--out", out, cache=builds.users_cache(), **mirror)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "it was built and booted" in done.stdout
    return out / "centos.qcow2"


@pytest.mark.parametrize("line", commands_of("centos.md"))
def test_a_command_of_the_page_works_with_the_stand_in(built, mirror, line, tmp_path):
    """With the mirror's address in the environment, and else as it stands there."""
    subprocess.run(["cp", "-r", builds.REPOSITORY / "images", tmp_path], check=True)
    done = subprocess.run(
        [*builds.COMMAND, *shlex.split(line)], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"LABWRIGHT_CACHE": str(builds.users_cache())} | mirror,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out/centos.qcow2").is_file()


@pytest.fixture
def cache(tmp_path: Path, built) -> Path:
    """A cache that knows the kernel and nothing else."""
    place = tmp_path / "cache"
    builds.seed(place, builds.users_cache(), *KERNEL)
    return place


def test_the_stand_in_s_image_was_booted_with_every_firmware_and_cloned(built):
    report = json.loads(built.with_suffix(".json").read_text())
    boots = report["tests"]["boots"]
    assert set(boots) == {"bios", "uefi", "direct"}
    for boot in boots.values():
        assert boot["interfaces"] == ["eth0", "eth1", "eth2"]
        assert boot["address"] == "10.0.2.15"
        assert boot["failed"] == []
    assert boots["bios"]["script"], "the image's own test.sh ran, and with it rpm --verify"
    clones = report["tests"]["clones"]
    assert clones["first"]["machine_id"] != clones["second"]["machine_id"]
    source = report["pins"]["kernel_source"]
    assert source["version"].endswith(".el9")
    assert report["kernel"] == f"{source['version']}.x86_64-labwright"
    assert "antidotepassword" not in json.dumps(report)


def test_an_ordinary_user_gets_the_same_bits(built, mirror, somebody, repository):
    cache = Path(somebody.pw_dir, "cache")
    builds.seed(cache, builds.users_cache(), *KERNEL, link=False)
    keyring = Path(somebody.pw_dir, "key")
    keyring.write_bytes(Path(mirror["LABWRIGHT_CENTOS_KEYRING"]).read_bytes())
    subprocess.run(["chown", "--recursive", f"{somebody.pw_uid}:{somebody.pw_gid}", somebody.pw_dir], check=True)
    words = ("build", repository / "images/centos", "--until", "disk", "--out", Path(somebody.pw_dir, "out"))
    done = as_user(somebody, repository, *words, cache=cache,
                   **mirror | {"LABWRIGHT_CENTOS_KEYRING": str(keyring)})  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert disk_of(cache) == digest(built)
    assert builds.leaks(cache) == []


def test_a_lock_is_replayed_without_a_network_and_gives_the_same_bits(built, mirror, cache, tmp_path):
    image = tmp_path / "centos"
    subprocess.run(["cp", "-r", builds.REPOSITORY / "images/centos", image], check=True)
    done = builds.command("lock", image, cache=cache, **mirror)
    assert done.returncode == 0, done.stdout + done.stderr
    words = ("build", image, "--locked", "--until", "disk", "--out", tmp_path / "out")
    first = builds.command(*words, cache=cache, **mirror)
    assert first.returncode == 0, first.stdout + first.stderr
    assert disk_of(cache) == digest(built)
    for step in ("tree", "system", "disk"):
        assert builds.command("cache", "remove", step, cache=cache).returncode == 0
    again = subprocess.run(
        ["unshare", "--net", "--", *builds.COMMAND, *map(str, words)],
        capture_output=True, text=True, check=False, cwd=builds.REPOSITORY,
        env=os.environ | {"LABWRIGHT_CACHE": str(cache)} | mirror,
    )  # fmt: skip
    assert again.returncode == 0, again.stdout + again.stderr
    assert disk_of(cache) == digest(built)


def test_the_stand_in_s_image_is_provisioned_and_booted(built, mirror, tmp_path):
    """A package by its own dnf from the mirror that it was built from, a playbook on its own Python, a private file."""
    licence = tmp_path / "licence"
    licence.write_text("a secret licence")
    folder = image_folder(
        tmp_path, "licensed", built, type="centos", sha256=digest(built), packages=["tcpdump"], playbook="play.yml",
        privateFiles=[{"from": f"file:{licence}", "path": "/etc/licence", "owner": "antidote", "mode": "0400"}],
    )  # fmt: skip
    (folder / "play.yml").write_text(
        "- hosts: all\n  tasks:\n    - ansible.builtin.package_facts:\n        manager: rpm\n"
        "    - ansible.builtin.copy:\n        dest: /etc/kernel-version\n"
        "        content: \"{{ ansible_facts.packages['kernel-labwright'][0].version }}\"\n"
    )
    (folder / "test.sh").write_text(
        "set -eu\ncommand -v tcpdump\n[ \"$(stat -c '%U %a' /etc/licence)\" = 'antidote 400' ]\n"
        'uname -r | grep -q "^$(cat /etc/kernel-version)-"\n'
    )
    cache = tmp_path / "cache"
    words = ("build", folder, "--method", "mounted", "--out", tmp_path / "out")
    done = builds.command(*words, cache=cache, **mirror)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = [path for path in [*cache.rglob("*"), *(tmp_path / "out").rglob("*.json")]
            if path.is_file() and b"a secret licence" in path.read_bytes()]  # fmt: skip
    assert seen == []


def test_the_kernel_s_review_holds_for_the_stand_in_s_source(mirror):
    done = builds.command("kernel", "review", "centos", cache=builds.users_cache(), **mirror)
    assert done.returncode == 0, done.stdout + done.stderr
