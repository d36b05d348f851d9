"""End-to-end tests share one cache folder, the user's own: content keys decide what has to be made anew."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.users import ordinary_user, readable_repository

ORDER = (
    "test_centos", "test_cluster", "test_docs", "test_debian", "test_trust", "test_provision", "test_nightly",
    "test_lessons", "test_third_party_nos", "test_nos",
)  # fmt: skip
"""Files that want the same image made would wait for each other, were they run at the same time."""
USERS_CACHE = os.environ.get("LABWRIGHT_CACHE", str(Path.home() / ".cache/labwright"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """End-to-end tests come first, since they take longest, and their files in an order of their own."""

    def place(item: pytest.Item) -> int:
        if item.path.parent != Path(__file__).parent:
            return len(ORDER) + 1
        return ORDER.index(item.path.stem) if item.path.stem in ORDER else len(ORDER)

    items.sort(key=place)


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
