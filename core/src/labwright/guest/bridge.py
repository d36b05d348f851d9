"""Hands a guest to Ansible: a socket in a folder that is ours alone, and one command at a time."""

from __future__ import annotations

import contextlib
import json
import socketserver
import struct
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labwright.errors import LabwrightError
from labwright.guest.guest import Guest
from labwright.host.ledger import Ledger

PLUGINS = Path(__file__).with_name("ansible")
"""The folder of the connection plugin, which does not import us."""
CONNECTION = "labwright_guest"
LARGEST_HEAD = 1 << 20
LARGEST_DATA = 256 << 20


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, place: Path, guest: Guest) -> None:
        self.guest = guest
        # Neither a tree's mounts nor an appliance know two commands at a time.
        self.turn = threading.Lock()
        super().__init__(str(place), _Request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is Ansible's to report."""


class _Request(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        head, data = struct.unpack(">II", self.rfile.read(8))
        if head > LARGEST_HEAD or data > LARGEST_DATA:
            return self._answer({"error": "more data than a task may hand over at once"})
        request = json.loads(self.rfile.read(head))
        content = self.rfile.read(data)
        try:
            with self.server.turn:
                self._do(request, content)
        except LabwrightError as error:
            self._answer({"error": "; ".join((error.what, *error.details[-3:]))})
        except (OSError, KeyError, TypeError, ValueError) as error:
            self._answer({"error": f"labwright cannot do that: {type(error).__name__}: {error}"})
        return None

    def _do(self, request: dict[str, Any], content: bytes) -> None:
        guest = self.server.guest
        if request["do"] == "run":
            answer = guest.execute(request["argv"], content)
            self._answer({"code": answer.code}, answer.output.encode(), answer.errors.encode())
        elif request["do"] == "put":
            guest.put(Path(request["source"]), request["place"])
            self._answer({})
        else:
            guest.get(request["place"], Path(request["destination"]))
            self._answer({})

    def _answer(self, answer: dict[str, Any], output: bytes = b"", errors: bytes = b"") -> None:
        head = json.dumps(answer).encode()
        self.wfile.write(struct.pack(">III", len(head), len(output), len(errors)) + head + output + errors)


@contextlib.contextmanager
def bridge(guest: Guest, ledger: Ledger) -> Iterator[Path]:
    """A socket over which Ansible reaches the guest while the body runs.

    In a folder with a short path, wherever the cache is: a socket's may have 107 bytes (unix(7)).
    """
    folder = Path(tempfile.gettempdir()) / f"labwright-{uuid.uuid4().hex[:12]}"
    with ledger.hold("folder", folder):
        folder.mkdir(mode=0o700)
        with _served(guest, folder / "guest") as place:
            yield place


@contextlib.contextmanager
def _served(guest: Guest, place: Path) -> Iterator[Path]:
    server = _Server(place, guest)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        place.chmod(0o600)
        yield place
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
