"""labwright lesson validate: one fault a lesson, and each is found at its place; a good lesson has none."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lessons import FILES, META, line_of, write

from labwright.errors import Cause, LabwrightError
from labwright.lesson.compiler import Compiler
from labwright.lesson.files import check_files
from labwright.lesson.finding import Finding
from labwright.lesson.select import present
from labwright.lesson.validate import validate
from labwright.lesson.validate_configuration import driver_of, names_tried
from labwright.lesson.validate_content import (
    LARGEST,
    notebook_mistakes,
    playbook_mistakes,
    templates,
    xml_mistakes,
)
from labwright.spec.lesson import NAPALM_DRIVERS, EndpointSpec

XML = '<configuration operation="replace">\n  <system/>\n</configuration>\n'


@pytest.fixture(scope="module")
def python_mistakes():
    with Compiler(1000) as compiler:
        yield compiler.mistakes


def said(folder: Path, finding: Finding) -> tuple[str, str, str, int]:
    return finding.level, finding.kind, finding.path.relative_to(folder).as_posix(), finding.line


def test_nothing_is_found_in_a_good_lesson(tmp_path):
    report = validate(write(tmp_path))
    assert report.findings == ()
    assert (report.lessons, report.stages, report.endpoints, report.connections) == (1, 2, 4, 2)
    assert report.passes(strict=True)


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        # Which file configures what.
        ({"stage0/configs/leaf1.py": None}, ("error", "configuration", "lesson.meta.yaml", 20),
         "nothing configures leaf1 in stage0: there is no stage0/configs/leaf1.py"),
        ({"stage1/configs/srv1.yml": None}, ("error", "configuration", "lesson.meta.yaml", 24),
         "there is no stage1/configs/srv1.yml"),
        ({"stage1/configs/r-1-frr.txt": None}, ("error", "configuration", "lesson.meta.yaml", 16),
         "there is no stage1/configs/r-1-DRIVER.txt, where DRIVER is one of eos, frr, ios, iosxr, iosxr_netconf,"),
        ({"stage0/configs/r-1-junos.txt": "system;\n"}, ("error", "configuration", "lesson.meta.yaml", 16),
         "stage0/configs has 2 files for r-1: r-1-frr.txt, r-1-junos.txt"),
        # Files that nearly are.
        ({"stage0/configs/linux1.py": "x = 1\n"}, ("warning", "unused", "stage0/configs/linux1.py", 1),
         "no endpoint takes this file, though one is called linux1"),
        ({"stage0/configs/leaf2.py": "x = 1\n"}, ("warning", "unused", "stage0/configs/leaf2.py", 1),
         "no endpoint is called 'leaf2': nothing takes this file; did you mean leaf1.py?"),
        ({"stage0/configs/spine-junos.txt": "x;\n"}, ("warning", "unused", "stage0/configs/spine-junos.txt", 1),
         "no endpoint is called 'spine': nothing takes this file"),
        ({"stage0/configs/r-2-frr.txt": "x\n"}, ("warning", "unused", "stage0/configs/r-2-frr.txt", 1),
         "no endpoint is called 'r-2': nothing takes this file; did you mean r-1-frr.txt?"),
        ({"stage0/configs/srv1.py": "x = 1\n"}, ("warning", "unused", "stage0/configs/srv1.py", 1),
         "no endpoint takes this file, though one is called srv1"),
        ({"stage7/guide.md": "x"}, ("warning", "undeclared-stage", "lesson.meta.yaml", 32),
         "there is a folder stage7, but the last stage is stage1"),
        ({"stage01/guide.md": "x"}, ("warning", "undeclared-stage", "lesson.meta.yaml", 32), "a folder stage01"),
        # What is in them.
        ({"stage0/configs/leaf1.py": "x = 1\nprint 'x'\n"}, ("error", "python", "stage0/configs/leaf1.py", 2),
         "not Python 3: Missing parentheses"),
        ({"stage0/configs/lib/tools.py": "\nreturn 1\n"}, ("warning", "python", "stage0/configs/lib/tools.py", 2),
         "not Python 3: 'return' outside function"),
        ({"stage0/configs/leaf1.py": ""}, ("warning", "empty", "stage0/configs/leaf1.py", 1), "the file is empty"),
        ({"stage0/configs/srv1.yml": "- hosts: [all\n"}, ("error", "playbook", "stage0/configs/srv1.yml", 2),
         "not YAML"),
        ({"stage0/configs/srv1.yml": "# plays\nhosts: all\n"}, ("error", "playbook", "stage0/configs/srv1.yml", 2),
         "not a playbook: it is not a list"),
        ({"stage0/configs/r-1-frr.txt": None, "stage0/configs/r-1-junos.txt": XML.replace("<system/>", "<system>")},
         ("error", "xml", "stage0/configs/r-1-junos.txt", 3), "not well-formed XML: mismatched tag"),
        ({"stage0/configs/r-1-frr.txt": None,
          "stage0/configs/r-1-junos.txt": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>\n<a>&b;</a>\n'},
         ("error", "xml", "stage0/configs/r-1-junos.txt", 1), "it has a document type"),
        ({"stage0/configs/r-1-frr.txt": "hostname r-1\nip address {{ mgmt_addr }}\n"},
         ("warning", "template", "stage0/configs/r-1-frr.txt", 2), "{{ mgmt_addr }} is left of a template"),
        ({"stage0/configs/r-1-frr.txt": "{% if x %}\n"}, ("warning", "template", "stage0/configs/r-1-frr.txt", 1),
         "{% if x %} is left of a template"),
        # Guides.
        ({"stage1/guide.ipynb": "{\n'cells': []}"}, ("error", "guide", "stage1/guide.ipynb", 2),
         "not a notebook: not JSON"),
        ({"stage1/guide.ipynb": "[]"}, ("error", "guide", "stage1/guide.ipynb", 1), "it has no list of cells"),
        ({"stage0/guide.md": " \n"}, ("warning", "guide", "stage0/guide.md", 1), "the guide is empty"),
        ({"stage0/guide.md": None}, ("error", "guide", "lesson.meta.yaml", 34), "there is no stage0/guide.md"),
        # The description.
        ({"lesson.meta.yaml": META + "diagram: topology.png\n"}, ("warning", "file", "lesson.meta.yaml", 37),
         "diagram: there is no file topology.png"),
        ({"lesson.meta.yaml": META + "lessonId: 3\n"}, ("warning", "unknown-key", "lesson.meta.yaml", 37), "lessonId"),
        ({"lesson.meta.yaml": META.replace("tier: local", "tier: x")}, ("error", "meta", "lesson.meta.yaml", 4),
         "tier: Input should be 'prod', 'ptr' or 'local'"),
        ({"lesson.meta.yaml": META.replace("    type: ssh\n", "    type: ssh\n  - {name: cli, port: 8, type: http}\n")},
         ("warning", "endpoint", "lesson.meta.yaml", 10), "two presentations of linux1 are called 'cli'"),
    ],
)  # fmt: skip
def test_a_fault_is_found_where_it_is(tmp_path, change, place, words):
    folder = write(tmp_path, {name: text for name, text in (FILES | change).items() if text is not None})
    (finding,) = validate(folder).findings
    assert said(folder, finding) == place
    assert words in finding.message
    assert finding.remedy


@pytest.mark.parametrize(
    "change",
    [
        {"stage0/configs/lessontools.py": "def copy(): pass\n"},
        {"stage0/configs/push-initech.sh": "#!/bin/sh\n"},
        {"stage0/configs/leaf1/frr.conf": "x\n"},
        {"stage0/configs/leaf1.conf": "x\n"},
        {"stage0/configs/leaf1.yml": "a: b\n"},
        {"stage0/configs/inventory.txt": "x\n"},
        {"stage0/configs/daemons": "zebra=yes\n"},
        {"stage0/configs/vars.yml": "{{ x }}: [\n"},
        {"stage0/other.py": "print 'for learners to mend'\n"},
        {"stage0/configs/r-1-frr.txt": "interfaces {\n  xe-0/0/0 { unit 0 { family inet; }}\n}\n{{\n}}\n"},
        {"stage0/configs/srv1.yml": "- hosts: all\n  vars:\n    a: !vault |\n      1\n    b: '{{ a }}'\n"},
        {"stage0/configs/leaf1.py": "print(f'{{x}}')  # {{ y }}\n"},
        {"stages/x": "", "stagehand/x": "", "stage": ""},
        {"lesson.meta.yaml": META + "diagram: https://www.example.com/x.png\n"},
        {"lesson.meta.yaml": META + "diagram: images/x.png\n", "images/x.png": ""},
    ],
)
def test_what_is_good_raises_no_alarm(tmp_path, change):
    assert validate(write(tmp_path, FILES | change)).findings == ()


def test_a_missing_file_is_looked_for_where_people_put_it(tmp_path):
    folder = write(tmp_path)
    (folder / "stage0/configs/leaf1.py").rename(folder / "stage0/leaf1.py")
    (folder / "stage1/configs/r-1-frr.txt").rename(folder / "stage1/configs/r1-frr.txt")
    remedies = [finding.remedy for finding in validate(folder).findings if finding.level == "error"]
    assert remedies == ["is stage1/configs/r1-frr.txt meant for it? then rename it", "move stage0/leaf1.py there"]


def test_links_that_lead_astray_are_found_and_what_they_lead_to_is_not_read(tmp_path):
    folder = write(tmp_path / "lesson")
    (tmp_path / "secret.py").write_text("print 'x'")
    (folder / "stage0/configs/leaf1.py").unlink()
    (folder / "stage0/configs/leaf1.py").symlink_to(tmp_path / "secret.py")
    (folder / "data").symlink_to("/etc")
    (folder / "gone").symlink_to("nowhere")
    (folder / "circle").symlink_to("circle")
    (folder / "there").symlink_to(tmp_path / "not" / "yet")
    (folder / "good").symlink_to("stage0")
    found = {said(folder, finding)[1:3]: (finding.level, finding.message) for finding in validate(folder).findings}
    assert {name for _, name in found} == {"stage0/configs/leaf1.py", "data", "gone", "circle", "there"}
    assert found["link", "data"] == ("error", "this link leads out of the lesson, to /etc")
    assert found["link", "there"][0] == "error"
    assert (found["link", "gone"][0], found["link", "circle"][0]) == ("warning", "warning")
    assert ("link", "stage0/configs/leaf1.py") in found
    assert len(found) == 5


def test_pipes_folders_and_large_files_do_not_keep_us(tmp_path):
    folder = write(tmp_path)
    for name in ("stage0/guide.md", "stage0/configs/leaf1.py", "stage1/configs/leaf1.py"):
        (folder / name).unlink()
    os.mkfifo(folder / "stage0/guide.md")
    (folder / "stage0/configs/leaf1.py").mkdir()
    (folder / "stage1/configs/leaf1.py").write_bytes(b"#" * (LARGEST + 1))
    kinds = sorted(said(folder, finding)[:3] for finding in validate(folder).findings)
    assert kinds == [
        ("error", "configuration", "lesson.meta.yaml"),
        ("error", "guide", "lesson.meta.yaml"),
        ("warning", "size", "stage1/configs/leaf1.py"),
    ]


def test_everything_is_found_at_once_and_sorted(tmp_path):
    folder = write(
        tmp_path, FILES | {"stage0/guide.md": "", "lesson.meta.yaml": META + "x: 1\n", "stage0/configs/leaf1.py": "("}
    )
    (folder / "stage1/configs/srv1.yml").unlink()
    places = [said(folder, finding)[2:] for finding in validate(folder).findings]
    assert places == [
        ("lesson.meta.yaml", 24),
        ("lesson.meta.yaml", 37),
        ("stage0/configs/leaf1.py", 1),
        ("stage0/guide.md", 1),
    ]


def test_what_is_wrong_with_a_lesson_s_description_hides_nothing_of_its_files(tmp_path):
    meta = META.replace("tier: local", "tier: x").replace("slug: first-steps\n", "")
    folder = write(tmp_path, FILES | {"lesson.meta.yaml": meta, "stage0/configs/leaf1.py": "(", "stage9/x": ""})
    (folder / "stage0/guide.md").unlink()
    assert [said(folder, finding)[1:3] for finding in validate(folder).findings] == [
        ("meta", "lesson.meta.yaml"),
        ("meta", "lesson.meta.yaml"),
        ("undeclared-stage", "lesson.meta.yaml"),
        ("guide", "lesson.meta.yaml"),
        ("python", "stage0/configs/leaf1.py"),
    ]


def test_a_warning_fails_only_where_it_is_asked_to(tmp_path):
    report = validate(write(tmp_path, FILES | {"stage0/guide.md": ""}))
    assert report.passes()
    assert not report.passes(strict=True)


# A curriculum.

IMAGE = "slug: {}\nflavor: trusted\n"
COLLECTION = "slug: {}\ntitle: x\nbriefDescription: x\nlongDescription: x\ntier: prod\n"


def curriculum(folder: Path, **metas: str) -> Path:
    """A curriculum of good lessons, with more in the description of each."""
    files = {
        "curriculum.meta.yaml": "name: school\naVer: 0.6.0\n",
        "collections/acme/collection.meta.yaml": COLLECTION.format("acme"),
    }
    for image in ("utility", "frr"):
        files[f"images/{image}/image.meta.yaml"] = IMAGE.format(image)
    write(folder, files)
    for name, more in (metas or {"one": "", "two": "prereqs: [one]\n"}).items():
        meta = META.replace("slug: first-steps", f"slug: {name}") + more
        write(folder / "lessons" / name, FILES | {"lesson.meta.yaml": meta})
    return folder


def test_nothing_is_found_in_a_good_curriculum(tmp_path):
    report = validate(curriculum(tmp_path, one="collection: acme\n", two="prereqs: [one]\n"))
    assert report.findings == ()
    assert (report.lessons, report.stages, report.endpoints, report.connections) == (2, 4, 8, 4)
    assert validate(tmp_path / "curriculum.meta.yaml").findings == ()


def test_a_curriculum_without_a_lesson_is_no_good_curriculum(tmp_path):
    """Half a checkout has its images and no lessons: `0 errors and 0 warnings` would be said of it."""
    shutil.rmtree(curriculum(tmp_path) / "lessons")
    (found,) = validate(tmp_path).findings
    assert said(tmp_path, found) == ("warning", "folder", ".", 1)
    assert "no lesson.meta.yaml" in found.message


def test_lessons_are_found_in_folders_that_sort_them(tmp_path):
    curriculum(tmp_path)
    (tmp_path / "lessons/tools").mkdir()
    (tmp_path / "lessons/two").rename(tmp_path / "lessons/tools/two")
    assert (validate(tmp_path).lessons, validate(tmp_path).findings) == (2, ())


@pytest.mark.parametrize(
    ("files", "place", "words"),
    [
        ({"lessons/two/lesson.meta.yaml": META.replace("slug: first-steps", "slug: one")},
         ("error", "slug", "lessons/two/lesson.meta.yaml", 2), "slug: 'one' is also that of"),
        ({"lessons/one/lesson.meta.yaml": META.replace("slug: first-steps", "slug: one") + "prereqs:\n- two\n- tow\n"},
         ("error", "prerequisite", "lessons/one/lesson.meta.yaml", 39),
         "no lesson has the slug 'tow'; did you mean 'two'?"),
        ({"lessons/one/lesson.meta.yaml": META.replace("slug: first-steps", "slug: one") + "collection: acne\n"},
         ("error", "collection", "lessons/one/lesson.meta.yaml", 37),
         "no collection has the slug 'acne'; did you mean 'acme'?"),
        ({"images/x/image.meta.yaml": IMAGE.format("y")}, ("warning", "slug", "images/x/image.meta.yaml", 1),
         "it is 'y', but the folder is called 'x'"),
        ({"images/frr/image.meta.yaml": IMAGE.format("frr") + "sshPaswsord: hunter2\n"},
         ("warning", "unknown-key", "images/frr/image.meta.yaml", 3), "did you mean 'sshPassword'?"),
        ({"images/frr/image.meta.yaml": IMAGE.format("frr") + "sshPassword: [hunter2]\n"},
         ("error", "meta", "images/frr/image.meta.yaml", 3), "not a password that can be used"),
        ({"images/frr/image.meta.yaml": IMAGE.format("frr") + "description: x\nbuild:\n  type: x\n  packges: []\n"},
         ("error", "meta", "images/frr/image.meta.yaml", 6), "build.packges: unknown key; did you mean 'packages'?"),
        ({"collections/acme/collection.meta.yaml": COLLECTION.format("acme").replace("tier: prod", "tier: pro")},
         ("error", "meta", "collections/acme/collection.meta.yaml", 5), "tier"),
        ({"collections/acme/collection.meta.yaml": COLLECTION.format("acme") + "image: acme.png\n"},
         ("warning", "file", "collections/acme/collection.meta.yaml", 6), "image: there is no file acme.png"),
        ({"curriculum.meta.yaml": "nmae: x\nname: x\n"}, ("warning", "unknown-key", "curriculum.meta.yaml", 1),
         "did you mean 'name'?"),
        ({"curriculum.meta.yaml": "aVer: 1\n"}, ("error", "meta", "curriculum.meta.yaml", 1), "name: this key"),
        ({"lessons/three/guide.md": "x"}, ("warning", "folder", "lessons/three", 1), "there is no lesson.meta.yaml"),
        ({"collections/other/x": ""}, ("warning", "folder", "collections/other", 1), "there is no collection"),
    ],
)  # fmt: skip
def test_a_fault_of_a_curriculum_is_found_where_it_is(tmp_path, files, place, words):
    folder = write(curriculum(tmp_path, one="", two=""), files)
    if "slug: one" in files.get("lessons/one/lesson.meta.yaml", ""):
        assert validate(folder).lessons == 2
    found = validate(folder).findings
    assert [said(folder, finding) for finding in found] == [place]
    assert words in found[0].message
    assert "hunter2" not in str(found)


def test_images_from_elsewhere_and_images_without_a_description_are_told_once_a_lesson(tmp_path):
    folder = curriculum(tmp_path, one="")
    (folder / "images/frr/image.meta.yaml").unlink()
    (folder / "images/utility/image.meta.yaml").unlink()
    (folder / "images/utility").rmdir()
    found = validate(folder).findings
    assert [(finding.level, finding.line, finding.message) for finding in found] == [
        ("warning", 9, "the image 'utility' is not in images/"),
        ("warning", 15, "the image 'frr' has a folder, but no image.meta.yaml in it"),
    ]


def test_lessons_that_need_each_other_are_named_with_the_whole_circle(tmp_path):
    folder = curriculum(
        tmp_path, a="prereqs: [b]\n", b="prereqs: [x, c]\n", c="prereqs: [a]\n", x="prereqs: []\n", y="prereqs: [y]\n"
    )
    found = [(said(folder, finding)[2:], finding.message) for finding in validate(folder).findings]
    assert found == [
        (("lessons/a/lesson.meta.yaml", 37), "prereqs: no learner can begin: a needs b needs c needs a"),
        (("lessons/y/lesson.meta.yaml", 37), "prereqs: no learner can begin: y needs y"),
    ]


def test_what_cannot_be_read_hides_no_other_and_is_not_missed_by_those_that_name_it(tmp_path):
    folder = curriculum(tmp_path, one="", two="prereqs: [one]\ncollection: acme\n")
    for name in ("collections/acme/collection.meta.yaml", "images/frr/image.meta.yaml"):
        write(folder, {name: "a: ["})
    write(folder, {"lessons/one/lesson.meta.yaml": "a: [", "lessons/two/stage0/guide.md": ""})
    report = validate(folder)
    assert (report.lessons, report.stages) == (2, 2)
    assert [said(folder, finding)[1:3] for finding in report.findings] == [
        ("meta", "collections/acme/collection.meta.yaml"),
        ("meta", "images/frr/image.meta.yaml"),
        ("meta", "lessons/one/lesson.meta.yaml"),
        ("guide", "lessons/two/stage0/guide.md"),
    ]


def test_what_is_neither_a_lesson_nor_a_curriculum_is_refused(tmp_path):
    with pytest.raises(LabwrightError) as caught:
        validate(tmp_path)
    assert caught.value.cause is Cause.CONFIG


# The pieces.


def endpoint(name: str, kind: str | None) -> EndpointSpec:
    return EndpointSpec(name=name, image="x", configurationType=kind)


@pytest.mark.parametrize(
    ("name", "kind", "names", "expected"),
    [
        ("leaf1", "python", ["xleaf1.py", "leaf1.py", "leaf1xpy", "leaf1.py.bak"], ("leaf1.py",)),
        ("leaf1", "ansible", ["leaf1.yaml", "leaf1.py"], ()),
        ("r", "napalm", ["r-1-junos.txt", "r-1.txt", "r-x.txt"], ()),
        ("r-1", "napalm", ["r-1-junos.txt", "r-1-1.txt"], ("r-1-junos.txt",)),
        ("r-1", "napalm", ["r-1-iosxr_netconf.txt", "r-1-iosxr.txt"], ("r-1-iosxr.txt", "r-1-iosxr_netconf.txt")),
        ("linux1", None, ["linux1.py", "linux1-junos.txt"], ()),
    ],
)
def test_a_file_is_taken_by_its_exact_name_alone(tmp_path, name, kind, names, expected):
    place = tmp_path / "stage0/configs"
    place.mkdir(parents=True)
    for file in names:
        (place / file).touch()
    found = present(tmp_path, names_tried(endpoint(name, kind)), 0)
    assert [file.name for file in found] == sorted(expected, key=len)


def test_a_configuration_type_that_no_plugin_has_is_found_with_those_that_are_there(tmp_path):
    folder = write(tmp_path / "lesson")
    meta = folder / "lesson.meta.yaml"
    meta.write_text(meta.read_text().replace("configurationType: python", "configurationType: pyhton"))
    found = [one for one in validate(folder).findings if one.kind == "configuration"]
    assert [(one.level, one.message) for one in found] == [
        ("error", "no plugin configures endpoints by 'pyhton'; did you mean 'python'?")
    ]
    assert "ansible, napalm, python" in found[0].remedy


def test_a_template_of_napalms_configures_its_endpoint_and_two_files_do_not(tmp_path):
    folder = write(tmp_path / "lesson")
    configs = folder / "stage1/configs"
    (old,) = configs.glob("r-1-*.txt")
    old.rename(old.with_suffix(".j2"))
    assert [one for one in validate(folder).findings if one.kind == "configuration"] == []
    (configs / "r-1-eos.txt").write_text("hostname r-1\n")
    (found,) = [one for one in validate(folder).findings if one.kind == "configuration"]
    assert "stage1/configs has 2 files for r-1" in found.message


@given(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True), st.sampled_from(NAPALM_DRIVERS))
def test_the_driver_is_the_last_field_whatever_the_endpoint_is_called(name, driver):
    file = f"{name}-{driver}.txt"
    assert driver_of(file) == driver
    assert file in names_tried(endpoint(name, "napalm"))


HOSTILE = {
    "brackets": b"(" * 100_000, "signs": b"-" * 1_000_000 + b"1", "a chain": b"+".join([b"1"] * 200_000),
    "lambdas": b"lambda:" * 50_000 + b"0", "no bytes of text": b"\x00", "a codec": b"# coding: rot13\nx",
    "digits": b"x=" + b"9" * 1_000_000, "half a character": b"\xff",
}  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_script_that_would_break_the_compiler_is_a_finding(python_mistakes, data):
    assert len(python_mistakes(data)) == 1


ENDLESS = {
    "finally in finally": "".join(" " * n + "try: a\n" + " " * n + "finally:\n" for n in range(60)) + " " * 60 + "a\n",
    "values in a string": 'f"' + "{1}" * 300_000 + '"\n',
}


@pytest.mark.parametrize("script", ENDLESS)
def test_a_script_that_takes_all_time_or_memory_is_a_finding_within_seconds(tmp_path, script):
    """A kilobyte of the first one had the machine's whole memory."""
    started = time.monotonic()
    with Compiler(4) as compiler:
        took = compiler.mistakes(ENDLESS[script].encode())
        after = compiler.mistakes(b"x = ")
    assert time.monotonic() - started < 10
    # A newer Python may be quick enough.
    assert all("too much" in words or "MemoryError" in words for _, words in took)
    assert after[0][1].startswith(("not Python 3", "not compiled: other scripts of the lesson took all of 4 s"))


