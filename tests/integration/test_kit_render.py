"""Renderings, asked of the programs that read them: FRR's vtysh, ifupdown, NetworkManager, networkd."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from support.frr.routers import router
from support.kit import fixtures
from support.kit.models import FULL, nodes

from labwright.kit import Node, render
from labwright.kit.systems import SYSTEMS

pytestmark = fixtures.needs_machine
ASKS_REAL_TOOLS = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def vtysh_understands(text: str, folder: Path) -> None:
    file = folder / "frr.conf"
    file.write_text(text)
    done = subprocess.run(["vtysh", "-C", "-f", file], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@given(nodes(SYSTEMS["frr"].refused))
@ASKS_REAL_TOOLS
def test_vtysh_understands_every_line(tmp_path: Path, what: Node) -> None:
    vtysh_understands(str(render(what, "frr")), tmp_path)


def test_vtysh_would_have_said_so(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        vtysh_understands(str(render(FULL, "frr")) + "no such line\n", tmp_path)


def test_frr_takes_all_of_it_and_shows_it_again() -> None:
    with router() as one:
        one.start("ospfd")
        for name in ("eth1", "eth2", "eth3"):
            one.execute("ip", "link", "add", name, "type", "veth", "peer", "name", f"p{name}")
        file = one.folder / "given"
        file.write_text(str(render(FULL, "frr")).replace("hostname hub\n", ""))
        one.execute("vtysh", "--vty_socket", one.sockets, "--config_dir", one.config, "-f", file)
        running = {line.strip() for line in one.running().splitlines()}
    # Shown in another form, or not at all, since they are the defaults.
    implied = {"address-family ipv4 unicast", "no neighbor 2001:db8:10::2 activate", "exit", "!", ""}
    wanted = {line.strip() for line in file_lines(FULL)} - implied
    assert wanted <= running


def file_lines(what: Node) -> list[str]:
    return str(render(what, "frr")).replace("hostname hub\n", "").splitlines()


@given(nodes())
@ASKS_REAL_TOOLS
def test_ifupdown_would_bring_up_what_is_on_with_every_address(tmp_path: Path, what: Node) -> None:
    file = tmp_path / "interfaces"
    file.write_text(str(render(what, "ifupdown")))
    done = subprocess.run(
        ["ifup", "--no-act", "--force", "--all", "--verbose", "--interfaces", file, "--state-dir", tmp_path],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    for port in what.ports:
        for address in port.addresses:
            assert (address.partition("/")[0] in said) is port.enabled, (address, said)


@pytest.mark.skipif(shutil.which("nmcli") is None, reason="needs network-manager")
@given(nodes())
@settings(ASKS_REAL_TOOLS, max_examples=5)
def test_networkmanager_reads_every_keyfile_as_it_was_meant(what: Node) -> None:
    files = render(what, "networkmanager")
    assert isinstance(files, Mapping)
    for place, text in files.items():
        done = subprocess.run(
            ["nmcli", "--offline", "connection", "modify", "connection.autoconnect-retries", "3"],
            input=text, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{place}: {done.stderr}\n{text}"
        meant = {line for line in text.splitlines() if line.startswith(("address", "method", "interface-name", "mtu"))}
        assert meant <= set(done.stdout.splitlines()), done.stdout


def test_networkd_finds_nothing_to_complain_of() -> None:
    from support.kit.machine import machine

    def warnings() -> str:
        one.execute("journalctl", "--sync")
        return one.execute("journalctl", "-u", "systemd-networkd", "-p", "warning", "-o", "cat", "--no-pager")

    with machine() as one, one.host() as host:
        one.execute("systemctl", "start", "systemd-networkd")
        one.execute("ip", "link", "add", "eth3", "type", "veth", "peer", "name", "peer3")
        host.apply(FULL.model_copy(update={"bgp": None, "ospf": None, "hostname": None}), manager="networkd")
        said = warnings()
        assert "05-labwright" not in said
        one.execute("sh", "-c", "printf '[Match]\\nName=eth1\\n[Network]\\nNoSuchKey=1\\n'"
                    " >/etc/systemd/network/05-labwright-eth1.network; networkctl reload")  # fmt: skip
        said = warnings()
        assert "05-labwright" in said, "it would have complained"
