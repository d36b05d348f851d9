"""A candidate is looked at before anybody connects; NAPALM's process answers in lines that no noise is taken for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright_configurators.candidate import CandidateError, candidate_text, check_xml
from labwright_configurators.napalm import driver_of
from labwright_configurators.napalm_task import PIECE, Task, TaskAnswer, answer_in, lines_of

MARK = "0123456789abcdef"
BOMB = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]>\n<a>&c;</a>'
answers = st.builds(
    TaskAnswer, st.booleans(), st.text(), st.text(), st.text(), st.booleans(), st.lists(st.text()).map(tuple)
)


@pytest.mark.parametrize(
    ("text", "line"),
    [("<a>\n<b>\n</a>", 3), ("<a>", 1), ("<a/>\n<b/>", 2), (BOMB, 1), ("<a>\n&x;</a>", 2), ("<a b=1/>", 1)],
)
def test_what_is_no_xml_is_named_with_its_line(text, line):
    with pytest.raises(CandidateError) as caught:
        check_xml(text)
    assert caught.value.line == line


def test_xml_as_public_lessons_have_it_is_fine():
    check_xml('<?xml version="1.0"?>\n<configuration operation="replace"><a>{{ mgmt_addr }}</a></configuration>\n')


@given(st.text(max_size=200))
def test_no_text_is_too_odd_for_the_look_at_xml(text):
    try:
        check_xml(f"<{text}")
    except CandidateError as error:
        assert error.line >= 0 and error.reason


@pytest.mark.parametrize(
    ("content", "line"), [(b"\xff", 1), (b"one\ntwo\n\xe4", 3), (b"one\n\0", 2), ("a".encode("utf-16"), 1)]
)
def test_what_is_no_text_is_named_with_its_line(tmp_path, content, line):
    (tmp_path / "r1-eos.txt").write_bytes(content)
    with pytest.raises(CandidateError) as caught:
        candidate_text(tmp_path, Path("r1-eos.txt"), "eos", {})
    assert caught.value.line == line


def test_curly_braces_and_another_systems_angle_brackets_are_not_taken_for_xml(tmp_path):
    for name, driver, text in (("a.txt", "junos", "system { host-name r1; }\n"), ("b.txt", "eos", "<not xml\n")):
        (tmp_path / name).write_text(text)
        assert candidate_text(tmp_path, Path(name), driver, {}) == text


@pytest.mark.parametrize(("name", "driver"), [("r1-junos.txt", "junos"), ("r-1-nxos_ssh.txt", "nxos_ssh")])
def test_the_driver_is_what_comes_after_the_last_dash(name, driver):
    assert driver_of(Path("stage0/configs") / name) == driver


@given(answers, st.lists(st.text(st.characters(codec="utf-8"), max_size=40)))
def test_an_answer_comes_through_whatever_else_is_printed(answer, noise):
    lines = [line for line in noise if MARK not in line]
    said = "".join(f"{line}\n" for line in lines) + lines_of(answer, MARK)
    assert answer_in(said, MARK) == answer


def test_a_long_answer_is_in_lines_that_nobody_splits():
    answer = TaskAnswer(True, "x" * (3 * PIECE))
    said = lines_of(answer, MARK)
    assert max(map(len, said.splitlines())) <= PIECE + len(MARK)
    assert answer_in(said, MARK) == answer


@pytest.mark.parametrize("said", ["", "noise\n", f"{MARK}{{}}\n", f"{MARK}[1]\n", f'{MARK}{{"ok": true\n'])
def test_half_an_answer_is_none(said):
    assert answer_in(said, MARK) is None


def test_a_task_does_not_show_its_password():
    assert "secret" not in repr(Task(MARK, "/antidote", "x", "eos", "127.0.1.1", 22, "antidote", "secret"))
