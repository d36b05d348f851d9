"""A folder behind a web server on loopback."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def served_folder(place: Path, how: type[Quiet] = Quiet) -> Iterator[str]:
    """Serve it on a free port; gives the URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(how, directory=str(place)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
