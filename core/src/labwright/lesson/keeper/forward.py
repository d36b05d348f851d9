"""Connects standard input and output, which QEMU gives us as one socket, with a port: one connection of a guest's."""

import contextlib
import os
import selectors
import socket
import sys

SIZE = 65536


def main() -> None:
    """Copy both ways until both have ended."""
    try:
        far = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10)
    except OSError:
        return
    far.settimeout(None)
    near = socket.socket(fileno=os.dup(0))
    ends = {near: far, far: near}
    with selectors.DefaultSelector() as ready:
        for end in ends:
            ready.register(end, selectors.EVENT_READ)
        while ready.get_map():
            for key, _ in ready.select():
                source = key.fileobj
                assert isinstance(source, socket.socket)
                try:
                    data = source.recv(SIZE)
                    if data:
                        ends[source].sendall(data)
                        continue
                except OSError:
                    return
                ready.unregister(source)
                with contextlib.suppress(OSError):
                    ends[source].shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main()
