"""What the driver makes of texts: FRR's in several versions, ping's and traceroute's, and hostile ones."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napalm.base.exceptions import ConnectionException

from napalm_frr import bgp, configuration, device, interfaces, probes, routes
from napalm_frr.device import Device, parse_json, understood
from napalm_frr.errors import message, printable, sanitized, words
from napalm_frr.options import Options
from napalm_frr.transport import Answer

# FRR's texts


@pytest.mark.parametrize(
    ("text", "version", "hostname"),
    [
        ("FRRouting 8.4.4 (vm) on Linux(6.18.44-fc).\nCopyright 1996-2005", "8.4.4", "vm"),
        ("FRRouting 7.5.1 (r1.example.net).\nCopyright", "7.5.1", "r1.example.net"),
        ("FRRouting 9.1_git (clab-r1) on Linux(5.15.0-91-generic).\n", "9.1_git", "clab-r1"),
        ("FRRouting 10.1.1 (spine-1) on Linux(6.8.0).\n", "10.1.1", "spine-1"),
        ("FRRouting 10.2-dev-MyOwnFRRVersion () on Linux(6.8.0).\n", "10.2-dev-MyOwnFRRVersion", ""),
        ("Hello, this is FRRouting (version 8).\nFRRouting 8.1.\n", "8.1", ""),
    ],
)
def test_the_version_is_read_from_all_forms_of_its_line(text: str, version: str, hostname: str) -> None:
    assert interfaces.version(text) == {"version": version, "hostname": hostname}


def test_a_device_that_is_not_frr_is_said_so() -> None:
    with pytest.raises(ConnectionException, match=r"(?s)not FRR's.*Cisco IOS"):
        interfaces.version("Cisco IOS Software")


@pytest.mark.parametrize(
    ("uptime", "seconds"),
    [
        ("00:01:02", 62), ("23:59:59", 86399), ("1d02h03m", 93780), ("02w3d04h", 1483200), ("01y02w3d", 33004800),
        ("never", -1), ("", -1), ("-1", -1),
    ],
)  # fmt: skip
def test_the_age_of_a_route_is_read_from_all_forms(uptime: str, seconds: int) -> None:
    assert routes.seconds(uptime) == seconds


def test_vrfs_that_are_only_configured_are_there_too() -> None:
    running = (
        "router bgp 65001 vrf red\n address-family ipv4 unicast\n  rd vpn export 1:2\n exit\nexit\n!\nrouter bgp 1\n"
    )
    shown = {"eth0": {"vrfName": "red"}, "lo": {"vrfName": "default"}}
    found = interfaces.instances(shown, "vrf red id 5 table 10\nvrf blue inactive (configured)\n", running)
    assert list(found) == ["default", "red", "blue"]
    assert found["red"]["state"] == {"route_distinguisher": "1:2"}
    assert found["red"]["interfaces"] == {"interface": {"eth0": {}}}


def test_routes_of_several_vrfs_are_found_in_both_forms() -> None:
    entry = {"protocol": "static", "nexthops": [], "vrfName": "red"}
    old = parse_json(json.dumps({"10.0.0.0/8": [entry]}) + "\n" + json.dumps({"10.0.0.0/8": [entry]}), "x")
    new = {"default": {"10.0.0.0/8": [entry]}, "red": {"10.0.0.0/8": [entry]}}
    assert [len(routes.routes_of(shown, "")["10.0.0.0/8"]) for shown in (old, new)] == [2, 2]
    assert routes.routes_of(new, "bgp") == {}


# ping and traceroute

IPUTILS = """\
PING 192.0.2.2 (192.0.2.2) 56(84) bytes of data.
64 bytes from 192.0.2.2: icmp_seq=1 ttl=64 time=0.299 ms
64 bytes from 192.0.2.2: icmp_seq=2 ttl=64 time=0.060 ms

--- 192.0.2.2 ping statistics ---
3 packets transmitted, 2 received, 33.3333% packet loss, time 407ms
rtt min/avg/max/mdev = 0.060/0.179/0.299/0.119 ms
"""
BUSYBOX = """\
PING 2001:db8::2 (2001:db8::2): 56 data bytes
64 bytes from 2001:db8::2: seq=0 ttl=64 time=0.071 ms

