"""The drawing of a lesson: every endpoint and link is in it, at the right interface, whatever their names are."""

from __future__ import annotations

import json
import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.lessons import META, write
from typer.testing import CliRunner

from labwright.cli.app import app
from labwright.lesson.graph import Area, Link, draw, links
from labwright.lesson.read import read_lesson
from labwright.spec.lesson import Connection, LessonSpec

SVG = "{http://www.w3.org/2000/svg}"


def lesson(names: list[str], pairs: list[tuple[str, str]], subnet: str | None = None) -> LessonSpec:
    return LessonSpec.model_validate(
        {
            "name": "x", "slug": "x", "category": "tools", "tier": "local", "description": "x", "shortDescription": "x",
            "endpoints": tuple({"name": name, "image": "frr", "additionalPorts": (22,)} for name in names),
            "connections": tuple({"a": a, "b": b, "subnet": subnet} for a, b in pairs),
            "stages": ({"description": "x", "guideType": "markdown"},),
        }
    )  # fmt: skip


def texts(svg: str, kind: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter(f"{SVG}text") if each.get("class") == kind]


def areas(svg: str, kind: str) -> list[Area]:
    found = []
    for each in ElementTree.fromstring(svg).iter(f"{SVG}rect"):
        if each.get("class") == kind:
            x, y, width, height = (float(each.get(key, "nan")) for key in ("x", "y", "width", "height"))
            found.append(Area((x + width / 2, y + height / 2), width, height))
    return found


def test_an_endpoint_s_first_connection_is_its_interface_1_and_parallel_ones_are_two():
    connections = tuple(Connection(a=a, b=b) for a, b in (("r1", "r2"), ("r3", "r1"), ("r2", "r1"), ("r1", "r2")))
    assert links(connections) == (
        Link("r1", 1, "r2", 1, None),
        Link("r3", 1, "r1", 2, None),
        Link("r2", 2, "r1", 3, None),
        Link("r1", 4, "r2", 3, None),
    )


def test_every_endpoint_link_interface_and_subnet_is_drawn(tmp_path):
    svg = draw(read_lesson(write(tmp_path)).spec)
    assert texts(svg, "name") == ["linux1", "r-1", "leaf1", "srv1"]
    assert texts(svg, "image") == ["utility", "frr", "frr", "utility"]
    assert sorted(texts(svg, "interface")) == ["1", "1", "1", "2"]
    assert texts(svg, "subnet") == ["192.0.2.0/30"]
    assert len(re.findall('<path class="link"', svg)) == 2


def test_the_same_lesson_is_the_same_drawing(tmp_path):
    spec = read_lesson(write(tmp_path)).spec
    assert draw(spec) == draw(LessonSpec.model_validate(spec.model_dump(by_alias=True)))


def test_nothing_is_fetched_and_nothing_runs(tmp_path):
    svg = draw(read_lesson(write(tmp_path)).spec)
    assert not re.search(r"href|url\(|@import|<script|<image|on[a-z]+=", svg)
    assert re.findall(r"https?://[^\"]+", svg) == ["http://www.w3.org/2000/svg"]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 12])
def test_no_box_covers_another_and_no_label_covers_anything(count):
    names = [f"router-number-{number}" for number in range(count)]
    ring = [(names[number], names[(number + 1) % count]) for number in range(count)] if count > 2 else []
    twice = [(names[0], names[1]), (names[1], names[0])] if count > 1 else []
    svg = draw(lesson([*names, "alone", "other"], [*ring, *twice, *twice], "2001:db8::/64"))
    drawn = [*areas(svg, "box"), *areas(svg, "label")]
    assert len(drawn) == count + 2 + 3 * (len(ring) + 2 * len(twice))
    for one, other in combinations(drawn, 2):
        # What is written to a tenth of a pixel may seem to touch.
        assert not Area(one.at, one.width - 0.3, one.height - 0.3).overlaps(other)


def test_everything_is_within_the_frame():
    svg = draw(lesson(["a", "b", "c"], [("a", "b")] * 5 + [("b", "c")]))
    left, top, width, height = map(float, ElementTree.fromstring(svg).get("viewBox", "").split())
    for area in (*areas(svg, "box"), *areas(svg, "label")):
        assert left <= area.at[0] - area.width / 2
        assert area.at[0] + area.width / 2 <= left + width
        assert top <= area.at[1] - area.height / 2
        assert area.at[1] + area.height / 2 <= top + height


@settings(max_examples=60)
@given(
    st.lists(st.text(max_size=60), min_size=1, max_size=6, unique=True),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=8),
    st.text(max_size=60),
)
def test_any_names_are_valid_xml(names, pairs, subnet):
    # Past the reader, which refuses most of them.
    spec = lesson(["x"], [], None)
    endpoints = tuple(spec.endpoints[0].model_copy(update={"name": name, "image": name}) for name in names)
    connections = tuple(
        Connection.model_construct(a=names[a % len(names)], b=names[b % len(names)], subnet=subnet) for a, b in pairs
    )
    svg = draw(spec.model_copy(update={"name": subnet, "endpoints": endpoints, "connections": connections}))
    assert len(texts(svg, "name")) == len(names)


def test_markup_in_a_text_is_text():
    svg = draw(lesson(["a", "b"], [("a", "b")], '</text><script>alert("1")</script>&amp;\x1b[31m'))
    assert texts(svg, "subnet") == ['</text><script>alert("1")</script>&amp;']


def test_the_command_prints_the_drawing_writes_it_or_says_it_as_json(tmp_path):
    folder = str(write(tmp_path / "lesson"))
    printed = CliRunner().invoke(app, ["lesson", "graph", folder])
    assert ElementTree.fromstring(printed.stdout).tag == f"{SVG}svg"
    written = CliRunner().invoke(app, ["lesson", "graph", folder, "--out", str(tmp_path / "x.svg")])
    assert (written.exit_code, written.stdout) == (0, "")
    assert (tmp_path / "x.svg").read_text() == printed.stdout
    facts = json.loads(CliRunner().invoke(app, ["lesson", "graph", folder, "--json"]).stdout)
    assert facts["nodes"][2] == {"name": "leaf1", "image": "frr", "ports": [22, 830]}
    assert facts["links"][1] == {"a": "r-1", "a_interface": 2, "b": "leaf1", "b_interface": 1, "subnet": None}


def test_a_lesson_with_a_mistake_is_not_drawn(tmp_path):
    write(tmp_path, {"lesson.meta.yaml": META.replace("b: leaf1", "b: leaf9")})
    done = CliRunner().invoke(app, ["lesson", "graph", str(tmp_path), "--json"])
    assert done.exit_code == 2
    assert "no endpoint is called 'leaf9'" in done.stdout
