"""Every system's own words for one model, whole: what a change of a renderer changes is seen here."""

from __future__ import annotations

import json
import string
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.kit.golden import EOS, FRR, IFUPDOWN, IOS, JUNOS, NETWORKD, NETWORKMANAGER, NXOS, ROUTER

from labwright.errors import Cause
from labwright.kit import SYSTEMS, KitError, node, render
from labwright.kit.rendering import PARTS, part
from labwright.kit.systems import NAMES_ONLY, interface_name


@pytest.mark.parametrize(
    ("system", "golden"),
    [("ifupdown", IFUPDOWN), ("networkd", NETWORKD), ("networkmanager", NETWORKMANAGER), ("frr", FRR), ("eos", EOS),
     ("ios", IOS), ("nxos", NXOS)],
)  # fmt: skip
def test_a_whole_router_is_word_for_word_what_was_reviewed(system, golden):
    assert render(ROUTER, system) == golden


def test_junos_has_the_same_elements_in_the_same_order():
    assert ElementTree.canonicalize(render(ROUTER, "junos"), strip_text=True) == ElementTree.canonicalize(
        JUNOS, strip_text=True
    )


def test_nx_api_gets_the_lines_of_the_command_line_in_their_order():
    calls = json.loads(render(ROUTER, "nxos-json"))
    wanted = [line.strip() for line in NXOS.splitlines() if line.strip() != "!"]
    assert [call["params"]["cmd"] for call in calls] == ["configure terminal", *wanted]
    assert [call["id"] for call in calls] == list(range(1, len(calls) + 1))


@pytest.mark.parametrize("system", [name for name in SYSTEMS if name != "junos"])
def test_a_model_that_says_nothing_configures_nothing(system):
    rendered = render(node({}), system)
    if system == "nxos-json":
        rendered = "".join(call["params"]["cmd"] for call in json.loads(rendered)[1:])
    assert not rendered


@pytest.mark.parametrize("system", PARTS)
def test_the_parts_of_a_text_have_every_line_of_the_whole(system):
    together = [line for which in PARTS[system] for line in part(ROUTER, system, which).splitlines()]
    whole = render(ROUTER, system)
    frame = {"<configuration>", "</configuration>"}
    assert sorted(set(together)) == sorted(set(whole.splitlines()) - frame)


def test_a_part_or_a_system_that_there_is_not_is_named_beside_those_that_there_are():
    with pytest.raises(KitError, match=r"'policy' is no part(?s:.*)interfaces"):
        part(ROUTER, "eos", "policy")
    with pytest.raises(KitError, match=r"no rendering for 'winbox'(?s:.*)junos"):
        render(ROUTER, "winbox")


@pytest.mark.parametrize(
    ("system", "first", "third"),
    [
        ("ifupdown", "eth1", "eth3"), ("frr", "eth1", "eth3"), ("junos", "ge-0/0/0", "ge-0/0/2"),
        ("eos", "Ethernet1", "Ethernet3"), ("ios", "GigabitEthernet0/1", "GigabitEthernet0/3"),
        ("nxos", "Ethernet1/1", "Ethernet1/3"), ("cumulus", "swp1", "swp3"), ("sonic", "Ethernet0", "Ethernet8"),
        ("iosxr", "GigabitEthernet0/0/0/0", "GigabitEthernet0/0/0/2"), ("vyos", "eth1", "eth3"),
    ],
)  # fmt: skip
def test_the_index_leads_to_the_name_that_the_system_gives(system, first, third):
    assert (interface_name(system, 1), interface_name(system, 3)) == (first, third)


def test_names_that_are_known_are_not_those_that_are_rendered():
    assert not set(NAMES_ONLY) & set(SYSTEMS)