--- 2001:db8::2 ping statistics ---
1 packets transmitted, 1 packets received, 0% packet loss
round-trip min/avg/max = 0.071/0.071/0.071 ms
"""
LOST = """\
PING 192.0.2.2 (192.0.2.2) 56(84) bytes of data.
From 192.0.2.1 icmp_seq=1 Destination Host Unreachable

--- 192.0.2.2 ping statistics ---
2 packets transmitted, 0 received, +1 errors, 100% packet loss, time 408ms
"""


def test_replies_of_iputils_are_counted() -> None:
    assert probes.ping(0, IPUTILS, "", 3)["success"] == {
        "probes_sent": 3, "packet_loss": 1, "rtt_min": 0.06, "rtt_max": 0.299, "rtt_avg": 0.179, "rtt_stddev": 0.119,
        "results": [{"ip_address": "192.0.2.2", "rtt": 0.299}, {"ip_address": "192.0.2.2", "rtt": 0.06}],
    }  # fmt: skip


def test_replies_of_busybox_are_counted() -> None:
    found = probes.ping(0, BUSYBOX, "", 1)["success"]
    assert (found["packet_loss"], found["rtt_avg"], found["rtt_stddev"]) == (0, 0.071, 0.0)
    assert found["results"] == [{"ip_address": "2001:db8::2", "rtt": 0.071}]


def test_no_reply_is_a_loss_and_no_name_is_an_error() -> None:
    assert probes.ping(1, LOST, "", 2)["success"]["packet_loss"] == 2
    assert probes.ping(2, "", "ping: nosuch: Name or service not known\n", 2) == {
        "error": "ping: nosuch: Name or service not known"
    }


TRACE = """\
traceroute to 8.8.8.8 (8.8.8.8), 30 hops max, 60 byte packets
 1  192.0.2.1  0.033 ms  0.008 ms *
 2  r2.example (192.0.2.5)  1.5 ms 192.0.2.9 (192.0.2.9)  2 ms !X fe80::1%eth0  3.25 ms
 3  * * *
