"""Which file configures an endpoint: the platform's rules, without the mistakes that its patterns make."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.endpoints import spec

from labwright.errors import Cause, LabwrightError
from labwright.lesson.select import candidates_for, file_for, is_there, scripts_in


@pytest.fixture
def lesson(tmp_path):
    """A lesson's folder beside a folder that is not its own."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/r1.py").write_text("")
    (tmp_path / "lesson/stage0/configs").mkdir(parents=True)
    return tmp_path / "lesson"


def put(lesson: Path, *names: str) -> None:
    for name in names:
        place = lesson / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("")


def candidates(name: str, kind: str) -> tuple[str, ...]:
    (endpoint,) = spec(**{name: kind}).endpoints
    return candidates_for(endpoint)


@pytest.mark.parametrize(
    ("kind", "file"),
    [("python", "r-1.py"), ("ansible", "r-1.yml"), ("napalm", "r-1-junos.txt"), ("napalm", "r-1-nxos_ssh.txt"),
     ("napalm", "r-1-frr.txt"), ("napalm", "r-1-eos.j2")],
)  # fmt: skip
def test_each_type_has_its_names_with_dashes_in_the_endpoints_too(lesson, kind, file):
    put(lesson, f"stage0/configs/{file}")
    assert file_for(lesson, "r-1", candidates("r-1", kind), 0) == Path("stage0/configs") / file


@pytest.mark.parametrize(
    "other",
    ["xleaf1.py", "leaf1.py.bak", "leaf1xpy", "leaf1.PY", "leaf11.py", "leaf1/leaf1.py", "sub/leaf1.py", ".leaf1.py",
     "leaf1.py ", "leaf1-python.py"],
)  # fmt: skip
def test_a_name_that_only_looks_like_it_is_not_taken(lesson, other):
    put(lesson, f"stage0/configs/{other}")
    with pytest.raises(LabwrightError) as caught:
        file_for(lesson, "leaf1", candidates("leaf1", "python"), 0)
    assert caught.value.cause is Cause.CONFIG


def test_a_file_of_another_stage_is_not_taken(lesson):
    put(lesson, "stage1/configs/r1.py")
    with pytest.raises(LabwrightError):
        file_for(lesson, "r1", ("r1.py",), 0)
    assert file_for(lesson, "r1", ("r1.py",), 1) == Path("stage1/configs/r1.py")


def test_a_missing_file_is_an_error_with_every_path_that_was_tried(lesson):
    with pytest.raises(LabwrightError, match=r"stage 0: .*r1") as caught:
        file_for(lesson, "r1", candidates("r1", "napalm"), 0)
    tried = "\n".join(caught.value.details)
    assert all(f"stage0/configs/r1-{driver}.txt" in tried for driver in ("junos", "eos", "iosxr", "nxos", "ios", "frr"))


def test_two_files_that_would_do_are_an_error_with_both(lesson):
    put(lesson, "stage0/configs/r1-junos.txt", "stage0/configs/r1-eos.txt")
    with pytest.raises(LabwrightError, match=r"r1-junos\.txt.*r1-eos\.txt"):
        file_for(lesson, "r1", candidates("r1", "napalm"), 0)


def test_a_folder_with_the_name_is_no_file(lesson):
    (lesson / "stage0/configs/r1.py").mkdir()
    with pytest.raises(LabwrightError, match="no configuration file"):
        file_for(lesson, "r1", ("r1.py",), 0)


def test_a_link_within_the_lesson_is_followed(lesson):
    put(lesson, "common.py")
    (lesson / "stage0/configs/r1.py").symlink_to("../../common.py")
    assert file_for(lesson, "r1", ("r1.py",), 0) == Path("stage0/configs/r1.py")


def test_a_link_out_of_the_lesson_is_refused(lesson):
    (lesson / "stage0/configs/r1.py").symlink_to("../../../outside/r1.py")
    with pytest.raises(LabwrightError, match="leads out of the lesson"):
        file_for(lesson, "r1", ("r1.py",), 0)


def test_a_folder_that_leads_out_of_the_lesson_is_refused(lesson):
    (lesson / "stage1").mkdir()
    (lesson / "stage1/configs").symlink_to("../../outside")
    with pytest.raises(LabwrightError, match="leads out of the lesson"):
        file_for(lesson, "r1", ("r1.py",), 1)


def test_a_link_to_itself_is_no_fault_of_ours(lesson):
    (lesson / "stage0/configs/r1.py").symlink_to("r1.py")
    with pytest.raises(LabwrightError) as caught:
        file_for(lesson, "r1", ("r1.py",), 0)
    assert caught.value.cause is Cause.CONFIG


@given(st.text(min_size=1, max_size=300).filter(lambda name: "\0" not in name))
def test_whatever_a_name_is_it_is_there_or_not_or_an_error_in_words(tmp_path_factory, name):
    lesson = tmp_path_factory.mktemp("lesson")
    try:
        assert is_there(lesson, Path("stage0") / name) in {True, False}
    except LabwrightError as error:
        assert error.cause is Cause.CONFIG


def test_checks_are_the_scripts_directly_in_their_folder(lesson):
    put(lesson, *(f"stage0/verify/{name}" for name in ("b.py", "a.py", "_helper.py", ".x.py", "notes.txt", "sub/c.py")))
    folder = Path("stage0/verify")
    assert list(scripts_in(lesson, folder)) == [folder / "a.py", folder / "b.py"]
    assert list(scripts_in(lesson, Path("stage7/verify"))) == []
