"""Asking a lab's keeper for something, from another process."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from labwright.errors import Cause, LabwrightError

PATIENCE = 20.0


def ask_keeper(control: Path, **request: Any) -> dict[str, Any]:
    """Its answer. control: its socket. Raises LabwrightError (host) where it refuses, or does not answer."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(control))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as stream:
                answer = json.loads(stream.readline())
    except (OSError, ValueError) as error:
        raise LabwrightError(
            f"the lab's own process does not answer: {error}",
            cause=Cause.HOST,
            hint="labwright lesson status says whether it lives; down and up again if not",
        ) from error
    if not isinstance(answer, dict) or not answer.get("ok"):
        said = answer.get("error") if isinstance(answer, dict) else answer
        raise LabwrightError(f"the lab refuses to do that: {said}", cause=Cause.HOST, hint="is the file writable?")
    return answer
