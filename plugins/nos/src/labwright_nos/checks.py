"""What `labwright plugins check` looks at in a network operating system, beside what it looks at in every driver."""

from __future__ import annotations

from collections.abc import Callable

from labwright.errors import LabwrightError
from labwright.hooks import CheckResult, Plugin, hookimpl

NAMED = "A profile is called as its image type is: authors of images and readers of logs see both."
REACHED = "The package that brings NAPALM's driver is installed with this one: name it in the dependencies."
TRIED = "A profile says in `tested` on what it was tried; empty is honest, and users read it in `limits`."


@hookimpl
def labwright_check_driver(plugin: Plugin) -> list[CheckResult]:
    """The checks of a driver that has a profile."""
    # Here, not above: every command loads its hooks.
    from labwright_nos.provisioner import NosProvisioner  # noqa: PLC0415

    if not (isinstance(plugin.driver, type) and issubclass(plugin.driver, NosProvisioner)):
        return []
    checks: tuple[Callable[[Plugin], CheckResult], ...] = (_named, _reached, _tried)
    return [check(plugin) for check in checks]


def _named(plugin: Plugin) -> CheckResult:
    name = plugin.driver.profile.name
    found = f"profile {name!r}, type {plugin.name!r}"
    return CheckResult("the profile's name", "pass" if name == plugin.name else "fail", found, NAMED)


def _reached(plugin: Plugin) -> CheckResult:
    from labwright.guest.napalm import driver_class  # noqa: PLC0415

    napalm = plugin.driver.profile.napalm
    if napalm is None:
        return CheckResult("NAPALM's driver", "pass", "none: the console does everything", REACHED)
    try:
        found = driver_class(napalm.driver)
    except LabwrightError as error:
        return CheckResult("NAPALM's driver", "warning", error.what, REACHED)
    return CheckResult("NAPALM's driver", "pass", f"{found.__module__}.{found.__name__}", REACHED)


def _tried(plugin: Plugin) -> CheckResult:
    tested = plugin.driver.profile.tested or "nothing but a simulated console, and it says so"
    return CheckResult("what it was tried on", "pass", tested, TRIED)
