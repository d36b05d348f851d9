"""Debian from nothing to a machine that was booted."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from labwright.spec.load import load_image
from labwright_debian import DebianBootstrapper
from labwright_debian.tree import make_tree

REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images")


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture
def built(cli, out) -> Path:
    done = cli("build", "images/debian", "--out", out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ssh -p 2222 antidote@127.0.0.1" in done.stdout
    return out / "debian.qcow2"


def test_the_image_was_booted_with_every_firmware_and_cloned(built):
    report = json.loads(built.with_suffix(".json").read_text())
    boots = report["tests"]["boots"]
    assert set(boots) == {"bios", "uefi", "direct"}
    for boot in boots.values():
        assert boot["interfaces"] == ["eth0", "eth1", "eth2"]
        assert boot["address"] == "10.0.2.15"
        assert boot["power_off"] > 0
    assert boots["bios"]["memory"] == boots["direct"]["memory"] == 128
    clones = report["tests"]["clones"]
    assert clones["first"]["machine_id"] != clones["second"]["machine_id"]
    assert report["bytes"] <= 80_000_000
    assert (built.parent / "debian-kernel/bzImage").stat().st_size <= 5_000_000
    assert "antidotepassword" not in json.dumps(report)


def test_nothing_new_means_nothing_to_do(cli, built, out):
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    done = cli("build", "images/debian", "--out", out, "--offline", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    outcomes = [event["outcome"] for event in events if event["kind"] == "step-finished"]
    assert outcomes == ["cached"] * 7
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before
    plan = json.loads(cli("plan", "images/debian", "--json").stdout)
    assert [step["runs"] for step in plan["steps"]] == [False] * 7
    assert plan["total"]["seconds"] == 0


def test_an_image_can_be_tested_again_and_is_not_written_to(cli, built):
    before = built.read_bytes()
    done = cli("test", built, "--firmware", "direct", "--json")
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["boots"][0]["firmware"] == "direct"
    assert built.read_bytes() == before


def test_a_machine_that_does_not_answer_fails_with_its_console(cli, built):
    done = cli("test", built, "--firmware", "direct", "--user", "nobody-there")
    assert done.returncode == 7
    assert "login:" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_kernel_s_review(cli, tmp_path, built):
    done = cli("kernel", "review", "debian")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every option asked for is there" in done.stdout
    copy = tmp_path / "configs"
    shutil.copytree(REPOSITORY / "kernel-configs", copy)
    network = copy / "network.config"
    network.write_text(network.read_text().replace("CONFIG_VLAN_8021Q=m\n", ""))
    done = cli("kernel", "review", "debian", LABWRIGHT_KERNEL_CONFIGS=str(copy))
    assert done.returncode == 1
    assert "VLAN and QinQ: CONFIG_VLAN_8021Q" in done.stdout


def test_the_review_holds_for_the_other_release(cli):
    done = cli("kernel", "review", "debian", "--release", "trixie")
    assert done.returncode == 0, done.stdout + done.stderr


NOT_COMPARED = ("./var/lib/dpkg/", "./var/lib/apt/", "./var/cache/", "./var/log/", "./etc/ld.so.cache")
"""What records in which order a tool worked: databases, caches, logs."""
IDENTITIES = ("./etc/passwd", "./etc/group", "./etc/shadow", "./etc/gshadow")
"""Users and groups, whose numbers follow from the order in which packages are configured; compared by name."""


def contents(archive: Path) -> dict[str, tuple[object, ...]]:
    """Type, mode, owner and group by name, target, and content of everything in a tree."""
    with tarfile.open(archive) as tar:
        names = {}
        for table in ("passwd", "group"):
            lines = tar.extractfile(f"./etc/{table}").read().decode().splitlines()
            names[table] = {int(line.split(":")[2]): line.split(":")[0] for line in lines}
        found = {}
        for member in tar:
            if not member.name.startswith(NOT_COMPARED) and member.name not in IDENTITIES:
                owners = names["passwd"].get(member.uid, member.uid), names["group"].get(member.gid, member.gid)
                content = hashlib.sha256(tar.extractfile(member).read()).hexdigest() if member.isreg() else ""
                found[member.name] = (member.type, oct(member.mode), *owners, member.linkname, content)
        found["users and groups"] = tuple(sorted(set(names["passwd"].values()) | set(names["group"].values())))
        return found


def test_both_tools_give_the_same_tree(bench, tmp_path):
    """Same packages in the same versions, and the same files, links, modes and owners."""
    spec = load_image(REPOSITORY / "images/debian")
    pins = DebianBootstrapper().resolve(spec, bench)
    packages, trees = {}, {}
    for tool in ("mmdebstrap", "debootstrap"):
        chosen = spec.model_copy(update={"build": spec.build.model_copy(update={"bootstrap": tool})})
        made = tmp_path / f"{tool}.tar"
        make_tree(chosen, pins, made, bench)
        shutil.rmtree(bench.scratch / "tree")
        shutil.rmtree(bench.scratch / "repository")
        status = subprocess.check_output(["tar", "-xOf", made, "./var/lib/dpkg/status"], text=True)
        packages[tool] = sorted(line for line in status.splitlines() if line.startswith(("Package:", "Version:")))
        trees[tool] = contents(made)
    assert packages["mmdebstrap"] == packages["debootstrap"]
    one, two = trees["mmdebstrap"], trees["debootstrap"]
    assert {
        name: (one.get(name), two.get(name)) for name in one.keys() | two.keys() if one.get(name) != two.get(name)
    } == {}


def test_another_release_than_the_host_s(bench, tmp_path):
    spec = load_image(REPOSITORY / "images/debian")
    trixie = spec.model_copy(update={"build": spec.build.model_copy(update={"release": "trixie"})})
    driver = DebianBootstrapper()
    pins = driver.resolve(trixie, bench)
    assert pins.kernel_source.name == "linux-source-6.12"
    driver.make_tree(trixie, pins, tmp_path / "tree.tar", bench)
    assert (tmp_path / "tree.tar").stat().st_size > 50_000_000
