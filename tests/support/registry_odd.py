"""Beside a registry, or in its place: a proxy that cuts, a server of tokens, a fake that is odd on order."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import json
import re
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.registry import PASSWORD, USER, make_certificate


@dataclass
class CuttingProxy:
    """Passes bytes to a port. cuts: after so many bytes from the client a connection ends, once for each number.

    delay: seconds before each part. up, down: bytes that came from the client, and from the server.
    """

    target: int
    cuts: list[int] = field(default_factory=list)
    down_cuts: list[int] = field(default_factory=list)
    delay: float = 0.0
    up: int = 0
    down: int = 0
    on_cut: Callable[[], None] = lambda: None
    port: int = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target), 5)
        except OSError:
            client.close()
            return
        back = threading.Thread(target=self._copy, args=(server, client, False), daemon=True)
        back.start()
        self._copy(client, server, True)

    def _copy(self, source: socket.socket, sink: socket.socket, up: bool) -> None:
        seen = 0
        cuts = self.cuts if up else self.down_cuts
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                time.sleep(self.delay)
                seen += len(data)
                if up:
                    self.up += len(data)
                else:
                    self.down += len(data)
                if cuts and seen >= cuts[0]:
                    sink.sendall(data[: len(data) - (seen - cuts[0])])
                    cuts.pop(0)
                    self.on_cut()
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextlib.contextmanager
def cutting_proxy(target: int, **settings: Any) -> Iterator[CuttingProxy]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = CuttingProxy(target, port=listener.getsockname()[1], **settings)
        threading.Thread(target=proxy.serve, args=(listener,), daemon=True).start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)


class _Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, code: int, data: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


class TokenServer(http.server.ThreadingHTTPServer):
    """Gives tokens that docker-registry believes to who knows USER and PASSWORD. asked: the queries that came.

    tls: with a certificate by an authority of its own, ca.
    """

    def __init__(self, folder: Path, tls: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _TokenHandler)
        self.ca = make_certificate(folder) if tls else None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.asked: list[dict[str, list[str]]] = []
        self.seconds = 300
        self._make_key(folder)

    def _make_key(self, folder: Path) -> None:
        import datetime

        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        self.key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tokens of a test")])
        now = datetime.datetime.now(datetime.UTC)
        cert = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
            .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )  # fmt: skip
        self.bundle = folder / "tokens.pem"
        self.bundle.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
        self.chain = [base64.b64encode(cert.public_bytes(serialization.Encoding.DER)).decode()]

    @property
    def settings(self) -> dict[str, Any]:
        realm = f"http{'s' if self.ca else ''}://127.0.0.1:{self.server_port}/token"
        return {"auth": {"token": {"realm": realm, "service": "tests", "issuer": "tests",
                                   "rootcertbundle": str(self.bundle)}}}  # fmt: skip

    def token(self, scopes: list[str]) -> str:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        now = int(time.time())
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        claims = {
            "iss": "tests", "sub": USER, "aud": "tests", "exp": now + self.seconds, "nbf": now - 100, "iat": now - 100,
            "jti": uuid.uuid4().hex, "access": access,
        }  # fmt: skip
        signed = ".".join(_b64(json.dumps(part).encode()) for part in
                          ({"typ": "JWT", "alg": "RS256", "x5c": self.chain}, claims))  # fmt: skip
        return signed + "." + _b64(self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))


class _TokenHandler(_Quiet):
    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self.server.asked.append(query)
        known = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != known:
            self.answer(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}')
            return
        self.answer(200, json.dumps({"token": self.server.token(query.get("scope", []))}).encode())


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class FakeRegistry(http.server.ThreadingHTTPServer):
    """A fake: as much of the distribution specification as publishing needs, kept in memory, and odd on order.

    Unlike Debian's docker-registry it keeps a chunk that came in part, as the specification and distribution 3 have it.
    odd: asked before each request; what it answers, True, is not answered again. requests: method, path, headers.
    known: types of configs and artefacts that it takes, as GitLab and Quay have such a list; empty for all.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _FakeHandler)
        self.uploads: dict[str, bytearray] = {}
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[bytes, str]] = {}
        self.known: frozenset[str] = frozenset()
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.odd: Callable[[Any], bool] = lambda _: False

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """Connections that tests cut are no news."""