"""


def test_a_trace_has_each_probe_with_the_router_that_answered_it() -> None:
    hops = probes.traceroute(0, TRACE, "")["success"]
    assert [[(one["ip_address"], one["rtt"]) for one in hop["probes"].values()] for hop in hops.values()] == [
        [("192.0.2.1", 0.033), ("192.0.2.1", 0.008), ("*", -1.0)],
        [("192.0.2.5", 1.5), ("192.0.2.9", 2.0), ("fe80::1%eth0", 3.25)],
        [("*", -1.0)] * 3,
    ]
    assert hops[2]["probes"][1]["host_name"] == "r2.example"


def test_a_trace_without_a_route_is_an_error() -> None:
    assert "unreachable" in probes.traceroute(1, "", "connect: Network is unreachable")["error"]


@pytest.mark.parametrize("name", ["-f", "a b", "$(reboot)", "a;b", "a\nb", "--", "'"])
def test_nothing_passes_for_a_destination_that_a_shell_or_a_tool_would_obey(name: str) -> None:
    for command in (
        lambda: probes.ping_command(name, "", 255, 2, 100, 5, ""),
        lambda: probes.traceroute_command("r1", name, 255, 2, ""),
        lambda: probes.ping_command("r1", "", 255, 2, 100, 5, name),
    ):
        with pytest.raises(ValueError, match="neither a name nor an address"):
            command()


@settings(deadline=None)
@given(st.text(), st.text(), st.integers(0, 255))
def test_no_output_of_ping_or_traceroute_is_a_traceback(out: str, err: str, code: int) -> None:
    assert probes.ping(code, out, err, 5).keys() <= {"success", "error"}
    assert probes.traceroute(code, out, err).keys() <= {"success", "error"}


# Secrets and terminals

SECRETS = [
    "password 8 {}", "enable password {}", " neighbor 192.0.2.2 password {}", " neighbor PEERS password {}",
    " ip ospf authentication-key {}", " ip ospf message-digest-key 1 md5 {}", " isis password clear {}",
    " area-password md5 {}", " domain-password clear {}", "  key-string {}", " ip rip authentication string {}",
    " ip nhrp authentication {}", "  pcc peer P tcp-md5-auth {}",
    " area 1 virtual-link 1.1.1.1 message-digest-key 1 md5 {}",
    " neighbor 192.0.2.2 pasword {}", "line 7: % Unknown command[4]:  neighbour 192.0.2.2 password {}",
    " ipv6 ospf6 authentication key-id 10 hash-algo md5 key {}",
]  # fmt: skip


@pytest.mark.parametrize("line", SECRETS)
@settings(deadline=None)
@given(secret=st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=12, max_size=40))
def test_a_secret_is_in_no_message(line: str, secret: str) -> None:
    text = f"!\n{line.format(secret)}\n!"
    for shown in (sanitized(text), words(text), message("what", text)):
        assert secret not in shown
        assert "<removed>" in shown


@pytest.mark.parametrize(
    "line",
    ["service password-encryption", " ip ospf authentication message-digest", " no neighbor 192.0.2.2 password",
     " ip rip authentication key-chain A", " ip address 192.0.2.1/30", "key chain A", " bgp router-id 10.0.0.1"],
)  # fmt: skip
def test_what_is_no_secret_stays(line: str) -> None:
    assert sanitized(f"{line}\nnext\n") == f"{line}\nnext\n"


@settings(deadline=None)
@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    shown = printable(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", shown)
    assert printable(shown) == shown
    shown.encode()


def test_a_message_is_short_whatever_the_device_says() -> None:
    assert len(message("what", "x" * 10_000_000)) < 5000


# JSON from a device

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["default", "peers", "paths", "nexthops", "ipAddresses", "address", "10.0.0.0/8", "ipv4Unicast", "mtu",
             "as", "speed", "state", "addressFamilyInfo", "messageStats", "aspath", "segments", "dev", "lladdr",
             "stats64"]
        ),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None)
@given(st.text())
def test_what_is_not_json_is_said_so(text: str) -> None:
    try:
        assert isinstance(parse_json(text, "show x json"), dict)
    except ConnectionException as error:
        assert "show x json" in str(error)


def test_json_without_an_end_to_its_depth_is_said_so() -> None:
    with pytest.raises(ConnectionException, match="not the JSON"):
        parse_json('{"a":' * 200_000, "x")
    with pytest.raises(ConnectionException, match="iproute2"):
        interfaces.json_list("[" * 200_000, "x")


def test_escapes_in_json_are_spelled_out() -> None:
    assert parse_json('{"a\\u001b": ["\\u001b[2J"]}', "x") == {"a\\x1b": ["\\x1b[2J"]}


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["default", "eth0", "10.0.0.0/8", "paths", "ipv4Unicast"]), JSON))
def test_json_of_another_form_is_no_traceback(shown: dict[str, object]) -> None:
    for parse, more in (
        (interfaces.interfaces, ()), (interfaces.addresses, ()), (bgp.neighbors, (shown,)),
        (bgp.neighbors_detail, ("",)), (bgp.paths, (1,)), (routes.routes_of, ("",)), (routes.own_systems, ()),
    ):  # fmt: skip
        try:
            assert isinstance(understood(parse, shown, *more), dict)
        except ConnectionException as error:
            assert parse.__name__ in str(error)
    for parse_list, rest in ((interfaces.counters, ()), (interfaces.neighbours, (None,))):
        try:
            understood(parse_list, [shown], *rest)
        except ConnectionException as error:
            assert parse_list.__name__ in str(error)


# Configuration

RUNNING = """\
frr version 8.4.4
frr defaults traditional
hostname vm
no ipv6 forwarding
service integrated-vtysh-config
!
interface eth1
 description to-r2
 ip address 192.0.2.1/30
exit
!
router bgp 65001
 neighbor 192.0.2.2 remote-as 65002
 !
 address-family ipv4 unicast
  network 10.0.0.1/32
 exit-address-family
