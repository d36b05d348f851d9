"""Connections that give up on an answer whose head comes byte by byte: a time limit for each read does not."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

AT_ONCE = 1 << 17
"""Bytes that are given to the kernel at a time: each has the time limit of a connection to itself."""


class Session(requests.Session):
    """A session that never looks where an answer leads.

    Told not to follow it, requests would prepare the next request all the same, and read the answer to its end for
    that: however long it is, whatever it unpacks to, however slowly it comes.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere."""


class Adapter(HTTPAdapter):
    """For requests. head: seconds from the end of a request to the end of the answer's head."""

    def __init__(self, head: float) -> None:
        self._pools = _pools(head)
        super().__init__()

    def init_poolmanager(self, *words: Any, **options: Any) -> None:
        """As requests does, with our connections in it."""
        super().init_poolmanager(*words, **options, blocksize=AT_ONCE)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """The same by way of a proxy."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(head: float) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def getresponse(self) -> Any:
            with _ended_after(self.sock, head):
                return super().getresponse()

    class Secure(HTTPSConnection):
        def getresponse(self) -> Any:
            with _ended_after(self.sock, head):
                return super().getresponse()

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


@contextlib.contextmanager
def _ended_after(connection: socket.socket, seconds: float) -> Iterator[None]:
    """Raises TimeoutError where the body took longer: a head that ends early passes for a short one."""
    ended = threading.Event()

    def end() -> None:
        ended.set()
        with contextlib.suppress(OSError):
            # Of the socket itself: of one with TLS it would wait for what the thread that reads has in hand.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if ended.is_set():
        raise TimeoutError("the head of the answer has no end")
