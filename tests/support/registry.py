"""Debian's docker-registry, on a free port of loopback: with passwords, TLS or tokens, and a disk that tests damage."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labwright.registry.credentials import Credentials
from labwright.registry.transport import Access, Patience

USER, PASSWORD = "builder", "only for these tests"
IMPATIENT = Patience(connect=30, read=30, answer=30, standstill=1, pauses=(0.1, 0.2, 0.4, 0.8, 1.0, 1.0))
"""So that a test of a registry that is not there ends soon."""


def free_port() -> int:
    """One that nobody is given meanwhile: not of those that the kernel gives out, nor of another worker's."""
    first = 20_000 + 1000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for port in random.sample(range(first, first + 1000), 100):
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port
    raise AssertionError(f"no free port from {first} on")


@dataclass
class RealRegistry:
    """A docker-registry of a test's own. settings: more of its configuration. ca: of its certificate."""

    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    ca: Path | None = None
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http{'s' if self.ca else ''}://{self.host}"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        http: dict[str, Any] = {"addr": self.host, "secret": "so that a restarted one knows its uploads"}
        if self.ca:
            http["tls"] = {"certificate": str(self.folder / "cert.pem"), "key": str(self.folder / "key.pem")}
        storage = {
            "filesystem": {"rootdirectory": str(self.data)},
            "maintenance": {"uploadpurging": {"enabled": False}},
        }
        facts = {"version": 0.1, "log": {"level": "warn"}, "storage": storage, "http": http, **self.settings}
        (self.folder / "config.yml").write_text(json.dumps(facts))
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["docker-registry", "serve", self.folder / "config.yml"],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        until = time.monotonic() + 80
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(80)
            self.process = None

    def blob(self, digest: str) -> Path:
        """Where it keeps a blob."""
        value = digest.removeprefix("sha256:")
        return self.data / "docker/registry/v2/blobs/sha256" / value[:2] / value / "data"

    def raw(self, path: str) -> bytes:
        """What it answers, asked by something else than labwright. Only without TLS and passwords."""
        kinds = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"
        request = urllib.request.Request(f"{self.url}/v2/{path}", headers={"Accept": kinds})
        with urllib.request.urlopen(request, timeout=10) as response:
            return bytes(response.read())


@contextlib.contextmanager
def real_registry(folder: Path, settings: Mapping[str, Any] | None = None, tls: bool = False) -> Iterator[RealRegistry]:
    folder.mkdir(parents=True, exist_ok=True)
    server = RealRegistry(folder, settings or {}, make_certificate(folder) if tls else None)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def make_certificate(folder: Path, name: str = "127.0.0.1") -> Path:
    """An authority of the test's own, and a certificate by it for cert.pem and key.pem. Returns the authority's."""
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subject = [*new, "-subj", "/CN=an authority of a test"]
    subprocess.run([*subject, "-keyout", folder / "ca.key", "-out", folder / "ca.pem"], check=True, capture_output=True)
    kind = "IP" if name[0].isdigit() else "DNS"
    subprocess.run(
        [*new, "-subj", f"/CN={name}", "-addext", f"subjectAltName={kind}:{name}", "-addext",
         "basicConstraints=critical,CA:FALSE", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True,
    )  # fmt: skip
    return folder / "ca.pem"


def with_password(folder: Path) -> dict[str, Any]:
    """The setting for a registry that wants USER and PASSWORD."""
    import bcrypt

    folder.mkdir(parents=True, exist_ok=True)
    line = f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}\n"
    (folder / "htpasswd").write_text(line)
    return {"auth": {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}}


def logged_in(folder: Path, host: str, password: str = PASSWORD) -> Path:
    """A file as `docker login` writes it."""
    path = folder / f"auth-{len(list(folder.glob('auth-*')))}.json"
    auth = Credentials(USER, password, "").basic.removeprefix("Basic ")
    path.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return path


def access(**changes: Any) -> Access:
    """No credentials and no proxies of the machine that tests run on."""
    return Access(**{"patience": IMPATIENT, "environ": {}} | changes)
