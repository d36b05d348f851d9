"""The JSON Schema of a profile, for editors, and the names of its keys.

python -m labwright_nos.profile.schema prints it
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from labwright_nos.profile.model import Profile

SECTIONS = {"ConfigDisk": "config", "DataInterfaces": "data"}
"""Where a part of a profile is not called as its model."""


def profile_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12."""
    schema = Profile.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A profile of a network operating system",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def keys() -> list[str]:
    """Every key, as SECTION.KEY; those of the file itself by their name."""
    schema = profile_schema()
    return sorted({*_keys("", schema), *(name for part in schema["$defs"].items() for name in _keys(*part))})


def _keys(section: str, schema: dict[str, Any]) -> Iterator[str]:
    prefix = f"{SECTIONS.get(section, section.lower())}." if section else ""
    yield from (f"{prefix}{name}" for name in schema.get("properties", {}))


if __name__ == "__main__":
    json.dump(profile_schema(), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
