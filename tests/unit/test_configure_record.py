"""People see who says what, and no flood."""

from __future__ import annotations

from pathlib import Path

from labwright.lesson.configure_record import AT_ONCE, PER_SECOND, Voice


class Clock:
    """A clock that a test moves: a fake."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def voice(clock: Clock) -> tuple[Voice, list[str]]:
    said: list[str] = []
    return Voice("r1", said.append, Path("/logs/r1.log"), clock), said


def test_each_line_has_the_endpoints_name_and_nothing_that_a_terminal_obeys():
    speaker, said = voice(Clock())
    speaker.say("one\n\x1b[2Jtwo")
    assert said == ["r1: one", "r1: two"]


def test_a_flood_is_cut_and_counted_and_those_after_it_are_heard():
    clock = Clock()
    speaker, said = voice(clock)
    for number in range(1000):
        speaker.say(str(number))
    assert len(said) == AT_ONCE
    clock.now += 1.0
    speaker.say("at last")
    assert said[-2:] == ["r1: (960 lines are in /logs/r1.log alone)", "r1: at last"]


def test_what_was_left_out_is_said_at_the_end_too():
    speaker, said = voice(Clock())
    for number in range(int(AT_ONCE) + 3):
        speaker.say(str(number))
    speaker.end()
    speaker.end()
    assert said[int(AT_ONCE) :] == ["r1: (3 lines are in /logs/r1.log alone)"]


def test_a_slow_speaker_is_never_cut():
    clock = Clock()
    speaker, said = voice(clock)
    for number in range(500):
        clock.now += 1 / PER_SECOND
        speaker.say(str(number))
    assert len(said) == 500
