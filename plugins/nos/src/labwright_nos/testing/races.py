"""What users met on consoles: each race changes what a simulated device does or what its wire carries.

Races are composable: `play(profile, device, [Noise(), Slow()])`. A run can be repeated: they count, and the one that
throws dice takes a seed.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from labwright_nos.testing.device import Ask, Device, Surprise


@dataclass(frozen=True)
class Piece:
    """Something on the wire. kind: `text`, `prompt`, `echo` or `log`. gap: seconds before it."""

    text: str
    kind: str
    gap: float = 0.0
    prompt: str = ""
    """Of an echo: the prompt before it."""


class Race:
    """Nothing out of the ordinary: what others change."""

    name = "none"
    late = False
    """Whether we connect when it has booted."""

    def begin(self, device: Device) -> None:
        """A run with this device begins."""

    def pieces(self, piece: Piece) -> Iterable[Piece]:
        """What is on the wire in place of this."""
        return (piece,)

    def reboots(self, ask: Ask) -> bool:
        """Whether the device starts again in place of taking the line that was typed."""
        return False

    def asks(self, ask: Ask) -> Surprise | None:
        """A question that comes before the device takes the line that was typed."""
        return None


class PromptLost(Race):
    """Each prompt is missing the first time, until Enter brings it again."""

    name = "prompt lost"

    def begin(self, device: Device) -> None:
        """None was lost yet."""
        self._lost: set[str] = set()

    def pieces(self, piece: Piece) -> Iterable[Piece]:
        """All but a prompt that comes for the first time."""
        if piece.kind == "prompt" and piece.text not in self._lost:
            self._lost.add(piece.text)
            return ()
        return (piece,)


class PromptAgain(Race):
    """After a prompt comes a line of the log and the prompt again; or the old prompt once more before the echo."""

    name = "prompt again"

    def begin(self, device: Device) -> None:
        """Count from the beginning."""
        self._logs = itertools.cycle(device.logs)
        self._count = itertools.count()

    def pieces(self, piece: Piece) -> Iterable[Piece]:
        """Prompts twice."""
        turn = next(self._count)
        if piece.kind == "prompt" and turn % 2:
            log = Piece(f"\r\n{next(self._logs)}\r\n", "log", 0.15)
            return (piece, log, replace(piece, gap=0.05 if turn % 3 else 0.7))
        if piece.kind == "echo" and piece.prompt and turn % 2 == 0:
            return (Piece(f"\r\n{piece.prompt}", "log", 0.4), replace(piece, gap=0.4))
        return (piece,)


class Noise(Race):
    """Lines of the log between others, in an echo, behind a prompt, and right on its line."""

    name = "noise"

    def begin(self, device: Device) -> None:
        """Count from the beginning."""
        self._logs = itertools.cycle(device.logs)
        self._echoes, self._prompts, self._texts = itertools.count(1), itertools.count(1), itertools.count(1)

    def pieces(self, piece: Piece) -> Iterable[Piece]:
        """With lines of the log in it."""
        log = next(self._logs)
        if piece.kind == "echo" and len(piece.text) > 8 and next(self._echoes) % 4 == 0:
            middle = len(piece.text) // 2
            return (
                replace(piece, text=piece.text[:middle]),
                Piece(f"\r\n{log}\r\n", "log"),
                replace(piece, text=piece.text[middle:]),
            )
        if piece.kind == "prompt":
            turn = next(self._prompts)
            if turn % 5 == 3:
                return (piece, Piece(f"{log}\r\n", "log", 0.02))
            if turn % 5 == 0:
                return (piece, Piece(f"\r\n{log}\r\n", "log", 0.1))
        if piece.kind == "text" and next(self._texts) % 3 == 0:
            return (Piece(f"{log}\r\n", "log", 0.05), piece)
        return (piece,)


class Slow(Race):
    """Silence for a long time while it boots, and a line of 9600 baud that delivers single bytes."""

    name = "slow"
    patience = 40.0
    """Seconds of more silence before each of the first texts."""
    long = 4
    byte = 10 / 9600

    def begin(self, device: Device) -> None:
        """It boots."""
        self._texts = 0

    def pieces(self, piece: Piece) -> Iterable[Piece]:
        """Byte by byte."""
        gap = piece.gap
        if piece.kind == "text" and self._texts < self.long:
            self._texts += 1
            gap += self.patience
        for number, sign in enumerate(piece.text):
            yield replace(piece, text=sign, gap=self.byte if number else gap)


class OutOfOrder(Race):
    """The questions that this vendor's system asks at odd moments come in the middle of commands."""

    name = "out of order"
    every = 4

    def begin(self, device: Device) -> None:
        """Count from the beginning."""
        self._surprises = itertools.cycle(device.surprises or (None,))
        self._count = itertools.count(1)

    def asks(self, ask: Ask) -> Surprise | None:
        """One of them, now and then."""
        return next(self._surprises) if ask.kind == "command" and next(self._count) % self.every == 0 else None


