"""Lessons' scripts that use the kit, as the configurator runs them: processes of their own, with its environment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.frr.routers import wait_for
from support.kit import fixtures
from support.kit.fixtures import script
from support.kit.machine import Machine

pytestmark = fixtures.needs_machine
one = fixtures.one
PAGE = Path(__file__).parents[2] / "docs/kit.md"
FILES = {
    "interfaces": "auto lo\niface lo inet loopback\n\nauto lo:0\niface lo:0 inet static\n    address 10.1.1.1/32\n\n"
                  "auto eth1\niface eth1 inet static\n    address 10.10.10.1/30\n",
    "daemons": 'bgpd=yes\nvtysh_enable=yes\nzebra_options=" -A 127.0.0.1"\nbgpd_options=" -A 127.0.0.1"\n',
    "vtysh.conf": "no service integrated-vtysh-config\n",
    "zebra.conf": "hostname hub\n",
    "bgpd.conf": "router bgp 65000\n bgp router-id 1.1.1.1\n neighbor 10.10.10.2 remote-as 65001\n",
}  # fmt: skip
"""Like those of the public lesson about FRR."""


def show_piece() -> str:
    """The script on the page."""
    found = re.search(r"^    from labwright import kit\n.*?(?=^\S)", PAGE.read_text(), re.M | re.S)
    assert found
    return re.sub(r"^    ", "", found[0], flags=re.M)


def test_the_script_on_the_page_does_the_public_lessons_task_and_is_short(one: Machine, tmp_path: Path) -> None:
    text = show_piece()
    assert len([line for line in text.splitlines() if line.strip()]) <= 10
    (tmp_path / "hub").mkdir()
    for name, content in FILES.items():
        (tmp_path / "hub" / name).write_text(content)
    for _ in range(2):
        done = script(text, tmp_path, one.environment())
        assert (done.returncode, done.stderr) == (0, "")
    assert one.execute("uname", "-n") == "hub\n"
    assert one.status("/etc/frr/bgpd.conf") == "frr:frr 640"
    assert one.status("/etc/frr/vtysh.conf") == "frr:frrvty 640"
    assert one.status("/etc/network/interfaces") == "root:root 644"
    assert "10.10.10.1/30" in one.execute("ip", "-br", "address", "show", "eth1")
    assert "10.1.1.1/32" in one.execute("ip", "-br", "address", "show", "lo")
    # FRR counts as up while watchfrr starts a daemon anew that was slow to answer.
    running = ("vtysh", "-c", "show running-config")
    wait_for(lambda: "neighbor 10.10.10.2 remote-as 65001" in one.execute(*running, check=False), 90)


def test_an_error_that_nobody_catches_is_a_sentence_with_the_authors_line_and_no_traceback(
    one: Machine, tmp_path: Path
) -> None:
    text = "from labwright import kit\n\nwith kit.target() as host:\n    host.run('echo because; exit 7')\n"
    done = script(text, tmp_path, one.environment())
    assert done.returncode == 1
    assert "hub.py:4: error: `echo because; exit 7` ended with exit status 7" in done.stderr
    assert "because" in done.stderr
    assert "Traceback" not in done.stderr


def test_other_errors_keep_their_traceback(one: Machine, tmp_path: Path) -> None:
    done = script("from labwright import kit\n1 / 0\n", tmp_path, one.environment())
    assert "ZeroDivisionError" in done.stderr
    assert done.returncode == 1


def test_a_script_without_its_environment_says_which_variable_is_missing(tmp_path: Path) -> None:
    done = script("from labwright import kit\nwith kit.target(): pass\n", tmp_path, {"ANTIDOTE_TARGET_HOST": "x"})
    assert "ANTIDOTE_TARGET_USERNAME is not set" in done.stderr
    assert done.returncode == 1


VERIFY = """
from labwright.kit import expect, target

with target() as host:
    expect.reaches(host, "127.0.0.1")
    expect.route(host, "10.0.0.0/24", device="eth0", protocol="kernel")
    expect.that(True, "the sky is blue")
"""


def test_a_verify_script_that_is_content_ends_with_0(one: Machine, tmp_path: Path) -> None:
    done = script(VERIFY, tmp_path, one.environment())
    assert done.stdout == (
        "ok: 127.0.0.1 reaches 127.0.0.1\nok: 127.0.0.1 has a route to 10.0.0.0/24 dev eth0 proto kernel\n"
        "ok: the sky is blue\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("expectation", "evidence"),
    [
        ('reaches(host, "10.0.0.77", timeout=0.1)', "10.0.0.77"),
        ('reaches(host, "nosuchhost", timeout=0.1)', "nosuchhost"),
        ('route(host, "10.0.0.0/24", via="10.0.0.1", timeout=0.1)', "10.0.0.0/24"),
        ('route(host, "192.0.2.0/24", timeout=0.1)', "it has none"),
        (
            'bgp_established(host, "10.10.10.2", timeout=0.1)',
            "FRR does not know|is in the state|BGP instance not found",
        ),
    ],
)
def test_what_is_not_so_fails_the_script_with_evidence_though_nothing_asks_for_it_at_the_end(
    one: Machine, tmp_path: Path, expectation: str, evidence: str
) -> None:
    done = script(f"{VERIFY}    expect.{expectation}\n    expect.that(True, 'the last one')\n", tmp_path,
                  one.environment())  # fmt: skip
    failures = [line for line in done.stdout.splitlines() if line.startswith("FAIL: ")]
    assert len(failures) == 1
    assert re.search(evidence, failures[0])
    assert done.stdout.endswith("ok: the last one\n")
    assert done.returncode == 1
