"""The setting that names the driver under test; loaded in every run of pytest where labwright is installed.

So it imports nothing, and without the setting it brings nothing either: another plugin's fixtures may have the names of
ours. With

    [tool.pytest.ini_options]
    labwright_driver = "provisioners acme"

there are the fixtures of labwright.pytest_fixtures.
"""

from __future__ import annotations

import pytest

OPTION = "labwright_driver"


def pytest_addoption(parser: pytest.Parser) -> None:
    """One setting."""
    parser.addini(OPTION, "the driver under test: its interface and its type, as in `provisioners acme`", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Bring the fixtures to a project that names a driver."""
    if config.getini(OPTION):
        config.pluginmanager.import_plugin("labwright.pytest_fixtures")
