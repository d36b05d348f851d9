"""A network operating system from the disk that a vendor would ship to one that learners log in to, on real FRR.

The device is real: Debian with FRR in QEMU, driven over its serial console, by NAPALM and over SSH.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.builds import KERNEL, REPOSITORY, command, seed, users_cache

LICENCE = "/etc/lab's licence.key"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("nos")
    for name in ("router", "frr-nos"):
        shutil.copytree(REPOSITORY / "images" / name, folder / "images" / name)
    return folder


@pytest.fixture(scope="module")
def built(place) -> tuple[Path, str]:
    """The image, built by the command line as its page says, and what that printed."""
    words = ("build", place / "images/frr-nos", "--out", place / "out", "--json")
    done = command(*words, cache=users_cache())
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return place / "out/frr-nos.qcow2", done.stdout


def logs(cache: Path, ending: str) -> dict[str, str]:
    """What is in the logs of builds, by their places. Those of builds beside this one may go meanwhile."""
    found = {}
    for folder, _, names in os.walk(cache / "logs"):
        for name in names:
            if name.endswith(ending):
                with contextlib.suppress(FileNotFoundError):
                    found[f"{folder}/{name}"] = Path(folder, name).read_text(errors="replace")
    return found


def have_the_change(texts: list[str]) -> bool:
    changed = [text.partition("--- what NAPALM changed ---")[2] for text in texts]
    return any("ip prefix-list NO-DEFAULT seq 5" in text for text in changed)


@pytest.fixture(scope="module")
def device_logs(place, built, tmp_path_factory) -> list[str]:
    """Of whoever built a device: tests beside these need the same image.

    One that was built before the oldest log that is kept is made once more, where nobody else is.
    """
    found = list(logs(users_cache(), "device.log").values())
    if not have_the_change(found):
        cache = tmp_path_factory.mktemp("nos-cache")
        seed(cache, users_cache(), *KERNEL, "tree", "system", "disk", "customize", "test")
        words = ("build", place / "images/frr-nos", "--until", "device", "--out", cache / "out", "--json")
        done = command(*words, cache=cache)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        found = list(logs(cache, "device.log").values())
    return found


@pytest.fixture
def report(built) -> dict:
    return json.loads(built[0].with_suffix(".json").read_text())


def test_the_console_and_napalm_make_a_router_that_learners_log_in_to(report):
    boot = report["tests"]["boots"]["device"]
    assert boot["says"]["vendor"] == "FRRouting"
    assert boot["says"]["hostname"] == "frr-nos"
    assert boot["script"] is True
    assert 0 < boot["ssh"] <= boot["login"]
    assert report["hardware"]["machines"][0]["nics"] == ["management", "data"]


def test_two_copies_of_it_share_nothing_that_makes_a_machine_itself(report):
    first, second = report["tests"]["clones"]["first"], report["tests"]["clones"]["second"]
    assert first["machine_id"] != second["machine_id"]
    assert not set(first["host_keys"]) & set(second["host_keys"])


def test_what_napalm_changed_is_in_the_log(device_logs):
    assert have_the_change(device_logs)


def test_a_second_build_does_nothing(cli, place, built):
    done = cli("build", place / "images/frr-nos", "--out", place / "out", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    ran = [json.loads(line) for line in done.stdout.splitlines() if '"outcome": "ran"' in line]
    assert [event["step"] for event in ran if event["image"] == "frr-nos"] == []


def test_a_plan_says_what_would_be_done_for_both_images(cli, place, built):
    done = cli("plan", place / "images/frr-nos", "--json")
    assert done.returncode == 0, done.stderr
    steps = {step["step"]: step["runs"] for step in json.loads(done.stdout)["steps"]}
    assert steps["router: disk"] is False
    assert steps["device"] is False


def test_the_finished_disk_boots_in_the_hardware_that_its_report_says(cli, built):
    done = cli("test", built[0], "--json")
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_password_is_in_a_log_and_nothing_is_left(built, report, device_logs):
    consoles = [text for text in device_logs if "serial console" in text]
    assert consoles, "the log of the console is kept"
    assert not any("antidotepassword" in text for text in consoles)
    assert "antidotepassword" not in built[1]
    assert "antidotepassword" not in json.dumps(report)


@pytest.fixture(scope="module")
def quick(place, built, tmp_path_factory) -> Path:
    """The output folder of the same image with a licence in it, and a snapshot."""
    folder = tmp_path_factory.mktemp("quick")
    shutil.copytree(place / "images/frr-nos", folder / "frr-nos")
    meta = folder / "frr-nos/image.meta.yaml"
    more = (
        "  quickLaunch: true\n  privateFiles:\n"
        f'    - {{from: "env:LAB_LICENCE", path: "{LICENCE}", owner: frr, group: frr, mode: "0640"}}\n'
    )
    meta.write_text(meta.read_text().replace("../router", str(place / "images/router")) + more)
    with (folder / "frr-nos/test.sh").open("a") as script:
        script.write(
            f'[ "$(sudo stat --format %U:%G:%a "{LICENCE}")" = frr:frr:640 ] || fail "not its owner or mode"\n'
        )
        script.write(f'[ "$(sudo cat "{LICENCE}")" = the-licence-itself ] || fail "not the licence"\n')
        script.write("! ls /var/tmp | grep -q labwright || fail 'it is left in /var/tmp too'\n")
    words = ("build", folder / "frr-nos", "--out", folder / "out", "--json")
    done = command(*words, cache=users_cache(), LAB_LICENCE="the-licence-itself")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "the-licence-itself" not in done.stdout + done.stderr
    return folder / "out"


def test_a_licence_gets_in_and_nowhere_else(quick, own_cache):
    image = quick / "frr-nos.qcow2"
    assert image.stat().st_mode & 0o777 == 0o600
    report = json.loads((quick / "frr-nos.json").read_text())
    assert report["tests"]["boots"]["device"]["script"] is True
    assert "the-licence-itself" not in json.dumps(report)
    assert (report["private"], report["visibility"]) == ([LICENCE], "public")
    assert not (own_cache / "store/device" / report["steps"]["device"]["key"]).exists()
    assert [place for place, text in logs(own_cache, ".log").items() if "the-licence-itself" in text] == []


def test_a_snapshot_resumes_it_in_less_time_than_it_boots(quick):
    report = json.loads((quick / "frr-nos.json").read_text())
    assert report["quickLaunch"]["name"] == "ready"
    assert report["quickLaunch"]["resumed"] < report["tests"]["boots"]["device"]["login"]
    words = ["qemu-img", "snapshot", "-l", quick / "frr-nos.qcow2"]
    assert " ready " in subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_a_configuration_that_the_device_refuses_names_the_line_and_leaves_nothing(cli, place, built, tmp_path):
    # Also: a login that the image does not know, which the profile's own follows.
    wrong = tmp_path / "frr-nos"
    shutil.copytree(place / "images/frr-nos", wrong)
    (wrong / "base.conf").write_text("ip prefix-list NO-DEFAULT seq 5 deny 0.0.0.0/0\nrouter bpg 65000\n")
    meta = wrong / "image.meta.yaml"
    text = meta.read_text().replace("../router", str(place / "out/router.qcow2"))
    meta.write_text(text + '  login: {user: nobody-here, password: "env:VENDOR_PASSWORD"}\n')
    done = cli("build", wrong, "--out", tmp_path / "out", "--json", VENDOR_PASSWORD="not-this-one")
    assert done.returncode != 0
    error = json.loads(done.stdout.splitlines()[-1])
    assert "the device does not take the configuration" in error["what"]
    assert any("router bpg 65000" in line or "bpg" in line for line in error["details"]), error
    assert "not-this-one" not in done.stdout + done.stderr
    assert not (tmp_path / "out/frr-nos.qcow2").exists()
    assert "Traceback" not in done.stdout + done.stderr
