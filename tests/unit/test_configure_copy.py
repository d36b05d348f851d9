"""A job's copy of the lesson: complete, its own, and nothing in it leads out."""

from __future__ import annotations

import os
import stat
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from labwright.lesson import configure_place
from labwright.lesson.configure_copy import LARGEST_IN_MEMORY, MEMORY, Item, Survey, place_for_copies, survey_lesson

SEEN_AT = Path("/antidote")


@pytest.fixture
def lesson(tmp_path):
    folder = tmp_path / "lesson"
    (folder / "stage0/configs").mkdir(parents=True)
    (folder / "stage0/configs/r1.py").write_text("one")
    return folder


def copied(lesson: Path) -> tuple[Path, list[str]]:
    destination, survey = lesson.with_name("copy"), survey_lesson(lesson, SEEN_AT)
    survey.copy_to(destination)
    return destination, list(survey.left_out)


def test_hidden_names_stay_out_at_the_top_and_nowhere_else(lesson):
    (lesson / ".git").mkdir()
    (lesson / ".secret").touch()
    (lesson / "stage0/.hidden").touch()
    copy, said = copied(lesson)
    assert [place.name for place in copy.iterdir()] == ["stage0"]
    assert (copy / "stage0/.hidden").exists() and not said


def test_execute_bits_and_times_are_kept_and_set_user_id_is_not(lesson):
    script = lesson / "stage0/run.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o4755)
    os.utime(script, (1, 2))
    copy, _ = copied(lesson)
    facts = (copy / "stage0/run.sh").stat()
    assert stat.S_IMODE(facts.st_mode) == 0o755
    assert facts.st_mtime == 2


def test_a_folder_that_its_author_may_not_write_is_copied_with_all_in_it(lesson):
    (lesson / "stage0/configs").chmod(0o555)
    copy, _ = copied(lesson)
    assert (copy / "stage0/configs/r1.py").read_text() == "one"
    (lesson / "stage0/configs").chmod(0o755)


def test_what_a_job_writes_into_its_copy_does_not_reach_the_lesson(lesson):
    copy, _ = copied(lesson)
    with (copy / "stage0/configs/r1.py").open("r+") as file:
        file.write("two")
    assert (lesson / "stage0/configs/r1.py").read_text() == "one"


@pytest.mark.parametrize("size", [0, 1, 256 << 10, (256 << 10) + 1, (1 << 20) + 17])
def test_a_file_is_copied_whole(lesson, size):
    content = os.urandom(size)
    (lesson / "data").write_bytes(content)
    copy, _ = copied(lesson)
    assert (copy / "data").read_bytes() == content


@pytest.mark.parametrize("leads", ["stage0/configs/r1.py", "./stage0", "not/there", "stage0/../stage0"])
def test_a_link_that_stays_inside_is_kept_as_it_is(lesson, leads):
    (lesson / "link").symlink_to(leads)
    copy, said = copied(lesson)
    assert (copy / "link").readlink() == Path(leads)
    assert not said


@pytest.mark.parametrize("leads", ["../outside", "stage0/../../outside", "/etc/passwd", "../lesson/stage0", "link"])
def test_a_link_that_leads_out_is_left_out_and_said(lesson, leads):
    (lesson / "link").symlink_to(leads)
    copy, said = copied(lesson)
    assert not (copy / "link").is_symlink()
    assert said == ["link, a link that leads out of the lesson"]


def test_a_link_that_leads_out_by_way_of_another_is_left_out(lesson):
    (lesson / "stage0/up").symlink_to("..")
    (lesson / "stage0/out").symlink_to("up/../outside")
    copy, _ = copied(lesson)
    assert not (copy / "stage0/out").is_symlink()


def test_an_absolute_link_is_kept_where_jobs_see_the_lesson_and_not_where_its_author_has_it(lesson):
    (lesson / "theirs").symlink_to("/antidote/stage0/configs/r1.py")
    (lesson / "original").symlink_to(lesson / "stage0/configs/r1.py")
    (lesson / "over").symlink_to("/antidote/../etc/passwd")
    copy, said = copied(lesson)
    assert (copy / "theirs").is_symlink()
    assert not (copy / "original").is_symlink() and not (copy / "over").is_symlink()
    assert len(said) == 2


def test_a_pipe_is_left_out_and_holds_nobody(lesson):
    os.mkfifo(lesson / "stage0/pipe")
    copy, said = copied(lesson)
    assert not (copy / "stage0/pipe").exists()
    assert said == ["stage0/pipe, neither file nor folder"]


def test_a_lesson_that_is_reached_by_a_link_is_copied(lesson):
    (lesson.parent / "by-link").symlink_to("lesson")
    (lesson / "link").symlink_to("stage0")
    survey = survey_lesson(lesson.parent / "by-link", SEEN_AT)
    survey.copy_to(lesson.parent / "copy")
    assert not survey.left_out
    assert (lesson.parent / "copy/link/configs/r1.py").exists()


def test_a_second_copy_has_what_the_first_had_whatever_became_of_the_first(lesson):
    survey = survey_lesson(lesson, SEEN_AT)
    for name in ("one", "two"):
        copy = lesson.with_name(name)
        survey.copy_to(copy)
        assert (copy / "stage0/configs/r1.py").read_text() == "one"
        (copy / "stage0/configs/r1.py").write_text("spoilt")


def test_many_large_copies_are_not_put_into_memory(tmp_path):
    large = Survey(tmp_path, (Item("x", "file", size=LARGEST_IN_MEMORY // 100),), ())
    assert place_for_copies(large, 101, tmp_path) == tmp_path
    assert place_for_copies(Survey(tmp_path, (), ()), 1, tmp_path) in {MEMORY, tmp_path}


def test_copies_are_in_memory_where_they_are_small_beside_it(monkeypatch):
    survey = Survey(Path("/"), (Item("file", "file", size=100 << 20),), ())
    monkeypatch.setattr(configure_place, "LARGEST", 350 << 20)
    assert configure_place.fit_memory(survey, 3)
    assert not configure_place.fit_memory(survey, 4)
    assert not configure_place.fit_memory(replace(survey, items=(Item("file", "file", size=1 << 50),)), 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts")
def test_a_file_system_of_a_jobs_own_is_seen_by_its_thread_alone_and_goes_with_it(tmp_path):
    place, survey, said = tmp_path / "own", Survey(tmp_path, (), ()), {}
    place.mkdir()

    def work() -> None:
        with configure_place.own_file_system(place, survey):
            (place / "file").write_bytes(bytes(100))
            said["size"] = os.statvfs(place).f_blocks * os.statvfs(place).f_frsize
            said["child"] = subprocess.run(["ls", place], capture_output=True, text=True, check=True).stdout
            host.submit(lambda: said.update(outside=list(place.iterdir()))).result()
        said["after"] = list(place.iterdir())

    with ThreadPoolExecutor(1) as host:
        host.submit(int).result()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert said == {"size": configure_place.ROOM, "child": "file\n", "outside": [], "after": []}


def test_the_main_thread_gets_no_mounts_and_goes_on_with_the_folder(tmp_path):
    before = Path("/proc/thread-self/ns/mnt").readlink()
    with configure_place.own_file_system(tmp_path, Survey(tmp_path, (), ())):
        (tmp_path / "file").touch()
    assert Path("/proc/thread-self/ns/mnt").readlink() == before
    assert (tmp_path / "file").exists()