def test_a_compiler_goes_on_after_a_script_that_took_its_memory():
    with Compiler(60) as compiler:
        assert compiler.mistakes(b"x = 1") == []
        assert compiler.mistakes(ENDLESS["finally in finally"].encode()) != []
        assert compiler.mistakes(b"x = 1") == []
        assert compiler.mistakes(b"x = ") != []


def test_the_largest_script_that_is_looked_into_is_compiled():
    line = b"router = connect(host, user, password)\n"
    with Compiler(60) as compiler:
        assert compiler.mistakes(line * (LARGEST // len(line))) == []


@pytest.mark.parametrize("line", ["{%", "{{a", "{{ ", "{% }} ", "%}{%", "{{ a\t"])
def test_a_file_of_half_marks_is_looked_at_in_no_time(line):
    """A beginning of a mark that never ends: each was looked at to the end of its line."""
    started = time.monotonic()
    templates((line * LARGEST)[:LARGEST].encode())
    assert time.monotonic() - started < 5


def test_the_marks_of_a_template_are_found_wherever_they_are_in_a_line():
    lines = [
        "{% if x %}",
        "a {{ b }} c",
        "{%} {% for a in b % 2 %} {{ c }}",
        "interfaces { ge-0 { unit 0; } }",
        "{{ a; }}",
        "%}{%",
    ]
    found = templates("\n".join(lines).encode())
    assert [(line, text.partition(" is left")[0][:20]) for line, text in found] == [
        (1, "{% if x %}"), (2, "{{ b }}"), (3, "{%} {% for a in b % "),
    ]  # fmt: skip
    assert len(templates(b"{{ a }}\n" * 10_000)) == 100


def large(endpoints: int, connections: list[tuple[str, str]]) -> str:
    head, rest = META.split("endpoints:\n")
    tail = rest.partition("stages:\n")[2]
    names = "".join(f"- {{name: endpoint{n}, image: i, additionalPorts: [22]}}\n" for n in range(endpoints))
    cables = "".join(f"- {{a: {a}, b: {b}}}\n" for a, b in connections)
    return f"{head}endpoints:\n{names}connections:\n{cables}stages:\n{tail}"


def test_names_that_were_meant_are_said_of_the_first_mistakes_of_a_huge_lesson(tmp_path):
    """Each costs milliseconds, and a file of 64 KB has place for a thousand of them."""
    connections = [(f"endpoinx{n}", f"endpoint{n}") for n in range(600)]
    folder = write(tmp_path, FILES | {"lesson.meta.yaml": large(700, connections)})
    started = time.monotonic()
    wrong = [finding for finding in validate(folder).findings if finding.kind == "connection"]
    assert time.monotonic() - started < 10
    hinted = [finding for finding in wrong if "did you mean" in finding.message]
    assert len(wrong) == 600
    assert 40 <= len(hinted) <= 50


def test_what_up_refuses_is_found(tmp_path):
    """validate said that the lesson can run, and up that it cannot."""
    star = [("endpoint0", f"endpoint{n}") for n in range(1, 30)]
    folder = write(tmp_path, FILES | {"lesson.meta.yaml": large(101, star)})
    with (folder / "stage0/large").open("wb") as stream:
        stream.truncate(257 << 20)
    found = [finding for finding in validate(folder).findings if finding.kind == "size"]
    assert {finding.level for finding in found} == {"error"}
    assert sorted(finding.message for finding in found) == [
        "endpoint0 has 29 cables, and a machine has room for 24",
        "the lesson's files are larger than 256 MiB",
        "there are 101 endpoints, and a lab has at most 100",
    ]
    assert not validate(folder).passes()


def test_hidden_names_at_the_top_are_nobodys(tmp_path):
    """A virtual environment has a link to the host's Python, and no machine gets it."""
    folder = write(tmp_path)
    for name in (".venv/bin", "stage0/.deeper"):
        (folder / name).mkdir(parents=True)
        (folder / name / "python").symlink_to("/usr/bin/python3")
    found = validate(folder).findings
    assert [finding.path.relative_to(folder).as_posix() for finding in found] == ["stage0/.deeper/python"]


def test_folders_that_are_nested_without_end_are_a_finding(tmp_path):
    folder = write(tmp_path)
    deep = folder / "stage0"
    for _ in range(150):
        deep /= "d"
        deep.mkdir()
    (finding,) = validate(folder).findings
    assert "nested more than 100 levels deep" in finding.message
    with pytest.raises(LabwrightError, match="nested more than 100 levels deep"):
        check_files(folder)


def test_a_script_is_compiled_and_not_run(python_mistakes, tmp_path):
    assert python_mistakes(f"open({str(tmp_path / 'ran')!r}, 'w')".encode()) == []
    assert list(tmp_path.iterdir()) == []


BILLION = b"<!DOCTYPE a [<!ENTITY b 'xxxxxxxx'>" + b"".join(
    f"<!ENTITY b{i} '{f'&b{i - 1 or str()};' * 10}'>".encode() for i in range(1, 12)
) + b"]><a>&b11;</a>"  # fmt: skip


@pytest.mark.parametrize(
    "data", [BILLION, b"<a>" * 100_000, b"<a>&x;</a>", b"<?xml version='1.0' encoding='x-no'?><a/>"]
)
def test_hostile_xml_is_a_finding(data):
    assert len(xml_mistakes(data)) == 1


@given(st.binary(max_size=200))
def test_no_bytes_bring_a_traceback(python_mistakes, data):
    for look in (playbook_mistakes, xml_mistakes, notebook_mistakes, python_mistakes):
        assert all(line >= 1 for line, _ in look(data))


def test_the_line_of_a_mistake_in_xml_counts_what_stands_before_it():
    text = "\n\n" + XML.replace("<system/>", "<system>")
    assert xml_mistakes(text.encode()) == [(line_of(text, "</conf"), "not well-formed XML: mismatched tag")]
