"""Files of the lesson: found beside the script, then in the lesson; whatever their names, without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.kit import File, KitError
from labwright.kit.files import LONGEST, chosen, put, tree
from labwright.kit.local import find, find_all, lesson_folders, read


def test_a_file_beside_the_script_is_taken_before_one_of_the_lesson(tmp_path):
    beside, lesson = tmp_path / "a", tmp_path / "b"
    for folder in (beside, lesson):
        folder.mkdir()
        (folder / "x.conf").write_text(folder.name)
    (lesson / "y.conf").write_text("y")
    assert find("x.conf", (beside, lesson)) == beside / "x.conf"
    assert find("y.conf", (beside, lesson)) == lesson / "y.conf"
    assert find_all("*.conf", (beside, lesson)) == (beside / "x.conf",)


def test_a_pattern_means_files_in_their_order_and_no_folders(tmp_path):
    (tmp_path / "hub/sub.conf").mkdir(parents=True)
    for name in ("b.conf", "a.conf", "c.txt"):
        (tmp_path / "hub" / name).write_text(name)
    assert [path.name for path in find_all("hub/*.conf", (tmp_path,))] == ["a.conf", "b.conf"]


def test_a_name_with_signs_of_a_pattern_is_that_file_where_there_is_one(tmp_path):
    (tmp_path / "a[1].conf").write_text("x")
    (tmp_path / "a1.conf").write_text("y")
    assert find_all("a[1].conf", (tmp_path,)) == (tmp_path / "a[1].conf",)


@pytest.mark.parametrize(
    "name", ["absent", "ab*sent", "a**b", "**", "x" * 300, "a\0b", "a\0*", "[", "/absent/*", "sub/"]
)
def test_what_is_not_there_or_no_pattern_is_a_sentence(tmp_path, name):
    with pytest.raises(KitError):
        [read(path) for path in find_all(name, (tmp_path,))]


@given(st.text(max_size=20) | st.text(alphabet="*?[]!-./a", max_size=8))
def test_no_name_at_all_is_a_traceback(name):
    try:
        found = find_all(name, (Path(__file__).parent / "nothing-here",))
    except KitError:
        return
    assert all(path.exists() for path in found)


def test_a_folder_and_a_file_that_may_not_be_read_are_sentences(tmp_path):
    with pytest.raises(KitError, match="cannot be read: Is a directory"):
        read(tmp_path)
    with pytest.raises(KitError, match="there is no file in"):
        tree(tmp_path, "/opt", "root:root", None)


def test_many_files_for_one_place_are_refused_and_a_folder_takes_them(tmp_path):
    for name in ("a.conf", "b.conf"):
        (tmp_path / name).write_text(name)
    with pytest.raises(KitError, match="fits 2 files, and /opt/x is one place"):
        chosen({"*.conf": "/opt/x"}, "root:root", "0644", (tmp_path,))
    found = chosen({"*.conf": "/opt/"}, "frr:frrvty", "0640", (tmp_path,))
    assert [(file.place, file.user, file.group, file.mode) for file in found] == [
        ("/opt/a.conf", "frr", "frrvty", "0640"), ("/opt/b.conf", "frr", "frrvty", "0640"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"owner": "root:root:root"}, "is not an owner"), ({"owner": "a b"}, "is not an owner"),
        ({"owner": "-x"}, "is not an owner"), ({"owner": "root:"}, ""), ({"mode": "rw"}, "is not a mode"),
        ({"mode": "99"}, "is not a mode"), ({"mode": "u+s"}, "is not a mode"), ({"mode": "07777"}, "is not a mode"),
    ],
)  # fmt: skip
def test_an_owner_or_a_mode_that_install_would_read_otherwise_is_refused(more, said):
    if not said:
        assert File("/x", b"", **more).group == "root"
        return
    with pytest.raises(KitError, match=said):
        File("/x", b"", **more)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "nothing to put"),
        ([File("/x", b""), File("/x", b"1")], "two files are for /x"),
        ([File(f"/{number}", b"") for number in range(501)], "more than 500 at once"),
        ([File(f"/{'x' * 200}{number}", b"") for number in range(LONGEST // 200)], "too long for one go"),
    ],
)
def test_what_one_command_cannot_carry_is_refused_before_anything_is_sent(files, said):
    with pytest.raises(KitError, match=said):
        put(None, files, 1.0)


def test_a_file_does_not_show_its_content():
    assert "secret" not in repr(File("/x", b"secret"))


def test_names_are_looked_for_beside_the_script_that_runs_and_in_the_lesson_that_is_named(tmp_path):
    script = tmp_path / "r1.py"
    script.write_text("from labwright.kit.local import lesson_folders\nprint(*lesson_folders())\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, cwd="/",
                          env=os.environ | {"LABWRIGHT_LESSON": "/a/lesson"})  # fmt: skip
    assert done.stdout == f"{tmp_path} /a/lesson\n"
    assert lesson_folders()[-1] == Path("/antidote")
