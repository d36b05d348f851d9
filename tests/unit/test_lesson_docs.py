"""docs/lesson-files.md and the command: what the page shows works as it stands there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml
from support.builds import REPOSITORY
from support.docs import commands_of
from support.lessons import FILES, META, write
from typer.testing import CliRunner

from labwright.cli.app import app
from labwright.spec.lesson import NAPALM_DRIVERS, LessonSpec
from labwright.spec.schema import MODELS, schema_of

PAGE = "lesson-files.md"


def shown() -> str:
    """The page's own lesson.meta.yaml."""
    page = (REPOSITORY / "docs" / PAGE).read_text()
    block = page[page.index("    name: First steps") :].partition("\n\n")[0]
    return "".join(f"{line[4:]}\n" for line in block.splitlines())


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The lesson of the page, and a curriculum that has it."""
    lesson = {"lesson.meta.yaml": shown(), "stage0/guide.md": "# Hello\n", "stage0/configs/router1.py": "print(1)\n"}
    write(tmp_path / "first-steps", lesson)
    write(tmp_path / "curriculum", {"curriculum.meta.yaml": "name: school\n"})
    for image in ("utility", "frr"):
        write(tmp_path / "curriculum", {f"images/{image}/image.meta.yaml": f"slug: {image}\n"})
    shutil.copytree(tmp_path / "first-steps", tmp_path / "curriculum/lessons/first-steps")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_of_the_page_works(folder):
    commands = commands_of(PAGE)
    assert len(commands) == 6
    for line in commands:
        words, _, target = line.partition(" > ")
        done = CliRunner().invoke(app, shlex.split(words))
        assert done.exit_code == 0, done.output
        assert "Traceback" not in done.output
        if target:
            assert json.loads(done.stdout) == schema_of(target.partition(".")[0])
        if words.endswith("--json"):
            facts = json.loads(done.stdout)
            assert (facts["ok"], facts["lessons"], facts["findings"]) == (True, 1, [])
    assert (folder / "first-steps.svg").read_text().startswith("<svg")


def test_the_page_has_every_key_every_driver_and_every_kind_of_finding():
    page = (REPOSITORY / "docs" / PAGE).read_text()
    definitions = schema_of("lesson")["$defs"]
    keys = {key for part in (schema_of("lesson"), *definitions.values()) for key in part["properties"]}
    others = {key for name in ("curriculum", "collection") for key in schema_of(name)["properties"]}
    assert [key for key in sorted(keys | others | set(NAPALM_DRIVERS)) if not re.search(rf"\b{key}\b", page)] == []
    sources = "".join(path.read_text() for path in (REPOSITORY / "core/src/labwright/lesson").glob("*.py"))
    kinds = set(re.findall(r'"(?:error|warning)",\s+"([a-z-]+)"', sources))
    kinds |= set(re.findall(r'\.finding\(\s*\(?[^"]*?"?[a-zA-Z]*"?[^"]*?,\s*"([a-z-]+)",', sources))
    kinds -= {"warning"}
    assert len(kinds) > 20
    table = page[page.index("| kind |") :]
    assert [kind for kind in sorted(kinds) if not re.search(rf"^\|.*\b{kind}\b", table, re.MULTILINE)] == []


def test_the_schema_for_editors_is_the_committed_one():
    committed = json.loads((REPOSITORY / "docs/lesson.schema.json").read_text())
    assert committed == json.loads(json.dumps(schema_of("lesson")))


@pytest.mark.parametrize("kind", MODELS)
def test_every_schema_is_one(kind):
    jsonschema.Draft202012Validator.check_schema(schema_of(kind))


def test_the_schema_and_the_reader_agree_on_a_good_lesson_and_a_bad_slug():
    validator = jsonschema.Draft202012Validator(schema_of("lesson"))
    good = yaml.safe_load(META)
    assert list(validator.iter_errors(good)) == []
    assert [error.json_path for error in validator.iter_errors(good | {"slug": "lesson-14"})] == ["$.slug"]


def test_the_schema_is_image_s_where_nothing_else_is_asked_for():
    assert json.loads(CliRunner().invoke(app, ["schema"]).stdout)["title"] == "image.meta.yaml"
    assert "lessons" not in LessonSpec.model_fields
    assert CliRunner().invoke(app, ["schema", "--of", "school"]).exit_code == 2


def test_people_see_findings_by_file_and_the_counts(tmp_path):
    write(tmp_path, FILES | {"stage0/guide.md": "", "lesson.meta.yaml": META + "'[red]': 1\n"})
    done = CliRunner().invoke(app, ["lesson", "validate", str(tmp_path)])
    assert done.exit_code == 0
    assert "[red]: unknown key" in done.stdout
    lines = done.stdout.splitlines()
    assert lines[-1] == "1 lesson, 2 stages, 4 endpoints, 2 connections: 0 errors and 2 warnings"
    assert [line for line in lines if line.startswith(str(tmp_path))] == [
        f"{tmp_path}/lesson.meta.yaml",
        f"{tmp_path}/stage0/guide.md",
    ]
    assert CliRunner().invoke(app, ["lesson", "validate", str(tmp_path), "--strict"]).exit_code == 2


def test_an_error_is_exit_code_2_and_programs_get_its_place(tmp_path):
    write(tmp_path, FILES | {"stage0/configs/leaf1.py": "x = 1\n("})
    done = CliRunner().invoke(app, ["lesson", "validate", str(tmp_path), "--json"])
    assert done.exit_code == 2
    facts = json.loads(done.stdout)
    assert (facts["ok"], facts["errors"], facts["kinds"]) == (False, 1, {"error python": 1})
    (finding,) = facts["findings"]
    assert (finding["path"], finding["line"]) == (str(tmp_path / "stage0/configs/leaf1.py"), 2)


def test_a_file_s_name_cannot_drive_the_terminal_or_end_the_command(tmp_path):
    write(tmp_path)
    for name in (b"r-1\xff-junos.txt", b"\x1b[31m-junos.txt"):
        Path(bytes(tmp_path / "stage0/configs").decode() + "/" + name.decode(errors="surrogateescape")).write_text("x")
    done = CliRunner().invoke(app, ["lesson", "validate", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "2 warnings" in done.stdout
    assert "\x1b" not in done.stdout
    assert (
        len(json.loads(CliRunner().invoke(app, ["lesson", "validate", str(tmp_path), "--json"]).stdout)["findings"])
        == 2
    )


def test_a_place_that_is_no_lesson_is_said_with_what_to_do(tmp_path):
    done = CliRunner().invoke(app, ["lesson", "validate", str(tmp_path), "--json"])
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["hint"].startswith("name a folder")
