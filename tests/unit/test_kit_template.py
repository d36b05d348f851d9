"""NAPALM's templates: what they can ask for, and how they fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.kit.models import FULL

from labwright.errors import Cause, LabwrightError
from labwright.kit import KitError, load_node, napalm_template, render


def made(text: str, driver: str = "eos", **context: Any) -> str:
    return napalm_template(text, lambda _: FULL, {"driver": driver} | context, "hub-eos.j2")


def test_a_template_renders_a_model_for_the_driver_that_gets_it() -> None:
    assert made('{{ render("model.yaml") }}') == render(FULL, "eos")
    assert made('{{ render("model.yaml") }}', "junos") == render(FULL, "junos")
    assert made('{{ render("model.yaml") }}', "nxos_ssh") == render(FULL, "nxos")
    assert made('{{ render("model.yaml", "ios") }}') == render(FULL, "ios")


def test_a_template_includes_parts_of_a_model_among_its_own_lines() -> None:
    text = '! mine {{ stage }}\n{% set node = model("model.yaml") %}\n{% include "interfaces" %}\n! end\n'
    found = made(text, stage=2)
    assert found.startswith("! mine 2\n")
    assert "interface Ethernet1\n" in found
    assert found.endswith("! end\n")
    assert "router bgp" not in found
    assert "interface Ethernet1\n" in made('{% include "interfaces" %}', node=FULL)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("line\n{{ nosuch }}", "hub-eos.j2:2: 'nosuch' is undefined"),
        ("line\n\n{% if %}", "hub-eos.j2:3: "),
        ("\n{{ 1 / 0 }}", "hub-eos.j2:2: division by zero"),
        ("\n{{ 'a' + 1 }}", "hub-eos.j2:2: "),
        ('{% include "interfaces" %}', "hub-eos.j2:1: .*needs a node"),
        ('\n{% include "/etc/passwd" %}', "hub-eos.j2:2: there is no '/etc/passwd'"),
        ('\n{% include "hub-eos.j2" %}', "hub-eos.j2:"),
        ('\n{{ render("m", "networkd") }}', "hub-eos.j2:2: networkd has several files"),
        ('\n{{ render("m", "x") }}', "hub-eos.j2:2: there is no rendering for 'x'"),
        ("{{ ''.__class__.__mro__ }}", "hub-eos.j2:1: access to attribute '__class__'"),
        ("{{ render.__globals__ }}", "hub-eos.j2:1: access to attribute '__globals__'"),
        ("{{ range(10000000)|list }}", "hub-eos.j2:1: "),
    ],
)
def test_a_mistake_names_the_templates_file_and_line(text: str, said: str) -> None:
    with pytest.raises(KitError, match=said) as caught:
        made(text)
    assert caught.value.cause is Cause.CONFIG


def test_a_mistake_in_the_model_keeps_the_models_own_place(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text("hostname: hub\nbgp: {as: 0}\n")
    with pytest.raises(LabwrightError, match=r"hub-eos\.j2:2: .*model\.yaml:2: bgp\.as: 0 is not an AS number"):
        napalm_template(
            '\n{{ render("model.yaml") }}', lambda name: load_node(tmp_path / name), {"driver": "eos"}, "hub-eos.j2"
        )


def test_a_value_that_looks_like_a_template_stays_text() -> None:
    assert made("{{ value }}", value="{{ 7 * 7 }}") == "{{ 7 * 7 }}"
