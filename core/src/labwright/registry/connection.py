"""Connections that give up on an answer whose head comes byte by byte: a time limit for each read does not."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from labwright.host.run import STOP_PAUSE, Stop
from labwright.registry.failures import Endless

AT_ONCE = 1 << 17
"""Bytes that are given to the kernel at a time: each has the time limit of a connection to itself."""


class Adapter(HTTPAdapter):
    """For requests. head: seconds from the end of a request to the end of the answer's head. stop: see Patience."""

    def __init__(self, head: float, stop: Stop | None = None) -> None:
        self._pools = _pools(head, stop)
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


def _pools(head: float, stop: Stop | None) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def getresponse(self) -> Any:
            return _answer(self.sock, head, stop, super().getresponse)

    class Secure(HTTPSConnection):
        def getresponse(self) -> Any:
            return _answer(self.sock, head, stop, super().getresponse)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _answer(connection: socket.socket, head: float, stop: Stop | None, take: Callable[[], Any]) -> Any:
    """The head of an answer, and with it the connection that the rest comes by."""
    with _watched(connection, head, "the head of the answer has no end", stop):
        response = take()
    response.labwright_connection = connection
    return response


@contextlib.contextmanager
def watched(response: requests.Response, seconds: float, stop: Stop | None = None) -> Iterator[Callable[[], None]]:
    """While an answer is read: raises Endless where `seconds` pass without a call of what it gives, and what `stop`
    gives (see Patience).

    What stands between the parts of an answer (sizes, what follows the last part) is read without a limit otherwise.
    """
    with _watched(response.raw.labwright_connection, seconds, "the answer has no end", stop) as going_on:
        yield going_on


@contextlib.contextmanager
def _watched(connection: socket.socket, seconds: float, why: str, stop: Stop | None) -> Iterator[Callable[[], None]]:
    """Ends the connection; what is read of it then passes for a short answer, hence the error."""
    done = threading.Event()
    ended: list[Exception] = []
    until = [time.monotonic() + seconds]

    def going_on() -> None:
        until[0] = time.monotonic() + seconds

    def watch() -> None:
        left = seconds
        while not done.wait(max(0.0, min(left, STOP_PAUSE) if stop else left)):
            left = until[0] - time.monotonic()
            if error := (stop() if stop else None) or (Endless(why) if left <= 0 else None):
                ended.append(error)
                with contextlib.suppress(OSError):
                    # Of the socket itself: of one with TLS it would wait for what the thread that reads has in hand.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield going_on
    except Exception as error:
        if ended:
            raise ended[0] from error
        raise
    finally:
        done.set()
        # A connection that goes back to be used again is not ended late.
        watcher.join()
    if ended:
        raise ended[0]
