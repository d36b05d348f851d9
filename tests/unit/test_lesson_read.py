"""lesson.meta.yaml: what the platform takes is taken, and all that makes a lesson unusable is said at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support.lessons import META, line_of, write

from labwright.errors import Cause, LabwrightError
from labwright.lesson.read import examine_lesson, read_lesson
from labwright.spec.collection import CollectionSpec
from labwright.spec.curriculum import CurriculumSpec
from labwright.spec.document import examine_document
from labwright.spec.platform_image import PlatformImage


def messages(folder: Path) -> list[str]:
    with pytest.raises(LabwrightError) as caught:
        read_lesson(folder)
    assert caught.value.cause is Cause.CONFIG
    assert caught.value.hint
    return [line.replace(f"{folder}/", "") for line in (caught.value.what, *caught.value.details)]


def changed(tmp_path: Path, old: str, new: str) -> Path:
    assert old in META
    folder = write(tmp_path)
    (folder / "lesson.meta.yaml").write_text(META.replace(old, new, 1), encoding="utf-8")
    return folder


def test_a_good_lesson_is_read(tmp_path):
    lesson = read_lesson(write(tmp_path))
    assert lesson.folder == tmp_path.resolve()
    assert [endpoint.name for endpoint in lesson.spec.endpoints] == ["linux1", "r-1", "leaf1", "srv1"]
    assert lesson.spec.endpoints[2].ports == (22, 830)
    assert lesson.spec.ready_delay == 0
    assert lesson.stage_folder(1) == tmp_path.resolve() / "stage1"
    assert read_lesson(tmp_path / "lesson.meta.yaml") == lesson


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("slug: first-steps", "slug: first-steps-2", 2,
         "slug: a slug has the letters a to z and hyphens, nothing else, as the platform wants it"),
        ("slug: first-steps", 'slug: "first\\n"', 2,
         "slug: a slug has the letters a to z and hyphens, nothing else, as the platform wants it"),
        ("tier: local", "tier: beta", 4, "tier: Input should be 'prod', 'ptr' or 'local'"),
        ("name: First steps", "name:", 1, "name: text is wanted, not nothing"),
        ("port: 22", "port: 70000", 12,
         "endpoints.0.presentations.0.port: Input should be less than or equal to 65535"),
        ("port: 22", "port: '22'", 12, "endpoints.0.presentations.0.port: a number is wanted, not text"),
        ("[22, 830]", "22", 21, "endpoints.2.additionalPorts: a list is wanted, not a number"),
        ("configurationType: napalm", "configurationType: NAPALM junos", 16,
         "endpoints.1.configurationType: 'NAPALM junos' cannot be the name of a driver; napalm, python, ansible are "
         "always there"),
        ("image: frr", "image: registry.example/frr:1", 15,
         "endpoints.1.image: an image is named by its slug: letters, digits and hyphens, without a registry or a "
         "version"),
        ("name: leaf1", "name: linux1", 18, "two endpoints are called 'linux1'"),
        ("name: leaf1", "name: Leaf_1", 18, "'Leaf_1' cannot be an endpoint's name"),
        ("name: leaf1", "name: ../leaf1", 18, "'../leaf1' cannot be an endpoint's name"),
        ("name: leaf1", f"name: {'a' * 64}", 18, f"'{'a' * 64}' cannot be an endpoint's name"),
        ("b: leaf1", "b: leaf", 31, "no endpoint is called 'leaf'; did you mean 'leaf1'?"),
        ("b: leaf1", "b: r-1", 30, "r-1 is connected to itself"),
        ("additionalPorts: [22]", "additionalPorts: []", 14,
         "nobody can reach r-1: it has neither presentations nor additionalPorts"),
        ("guideType: markdown", "guideType: jupyter", 34,
         "there is no stage0/guide.ipynb, which guideType jupyter means; there is guide.md"),
        ("- description: Go on", "- description: Between\n  guideType: markdown\n- description: Go on", 36,
         "there is no stage1/guide.md, which guideType markdown means; there is guide.ipynb"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_its_line(tmp_path, old, new, line, message):
    found = messages(changed(tmp_path, old, new))
    assert f"lesson.meta.yaml:{line}: {message}" in found


def test_a_stage_without_a_folder_is_named(tmp_path):
    folder = changed(
        tmp_path, "  guideType: jupyter\n", "  guideType: jupyter\n- description: End\n  guideType: markdown\n"
    )
    number = line_of((folder / "lesson.meta.yaml").read_text(), "- description: End")
    assert messages(folder) == [f"lesson.meta.yaml:{number}: there is no folder stage2 for this stage"]


def test_all_mistakes_are_reported_at_once(tmp_path):
    folder = changed(tmp_path, "tier: local", "tier: beta\nstages: []")
    assert messages(folder) == [
        "lesson.meta.yaml:4: tier: Input should be 'prod', 'ptr' or 'local'",
        "lesson.meta.yaml:5: stages: the list is empty",
        "lesson.meta.yaml:33: the key 'stages' is there twice: remove one of them",
    ]
    folder = changed(tmp_path, "name: leaf1", "name: r-1")
    (folder / "stage0/guide.md").unlink()
    assert messages(folder) == [
        "lesson.meta.yaml:18: two endpoints are called 'r-1'",
        "lesson.meta.yaml:31: no endpoint is called 'leaf1'",
        "lesson.meta.yaml:34: there is no stage0/guide.md",
    ]


def test_an_unknown_key_does_not_stop_a_lesson_but_is_told_with_its_line(tmp_path):
    folder = changed(tmp_path, "category:", "lessonId: 14\ncategory:")
    text = (
        (folder / "lesson.meta.yaml")
        .read_text()
        .replace("additionalPorts: [22]", "additionalPorts: [22]\n  prots: []", 1)
    )
    (folder / "lesson.meta.yaml").write_text(text)
    assert read_lesson(folder)
    found = [(one.line, one.level, one.kind, one.message) for one in examine_lesson(folder).findings]
    assert found == [
        (3, "warning", "unknown-key", "lessonId: unknown key"),
        (line_of(text, "prots"), "warning", "unknown-key", "endpoints.1.prots: unknown key"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "meant"),
    [
        ("readyDelay", "readydelay: 5", "readyDelay"),
        ("shortDescription", "short_description: x", "shortDescription"),
        ("authors", "author: []", "authors"),
    ],
)
def test_a_misspelt_key_is_told_with_the_one_that_was_meant(tmp_path, old, new, meant):
    folder = changed(tmp_path, "category:", f"{new}\ncategory:")
    (finding,) = examine_lesson(folder).findings
    assert finding.message.endswith(f"unknown key; did you mean {meant!r}?")


# What other people's files have in them, each of which stopped some parser.
CHOKERS = {
    "a first line of dashes": "---\n" + META,
    "no line's end at the end": META.rstrip("\n"),
    "spaces at ends of lines": META.replace("\n", "   \n"),
    "line ends of Windows": META.replace("\n", "\r\n"),
    "a byte order mark": "\ufeff" + META,
    "quotes that are not ASCII": META.replace(
        "Two routers and a computer", "\u201cRouters\u201d of the learner\u2019s"
    ),
    "comments in a list": META.replace(
        "stages:\n", "prereqs:\n  # - python\n  - yaml\nstages:\n  # - description: old\n"
    ),
    "a list with nothing in it but a comment": META.replace("stages:\n", "prereqs:\n  # - python\nstages:\n"),
    "keys with nothing after them": META.replace("stages:\n", "diagram:\ntags:\nvideo: \nauthors:\nstages:\n"),
    "a list without indentation": META.replace("stages:\n", "tags:\n- a\n- b c\nstages:\n"),
    "a key of the platform's version": META + "aVer: 0.6.0\n",
    "a folded text": META.replace("Two routers and a computer", "|\n  Two routers\n\n  and: a computer\n"),
}


@pytest.mark.parametrize("text", CHOKERS.values(), ids=CHOKERS.keys())
def test_what_stops_strict_parsers_is_read(tmp_path, text):
    folder = write(tmp_path)
    (folder / "lesson.meta.yaml").write_bytes(text.encode())
    spec = read_lesson(folder).spec
    assert len(spec.endpoints) == 4
    assert spec.stages[1].guide_type == "jupyter"


def test_a_text_that_yaml_takes_for_a_number_is_the_text_as_it_is_written(tmp_path):
    folder = changed(tmp_path, "category:", "tags: [2020, 1.10, yes, 0x1f, 12:30, 2001-12-01]\ncategory:")
    assert read_lesson(folder).spec.tags == ("2020", "1.10", "yes", "0x1f", "12:30", "2001-12-01")


@pytest.mark.parametrize(
    ("model", "text", "expected"),
    [
        (CurriculumSpec, "name: x\naVer: 0.6\ngitRoot: https://x.example", {"platform_version": "0.6"}),
        (CollectionSpec, "---\nslug: a\ntitle: A\nbriefDescription: |\n    b\nlongDescription: c\ntier: prod\ntype: x",
         {"brief_description": "b\n", "image": None}),
        (PlatformImage, "slug: frr\nsshUser: root\nnetworkInterfaces: [net1]", {"ssh_user": "root",
         "config_user": "antidote", "network_interfaces": ("net1",)}),
        (PlatformImage, "slug: frr\nbuild:\n  type: debian\n  unknown: 1", {"flavor": "trusted"}),
    ],
)  # fmt: skip
def test_the_other_files_of_a_curriculum_are_read(tmp_path, model, text, expected):
    (tmp_path / "x.yaml").write_text(text)
    reading = examine_document(tmp_path / "x.yaml", model, absent="", help_="")
    assert (reading.mistakes, reading.warnings) == ((), ())
    assert {key: getattr(reading.document.value, key) for key in expected} == expected


def test_a_password_of_digits_is_its_digits_and_in_no_repr(tmp_path):
    (tmp_path / "x.yaml").write_text("slug: frr\nsshPassword: 0123\nconfigPassword: ''\n")
    reading = examine_document(tmp_path / "x.yaml", PlatformImage, absent="", help_="")
    assert [remark.line for remark in reading.mistakes] == [3]
    (tmp_path / "x.yaml").write_text("slug: frr\nsshPassword: 0123\n")
    value = examine_document(tmp_path / "x.yaml", PlatformImage, absent="", help_="").document.value
    assert value.ssh_password.get_secret_value() == "0123"
    assert "0123" not in repr(value)


def test_the_management_interface_is_no_data_interface(tmp_path):
    (tmp_path / "x.yaml").write_text("slug: frr\nnetworkInterfaces: [eth0, eth1]\n")
    reading = examine_document(tmp_path / "x.yaml", PlatformImage, absent="", help_="")
    assert [remark.what for remark in reading.mistakes] == [
        "networkInterfaces: eth0 is the management interface; list only the interfaces after it"
    ]


def test_a_folder_without_a_lesson_is_named(tmp_path):
    assert messages(tmp_path) == ["lesson.meta.yaml:1: there is no lesson.meta.yaml"]


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
KEYS = st.sampled_from(
    [*META.replace("- ", "").replace(" ", "").replace("\n", ":").split(":"), "collection", "prereqs"]
)
VALUES = st.recursive(SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=5))


@given(st.dictionaries(KEYS, VALUES, max_size=12))
def test_no_yaml_of_any_shape_brings_a_traceback(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "lesson.meta.yaml").write_text(yaml.safe_dump(values, allow_unicode=True), "utf-8", "replace")
    assert all(finding.line >= 1 for finding in examine_lesson(folder).findings)
    with pytest.raises(LabwrightError):
        read_lesson(folder)


@given(st.text())
def test_no_text_brings_a_traceback(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "lesson.meta.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(LabwrightError):
        read_lesson(folder)


@given(st.integers(0, len(META)), st.integers(0, 30), st.text(alphabet="\n :-[]{}#&*!|>'\"%@`a1\t\u201c", max_size=6))
def test_no_damage_to_a_good_lesson_brings_a_traceback(tmp_path_factory, start, length, put):
    folder = write(tmp_path_factory.mktemp("fuzz"))
    (folder / "lesson.meta.yaml").write_text(META[:start] + put + META[start + length :])
    examined = examine_lesson(folder)
    assert examined.lesson or examined.findings
