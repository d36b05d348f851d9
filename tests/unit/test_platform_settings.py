"""What the environment of a container says, and the command line and the console that come of it."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from labwright.publish.platform.start.capability import permitted
from labwright.publish.platform.start.command import command, mac_of
from labwright.publish.platform.start.console import Console
from labwright.publish.platform.start.links import wait_for
from labwright.publish.platform.start.settings import (
    Device,
    Forward,
    Machine,
    Nic,
    Settings,
    Unusable,
    forwards,
    read_settings,
)
from labwright.publish.platform.start.wiring import Ends
from labwright.publish.platform.start_layer import start_layer

WORDS = ("qemu-system-x86_64", "-accel", "tcg", "-m", "128", "-qmp", "unix:@work@/machine.q,server=on,wait=off")
MACHINE = Machine(
    "machine", {"tcg": WORDS}, (Nic("management", "e1000"), Nic("data", "virtio-net-pci")), {"system": 1 << 31}
)
PLAIN = Settings()
DEVICE = Device((MACHINE,), ("eth1", "eth2"), {"ssh": 22})


def line(settings: Settings = PLAIN, device: Device = DEVICE, **ends) -> str:
    given = Ends(console=9, data={1: 10, 2: 11}, **ends)
    opened = forwards(device, settings)
    return " ".join(command(device, device.machines[0], settings, given, "tcg", Path("/tmp/w"), opened))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORTS", "0"), ("PORTS", "65536"), ("PORTS", "22/sctp"), ("PORTS", "22,hostfwd=tcp::1-:1"), ("PORTS", "²"),
        ("INTERFACES", "eth0"), ("INTERFACES", "lo"), ("INTERFACES", "../net1"), ("INTERFACES", "a" * 16),
        ("MEMORY", "128M"), ("MEMORY", "0"), ("MEMORY", "-1"), ("ACCELERATOR", "xen"),
        ("STOP_SECONDS", "0"), ("INTERFACE_SECONDS", "soon"),
    ],
)  # fmt: skip
def test_a_setting_that_is_wrong_ends_the_container_with_its_name(name, value):
    with pytest.raises(Unusable, match=f"LABWRIGHT_{name}: ") as error:
        read_settings({f"LABWRIGHT_{name}": value})
    assert error.value.code == 2


def test_ports_of_the_environment_come_beside_those_of_the_contract_each_once():
    found = forwards(DEVICE, read_settings({"LABWRIGHT_PORTS": "22, 8443,161/udp,161"}))
    assert [(one.protocol, one.port) for one in found] == [
        ("tcp", 22), ("udp", 161), ("tcp", 830), ("tcp", 8080), ("tcp", 8443), ("tcp", 161),
    ]  # fmt: skip


def test_ssh_is_on_22_wherever_the_device_has_it():
    found = forwards(Device((MACHINE,), (), {"ssh": 2022, "netconf": 830}), Settings())
    assert Forward("tcp", 22, 2022) in found
    assert [one.inside for one in found if one.port == 830] == [830]


def test_nothing_on_the_command_line_listens_but_forwards_and_a_socket_in_our_folder():
    words = line()
    assert words.count("hostfwd=") == 4
    assert words.count("server=on") == 1
    assert "unix:/tmp/w/machine.q" in words
    assert "@work@" not in words
    for listener in ("-monitor", "telnet", "tcp:0.0.0.0:4000", "-vnc", "-gdb", "-s "):
        assert listener not in words.replace("hostfwd=tcp::22", "")


def test_the_guest_gets_a_gateway_so_that_it_can_answer_other_pods():
    assert "restrict" not in line(), "slirp's DHCP names no gateway where it is restricted (libslirp, bootp.c)"


def test_only_virtio_is_told_of_a_larger_wire_and_only_where_it_is_larger():
    assert "host_mtu=9000" in line(sizes={1: 9000, 2: 1500})
    assert line(sizes={1: 9000, 2: 1500}).count("host_mtu") == 1
    old = Machine("machine", {"tcg": WORDS}, (Nic("data", "e1000"),), {})
    assert "host_mtu" not in line(device=Device((old,), ("ge-0/0/0",)), sizes={1: 9000})


def test_memory_can_be_another_than_the_image_was_tested_with():
    assert "-m 512" in line(Settings(memory=512))


def test_addresses_are_others_at_each_start_unless_there_is_a_seed():
    assert len({mac_of("", "machine", 0) for _ in range(50)}) == 50
    assert mac_of("lab7", "machine", 0) == mac_of("lab7", "machine", 0)
    assert len({mac_of("lab7", machine, seat) for machine in ("a", "b") for seat in range(9)}) == 18


def test_addresses_are_local_ones_of_a_single_station():
    first = {int(mac_of("", "machine", 0)[:2], 16) & 3 for _ in range(20)}
    assert first == {2}


@pytest.mark.parametrize(
    ("named", "present", "found"),
    [
        ((), ["lo", "eth0", "net10", "net2", "net1"], {1: "net1", 2: "net2", 10: "net10"}),
        ((), ["lo", "eth0", "network", "net0", "net100"], {}),
        (("b", "a"), ["a", "b", "net1"], {1: "b", 2: "a"}),
        (("a", "b"), ["b"], {2: "b"}),
    ],
)
def test_interfaces_keep_their_numbers_whichever_of_them_are_there(named, present, found):
    assert wait_for(named, 99, 0.0, lambda: present) == found


def test_interfaces_that_come_late_are_waited_for():
    answers = iter([["lo"], ["lo", "net1"], ["lo", "net1", "net2"]])
    assert wait_for((), 2, 20.0, lambda: next(answers)) == {1: "net1", 2: "net2"}


def test_the_permission_for_raw_sockets_is_read_from_what_is_permitted_not_from_what_is_in_effect():
    assert permitted("CapEff:\t0000000000000000\nCapPrm:\t0000000000002000\n")
    assert not permitted("CapEff:\t0000000000002000\nCapPrm:\t0000000000001000\n")


WITHIN = """
import subprocess
from labwright.publish.platform.start.capability import raw_sockets
with raw_sockets() as allowed:
    pass
