"""python -m labwright_configurators.script FILE: a lesson's script, as `python FILE` runs it, but for one thing.

The public lessons start command after command on a machine over one SSH connection, wait for none, look at the exit
status of none, and close the connection. What they mean is one after the other. On the platform that mostly comes true,
since its machines are fast; on a slow one files are copied after the service that reads them was restarted, and the
SSH server refuses the eleventh command at once (MaxSessions of sshd_config(5)). So a command waits for the one before
it, and the end of a connection for the last one. A status that nobody looked at is said where it is not 0.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
import types
import weakref
from collections import defaultdict
from pathlib import Path
from typing import Any

PATIENCE = 120.0
"""Seconds for one command that nobody waits for; what runs for ever by intent does not hold the script up for ever."""


class Order:
    """What was started on each connection and not waited for."""

    def __init__(self) -> None:
        self._started: dict[Any, list[tuple[str, Any]]] = defaultdict(list)
        self._clients: weakref.WeakSet[Any] = weakref.WeakSet()
        self._looked_at: weakref.WeakSet[Any] = weakref.WeakSet()

    def install(self, paramiko: Any) -> None:
        """Change paramiko's client for this process."""
        start, close, status = (
            paramiko.SSHClient.exec_command, paramiko.SSHClient.close, paramiko.Channel.recv_exit_status
        )  # fmt: skip

        def exec_command(client: Any, command: Any, *arguments: Any, **options: Any) -> Any:
            self.finish(client)
            streams = start(client, command, *arguments, **options)
            self._clients.add(client)
            self._started[id(client)].append((str(command), streams[1].channel))
            return streams

        def close_client(client: Any) -> None:
            self.finish(client)
            close(client)

        def recv_exit_status(channel: Any) -> Any:
            self._looked_at.add(channel)
            return status(channel)

        paramiko.SSHClient.exec_command = exec_command
        paramiko.SSHClient.close = close_client
        paramiko.Channel.recv_exit_status = recv_exit_status
        atexit.register(self.finish_all)

    def finish(self, client: Any) -> None:
        """Wait for what was started on a connection."""
        for command, channel in self._started.pop(id(client), ()):
            ended = channel.status_event.wait(PATIENCE)
            code = channel.exit_status
            if not ended:
                self._say(f"no end after {PATIENCE:.0f} s, going on", command)
            elif code not in {0, -1} and channel not in self._looked_at:
                self._say(f"exit status {code}, which the script does not look at", command)

    def finish_all(self) -> None:
        """The same for every connection that was left open."""
        for client in list(self._clients):
            with contextlib.suppress(Exception):
                self.finish(client)

    @staticmethod
    def _say(what: str, command: str) -> None:
        print(f"labwright: {what}: {command[:200]}", file=sys.stderr, flush=True)


def run(file: Path) -> None:
    """Run the script as the main module of this process."""
    main = types.ModuleType("__main__")
    main.__file__ = str(file)
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    sys.argv[:] = [str(file)]
    sys.path[0] = str(file.parent)
    try:
        exec(compile(file.read_bytes(), str(file), "exec", dont_inherit=True), main.__dict__)  # noqa: S102
    except SystemExit:
        raise
    except BaseException as error:
        here = error.__traceback__
        while here is not None and here.tb_frame.f_code.co_filename == __file__:
            here = here.tb_next
        error.__traceback__ = here
        # Its own hook, if the script has set one.
        sys.excepthook(type(error), error, here)
        raise SystemExit(1) from None


def start() -> None:
    """What the command line asks for."""
    with contextlib.suppress(ImportError):
        import paramiko  # noqa: PLC0415

        Order().install(paramiko)
    run(Path(sys.argv[1]))


if __name__ == "__main__":
    start()