@dataclass
class Reboots(Race):
    """The device starts again: in place of taking a line of this kind, the first time after `after` of them."""

    kind: str
    after: int
    name: str

    def begin(self, device: Device) -> None:
        """Count from the beginning."""
        self._seen = 0

    def reboots(self, ask: Ask) -> bool:
        """Once."""
        self._seen += ask.kind == self.kind
        if self._seen == self.after and ask.kind == self.kind:
            self._seen += 1
            return True
        return False


class Wrapped(Race):
    """A terminal of 80 columns that breaks what is typed, and draws every third line again from its beginning."""

    name = "echo wrapped"
    columns = 80

    def begin(self, device: Device) -> None:
        """Count from the beginning."""
        self._count = itertools.count(1)

    def pieces(self, piece: Piece) -> Iterable[Piece]:
        """An echo in lines of 80 columns."""
        if piece.kind != "echo":
            return (piece,)
        text = piece.text.rstrip("\r\n")
        end = piece.text[len(text) :]
        wrapped = " \r".join(self._lines(text, len(piece.prompt)))
        if end and next(self._count) % 3 == 0:
            wrapped = f"{text}\r{piece.prompt}{wrapped}"
        return (replace(piece, text=wrapped + end),)

    def _lines(self, text: str, column: int) -> Iterator[str]:
        room = max(1, self.columns - column)
        yield text[:room]
        for start in range(room, len(text), self.columns):
            yield text[start : start + self.columns]


class Late(Race):
    """We connect when the device has booted: its boot and its first question went to nobody."""

    name = "connected late"
    late = True

    def begin(self, device: Device) -> None:
        """Nobody is there."""
        self._there = False

    def pieces(self, piece: Piece) -> Iterable[Piece]:
        """Nothing up to the first question, at once."""
        if self._there:
            return (piece,)
        self._there = piece.kind == "prompt"
        return (Piece("", "text"),)


class Flood(Race):
    """The kernel prints a hundred kilobytes between two lines of the boot."""

    name = "flood"
    size = 100_000

    def begin(self, device: Device) -> None:
        """Count from the beginning."""
        self._logs = device.logs
        self._texts = itertools.count(1)

    def pieces(self, piece: Piece) -> Iterable[Piece]:
        """With much before the second text."""
        if piece.kind == "text" and next(self._texts) == 2:
            lines = "".join(f"{log}\r\n" for log in self._logs)
            return (Piece(lines * (self.size // len(lines)), "log"), piece)
        return (piece,)


class Storm(Race):
    """Prompts that are lost, drawn twice or broken in two, and lines of the log anywhere, as the dice fall.

    seed: of the dice. share: of all that is printed, how much is hit.
    """

    def __init__(self, seed: int, share: float = 0.2) -> None:
        self.name = f"storm {seed}"
        self._seed = seed
        self._share = share

    def begin(self, device: Device) -> None:
        """The same dice in every run."""
        self._dice = random.Random(self._seed)  # noqa: S311
        self._logs = device.logs

    def pieces(self, piece: Piece) -> Iterable[Piece]:
        """Hit or not."""
        dice = self._dice
        if dice.random() > self._share or piece.kind == "log":
            return (piece,)
        log = Piece(f"\r\n{dice.choice(self._logs)}\r\n", "log", dice.choice((0.0, 0.1, 0.4)))
        if piece.kind == "text":
            return (replace(log, text=log.text.lstrip()), piece)
        cut = dice.randrange(len(piece.text)) if piece.text else 0
        broken = (replace(piece, text=piece.text[:cut]), log, replace(piece, text=piece.text[cut:]))
        if piece.kind == "echo":
            return broken
        glued = replace(log, text=log.text.lstrip())
        return dice.choice(((), (piece, glued), (piece, log), (piece, log, piece), broken))


def usual() -> tuple[Race, ...]:
    """One of each."""
    return (
        Race(), PromptLost(), PromptAgain(), Noise(), Slow(), OutOfOrder(),
        Reboots("command", 3, "reboot, commands"), Reboots("command", 9, "reboot, later"),
        Reboots("login", 1, "reboot, login"), Reboots("password", 1, "reboot, password"),
        Wrapped(), Late(), Flood(),
    )  # fmt: skip
