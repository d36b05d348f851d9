"""Debian from nothing to a machine that was booted."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

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
    assert [step["runs"] for step in plan] == [False] * 7


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


def test_both_tools_install_the_same_packages(bench, tmp_path):
    """Same packages in the same versions."""
    import subprocess

    from labwright.spec.load import load_image
    from labwright_debian import DebianBootstrapper
    from labwright_debian.archive import Archive

    spec = load_image(REPOSITORY / "images/debian")
    archive = Archive.of(spec, "bookworm", bench)
    DebianBootstrapper().resolve(spec, bench)
    packages = {}
    for tool in ("mmdebstrap", "debootstrap"):
        chosen = spec.model_copy(update={"build": spec.build.model_copy(update={"bootstrap": tool})})
        make_tree(chosen, archive, tmp_path / f"{tool}.tar", bench)
        shutil.rmtree(bench.scratch / "tree")
        status = subprocess.check_output(["tar", "-xOf", tmp_path / f"{tool}.tar", "./var/lib/dpkg/status"], text=True)
        packages[tool] = sorted(line for line in status.splitlines() if line.startswith(("Package:", "Version:")))
    assert packages["mmdebstrap"] == packages["debootstrap"]


def test_another_release_than_the_host_s(bench, tmp_path):
    from labwright.spec.load import load_image
    from labwright_debian import DebianBootstrapper

    spec = load_image(REPOSITORY / "images/debian")
    trixie = spec.model_copy(update={"build": spec.build.model_copy(update={"release": "trixie"})})
    driver = DebianBootstrapper()
    pins = driver.resolve(trixie, bench)
    assert pins.kernel_source.startswith("linux-source-6.12_")
    driver.make_tree(trixie, pins, tmp_path / "tree.tar", bench)
    assert (tmp_path / "tree.tar").stat().st_size > 50_000_000