PORTS = node({"interfaces": [{"index": 1, "ipv4": ["10.0.0.1/30"]}, {"index": 2, "ipv4": ["10.0.0.5/30"]}]})


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["eth1"], "interface 2 has no name"),
        ({1: "eth1"}, "interface 2 has no name"),
        (["eth1", "eth1"], "two interfaces .* eth1"),
        ("eth1", "list"),
        (["eth1", "eth2\nauto eth0"], "not the name of an interface"),
        (["eth1", ""], "not the name of an interface"),
        (["eth1", "a name"], "not the name of an interface"),
        (["eth1", "../../etc/passwd"], "not the name of an interface"),
        (["eth1", "eth/2"], "not the name of an interface"),
        (["eth1", "sixteen-letters."], "not the name of an interface"),
        (["eth1", "lo"], "loopback"),
    ],
)
@pytest.mark.parametrize("system", ["networkd", "frr", "ifupdown", "networkmanager"])
def test_a_name_that_no_linux_gives_an_interface_is_refused(system, names, said):
    with pytest.raises(KitError, match=said) as caught:
        render(PORTS, system, names)
    assert caught.value.cause is Cause.CONFIG


@pytest.mark.parametrize("system", ["junos", "eos", "ios", "nxos"])
def test_a_router_may_give_long_names_with_slashes(system):
    assert "HundredGigE0/0/0/1:2" in render(PORTS, system, ["HundredGigE0/0/0/1", "HundredGigE0/0/0/1:2"])
    with pytest.raises(KitError, match="two interfaces"):
        render(PORTS, system, ["xe-0/0/1", "xe-0/0/1"])


SIGNS = "".join(sorted(set(string.printable) - set("\r\x0b\x0c"))) + "\x00\x1b\u2028\u202eäß"
TEXTS = st.text(alphabet=SIGNS, max_size=40) | st.text(max_size=40)


def lines(system: str, description: str) -> list[str]:
    """All that is rendered for a model with this description in both places that have one."""
    model = node({
        "interfaces": [{"index": 1, "ipv4": ["10.0.0.1/30"], "description": description}],
        "bgp": {"as": 65000, "neighbors": [{"peer": "10.0.0.2", "remote_as": 65001, "description": description}]},
    })  # fmt: skip
    rendered = render(model, system)
    texts = [rendered] if isinstance(rendered, str) else list(rendered.values())
    return [line for each in texts for line in each.splitlines()]


@given(TEXTS, st.sampled_from([name for name in SYSTEMS if name not in {"junos", "nxos-json"}]))
def test_a_description_is_in_its_own_lines_and_changes_no_other(description, system):
    try:
        found = lines(system, description)
    except KitError:
        return
    if not description:
        return
    wanted = [line.replace("a word", description) for line in lines(system, "a word")]
    assert found == wanted


@given(TEXTS)
def test_a_description_is_what_a_reader_of_xml_reads(description):
    try:
        root = ElementTree.fromstring("\n".join(lines("junos", description)))
    except KitError:
        return
    assert (root.findtext("interfaces/interface/description") or "") == description
    assert (root.findtext("protocols/bgp/group/neighbor/description") or "") == description
    assert len(root.findall("interfaces/interface/")) == (3 if description else 2)


@given(TEXTS)
def test_a_host_name_is_refused_or_is_one_word(name):
    try:
        model = node({"hostname": name})
    except KitError:
        return
    assert render(model, "ios") == f"hostname {name}\n!\n"
    assert set(name) <= set(string.ascii_letters + string.digits + "-")


@pytest.mark.parametrize(
    "raw", ["</configuration><configuration>", "<a>", "<!DOCTYPE x [<!ENTITY e 'x'>]>", "<?php x?>", "&e;", "<a b=c/>"]
)
def test_junos_text_of_the_authors_that_is_not_xml_is_refused(raw):
    with pytest.raises(KitError, match=r"raw\.junos is not XML"):
        render(node({"raw": {"junos": raw}}), "junos")


@pytest.mark.parametrize(
    ("system", "sign"), [("frr", "|"), ("eos", "|"), ("ios", "|"), ("nxos", ">"), ("nxos-json", "<")]
)
def test_a_sign_that_one_system_misreads_is_refused_for_that_one_alone(system, sign):
    model = node({"interfaces": [{"index": 1, "description": f"a {sign} b"}]})
    with pytest.raises(KitError, match="misreads"):
        render(model, system)
    assert f"a {sign} b" in render(model, "ifupdown")
