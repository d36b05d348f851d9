"""A small REST service on loopback: real HTTP, objects in memory, and faults on demand."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Service:
    """objects: by collection. faults: what the next requests are answered with, before all else. seen: requests."""

    url: str = ""
    password: str = field(default_factory=lambda: secrets.token_hex(8))
    objects: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    faults: list[tuple[int, bytes]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    """Collections that cannot be listed."""
    dripping: bool = False
    """Answers come a byte at a time."""
    redirects: dict[str, str] = field(default_factory=dict)
    """Where a POST of a collection is sent instead."""
    leads: dict[str, str] = field(default_factory=dict)
    """Where a GET is sent instead, by an answer that never ends."""


def handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self, code: int, body: object = None) -> None:
            data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            for number in range(len(data) if service.dripping else 0):
                self.wfile.write(data[number : number + 1])
                time.sleep(0.3)
            self.wfile.write(data if not service.dripping else b"")

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            service.seen.append(f"{self.command} {self.path}")
            if service.dripping:
                with contextlib.suppress(OSError):
                    self.answer(200, b" " * 40)
                return
            if service.faults:
                self.answer(*service.faults.pop(0))
                return
            if self.command == "GET" and self.path in service.leads:
                self.lead(service.leads[self.path])
                return
            wanted = b64encode(f"admin:{service.password}".encode()).decode()
            if self.headers.get("Authorization") not in {f"Basic {wanted}", f"token {service.password}"}:
                self.answer(401, {"message": "who are you?"})
                return
            self.serve(body)

        def lead(self, target: str) -> None:
            self.send_response(302)
            self.send_header("Location", target)
            self.end_headers()
            self.close_connection = True
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(bytes(1 << 16))

        do_GET = do_POST = do_PATCH = do_PUT = handle_any

        def serve(self, body: Any) -> None:
            collection, _, key = self.path.rpartition("/")
            found = [each for each in service.objects.get(collection, []) if key in {str(each["id"]), each["name"]}]
            if self.command == "POST" and self.path in service.redirects:
                self.send_response(302)
                self.send_header("Location", service.redirects[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif self.command == "POST":
                known = service.objects.setdefault(self.path, [])
                if any(each["name"] == body["name"] for each in known):
                    self.answer(422, {"message": "it already exists"})
                    return
                made = {key: value for key, value in body.items() if key != "password"} | {"id": len(known) + 1}
                known.append(made)
                self.answer(201, made)
            elif self.command == "GET" and collection == "":
                self.answer(404 if self.path in service.hidden else 200, service.objects.get(self.path, []))
            elif not found:
                self.answer(404, {"message": "there is none"})
            else:
                found[0].update(body or {})
                self.answer(200, found[0])

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextlib.contextmanager
def server(port: int = 0) -> Iterator[Service]:
    service = Service()
    with ThreadingHTTPServer(("127.0.0.1", port), handler(service)) as http:
        service.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield service
        finally:
            http.shutdown()
            thread.join()
