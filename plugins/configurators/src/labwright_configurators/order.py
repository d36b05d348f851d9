"""A lesson's script as `python FILE` runs it, but for one thing: SSH commands that it does not wait for run in order.

The public lessons start command after command on a machine over one SSH connection, wait for none, look at the exit
status of none, and close the connection. What they mean is one after the other. On the platform that mostly comes true,
since its machines are fast; on a slow one files are copied after the service that reads them was restarted, and the
SSH server refuses the eleventh command at once (MaxSessions of sshd_config(5)). So the next session of a connection,
be it a command or a copy, waits for the commands before it, and so does the end of the connection. A status that
nobody looked at is said where it is not 0.

A script with a file beside it that hides a module which is loaded by then, and one that is no Python, is left to an
interpreter of its own, and its commands are as it starts them.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import functools
import itertools
import os
import sys
import threading
import time
import weakref
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES, SourceFileLoader
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

from labwright_configurators.moment import seconds_before

PATIENCE = 120.0
"""Seconds for one command that nobody waits for; what runs for ever by intent does not hold the script up for ever."""
ASKING = 0.25
"""Seconds between two looks at whether a command waits for its script."""
UNTIL = "LABWRIGHT_UNTIL"
"""The moment at which a script is ended."""
BEFORE_THE_END = 1.0
"""Seconds before that at which a script that hangs is made to show its line."""
SHOWN = 200
"""Characters of a command."""
SUFFIXES = (*SOURCE_SUFFIXES, *BYTECODE_SUFFIXES, *EXTENSION_SUFFIXES)
OURS = (__file__, str(Path(__file__).parent / "runner/script.py"))


class Order:
    """What was started on each connection and not waited for."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._started: weakref.WeakKeyDictionary[Any, list[tuple[str, Any]]] = weakref.WeakKeyDictionary()
        self._looked_at: weakref.WeakSet[Any] = weakref.WeakSet()
        self._lock = threading.Lock()

    def install(self, paramiko: Any) -> None:
        """Change paramiko for this process."""
        client, transport, channel = paramiko.SSHClient, paramiko.Transport, paramiko.Channel
        run, session, close, status = (
            client.exec_command, transport.open_session, transport.close, channel.recv_exit_status
        )  # fmt: skip

        @functools.wraps(run)
        def exec_command(self_: Any, command: Any, *arguments: Any, **options: Any) -> Any:
            streams = run(self_, command, *arguments, **options)
            with self._lock:
                self._started.setdefault(self_.get_transport(), []).append((_text(command), streams[1].channel))
            return streams

        @functools.wraps(session)
        def open_session(self_: Any, *arguments: Any, **options: Any) -> Any:
            self.finish(self_)
            return session(self_, *arguments, **options)

        @functools.wraps(close)
        def close_transport(self_: Any) -> None:
            self.finish(self_)
            close(self_)

        @functools.wraps(status)
        def recv_exit_status(self_: Any) -> Any:
            self._looked_at.add(self_)
            return status(self_)

        client.exec_command, transport.open_session = exec_command, open_session
        transport.close, channel.recv_exit_status = close_transport, recv_exit_status
        # Registered before anything of the script's, so it comes after that.
        atexit.register(self.finish_all)

    def finish(self, transport: Any) -> None:
        """Wait for what was started on a connection."""
        with self._lock:
            started = self._started.pop(transport, ())
        for command, channel in started:
            self._finish_one(command, channel)

    def finish_all(self) -> None:
        """The same for every connection that was left open."""
        with self._lock:
            transports = list(self._started)
        for transport in transports:
            self.finish(transport)

    def _finish_one(self, command: str, channel: Any) -> None:
        until = time.monotonic() + self._patience
        while not channel.status_event.wait(min(ASKING, max(0.0, until - time.monotonic()))):
            if _is_full(channel):
                return _say("nobody has read its output yet, going on", command)
            if time.monotonic() >= until:
                return _say(f"no end after {self._patience:g} s, going on", command)
        code = channel.exit_status
        if code != 0 and channel not in self._looked_at:
            ended = f"exit status {code}" if code > 0 else "an end by a signal, or of the connection"
            _say(f"{ended}, which the script does not look at", command)
        return None


