"""Connects standard input and output, which QEMU gives us as one socket, with a port: one connection of a guest's.

Arguments: address, port, and the beginning of the names of files of which each connection holds one.
"""

import contextlib
import fcntl
import os
import socket
import sys
import threading

SIZE = 65536
MOST = 64
"""Connections of one guest to others at once: each is a process of the host's, and a guest may ask without end."""


def main() -> None:
    """Copy both ways until both have ended; at once where the guest has too many connections already."""
    if not _place(sys.argv[3]):
        return
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


def _place(prefix: str) -> bool:
    """Take one of the guest's places, for as long as this process lives."""
    for number in range(MOST):
        descriptor = os.open(f"{prefix}{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        os.close(descriptor)
    return False


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(SIZE):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main()
