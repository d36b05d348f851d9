"""End-to-end tests share one cache folder, the user's own: content keys decide what has to be made anew."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.users import ordinary_user, readable_repository

USERS_CACHE = os.environ.get("LABWRIGHT_CACHE", str(Path.home() / ".cache/labwright"))


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LABWRIGHT_CACHE", USERS_CACHE)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    return Path(USERS_CACHE)


@pytest.fixture
def somebody() -> Iterator[pwd.struct_passwd]:
    with ordinary_user() as user:
        yield user


@pytest.fixture(scope="module")
def repository() -> Iterator[Path]:
    with readable_repository() as place:
        yield place
