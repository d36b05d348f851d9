"""Ansible's way into a guest of labwright: one connection plugin for every way in.

It runs in ansible-playbook's process and passes commands on to labwright, which holds the guest, over a socket in a
folder that only the builder can open.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
    name: labwright_guest
    short_description: run tasks in an image that labwright provisions
    description: Commands and files go to the labwright process that holds the guest.
    author: labwright
    options:
      socket:
        description: the socket that labwright listens on
        required: true
        vars:
          - name: labwright_socket
"""


class Connection(ConnectionBase):  # type: ignore[misc]
    """One connection a task; labwright keeps the guest open."""

    transport = "labwright_guest"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a shell command line; exit code and both streams."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        answer, output, errors = self._ask({"do": "run", "argv": ["sh", "-c", cmd]}, in_data or b"")
        return answer["code"], output, errors

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file into the guest."""
        super().put_file(in_path, out_path)
        self._ask({"do": "put", "source": in_path, "place": out_path})

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file out of the guest."""
        super().fetch_file(in_path, out_path)
        self._ask({"do": "get", "place": in_path, "destination": out_path})

    def close(self) -> None:
        """Nothing is held."""
        self._connected = False

    def _ask(self, request: dict[str, Any], data: bytes = b"") -> tuple[dict[str, Any], bytes, bytes]:
        try:
            with socket.socket(socket.AF_UNIX) as stream:
                stream.connect(self.get_option("socket"))
                head = json.dumps(request).encode()
                stream.sendall(struct.pack(">II", len(head), len(data)) + head + data)
                lengths = struct.unpack(">III", _exactly(stream, 12))
                head, output, errors = (_exactly(stream, length) for length in lengths)
        except (OSError, struct.error) as error:
            raise AnsibleConnectionFailure(f"labwright does not answer: {error}") from error
        answer = json.loads(head)
        if "error" in answer:
            raise AnsibleConnectionFailure(answer["error"])
        return answer, output, errors


def _exactly(stream: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        part = stream.recv(min(length - len(data), 1 << 20))
        if not part:
            raise OSError("the connection ended early")
        data += part
    return bytes(data)
