"""How a configuration is handed to a device through NAPALM, as labwright_nos.handover does it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from napalm.base.base import NetworkDriver

from labwright.errors import Cause, LabwrightError


@dataclass(frozen=True)
class Applied:
    difference: str
    changed: bool


def apply(driver: NetworkDriver, configuration: str, replace: bool, say: Callable[[str], None]) -> Applied:
    """Stands here only until the product has it; the tests then take that one."""
    try:
        driver.open()
        return _in_order(driver, configuration, replace, say)
    except LabwrightError:
        raise
    except Exception as error:  # NAPALM's exceptions, but ncclient's and lxml's too: drivers let them through
        name = type(error).__name__
        raise LabwrightError(f"the device refused: {name}: {error}", cause=Cause.GUEST) from error
    finally:
        # Also after an open() that failed: it may have connected. No discard: where the lock was not ours, neither was
        # the candidate, and where it was, closing gives up both.
        _close(driver)


def _close(driver: NetworkDriver) -> None:
    try:
        driver.close()
    except Exception:  # it gives its lock back first, and where there is no answer to that, it leaves the session open
        with contextlib.suppress(Exception):
            driver.device._session.close()  # nothing public cuts a connection


def _in_order(driver: NetworkDriver, configuration: str, replace: bool, say: Callable[[str], None]) -> Applied:
    load = driver.load_replace_candidate if replace else driver.load_merge_candidate
    load(config=configuration)
    difference = driver.compare_config()
    if not difference:
        driver.discard_config()
        return Applied("", changed=False)
    say(difference)
    driver.commit_config()
    load(config=configuration)
    left = driver.compare_config()
    driver.discard_config()
    if left:
        raise LabwrightError("the device did not take all of it", cause=Cause.GUEST, details=left.splitlines())
    return Applied(difference, changed=True)
