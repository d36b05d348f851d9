"""The kit's model of a node: mistakes are named with file and line, and no value breaks out of its place."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support.builds import REPOSITORY

from labwright.errors import LabwrightError
from labwright.kit import load_node, napalm_template, node, render
from labwright.kit.errors import KitError

SYSTEMS = ("ifupdown", "networkd", "networkmanager", "frr", "junos", "eos", "ios", "nxos", "nxos-json")
ROUTER = {
    "hostname": "r1",
    "interfaces": [
        {"index": 1, "description": "to r2", "ipv4": ["10.0.0.1/30"], "ipv6": ["2001:db8::1/64"], "mtu": 1400},
        {"index": 2, "enabled": False},
        {"loopback": 0, "ipv4": ["10.1.1.1/32"]},
    ],
    "bgp": {"as": 65000, "neighbors": [{"peer": "10.0.0.2", "remote_as": 65001}], "networks": ["10.1.1.1/32"]},
    "ospf": {"areas": {"0": {"interfaces": [1], "loopbacks": [0]}}},
}


def text(data: dict, system: str, names: list[str] | None = None) -> str:
    rendered = render(node(data), system, names)
    return rendered if isinstance(rendered, str) else "\n".join(f"{place}\n{body}" for place, body in rendered.items())


@pytest.mark.parametrize(
    ("system", "lines"),
    [
        ("ifupdown", ["iface eth1 inet static", "    address 10.0.0.1/30", "    address 2001:db8::1/64"]),
        ("networkd", ["Name=eth1", "MTUBytes=1400", "Address=10.0.0.1/30", "ActivationPolicy=always-down"]),
        ("networkmanager", ["interface-name=eth1", "address1=10.0.0.1/30", "mtu=1400"]),
        ("frr", ["interface eth1", " ip address 10.0.0.1/30", " ip ospf area 0.0.0.0", "router bgp 65000",
                 " neighbor 10.0.0.2 remote-as 65001", "  network 10.1.1.1/32"]),
        ("eos", ["interface Ethernet1", " no switchport", " ip address 10.0.0.1/30", "router bgp 65000", " shutdown"]),
        ("ios", ["interface GigabitEthernet0/1", " ip address 10.0.0.1 255.255.255.252", " ip ospf 1 area 0.0.0.0",
                 "  network 10.1.1.1 mask 255.255.255.255"]),
        ("nxos", ["feature bgp", "feature ospf", "interface Ethernet1/1", "router bgp 65000"]),
    ],
)  # fmt: skip
def test_a_system_is_rendered_in_its_own_words(system, lines):
    rendered = text(ROUTER, system).splitlines()
    for line in lines:
        assert line in rendered, "\n".join(rendered)


def test_junos_is_xml_with_what_the_model_says():
    root = ElementTree.fromstring(text(ROUTER, "junos"))
    assert root.tag == "configuration"
    assert root.findtext("system/host-name") == "r1"
    interface = root.find("interfaces/interface[name='ge-0/0/0']")
    assert interface is not None
    assert interface.findtext("unit/family/inet/address/name") == "10.0.0.1/30"
    assert root.findtext("protocols/bgp/group/neighbor/peer-as") == "65001"
    assert root.find("interfaces/interface[name='ge-0/0/1']/disable") is not None


def test_nxos_json_is_json():
    assert json.loads(text(ROUTER, "nxos-json"))


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_names_that_are_given_are_used(system):
    data = {"interfaces": [{"index": 2, "ipv4": ["10.0.0.1/30"]}]}
    rendered = text(data, system, ["enp0s3f1", "enp0s3f2"])
    assert "enp0s3f2" in rendered
    assert "enp0s3f1" not in rendered


@given(
    st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=40), st.sampled_from(SYSTEMS)
)  # fmt: skip
def test_no_description_breaks_out_of_its_place(description, system):
    plain = {"interfaces": [{"index": 1, "ipv4": ["10.0.0.1/30"], "description": "x"}]}
    data = {"interfaces": [{"index": 1, "ipv4": ["10.0.0.1/30"], "description": description}]}
    try:
        rendered = text(data, system)
    except LabwrightError:
        return
    if system == "junos":
        found = ElementTree.fromstring(rendered).findtext("interfaces/interface/description")
        assert (found or "") == description
    elif system == "nxos-json":
        assert json.loads(rendered)
    else:
        extra = 0 if description else 1
        assert len(text(plain, system).splitlines()) - len(rendered.splitlines()) in {0, extra}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"hostname": "two words"}, "host name"),
        ({"hostnme": "r1"}, "hostnme"),
        ({"interfaces": [{"index": 1}, {"index": 1}]}, "index 1 is there twice"),
        ({"interfaces": [{"index": 1, "ipv4": ["10.0.0.0/24"]}]}, "address of the network"),
        ({"interfaces": [{"index": 1, "ipv4": ["10.0.0.1"]}]}, "prefix length"),
        ({"interfaces": [{"index": 1, "description": 'a "quote"'}]}, "description"),
        ({"interfaces": [{"index": 1, "description": "a\nline"}]}, "description"),
        ({"interfaces": [{"index": 1, "loopback": 0}]}, "index or a loopback"),
        ({"bgp": {"as": 0}}, "AS number"),
        ({"bgp": {"as": 2**32}}, "AS number"),
        ({"ospf": {"areas": {"0": {"interfaces": [3]}}}}, "index 3"),
        ({"raw": {"winbox": "x"}}, "winbox"),
    ],
)
def test_a_mistake_in_a_model_is_named_with_its_line(tmp_path, change, word):
    path = tmp_path / "r1.yaml"
    path.write_text(yaml.safe_dump({"hostname": "r1"} | change))
    with pytest.raises(LabwrightError) as caught:
        load_node(path)
    said = "\n".join([caught.value.what, *caught.value.details])
    assert re.search(rf"{path}:\d+: ", said), said
    assert word in said


def loader(data: dict):
    return lambda _: node(data)


def test_a_template_renders_the_model_beside_its_own_lines():
    said = napalm_template('{{ render("r1.yaml") }}ntp server 192.0.2.1\n', loader(ROUTER), {"driver": "eos"})
    assert "interface Ethernet1\n" in said
    assert said.endswith("ntp server 192.0.2.1\n")


def test_a_template_takes_the_parts_it_wants():
    said = napalm_template(
        '{% set node = model("r1.yaml") %}\n{% include "interfaces" %}\n', loader(ROUTER), {"driver": "ios"}
    )
    assert "interface GigabitEthernet0/1" in said
    assert "router bgp" not in said


@pytest.mark.parametrize(
    ("template", "line", "word"),
    [
        ("a\n{{ nothing }}\n", 2, "nothing"),
        ("a\nb\n{% if %}\n", 3, ""),
        ("{{ ''.__class__.__mro__ }}", 1, "unsafe"),
        ("{% include '/etc/passwd' %}", 1, "to include"),
        ("\n{{ 1 / 0 }}", 2, "division"),
    ],
)
def test_a_template_that_fails_is_named_with_its_line(template, line, word):
    with pytest.raises(KitError) as caught:
        napalm_template(template, loader(ROUTER), {"driver": "eos"}, "r1-eos.j2")
    assert caught.value.what.startswith(f"r1-eos.j2:{line}: ")
    assert word in caught.value.what


EXPECT = "from labwright.kit import expect\n"


@pytest.mark.parametrize(
    ("script", "code", "printed"),
    [
        ("expect.that(1 < 2, 'numbers are in order')", 0, "ok: numbers are in order"),
        ("expect.that(2 < 1, 'numbers are in order', 'seen')", 1, "FAIL: numbers are in order: seen"),
        ("expect.equal(1, 2)\nprint('and on')", 1, "and on"),
        ("expect.equal(1, 2)\nraise SystemExit(0)", 1, "FAIL: "),
        ("import sys\nexpect.that(True, 'fine')\nsys.exit(3)", 3, "ok: fine"),
        ("expect.eventually(lambda: False, 'it comes', timeout=0.2)", 1, "FAIL: it comes"),
    ],
)
def test_a_check_ends_as_what_was_expected_says(tmp_path, script, code, printed):
    path = tmp_path / "check.py"
    path.write_text(EXPECT + script)
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert printed in done.stdout


def code_blocks(page: str) -> list[str]:
    """The indented blocks of a page of the docs."""
    blocks: list[list[str]] = [[]]
    for line in (REPOSITORY / "docs" / page).read_text().splitlines():
        if line.startswith("    ") or (blocks[-1] and not line):
            blocks[-1].append(line[4:])
        elif blocks[-1]:
            blocks.append([])
    return ["\n".join(block).strip() + "\n" for block in blocks if block]


@pytest.mark.parametrize("block", [block for block in code_blocks("kit.md") if block.startswith("from labwright")])
def test_a_script_of_the_page_is_python_with_names_that_are_there(block):
    compile(block, "kit.md", "exec")
    for name in re.findall(r"\bhost\.([a-z_]+)\(", block):
        from labwright.kit import Host

        assert callable(getattr(Host, name))


def test_the_model_of_the_page_is_one(tmp_path):
    block = next(block for block in code_blocks("kit.md") if block.startswith("hostname:"))
    path = Path(tmp_path, "r2.yaml")
    path.write_text(block)
    for system in ("ifupdown", "networkd", "networkmanager", "frr", "junos", "eos", "ios", "nxos", "nxos-json"):
        assert render(load_node(path), system)


@pytest.mark.parametrize("block", [block for block in code_blocks("kit.md") if block.startswith(("{{", "{%"))])
def test_a_template_of_the_page_renders(block):
    assert "Ethernet1" in napalm_template(block, loader(ROUTER), {"driver": "eos"})