exit
!
end
"""


def test_a_line_is_known_with_what_it_stands_below() -> None:
    assert list(configuration.lines_of(RUNNING)) == [
        ("frr defaults traditional",),
        ("no ipv6 forwarding",),
        ("interface eth1",),
        ("interface eth1", "description to-r2"),
        ("interface eth1", "ip address 192.0.2.1/30"),
        ("router bgp 65001",),
        ("router bgp 65001", "neighbor 192.0.2.2 remote-as 65002"),
        ("router bgp 65001", "address-family ipv4 unicast"),
        ("router bgp 65001", "address-family ipv4 unicast", "network 10.0.0.1/32"),
        ("hostname vm",),
    ]


def test_a_description_cannot_pass_for_other_lines() -> None:
    text = RUNNING.replace("to-r2", "to-r2\u2028hostname evil\x0bno router bgp 65001")
    assert configuration.hostname_of(text) == "vm"
    assert len(configuration.lines_of(text)) == len(configuration.lines_of(RUNNING))


def test_the_same_line_in_another_block_is_another_line() -> None:
    left, right = "vrf a\n ip route 10.0.0.0/8 Null0\nexit-vrf\n", "vrf b\n ip route 10.0.0.0/8 Null0\nexit-vrf\n"
    assert configuration.missing(left, right, merge=False)
    assert configuration.missing(left, right, merge=True)


@pytest.mark.parametrize(
    ("candidate", "left"),
    [
        ("interface eth1\n description to-r2\n", []),
        ("interface eth1\n description to-r3\n", [("interface eth1", "description to-r3")]),
        ("interface eth9\n", [("interface eth9",)]),
        ("router bgp 65001\n no neighbor 192.0.2.9\n", []),
        ("router bgp 65001\n no neighbor 192.0.2.2\n", [("router bgp 65001", "no neighbor 192.0.2.2")]),
        ("no router bgp 65001\n", [("no router bgp 65001",)]),
        ("no router bgp 6500\n", []),
        ("hostname vm\n", []),
        ("hostname other\n", [("hostname other",)]),
        ("ip forwarding\n", []),
    ],
)
def test_what_is_left_of_a_merge_is_known(candidate: str, left: list[tuple[str, ...]]) -> None:
    assert configuration.missing(candidate, RUNNING, merge=True) == left


def test_a_replacement_that_lacks_a_line_differs_and_one_that_lacks_the_host_name_does_not() -> None:
    assert configuration.missing(RUNNING.replace("hostname vm\n", ""), RUNNING, merge=False) == []
    assert configuration.missing(RUNNING.replace(" description to-r2\n", ""), RUNNING, merge=False) == [
        ("interface eth1", "description to-r2")
    ]


@pytest.mark.parametrize(
    ("name", "good"),
    [("r1", True), ("r1.lab.example", True), ("a" * 64, False), ("a" * 63, True), (".".join(["abcd"] * 13), True),
     (".".join(["abcd"] * 14), False), ("-a", False), ("a_b", False), ("a..b", False)],
)  # fmt: skip
def test_a_host_name_is_one_that_linux_takes_whole(name: str, good: bool) -> None:
    assert bool(configuration.HOSTNAME.fullmatch(name)) is good


def test_a_host_name_is_shown_among_what_is_added() -> None:
    assert configuration.with_hostname("", "r1") == "Lines To Add\n============\nhostname r1"
    both = "Lines To Delete\n===============\nx\n\nLines To Add\n============\ny"
    assert configuration.with_hostname(both, "r1") == both.replace("\ny", "\nhostname r1\ny")
    assert configuration.with_hostname(both, "") == both


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1), min_size=1))
def test_a_text_agrees_with_itself_and_keeps_its_line_numbers(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        cleaned = configuration.cleaned(text)
    except ValueError:
        return
    assert configuration.cleaned(cleaned) == cleaned
    for merge in (False, True):
        assert configuration.missing(cleaned, cleaned, merge) in ([], [one for one in configuration.lines_of(cleaned) if
                                                                      one[-1].startswith("no ")])  # fmt: skip
    kept = cleaned.rstrip("\n").split("\n")
    assert all(line in ("!", lines[number].rstrip()) for number, line in enumerate(kept))


@pytest.mark.parametrize(
    ("text", "daemons"),
    [
        ("router ospf vrf red\n", {"ospfd"}), ("router ospf6\n", {"ospf6d"}), ("router isis 1\n", {"isisd"}),
        ("interface eth0\n ip ospf area 0\n", {"ospfd"}), ("interface eth0\n ip address 10.0.0.1/8\n", set()),
        ("vrf red\n ip route 10.0.0.0/8 Null0\n", {"staticd"}), ("bfd\n peer 10.0.0.1\n", {"bfdd"}),
        ("no router ospf\n", set()), ("ip pim rp 10.0.0.1\n", {"pimd"}), ("rpki\n rpki polling_period 9\n", set()),
        ("interface eth0\n ipv6 mld\n", {"pim6d"}), ("interface eth0\n vrrp 5\n", {"vrrpd"}),
        ("segment-routing\n srv6\n", set()), ("route-map A permit 10\n", set()),
        ("segment-routing\n traffic-eng\n", {"pathd"}),
        ("key chain A\n", {"ripd or eigrpd or ospfd or ospf6d or isisd"}),
    ],
)  # fmt: skip
def test_the_daemon_of_a_line_is_known(text: str, daemons: set[str]) -> None:
    assert set(configuration.daemons_not_running(configuration.lines_of(text), {"zebra", "bgpd"})) == daemons


def test_a_block_that_nobody_took_is_noticed_and_an_abbreviation_is_not() -> None:
    lines = configuration.lines_of("rout bg 65001\n neigh 192.0.2.2 desc x\nrouter new 5\n a\nbfd\n")
    assert configuration.blocks_dropped(lines, RUNNING) == [("router new 5",), ("router new 5", "a")]


def test_a_daemon_with_several_instances_runs() -> None:
    assert configuration.daemon_names(" zebra bgpd ospfd-1 ospfd-2 staticd watchfrr\n") >= {"ospfd", "zebra"}


def test_a_change_is_told_without_its_passwords_and_not_endlessly() -> None:
    after = RUNNING.replace(" description to-r2\n", " ip ospf authentication-key hunter2\n")
    shown = configuration.difference(RUNNING, after)
    assert "-interface eth1 / description to-r2" in shown
    assert "hunter2" not in shown
    many = RUNNING + "".join(f"ip route 10.0.0.{n}/32 Null0\n" for n in range(200))
    assert len(configuration.difference(RUNNING, many).splitlines()) == 41


# The way to the device


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40))
def test_no_value_is_ever_obeyed_by_the_devices_shell(value: str) -> None:
    program = device.assignments({"x": value}) + 'printf "%s" "$x"'
    done = subprocess.run(["sh", "-c", program], capture_output=True, check=True)
    assert done.stdout == value.encode()


def test_the_scripts_for_the_device_come_with_the_package_and_are_plain_shell() -> None:
    for name in ("commit", "compare", "confirm", "facts", "load", "pending", "rollback", "startup", "timer"):
        for shell in (["dash"], ["bash", "--posix"]):
            done = subprocess.run(
                [*shell, "-n"], input=device.script(name), text=True, capture_output=True, check=False
            )
            assert (done.returncode, done.stderr) == (0, ""), name


class Recorder:
    """A device on which FRR answers only with sudo."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []

    def open(self) -> None:
        self.commands.clear()

    def close(self) -> None:
        pass

    def alive(self) -> bool:
        return True

    def run(self, argv, stdin=b"", timeout=60):  # type: ignore[no-untyped-def]
        self.commands.append(list(argv))
        if argv[-2:] == ["id", "-u"]:
            return Answer(0, "1000\n", "")
        return Answer(0, "", "") if argv[0] == "sudo" else Answer(1, "", "Exiting: failed to connect to any daemons.")