print(subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True, check=True).stdout)
"""


def test_a_program_that_is_started_afterwards_cannot_get_the_capability_back_from_its_file_or_by_being_root():
    done = subprocess.run([sys.executable, "-c", WITHIN], capture_output=True, text=True, timeout=30, check=True)
    facts = dict(line.split(":\t", 1) for line in done.stdout.splitlines() if ":\t" in line)
    assert facts["NoNewPrivs"] == "1"
    assert (int(facts["CapPrm"], 16), int(facts["CapEff"], 16)) == (0, 0)


def test_a_guest_that_breaks_out_of_qemu_can_start_no_program_and_raise_no_privilege():
    (rules,) = re.findall(r"-sandbox (\S+)", line())
    assert rules.split(",")[0] == "on"
    assert {"spawn=deny", "elevateprivileges=deny"} <= set(rules.split(","))


def shown(*parts: bytes) -> str:
    stream = io.StringIO()
    console = Console(stream)
    for part in parts:
        console.feed(part)
    console.idle()
    return stream.getvalue()


def test_what_a_machine_writes_cannot_drive_the_terminal_of_who_reads_the_log():
    assert shown(b"\x1b]0;title\x07ok\x1b[2J\x1b[31m red\r\n\xe2\x80\xaelogin: ") == "ok red\nlogin:\n"


def test_a_character_that_comes_in_two_parts_is_one():
    assert shown(b"gr\xc3", b"\xbc\xc3\x9fe\n") == "gr\u00fc\u00dfe\n"


def test_a_line_without_an_end_takes_no_memory_without_an_end():
    stream = io.StringIO()
    console = Console(stream)
    for _ in range(100):
        console.feed(b"x" * 10_000)
    assert len(stream.getvalue()) > 990_000


def test_the_program_needs_nothing_that_the_runtime_lacks(tmp_path):
    """It is packed without the rest of labwright, and Python's own modules are all that it may import."""
    packed = start_layer(tmp_path / "layer")
    (tmp_path / "root").mkdir()
    subprocess.run(["tar", "-xzf", packed.file, "-C", tmp_path / "root", "--no-same-owner"], check=True)
    place = tmp_path / "root/usr/lib/labwright"
    entry = place / "__main__.py"
    entry.write_text(entry.read_text().replace("/usr/lib/labwright", str(place)))
    done = subprocess.run([sys.executable, "-I", "-S", place], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("labwright: error: this image has no device: /etc/labwright/device.json")


def test_the_program_is_the_same_layer_each_time(tmp_path):
    first, second = (start_layer(tmp_path / name) for name in "ab")
    assert first.file.read_bytes() == second.file.read_bytes()
