"""What tests share. Every test has a cache folder of its own, so none sees what builds on this machine made."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.standin import StandIn, stand_in

from labwright.host.ledger import Ledger
from labwright.host.run import run
from labwright.interfaces import Workbench

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "cache"
    monkeypatch.setenv("LABWRIGHT_CACHE", str(cache))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    return cache


def stand_ins() -> Path:
    """Where stand-ins stay between runs of the tests."""
    return Path(os.environ.get("LABWRIGHT_TEST_CACHE", Path.home() / ".cache/labwright-tests"))


@pytest.fixture(scope="session")
def standin() -> StandIn:
    """The stand-in for mirrors of the Enterprise Linux family; the first test on a machine builds it, in a minute."""
    return stand_in(stand_ins())


@pytest.fixture(scope="session")
def stand_in_with_kernel() -> StandIn:
    """With the source of a real kernel, for which the first test on a machine waits a minute more."""
    return stand_in(stand_ins(), kernel=True)


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    scratch, downloads = tmp_path / "scratch", tmp_path / "downloads"
    scratch.mkdir()
    downloads.mkdir()
    return Workbench(
        run=functools.partial(run, log=tmp_path / "log"),
        scratch=scratch,
        downloads=downloads,
        ledger=Ledger(tmp_path / "ledger"),
        say=lambda _: None,
        source_date_epoch=1_700_000_000,
        jobs=2,
    )


def labwright(*words: str | Path, timeout: float = 3000, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line as a user runs it."""
    return subprocess.run(
        [sys.executable, "-m", "labwright", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=os.environ | environment,
        cwd=REPOSITORY,
    )


@pytest.fixture
def cli():
    return labwright
