"""Machines as data: what QEMU is told, and how what a guest says is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.errors import LabwrightError
from labwright.host.text import plain
from labwright.vm import accelerator
from labwright.vm.accelerator import Accelerator, boot_sector
from labwright.vm.boot_test import BootPlan, dynamic_address, has_grown, mac_of, machine_for, parse_links
from labwright.vm.clones import Identity, judge, read_identity
from labwright.vm.console import LOGIN
from labwright.vm.machine import MachineSpec, command_line

TCG = Accelerator("tcg", 1.0, "test")
PLAN = BootPlan("antidote", "antidotepassword", ("swp1", "swp2"), kernel=Path("/k/vmlinux"))


def test_addresses_fall_while_slots_rise_and_the_order_on_the_command_line_is_another():
    spec = machine_for(Path("x.qcow2"), PLAN, TCG, (2222, 2223))
    by_slot = sorted(spec.nics, key=lambda nic: nic.slot)
    assert [nic.mac for nic in by_slot] == sorted((nic.mac for nic in by_slot), reverse=True)
    assert list(spec.nics) != by_slot
    assert by_slot[0].backend == "net0"
    assert mac_of(0, 3) == by_slot[0].mac


@pytest.mark.parametrize("firmware", ["bios", "direct"])
def test_nothing_listens_beyond_loopback_and_there_is_no_monitor(firmware):
    spec = machine_for(Path("x.qcow2"), PLAN, TCG, (2222, 2223))
    words = command_line(MachineSpec(**{**spec.__dict__, "firmware": firmware}), Path("/o"), Path("/c"), None)
    forwards = [word for word in words if "hostfwd" in word]
    assert forwards == [word for word in forwards if "hostfwd=tcp:127.0.0.1:" in word]
    assert len(forwards) == 1
    assert words[words.index("-monitor") + 1] == "none"
    assert all("restrict=on" in word for word in words if word.startswith("user,"))
    assert ("-kernel" in words) == (firmware == "direct")


def test_the_tiny_guest_is_a_boot_sector():
    sector = boot_sector()
    assert len(sector) == 512
    assert sector[-2:] == b"\x55\xaa"
    assert b"labwright\0" in sector


def test_a_password_is_in_no_repr():
    assert "antidotepassword" not in repr(PLAN)


def test_a_login_prompt_is_one_at_the_end_of_a_line():
    assert LOGIN.search("Debian GNU/Linux 12 debian ttyS0\n\ndebian login: ")
    assert not LOGIN.search("Last login: yesterday\n")


@given(st.text())
def test_no_console_text_keeps_a_control_sequence(text):
    assert not set("\x1b\x07\x9b\r\u202e\u200b") & set(plain(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m \x1b[?25lx", "red x"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]52;c;c2VjcmV0\x1b\\after", "after"),
        ("\x1b]0;never ended\nlogin: ", "\nlogin: "),
        ("\x1b(Bplain\x1b=", "plain"),
        ("\x1bP1;2qsixel\x1b\\x", "x"),
        ("\u202egnp.exe", "gnp.exe"),
        ("a\tb\nc\r", "a\tb\nc"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(text, shown):
    assert plain(text) == shown


def links(address="10.0.2.15", dynamic=True):
    return [{"ifname": "eth0", "address": "52:54:00:4c:57:01", "addr_info": [
        {"family": "inet6", "local": "fe80::1"},
        {"family": "inet", "local": address, "dynamic": dynamic}]}]  # fmt: skip


def test_only_an_address_by_dhcp_counts():
    assert dynamic_address(links()) == "10.0.2.15"
    assert dynamic_address(links(dynamic=False)) == ""
    assert dynamic_address([]) == ""


def identity(number: int) -> Identity:
    return Identity(f"mac{number}", f"10.0.2.{number}", f"id{number}", (f"ssh-ed25519 {number}", f"ecdsa {number}"))


def test_clones_that_differ_in_everything_pass():
    assert judge(identity(1), identity(2)).second == identity(2)


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("machine_id", "id1", "machine-id"),
        ("address", "10.0.2.1", "DHCP address"),
        ("mac", "mac1", "MAC address"),
        ("host_keys", ("ssh-ed25519 2", "ecdsa 1"), "SSH host keys"),
        ("host_keys", (), "SSH host keys"),
        ("machine_id", "", "machine-id"),
    ],
)
def test_clones_that_share_or_lack_something_fail(field, value, name):
    with pytest.raises(LabwrightError, match=name):
        judge(identity(1), Identity(**{**identity(2).__dict__, field: value}))


def test_an_identity_is_read_from_the_guest_s_answers():
    import json

    found = read_identity(json.dumps(links()), "abc\n", "ssh-ed25519 AAA root@x\necdsa BBB root@x\n")
    assert found == Identity("52:54:00:4c:57:01", "10.0.2.15", "abc", ("ecdsa BBB", "ssh-ed25519 AAA"))


@given(st.text())
def test_no_answer_of_a_guest_brings_a_traceback(text):
    try:
        dynamic_address(parse_links(text))
    except LabwrightError:
        return


@pytest.mark.parametrize("text", ["", "null", "{}", "[1]", "[" * 100_000])
def test_an_answer_that_is_no_list_of_interfaces_is_an_error_of_the_guest(text):
    with pytest.raises(LabwrightError, match="no list of interfaces"):
        parse_links(text)


def test_a_comma_in_a_path_begins_no_option_of_qemu():
    spec = machine_for(Path("x.qcow2"), PLAN, TCG, (2222, 2223))
    words = command_line(spec, Path("/a,readonly=on/o"), Path("/c"), None)
    assert "if=none,id=disk,file=/a,,readonly=on/o,format=qcow2,discard=unmap" in words


@pytest.mark.parametrize(
    ("sizes", "grown"),
    [("6291456\n3100000000\n", True), ("6291456\n2000000000\n", False), ("", False), ("x\ny\n", False),
     ("1 2 3", False), ("9" * 5000 + " 1", False)],
)  # fmt: skip
def test_a_root_that_fills_its_disk_has_grown(sizes, grown):
    assert has_grown(sizes) is grown


def test_that_kvm_fails_is_remembered_until_the_next_boot_and_that_it_works_is_not(tmp_path, bench, monkeypatch):
    asked = []
    answer = (False, "it hung")

    def probe():
        asked.append(1)
        return answer

    boot = tmp_path / "boot_id"
    boot.write_text("one")
    monkeypatch.setattr(accelerator, "probe_kvm", probe)
    monkeypatch.setattr(accelerator, "BOOT_ID", boot)
    monkeypatch.setattr(accelerator, "DEVICE", tmp_path / "kvm")
    (tmp_path / "kvm").touch()
    assert accelerator.kvm_works(bench) == accelerator.kvm_works(bench) == (False, "it hung")
    assert len(asked) == 1
    boot.write_text("two")
    answer = (True, "0.2 s")
    assert accelerator.kvm_works(bench) == accelerator.kvm_works(bench) == (True, "0.2 s")
    assert len(asked) == 3
