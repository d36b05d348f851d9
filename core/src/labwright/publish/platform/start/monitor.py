"""Orders to QEMU (QMP, the machine protocol of its manual) over a socket in a folder that only we can enter."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from pathlib import Path

PATIENCE = 30.0
STEP = 0.1


class Monitor:
    """A connection to one machine."""

    def __init__(self, path: Path, process: subprocess.Popen[bytes], seconds: float = PATIENCE) -> None:
        """Connect to a QEMU that has just been started. Raises OSError where it never listens, or has ended."""
        deadline = time.monotonic() + seconds
        while True:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.settimeout(PATIENCE)
            try:
                self._socket.connect(str(path))
                break
            except OSError:
                self._socket.close()
                if process.poll() is not None:
                    raise OSError(f"QEMU ended with {process.returncode}: its own words are above") from None
                if time.monotonic() > deadline:
                    raise
                time.sleep(STEP)
        self._stream = self._socket.makefile("rb")
        self._stream.readline()
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: object) -> object:
        """The answer to an order; events before it are passed over. Raises OSError where QEMU refuses or is gone."""
        order = {"execute": command} | ({"arguments": arguments} if arguments else {})
        self._socket.sendall(json.dumps(order).encode() + b"\n")
        while line := self._stream.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise OSError(f"QEMU does not do {command}: {answer['error'].get('desc')}")
            if "return" in answer:
                return answer["return"]
        raise OSError(f"QEMU ended before it did {command}")

    def close(self) -> None:
        """End the connection."""
        self._stream.close()
        self._socket.close()
