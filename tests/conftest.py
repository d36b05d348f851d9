"""What tests share. Every test has a cache folder of its own, so none sees what builds on this machine made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support.standin import StandIn, stand_in

from labwright.interfaces import Workbench
from labwright.testing import workbench

# A busy machine is slow, and that is no fault of what is tested.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

REPOSITORY = Path(__file__).parents[1]
TEST_CACHE = Path(os.environ.get("LABWRIGHT_TEST_CACHE", Path.home() / ".cache/labwright-tests"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "cache"
    monkeypatch.setenv("LABWRIGHT_CACHE", str(cache))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    return cache


@pytest.fixture(scope="session")
def standin() -> StandIn:
    """The stand-in for mirrors of the Enterprise Linux family; the first test on a machine builds it, in a minute."""
    return stand_in(TEST_CACHE)


@pytest.fixture(scope="session")
def stand_in_with_kernel() -> StandIn:
    """The same with a real kernel's source in it."""
    return stand_in(TEST_CACHE, kernel=True)


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return workbench(tmp_path)


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
