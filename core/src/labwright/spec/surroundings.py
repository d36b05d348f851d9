"""What the environment of a command says of every image of a type: a school's own mirror, and the keys of it."""

from __future__ import annotations

import os
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.spec.image import UNFIT_FOR_SOURCES, BuildSpec, check_mirror_url


def from_environment(build: BuildSpec) -> BuildSpec:
    """The build with LABWRIGHT_<TYPE>_MIRROR and LABWRIGHT_<TYPE>_KEYRING in place of its mirror and keyring.

    Raises LabwrightError (config) naming the variable that does not fit.
    """
    prefix = f"LABWRIGHT_{build.type.upper().replace('-', '_')}"
    changes: dict[str, str] = {}
    if mirror := os.environ.get(f"{prefix}_MIRROR"):
        try:
            check_mirror_url(mirror)
        except ValueError as error:
            raise _unfit(f"{prefix}_MIRROR", str(error)) from None
        changes["mirror"] = mirror.rstrip("/")
    if keyring := os.environ.get(f"{prefix}_KEYRING"):
        if not Path(keyring).is_file() or UNFIT_FOR_SOURCES.search(keyring):
            raise _unfit(f"{prefix}_KEYRING", "it is the path of a file, without blanks, quotes and brackets")
        changes["keyring"] = str(Path(keyring).resolve())
    return build.model_copy(update=changes) if changes else build


def _unfit(name: str, what: str) -> LabwrightError:
    return LabwrightError(f"{name} does not fit: {what}", cause=Cause.CONFIG, hint=f"mend it, or unset {name}")