def _is_full(channel: Any) -> bool:
    """Whether a command cannot end before the script reads what it has written."""
    return any(len(buffer) >= channel.in_window_size // 2 for buffer in (channel.in_buffer, channel.in_stderr_buffer))


def _text(command: Any) -> str:
    said = command.decode(errors="replace") if isinstance(command, bytes) else str(command)
    return " ".join(said.split())[:SHOWN]


def _say(what: str, command: str) -> None:
    print(f"labwright: {what}: {command}", file=sys.stderr, flush=True)


def start(namespace: dict[str, Any]) -> None:
    """Be the interpreter of the script that the command line names. namespace: of the program that we are."""
    # Before anything else: whatever the script is run by, and whatever it starts, it is not for that.
    until = os.environ.pop(UNTIL, "")
    code = _prepare(namespace)
    _show_line_at_the_end(until)
    try:
        exec(code, namespace)  # noqa: S102
    except SystemExit:
        raise
    except BaseException:
        _show_without_us()
        raise


def _prepare(namespace: dict[str, Any]) -> CodeType:
    """Make of this process what Python's start would have made. Does not return where a new one has to do it."""
    name = sys.argv[1]
    folder = os.path.dirname(os.path.realpath(name))  # noqa: PTH120 - strict about nothing, as Python is
    place = name if name.startswith("/") else f"{os.getcwd()}/{name.removeprefix('./')}"  # noqa: PTH109
    try:
        code: CodeType = compile(Path(name).read_bytes(), place, "exec", dont_inherit=True)
        _put_in_order()
        if _hides_a_module(folder):
            raise ImportError
    except (OSError, SyntaxError, ValueError, MemoryError, RecursionError, ImportError):
        # In its own words.
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])  # noqa: S606
    del sys.argv[0], sys.orig_argv[1]
    sys.path.insert(0, folder)
    for known in [known for known in namespace if not known.startswith("__")]:
        del namespace[known]
    namespace.update(__file__=place, __loader__=SourceFileLoader("__main__", place), __doc__=None)
    return code


def _put_in_order() -> None:
    import paramiko  # noqa: PLC0415 - where it is not there, nothing is to be done

    Order().install(paramiko)


def _show_line_at_the_end(until: str) -> None:
    with contextlib.suppress(ValueError):
        faulthandler.dump_traceback_later(seconds_before(float(until), BEFORE_THE_END), file=2)


def _hides_a_module(folder: str) -> bool:
    loaded = {name.partition(".")[0] for name in sys.modules}
    for entry in os.scandir(folder):
        found = entry.name.endswith(SUFFIXES) or (entry.is_dir() and os.path.exists(f"{entry.path}/__init__.py"))  # noqa: PTH110
        if found and entry.name.partition(".")[0] in loaded:
            return True
    return False


def _show_without_us() -> None:
    """Have Python print the error that is on its way up as it would if the script were outermost."""
    hook = sys.excepthook

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        _forget_us(error, set())
        sys.last_traceback = error.__traceback__
        sys.excepthook = hook
        hook(kind, error, error.__traceback__)

    sys.excepthook = show


def _forget_us(error: BaseException | None, seen: set[int]) -> None:
    """Take our own frames out of an error's traceback, and of those of the errors that led to it."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    frames = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename not in OURS:
            frames.append(trace)
        trace = trace.tb_next
    for frame, following in itertools.zip_longest(frames, frames[1:]):
        frame.tb_next = following
    error.__traceback__ = frames[0] if frames else None
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for other in (error.__cause__, error.__context__, *inner):
        _forget_us(other, seen)
