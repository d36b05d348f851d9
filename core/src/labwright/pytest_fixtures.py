"""Fixtures for the tests of a driver, in projects that name one as `labwright_driver`; see pytest_plugin.

`bench` is a real workbench in the test's folder, `driver` an instance of the driver, made as labwright makes it, and a
test that takes `conformance` is run once for every check of the kit. A fixture of your own of the same name goes before
these. What they need is imported where it is used: measurements of coverage begin after this.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from labwright.pytest_plugin import OPTION

if TYPE_CHECKING:
    from labwright.hooks import CheckResult, Plugin
    from labwright.interfaces import Workbench


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a check."""
    if "conformance" not in metafunc.fixturenames:
        return
    from labwright.testing import kit

    interface, _ = _wanted(metafunc.config)
    checks: list[Any] = [kit.LOADS, *kit.checks_of(kit.GROUPS[interface]), kit.others]
    names = [kit.LOADS, *map(kit.check_name, checks[1:-1]), "checks of other packages"]
    metafunc.parametrize("conformance", checks, ids=names, indirect=True)


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    """A workbench with folders of this test's own; what it runs is really run."""
    from labwright.testing import workbench

    return workbench(tmp_path)


@pytest.fixture
def driver(labwright_plugin: Plugin) -> Any:
    """An instance of the driver under test, found by its entry point."""
    from labwright.plugins import driver_of

    return driver_of(labwright_plugin)


@pytest.fixture(scope="session")
def labwright_plugin(pytestconfig: pytest.Config) -> Plugin:
    """The plugin under test, with its health: the one that a build would use."""
    from labwright.errors import LabwrightError
    from labwright.testing import claim

    interface, name = _wanted(pytestconfig)
    try:
        return claim(name, interface)
    except LabwrightError as error:
        raise pytest.UsageError(f"{error.what}; {error.hint}") from error


@pytest.fixture(scope="session")
def labwright_subject(labwright_plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the checks look at; one for all, since a Python of its own imports the driver for it."""
    from labwright.testing import workbench
    from labwright.testing.subject import Subject

    return Subject(labwright_plugin, workbench(tmp_path_factory.mktemp("conformance")))


@pytest.fixture
def conformance(request: pytest.FixtureRequest, labwright_subject: Any) -> CheckResult:
    """What one check found. A test that takes it asserts that its state is not "fail"."""
    from labwright.testing import CheckResult, kit

    loaded = kit.loads(labwright_subject.plugin)
    check: Any = getattr(request, "param", kit.LOADS)
    if check == kit.LOADS:
        return loaded
    if loaded.state == "fail":
        pytest.skip("there is no class to look at")
    if check is not kit.others:
        return kit.run_check(check, labwright_subject)
    found = kit.others(labwright_subject.plugin)
    wrong = [result for result in found if result.state == "fail"]
    return wrong[0] if wrong else CheckResult("checks of other packages", "pass", f"{len(found)} checks")


def _wanted(config: pytest.Config) -> tuple[str, str]:
    """Interface and type. Raises pytest.UsageError."""
    words = str(config.getini(OPTION)).split()
    interfaces = ("bootstrappers", "provisioners", "configurators")
    if len(words) != 2 or words[0] not in interfaces:
        raise pytest.UsageError(f'{OPTION} = "INTERFACE TYPE" is wanted, INTERFACE one of {", ".join(interfaces)}')
    return words[0], words[1]
