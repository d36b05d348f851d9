"""What the driver makes of the texts of ping and traceroute, and what it lets through to them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napalm_frr import probes

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


def test_a_ping_has_both_its_address_and_its_interface() -> None:
    words, _ = probes.ping_command("r1", ["eth1", "192.0.2.1"], 255, 2, 100, 5, "")
    assert " -I eth1 -I 192.0.2.1 " in " ".join(words)
    with pytest.raises(ValueError, match="neither"):
        probes.ping_command("r1", ["-f", ""], 255, 2, 100, 5, "")


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
        lambda: probes.ping_command(name, [], 255, 2, 100, 5, ""),
        lambda: probes.traceroute_command("r1", name, 255, 2, ""),
        lambda: probes.ping_command("r1", [], 255, 2, 100, 5, name),
    ):
        with pytest.raises(ValueError, match="neither a name nor an address"):
            command()


@settings(deadline=None)
@given(st.text(), st.text(), st.integers(0, 255))
def test_no_output_of_ping_or_traceroute_is_a_traceback(out: str, err: str, code: int) -> None:
    assert probes.ping(code, out, err, 5).keys() <= {"success", "error"}
    assert probes.traceroute(code, out, err).keys() <= {"success", "error"}
