"""Secrets by reference: a file outside the image's folder or a variable of the environment, never a value."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from labwright.errors import Cause, LabwrightError

REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:(/|~/).+")
LARGEST = 16 * 1024 * 1024
"""Bytes of a private file: licences and keys are small, and it is held in memory."""


def check_reference(reference: str) -> str:
    """The reference itself. Raises ValueError, without repeating it: somebody may have written the secret there."""
    if not REFERENCE.fullmatch(reference) or re.search(r"[\x00-\x1f\x7f]", reference):
        raise ValueError("a secret is named, not written here: env:NAME for a variable, or file:/path for a file")
    return reference


def read_secret(reference: str, field: str, folder: Path) -> bytes:
    """What a reference stands for. field: where it is used; folder: the image's, which must not hold it.

    Raises LabwrightError (config) naming the reference, never the content.
    """
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = os.environb.get(name.encode())
        if value is None:
            raise LabwrightError(
                f"{field}: the variable {name} is not set", cause=Cause.CONFIG, hint=f"export {name} before the build"
            )
        return value
    path = Path(name).expanduser()
    if path.resolve().is_relative_to(folder.resolve()):
        raise LabwrightError(
            f"{field}: {path} is in the image's folder, which is published",
            cause=Cause.CONFIG,
            hint="move it to a folder of your own outside of it, with mode 0600",
        )
    try:
        with open(path, "rb", opener=lambda place, flags: os.open(place, flags | os.O_NONBLOCK)) as stream:
            facts = os.fstat(stream.fileno())
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST:
                raise LabwrightError(
                    f"{field}: {path} is not a file of at most {LARGEST >> 20} MiB",
                    cause=Cause.CONFIG,
                    hint="name the file itself",
                )
            return stream.read(LARGEST)
    except OSError as error:
        raise LabwrightError(
            f"{field}: {path} cannot be read: {error.strerror}",
            cause=Cause.CONFIG,
            hint="put it there, or mend its mode",
        ) from error
