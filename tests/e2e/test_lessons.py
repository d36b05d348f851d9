"""Lessons on real machines: ours, by every command of its page; and one in the layout of the platform's public lesson,
whose scripts know nothing of labwright.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.builds import REPOSITORY
from support.docs import commands_of

from labwright.host.teardown import process_start

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images")
OURS = "lessons/two-routers-and-a-host"
PUBLIC_LAYOUT = "tests/lessons/hub-and-branches"
CONVERGED = 600.0
"""Seconds until a protocol on emulated processors has told everybody, at most: FRR itself tries again after 120 s."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("lessons")
    for name in ("images", "lessons"):
        shutil.copytree(REPOSITORY / name, place / name)
    shutil.copytree(REPOSITORY / PUBLIC_LAYOUT, place / PUBLIC_LAYOUT)
    yield place
    for lesson in (OURS, PUBLIC_LAYOUT, "one"):
        labwright(place, "lesson", "down", lesson)


def labwright(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "labwright", *words], cwd=folder, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=3000,
    )  # fmt: skip


def status(folder: Path, lesson: str) -> dict:
    return json.loads(labwright(folder, "lesson", "status", lesson, "--json").stdout)["labs"][0]


def inside(folder: Path, lesson: str, endpoint: str, command: str) -> str:
    done = labwright(folder, "lesson", "ssh", lesson, endpoint, "--", command)
    return done.stdout + done.stderr


def until(seen: Callable[[], str], pattern: str) -> str:
    """What was seen when it had the pattern in it."""
    end = time.monotonic() + CONVERGED
    while not re.search(pattern, text := seen(), re.MULTILINE):
        assert time.monotonic() < end, f"no {pattern!r} in:\n{text}"
        time.sleep(1)
    return text


