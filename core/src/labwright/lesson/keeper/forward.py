"""Connects standard input and output, which QEMU gives us as one socket, with a port: one connection of a guest's."""

import contextlib
import os
import socket
import sys
import threading

SIZE = 65536


def main() -> None:
    """Copy both ways until both have ended."""
    try:
        far = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10)
    except OSError:
        return
    far.settimeout(None)
    near = socket.socket(fileno=os.dup(0))
    # A thread each way: where both ends send much and neither reads yet, one alone would wait for itself.
    back = threading.Thread(target=_copy, args=(far, near))
    back.start()
    _copy(near, far)
    back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(SIZE):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main()
