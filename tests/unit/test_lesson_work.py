"""What a command that configures a lab writes down, and says where the lab is ended meanwhile."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from support.endpoints import Stage, stage

from labwright.cli.lesson.work import Work, configured
from labwright.errors import Cause, LabwrightError
from labwright.host.teardown import remove_folder
from labwright.interfaces import Endpoint
from labwright.lesson.lab import Lab, write_lab
from labwright.lesson.read import Lesson

ENDED = LabwrightError("r1: the machine died: its process has died", cause=Cause.GUEST)


@pytest.fixture
def place(tmp_path) -> Stage:
    endpoint = Endpoint("r1", "127.0.0.1", 22, "u", "p")
    return stage(tmp_path, {"stage0/configs/r1.py": "print('done')\n"}, [endpoint])


def work_of(place: Stage, **context: object) -> Work:
    folder = place.folder / "lab"
    folder.mkdir()
    lab = write_lab(Lab("sample", place.lesson, place.folder, folder, folder, "tcg", 1.0, (), ()))
    lesson = Lesson(place.lesson, place.work().spec, {})
    running = SimpleNamespace(workshop=SimpleNamespace(emit=lambda _: None))
    return Work(lab, lesson, dict(place.endpoints), place.context(**context), running)


def phase(work: Work) -> tuple[str, str]:
    facts = json.loads((work.lab.folder / "lab.json").read_text())
    return facts["phase"], facts["problem"]


def test_a_stage_that_fails_is_written_down_with_its_reason(place):
    work = work_of(place, alive=lambda _: ENDED)
    with pytest.raises(LabwrightError) as caught:
        configured(work, 0)
    assert phase(work) == ("failed", caught.value.what)


def test_a_lab_that_is_ended_meanwhile_hides_no_reason_of_a_job(place):
    """`down` in another shell takes the machines and the folder in which the phase is written down."""

    def alive(_: str) -> LabwrightError:
        remove_folder(work.lab.folder)
        return ENDED

    work = work_of(place, alive=alive)
    with pytest.raises(LabwrightError) as caught:
        configured(work, 0)
    assert any("its process has died" in line for line in (caught.value.what, *caught.value.details))
    assert not work.lab.folder.exists()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lab_that_is_ended_around_its_jobs_is_said_to_be(place, when):
    def alive(_: str) -> None:
        remove_folder(work.lab.folder)

    work = work_of(place, alive=alive) if when == "after" else work_of(place)
    if when == "before":
        remove_folder(work.lab.folder)
    with pytest.raises(LabwrightError, match="the lab sample was ended meanwhile") as caught:
        configured(work, 0)
    assert caught.value.cause is Cause.INTERRUPTED
    assert caught.value.hint == f"labwright lesson up {place.lesson} starts it again"
