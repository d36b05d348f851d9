"""A mirror that fails as often as it is told to: the real one behind a server on loopback that spoils answers."""

from __future__ import annotations

import contextlib
import http.server
import random
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FAULTS = ("404", "503", "drop", "garbage", "slow")
BLOCK = 65536


@dataclass
class FaultyMirror:
    """rates: how often each fault happens, from 0 to 1. targets: the real mirrors by the first folder of a path."""

    targets: Mapping[str, str]
    kept: Path
    rates: Mapping[str, float] = field(default_factory=dict)
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    requests: Counter[str] = field(default_factory=Counter)
    spoilt: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    port: int = 0

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    def fault(self) -> str:
        """Which fault the next answer has; empty for none."""
        with self.lock:
            at = self.chance.random()
            for name, rate in self.rates.items():
                if at < rate:
                    self.spoilt[name] += 1
                    return name
                at -= rate
        return ""

    def body(self, path: str) -> bytes | None:
        """What the real mirror has there, asked once; None for nothing."""
        name, _, rest = path.lstrip("/").partition("/")
        if name not in self.targets:
            return None
        place = self.kept / path.strip("/").replace("/", "!")
        if not place.exists():
            try:
                with urllib.request.urlopen(f"{self.targets[name]}/{rest}", timeout=60) as got:
                    data = got.read()
            except urllib.error.URLError:
                return None
            partial = place.with_name(f"{place.name}.{threading.get_ident()}")
            partial.write_bytes(data)
            partial.rename(place)
        return place.read_bytes()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    mirror: FaultyMirror

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.answer()

    def answer(self) -> None:
        self.mirror.requests[self.path] += 1
        fault = self.mirror.fault()
        if fault in {"404", "503"}:
            self.refuse(int(fault))
            return
        data = self.mirror.body(self.path)
        if data is None:
            self.refuse(404)
            return
        if fault == "garbage":
            data = bytes(len(data))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if fault == "drop":
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        for at in range(0, len(data), BLOCK):
            if fault == "slow":
                time.sleep(0.05)
            self.wfile.write(data[at : at + BLOCK])

    def refuse(self, code: int) -> None:
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextlib.contextmanager
def served(mirror: FaultyMirror) -> Iterator[FaultyMirror]:
    """Serve it on a free port of loopback."""
    handler = type("Mine", (Handler,), {"mirror": mirror})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    mirror.port = server.server_port
    mirror.kept.mkdir(parents=True, exist_ok=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield mirror
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
