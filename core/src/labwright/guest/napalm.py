"""A transaction by NAPALM: compare, say the difference, commit, compare again, and the second one is empty."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from napalm.base.base import NetworkDriver

from labwright.errors import Cause, LabwrightError
from labwright.host.text import plain

SHOWN = 12
LONGEST = 200
Result = TypeVar("Result")


@dataclass(frozen=True)
class Applied:
    """What a candidate changed. difference: in the device's own words."""

    difference: str
    changed: bool


@dataclass(frozen=True)
class Limits:
    """Seconds. transaction: for all of one, after which the device counts as hung."""

    transaction: float = 600.0


def driver_class(name: str) -> type[NetworkDriver]:
    """NAPALM's driver of this name. Raises LabwrightError (plugin) where no package brings it."""
    # Here, not above: it takes half a second, and the drivers that use this are looked at by every command.
    import napalm  # noqa: PLC0415
    from napalm.base.exceptions import ModuleImportError  # noqa: PLC0415

    try:
        found: type[NetworkDriver] = napalm.get_network_driver(name)
    except ModuleImportError as error:
        raise LabwrightError(
            f"NAPALM has no driver {name!r} here",
            cause=Cause.PLUGIN,
            hint=f"install the package that brings it, such as napalm-{name}",
        ) from error
    return found


def apply(
    driver: NetworkDriver,
    configuration: str,
    replace: bool,
    say: Callable[[str], None],
    limits: Limits = Limits(),
) -> Applied:
    """Bring a candidate into the running configuration of a device. driver: made, but not opened.

    Raises LabwrightError (guest) with the device's words: refused, half applied, gone, or not to be found afterwards.
    """
    return _bounded(lambda: _apply(driver, configuration, replace, say), limits.transaction)


def compare(driver: NetworkDriver, configuration: str, limits: Limits = Limits()) -> str:
    """The difference that merging a candidate would make; nothing is changed. Raises LabwrightError (guest)."""

    def ask() -> str:
        with _opened(driver):
            difference = _load(driver, configuration, replace=False)
            with _words("the candidate cannot be discarded"):
                driver.discard_config()
            return difference

    return _bounded(ask, limits.transaction)


def facts(driver: NetworkDriver, limits: Limits = Limits()) -> dict[str, str]:
    """What a device says of itself. Raises LabwrightError (guest)."""

    def ask() -> dict[str, Any]:
        with _opened(driver), _words("it does not say what it is"):
            return dict(driver.get_facts())

    found = _bounded(ask, limits.transaction)
    return {name: plain(str(found.get(name, "")))[:LONGEST] for name in ("vendor", "model", "os_version", "hostname")}


def _apply(driver: NetworkDriver, configuration: str, replace: bool, say: Callable[[str], None]) -> Applied:
    with _opened(driver):
        difference = _load(driver, configuration, replace)
        if not difference.strip():
            with _words("the candidate cannot be discarded"):
                driver.discard_config()
            return Applied("", changed=False)
        for line in difference.splitlines():
            say(f"napalm: {line[:LONGEST]}")
        try:
            with _words("the device did not take the commit"):
                driver.commit_config()
        except LabwrightError:
            # What is left of the candidate would hold a lock, or be committed by the next one who comes.
            with contextlib.suppress(Exception):
                driver.discard_config()
            raise
        left = _load(driver, configuration, replace)
        with _words("the candidate cannot be discarded"):
            driver.discard_config()
        if left.strip():
            raise LabwrightError(
                "the commit was taken, but the device does not have all of it",
                cause=Cause.GUEST,
                details=_lines(left),
                hint="the lines above are still missing: does this system, in this version, know them, and do the "
                "daemons or licences run that they are for?",
            )
        return Applied(difference, changed=True)


def _load(driver: NetworkDriver, configuration: str, replace: bool) -> str:
    """The difference that a candidate would make."""
    # Not discarded where it fails: where the lock was not ours, neither is what is in the candidate.
    with _words("the device does not take the configuration"):
        if replace:
            driver.load_replace_candidate(config=configuration)
        else:
            driver.load_merge_candidate(config=configuration)
    try:
        with _words("the device does not compare the configuration"):
            return plain(str(driver.compare_config()))
    except LabwrightError:
        with contextlib.suppress(Exception):
            driver.discard_config()
        raise


@contextlib.contextmanager
def _opened(driver: NetworkDriver) -> Iterator[None]:
    """A connection that is closed whatever happens: devices have few of them."""
    # Its libraries log each failure with a traceback before they raise it, and without a handler that goes to the
    # user's terminal.
    for name in ("paramiko", "ncclient", "netmiko", "pyeapi"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with _words("NAPALM does not get in"):
            driver.open()
        yield
    finally:
        _close(driver)


def _close(driver: NetworkDriver) -> None:
    """Also after an open() that failed: it may have connected."""
    try:
        driver.close()
    except Exception:
        # It gives its lock back first, and where no answer comes to that, its session stays. Nothing public cuts it.
        with contextlib.suppress(Exception):
            driver.device._session.close()


@contextlib.contextmanager
def _words(what: str) -> Iterator[None]:
    """Whatever a driver or a library under it raises, as an error of the device. They raise all kinds of things."""
    try:
        yield
    except LabwrightError:
        raise
    except NotImplementedError as error:
        raise LabwrightError(
            f"{what}: NAPALM's driver cannot do that", cause=Cause.PLUGIN, details=_lines(str(error)),
            hint="configure that in another way: by commands, or by a script",
        ) from error  # fmt: skip
    except Exception as error:
        details = _lines(str(error)) or [type(error).__name__]
        raise LabwrightError(
            f"{what} ({type(error).__name__})", cause=Cause.GUEST, details=details,
            hint="the lines above are the device's: mend the configuration that it was given; is the device there?",
        ) from error  # fmt: skip


def _lines(text: str) -> list[str]:
    return [line[:LONGEST] for line in plain(text).splitlines() if line.strip()][-SHOWN:]


def _bounded(work: Callable[[], Result], seconds: float) -> Result:
    """Do it within a time: drivers wait for ever for a device that reboots in the middle.

    Raises what the work raises, and LabwrightError (guest) where it does not end.
    """
    ended: list[Result] = []
    failed: list[BaseException] = []

    def body() -> None:
        try:
            ended.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=body, name="napalm", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not ended:
        raise LabwrightError(
            f"NAPALM gave no answer within {seconds:.0f} s",
            cause=Cause.GUEST,
            hint="has the device crashed or started again in the middle of it?",
        )
    return ended[0]