class _FakeHandler(_Quiet):
    server: FakeRegistry

    def _any(self) -> None:
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        if self.server.odd(self):
            return
        path, digest = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query).get("digest", [""])[0]
        if self.path == "/v2/":
            self.answer(200, b"{}")
        elif path.endswith("/blobs/uploads/"):
            name = uuid.uuid4().hex
            self.server.uploads[name] = bytearray()
            self.answer(202, Location=f"/v2/x/blobs/uploads/{name}")
        elif found := re.fullmatch(r"/v2/.+/blobs/uploads/(\w+)", path):
            self._upload(found[1], digest)
        elif (found := re.fullmatch(r"/v2/.+/blobs/(sha256:\w+)", path)) and found[1] in self.server.blobs:
            self._blob(self.server.blobs[found[1]])
        elif "/manifests/" in path:
            self._manifest(path)
        else:
            self.answer(404)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _any

    def _blob(self, data: bytes) -> None:
        if start := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            at = int(start[1])
            self.answer(206, data[at:], Content_Range=f"bytes {at}-{len(data) - 1}/{len(data)}")
        else:
            self.answer(200, data)

    def _manifest(self, path: str) -> None:
        if self.command != "PUT":
            data, kind = self.server.manifests.get(path, (b"", ""))
            self.answer(200, data, Content_Type=kind) if data else self.answer(404)
            return
        data = self.rfile.read(int(self.headers["Content-Length"]))
        facts = json.loads(data)
        kinds = {facts.get("artifactType"), facts.get("config", {}).get("mediaType")} - {None}
        lacking = [one["digest"] for one in [facts.get("config"), *facts.get("layers", ())]
                   if one and one["digest"] not in self.server.blobs]  # fmt: skip
        if lacking or (self.server.known and not kinds <= self.server.known):
            self.answer(400, b'{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid"}]}')
            return
        kept = (data, self.headers["Content-Type"])
        folder, _, _ = path.rpartition("/")
        self.server.manifests |= {path: kept, f"{folder}/sha256:{hashlib.sha256(data).hexdigest()}": kept}
        self.answer(201)

    def _upload(self, name: str, digest: str) -> None:
        data = self.server.uploads.get(name)
        if data is None:
            self.answer(404)
            return
        start = self.headers.get("Content-Range", "").partition("-")[0]
        if start and int(start) != len(data):
            self.answer(416, Range=f"0-{len(data) - 1}", Location=urlsplit(self.path).path)
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left and (part := self.rfile.read1(min(left, 1 << 16))):
            data += part
            left -= len(part)
        if left:
            self.close_connection = True
        elif self.command != "PUT":
            self.answer(204 if self.command == "GET" else 202, Range=f"0-{max(0, len(data) - 1)}",
                        Location=urlsplit(self.path).path)  # fmt: skip
        elif f"sha256:{hashlib.sha256(data).hexdigest()}" == digest:
            self.server.blobs[digest] = bytes(self.server.uploads.pop(name))
            self.answer(201)
        else:
            self.answer(400, b'{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match"}]}')


class Silence:
    """Has a fake say no more about blobs, until it is `over`. reached: from when on.

    how: `no answer`, `half` an answer, `late` for no answer to a chunk, `busy` for one that asks to come again later.
    """

    LONG = 60.0

    def __init__(self, how: str) -> None:
        self.how = how
        self.reached, self.over = threading.Event(), threading.Event()

    def __call__(self, request: Any) -> bool:
        if "/blobs/" not in request.path or (self.how == "late") != (request.command == "PATCH"):
            return False
        if self.how == "busy":
            request.answer(503, Retry_After=str(int(self.LONG)))
        elif self.how == "half":
            request.send_response(200)
            request.send_header("Content-Length", "1000")
            request.end_headers()
        self.reached.set()
        if self.how != "busy":
            self.over.wait(self.LONG)
            request.close_connection = True
        return True


@contextlib.contextmanager
def serving(server: Any) -> Iterator[Any]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