def test_sudo_is_tried_only_when_frr_does_not_answer_without_it() -> None:
    recorder = Recorder()
    Device(recorder, Options(netns="r1"), 60).open()
    assert [command[:5] for command in recorder.commands] == [
        ["ip", "netns", "exec", "r1", "env"],
        ["ip", "netns", "exec", "r1", "env"],
        ["sudo", "-n", "--", "ip", "netns"],
    ]
    with pytest.raises(ConnectionException, match="frrvty"):
        Device(Recorder(), Options(sudo=False), 60).open()
    recorder = Recorder()
    Device(recorder, Options(sudo=True), 60).open()
    assert all(command[0] == "sudo" for command in recorder.commands)


def test_options_of_other_drivers_are_passed_over_and_impossible_ones_are_not() -> None:
    assert Options.parse({"secret": "x", "port": 2222}).port == 2222
    assert Options.parse({"pathspace": "r1"}).sockets == "/var/run/frr/r1"
    assert Options.parse({"pathspace": "r1"}).config == "/etc/frr/r1"
    for wrong in ({"transport": "telnet"}, {"sudo": "x"}, {"pathspace": "../x"}, {"pathspace": "a", "config_dir": "b"}):
        with pytest.raises(ValueError, match="optional_args"):
            Options.parse(wrong)
