"""What is rendered, given to the programs that read it: FRR's vtysh and its daemons, ifup, networkd, NetworkManager."""

from __future__ import annotations

import re
import shutil
import string
import subprocess
from pathlib import Path

import pytest
from support.frr.routers import router
from support.kit import fixtures
from support.kit.golden import ROUTER
from support.kit.machine import Machine, missing

from labwright.kit import KitError, node, render
from labwright.kit.model import DESCRIPTION

one = fixtures.one
needs_frr = pytest.mark.skipif(not shutil.which("vtysh"), reason="needs vtysh: make test-packages")
SIGNS = "".join(sign for sign in string.punctuation if DESCRIPTION.fullmatch(sign))
TEXTS = [f"a{sign}b {sign} c{sign}" for sign in SIGNS] + [f"{sign}a" for sign in SIGNS if sign != "#"]
TEXTS += ["exit", "end", "no", "shutdown", "router bgp 1", "x" * 200, "(x) && [a-z]* <1-5>"]


def described(text: str):
    return node({
        "interfaces": [{"index": 1, "ipv4": ["10.0.0.1/30"], "description": text}],
        "bgp": {"as": 65000, "neighbors": [{"peer": "10.0.0.2", "remote_as": 65001, "description": text}]},
    })  # fmt: skip


def understood(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "frr.conf"
    file.write_text(text)
    return subprocess.run(["vtysh", "-C", "-f", file], capture_output=True, text=True, timeout=30, check=False)


@needs_frr
def test_vtysh_understands_every_line_of_a_router_and_of_every_part_of_it(tmp_path: Path) -> None:
    done = understood(str(render(ROUTER, "frr")), tmp_path)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert understood(f"{render(ROUTER, 'frr')}no such line\n", tmp_path).returncode != 0, "the check can fail"


@needs_frr
@pytest.mark.skipif(bool(missing()), reason="needs namespaces")
def test_frr_has_each_description_as_it_is_in_the_model_and_nothing_else_of_it(tmp_path: Path) -> None:
    with router(configuration="") as live:
        file = live.folder / "given"
        with pytest.raises(KitError, match="misreads"):
            render(described("a | b"), "frr")
        for text in (text for text in TEXTS if "|" not in text):
            file.write_text(str(render(described(text), "frr")))
            live.execute("vtysh", "--vty_socket", live.sockets, "--config_dir", live.config, "-f", file)
            found = live.running().splitlines()
            assert f" description {text}" in found, text
            assert f" neighbor 10.0.0.2 description {text}" in found, text
        plain = re.sub(r"description .*", "", "\n".join(found))
        assert [line for line in plain.splitlines() if line.startswith(("router", "interface"))] == [
            "interface eth1", "router bgp 65000",
        ]  # fmt: skip


@fixtures.needs_machine
def test_ifup_reads_what_is_rendered_and_would_do_what_the_model_says(one: Machine) -> None:
    with one.host() as host:
        host.text("/opt/interfaces", str(render(ROUTER, "ifupdown")))
        dry = host.sudo(["ifup", "-n", "-v", "-i", "/opt/interfaces", "eth1"])
        assert host.sudo(["ifquery", "-i", "/opt/interfaces", "--list", "-a"]).output.split() == ["lo", "eth1"]
        with pytest.raises(KitError):
            host.text("/opt/broken", f"{render(ROUTER, 'ifupdown')}iface\n")
            host.sudo(["ifup", "-n", "-i", "/opt/broken", "eth1"])
    done = dry.output + dry.errors
    for words in ("mtu 1400", "add 10.0.0.1/255.255.255.252", "add 10.0.9.1/255.255.255.0", "add 2001:db8::1/64"):
        assert words in done, done


@fixtures.needs_machine
def test_no_description_is_a_second_command_for_those_who_manage_interfaces(one: Machine) -> None:
    """All signs at once: ifup's own reader, systemd's, and NetworkManager's."""
    text = f"a {SIGNS.replace('#', '')} # b"
    with one.host() as host:
        host.text("/opt/interfaces", str(render(described(text), "ifupdown")))
        said = host.sudo(["ifquery", "-i", "/opt/interfaces", "eth1"]).output
        assert said == "address: 10.0.0.1\nbroadcast: 10.0.0.3\nnetmask: 255.255.255.252\n"
        ((place, content),) = dict(render(described(text), "networkd")).items()
        host.text(place, content)
        host.sudo(["systemctl", "restart", "systemd-networkd"])
        host.wait_for(lambda: "10.0.0.1/30" in host.interfaces()["eth1"].addresses, 20, 0.2)
        host.sudo(["journalctl", "--sync"])
        said = host.sudo(["journalctl", "-u", "systemd-networkd", "--no-pager", "-o", "cat"]).output
        assert not re.search(r"05-labwright.*(?:ignoring|Failed|Invalid)", said, re.IGNORECASE), said
