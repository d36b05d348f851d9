"""What a build says while it runs, and when it dies in the middle of a word."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from labwright.hooks import Event
from labwright.host.run import Completed
from labwright.host.text import LONGEST_LINE
from labwright.nightly.child import LONGEST, Transcript
from labwright.nightly.failures import LONGEST_LOG, MOST_LINES, keep_log

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["kind", "image", "step", "text", "seconds", "outcome", "what", "cause", "details", "hint", "log"]
)
WORDS = st.sampled_from(["error", "step-finished", "step-started", "progress", "frr", "ran", "network"])


def heard(*lines: str) -> tuple[Transcript, list[Event]]:
    events: list[Event] = []
    said = Transcript("frr", events.append)
    for line in lines:
        said.hear(line)
    return said, events


def ended(code: int, *tail: str) -> Completed:
    return Completed(("labwright",), code, "", tail, 1.0)


@given(st.lists(st.dictionaries(KEYS, JSON | WORDS).map(json.dumps) | st.text() | st.text().map('{"'.__add__)))
def test_no_line_ends_the_night_and_no_word_of_it_drives_a_terminal(lines):
    said, events = heard(*lines)
    failure = said.failure(ended(1))
    assert failure is not None
    for text in (failure.what, failure.hint, *failure.details, *(event.text for event in events)):
        assert "\x1b" not in text
        assert "\n" not in text
        assert len(text) <= LONGEST_LINE
    assert len(failure.details) <= MOST_LINES


def test_steps_are_remembered_with_their_titles_and_those_of_a_base_are_not_ours():
    said, events = heard(
        '{"kind": "step-started", "image": "frr", "step": "tree", "text": "Install Debian", "seconds": 0}',
        '{"kind": "step-finished", "image": "frr", "step": "tree", "text": "", "outcome": "cached", "seconds": 0.5}',
        '{"kind": "step-finished", "image": "router", "step": "disk", "outcome": "ran", "seconds": 9}',
        '{"kind": "step-failed", "image": "frr", "step": "test", "text": "no login", "seconds": 7}',
        '{"kind": "step-finished", "image": "frr", "step": "disk", "seconds": 1',
    )
    assert [(step.name, step.title, step.outcome) for step in said.steps] == [
        ("tree", "Install Debian", "cached"), ("test", "no login", "failed")]  # fmt: skip
    assert len(events) == 4, "the line that was cut off is passed over"


def test_a_build_that_was_killed_without_a_word_is_no_success():
    said, _ = heard('{"kind": "step-started", "image": "frr", "step": "tree"}')
    assert said.failure(ended(0)) is None
    assert said.failure(ended(-9)).cause == "memory"
    assert said.failure(ended(-11, "the last line")).cause == "interrupted"
    assert said.failure(ended(-11, "the last line")).details == ("the last line",)
    assert said.failure(ended(1)).cause == "internal"


def test_a_cause_that_nobody_knows_is_an_internal_one_and_is_not_tried_again():
    said, _ = heard('{"kind": "error", "what": "x", "cause": "weather", "details": "no list"}')
    assert (said.failure(ended(3)).cause, said.failure(ended(3)).details) == ("internal", ())


def test_a_log_is_shown_only_from_where_builds_write_logs(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "mine.log").write_text("x")
    (tmp_path / "secret").write_text("x")
    (logs / "link").symlink_to(tmp_path / "secret")
    named = {
        str(logs / "mine.log"): logs / "mine.log",
        str(tmp_path / "secret"): None,
        str(logs / "../secret"): None,
        str(logs / "link"): None,
        "logs/mine.log": None,
        "\0": None,
        str(logs): None,
    }
    for name, wanted in named.items():
        said, _ = heard(json.dumps({"kind": "error", "what": "x", "cause": "guest", "log": name}))
        assert said.log(logs) == wanted, name


def test_a_line_that_has_no_end_is_not_read():
    _, events = heard(json.dumps({"kind": "progress", "image": "frr", "text": "x" * LONGEST}))
    assert events == []


def test_a_long_log_keeps_its_beginning_and_its_end(tmp_path):
    source, place = tmp_path / "log", tmp_path / "night/logs/frr.txt"
    source.write_bytes(b"the command\n" + b"\x1b[31mx\xff\n" * (LONGEST_LOG // 6) + b"what went wrong\n")
    keep_log(source, place)
    text = place.read_text()
    assert text.startswith("the command\n")
    assert text.endswith("what went wrong\n")
    assert "bytes left out" in text
    assert "\x1b" not in text
    assert len(text) <= LONGEST_LOG
