"""The line to a simulated device: bytes at the times of a simulated clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from labwright_nos.testing.device import Ask, Device, Memory, Off, Program, Restart, Say, Surprise
from labwright_nos.testing.races import Piece, Race

ECHO_SECONDS = 0.01
"""Until a device echoes what was typed."""
PROMPT_SECONDS = 0.03
"""Until it prints a prompt."""
RESTART_SECONDS = 1.0


class SimulatedWire:
    """A Wire (see dialogue.console) with a device behind it. now: seconds since power-on, of a simulated clock.

    typed: what the device took as lines, in order, those of passwords too. happened: the races that changed something.
    """

    def __init__(self, device: Device, memory: Memory, races: Sequence[Race] = ()) -> None:
        self.now = 0.0
        self.typed: list[str] = []
        self.happened: set[str] = set()
        self.device = device
        self._memory = memory
        self._races = races
        self._sent: deque[tuple[float, bytes]] = deque()
        self._at = 0.0
        """The device's own time: it may be ahead of those who listen."""
        self._buffer = ""
        self._line = ""
        self._asking: Ask | None = None
        self._stack: list[Program] = []
        self._off = False
        self._booting = True
        self._restarting = False
        for race in races:
            race.begin(device)
        self._power_on()
        if any(race.late for race in races):
            self.now = self._at

    @property
    def off(self) -> bool:
        """Whether the device has switched itself off, as far as those who listen know."""
        return self._off and not self._sent

    def clock(self) -> float:
        """Seconds, for a Console."""
        return self.now

    def receive(self, seconds: float) -> bytes | None:
        """What comes within this time, b"" for nothing, None where the device is off."""
        # Time goes on in every call, or a wait for less than a float can hold would never end.
        until = self.now + max(seconds, 1e-6)
        while True:
            if self._sent and self._sent[0][0] <= until:
                self.now = max(self.now, self._sent[0][0])
                return self._taken()
            if self._off or self._at > until or not self._go():
                break
        if self.off:
            return None
        self.now = until
        return b""

    def send(self, data: bytes) -> None:
        """Type. What comes before the first question of a boot is lost: nobody reads the line yet."""
        if self.off:
            raise BrokenPipeError("the simulated device is off")
        if self._booting and self.now < self._at:
            return
        self._buffer += data.decode().replace("\r\n", "\r").replace("\n", "\r")
        self._at = max(self._at, self.now)

    def _taken(self) -> bytes:
        """All that is there at this moment."""
        parts = []
        while self._sent and self._sent[0][0] <= self.now:
            parts.append(self._sent.popleft()[1])
        return b"".join(parts)

    def _power_on(self) -> None:
        self._memory.begin()
        self._buffer, self._line, self._asking, self._booting = "", "", None, True
        self._stack = [self.device.program(self._memory)]
        self._advance(None)

    def _go(self) -> bool:
        """One step of the device: whether there was one."""
        if self._restarting:
            self._restart()
            return True
        if self._asking is None:
            return False
        line = self._read(self._asking)
        if line is None:
            return False
        ask, self._asking, self._booting = self._asking, None, False
        for race in self._races:
            if race.reboots(ask):
                self.happened.add(race.name)
                self._restart()
                return True
        self.typed.append(line)
        surprise = self._surprise(ask)
        if surprise:
            self._stack.append(_surprised(surprise, line))
            self._advance(None)
        else:
            self._advance(line)
        return True

    def _surprise(self, ask: Ask) -> Surprise | None:
        for race in self._races:
            if found := race.asks(ask):
                self.happened.add(race.name)
                return found
        return None

    def _read(self, ask: Ask) -> str | None:
        """The line that was typed, echoed; None where it is not complete."""
        if ask.key:
            if not self._buffer:
                return None
            key, self._buffer = self._buffer[0], self._buffer[1:]
            return key
        part, end, rest = self._buffer.partition("\r")
        echo = part + ("\r\n" if end else "")
        if echo:
            self._emit(
                Piece(echo if ask.echo else echo[len(part) :], "echo", ECHO_SECONDS, ask.prompt.rpartition("\n")[2])
            )
        self._buffer = rest
        self._line += part
        if not end:
            return None
        line, self._line = self._line, ""
        return line

    def _advance(self, line: str | None) -> None:
        """Let the program go on to its next question. line: what was typed."""
        while self._stack:
            try:
                step = next(self._stack[-1]) if line is None else self._stack[-1].send(line)
            except StopIteration as ended:
                self._stack.pop()
                if not self._stack:
                    self._off = True
                    return
                line = ended.value
                continue
            line = ""
            if isinstance(step, Say):
                self._at += step.after
                self._emit(Piece(step.text.replace("\n", "\r\n"), "text"))
            elif isinstance(step, Ask):
                self._emit(Piece(step.prompt, "prompt", PROMPT_SECONDS))
                self._asking = step
                return
            elif isinstance(step, Restart):
                # Not at once: a device that only restarts would never give us our turn.
                self._restarting = True
                return
            elif isinstance(step, Off):
                self._off = True
                return

    def _restart(self) -> None:
        for program in self._stack:
            program.close()
        self._restarting = False
        self._at += RESTART_SECONDS
        self._power_on()

    def _emit(self, piece: Piece) -> None:
        pieces: Iterable[Piece] = (piece,)
        for race in self._races:
            changed = [new for old in pieces for new in race.pieces(old)]
            if changed != list(pieces):
                self.happened.add(race.name)
            pieces = changed
        for one in pieces:
            self._at += one.gap
            if one.text:
                self._sent.append((self._at, one.text.encode()))


def _surprised(surprise: Surprise, line: str) -> Program:
    """Ask until the answer is one that is taken; then the line that was typed before counts."""
    while not surprise.accepted.fullmatch((yield replace(surprise.ask))):
        pass
    return line