def listeners(process: int | None = None) -> list[str]:
    """Local addresses of TCP and UDP sockets that listen, in our network or in that of a process."""
    enter = ["nsenter", "--target", str(process), "--net", "--"] if process else []
    done = subprocess.run([*enter, "ss", "-Hlntup"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("line", commands_of("lessons.md"))
def test_a_command_of_the_page_works(folder, line):
    done = labwright(folder, *shlex.split(line))
    assert "Traceback" not in done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    # A machine that was resumed has written nothing to its console, which is no part of the output.
    assert done.stdout or ("lesson console" in line and "has written nothing to its console" in done.stderr)
    if line.startswith("lesson up"):
        nothing_listens_beyond_loopback(folder)
    # The checks that come next wait too, but not for as long as an emulated machine may take.
    if line.startswith("lesson stage") and line.endswith(" 1"):
        until(lambda: inside(folder, OURS, "r1", "ip route show 203.0.113.1"), "proto ospf")
    if line.startswith("lesson stage") and line.endswith(" 2"):
        until(lambda: inside(folder, OURS, "r2", "vtysh -c 'show ip route 192.0.2.0/24'"), "bgp")


def nothing_listens_beyond_loopback(folder: Path) -> None:
    lab = status(folder, OURS)
    ports = {port for endpoint in lab["endpoints"] for port in endpoint["ports"].values()}
    # Others may use the same numbers, for UDP or on other addresses.
    ours = [line for line in listeners() if f"pid={lab['process']}," in line]
    assert all(re.search(r"^tcp\s.*\s127\.0\.0\.1:\d+\s", line) for line in ours), ours
    assert {int(re.search(r":(\d+)\s", line)[1]) for line in ours} == ports
    assert len(ours) == len(ports)
    in_there = listeners(lab["process"])
    assert in_there
    assert all(re.search(r"\s127\.0\.1\.\d+:\d+\s", line) for line in in_there), in_there
    # Its QEMUs have a network of their own; those of tests beside this one are no concern of ours.
    children = Path(f"/proc/{lab['process']}/task/{lab['process']}/children").read_text().split()
    assert len(children) >= 3
    assert not [line for line in listeners() for child in children if f"pid={child}," in line]


def test_a_lesson_in_the_public_layout_has_its_routes(folder):
    labwright(folder, "lesson", "down", OURS)
    assert labwright(folder, "build", "images/frr").returncode == 0
    assert labwright(folder, "lesson", "prepare", PUBLIC_LAYOUT).returncode == 0
    done = labwright(folder, "lesson", "up", PUBLIC_LAYOUT)
    assert done.returncode == 0, done.stdout + done.stderr
    for name, peers in {"hub": ("10.10.10.2", "10.10.20.2"), "branch-1": ("10.10.10.1",)}.items():
        for peer in peers:
            summary = f"vtysh -c 'show ip bgp summary' | grep -E '^{re.escape(peer)} '"
            until(
                lambda name=name, summary=summary: inside(folder, PUBLIC_LAYOUT, name, summary), r"(\d\d:){2}\d\d +\d+"
            )
    until(
        lambda: inside(folder, PUBLIC_LAYOUT, "branch-1", "vtysh -c 'show ip route bgp'"),
        r"^B>\* 10\.1\.1\.3/32 .* via 10\.10\.10\.1, enp0s3f1",
    )
    # The other branch may still be without the route back.
    ping = "ping -c 1 -W 10 -I 10.1.1.2 10.1.1.3"
    until(lambda: inside(folder, PUBLIC_LAYOUT, "branch-1", ping), r"\b1 received")
    assert inside(folder, PUBLIC_LAYOUT, "branch-2", "hostname").strip() == "branch-2"
    owners = inside(folder, PUBLIC_LAYOUT, "hub", "stat -c '%U:%G %a %n' /etc/frr/bgpd.conf /etc/frr/vtysh.conf")
    assert owners.splitlines() == ["frr:frr 640 /etc/frr/bgpd.conf", "frr:frrvty 640 /etc/frr/vtysh.conf"]


def test_its_machines_came_from_one_snapshot_and_share_nothing(folder):
    lab = status(folder, PUBLIC_LAYOUT)
    assert all(endpoint["from_snapshot"] for endpoint in lab["endpoints"])
    seen = {}
    for endpoint in lab["endpoints"]:
        command = "cat /etc/machine-id /etc/ssh/ssh_host_*_key.pub; cat /sys/class/net/e*/address; date +%s"
        before = time.time()
        lines = inside(folder, PUBLIC_LAYOUT, endpoint["name"], command).split("\n")[:-1]
        # It was set while the machine came up, and is behind by no more than that took.
        assert before - endpoint["ready"] - 2 < int(lines.pop()) < time.time() + 1
        assert sorted(lines[-3:]) == sorted(endpoint["mac"])
        seen[endpoint["name"]] = set(lines)
    assert len(set.union(*seen.values())) == sum(map(len, seen.values()))


def test_it_ends_with_nothing_left(folder):
    lab = status(folder, PUBLIC_LAYOUT)
    assert labwright(folder, "lesson", "down", PUBLIC_LAYOUT).returncode == 0
    # Not whether /proc knows it: who adopts processes here may be slow to bury them.
    assert process_start(lab["process"]) == 0
    assert not Path(lab["endpoints"][0]["console"]).parent.exists()
    done = labwright(folder, "lesson", "status", PUBLIC_LAYOUT)
    assert done.returncode == 2
    assert "is not up" in done.stderr


ONE = """
name: One router
slug: one-router
category: tools
tier: local
description: A router
shortDescription: A router
endpoints: [{name: r1, image: frr, configurationType: python, presentations: [{name: cli, port: 22, type: ssh}]}]
stages:
  - {description: A, guideType: markdown}
  - {description: B, guideType: markdown}
  - {description: C, guideType: markdown}
"""


def test_every_command_of_the_page_on_configuring_works(folder):
    lesson = folder / "one"
    for number in range(3):
        for name in ("configs", "verify"):
            (lesson / f"stage{number}" / name).mkdir(parents=True)
        (lesson / f"stage{number}/guide.md").write_text("# A\n")
        (lesson / f"stage{number}/configs/r1.py").write_text(
            "from labwright import kit\nwith kit.target():\n    pass\n"
        )
        (lesson / f"stage{number}/verify/r1.py").write_text("from labwright.kit import expect\nexpect.that(1, 'one')\n")
    (lesson / "lesson.meta.yaml").write_text(ONE)
    commands = [line for line in commands_of("configure.md") if "LESSON" in line]
    assert len(commands) == 5
    for line in commands:
        done = labwright(folder, *shlex.split(line.replace("LESSON", "one")))
        assert done.returncode == 0, line + done.stdout + done.stderr
    assert status(folder, "one")["stage"] == 1
    assert labwright(folder, "lesson", "down", "one").returncode == 0
