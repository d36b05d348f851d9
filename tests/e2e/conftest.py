"""End-to-end tests share one cache folder, the user's own: content keys decide what has to be made anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

USERS_CACHE = os.environ.get("LABWRIGHT_CACHE", str(Path.home() / ".cache/labwright"))


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LABWRIGHT_CACHE", USERS_CACHE)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    return Path(USERS_CACHE)
