"""NAPALM's own conformance suites on live FRR."""

from __future__ import annotations

import contextlib
import os
import unittest
from collections.abc import Iterator
from pathlib import Path

import pytest

# NAPALM decides when its suite is imported whether it replays files or speaks to a device.
from napalm.base.test import base
from napalm.base.test import conftest as napalm_conftest
from support.frr import sshd
from support.frr.routers import bgp_pair, router

from napalm_frr import FRRDriver

napalm_conftest.NAPALM_TEST_MOCK = 0
from napalm.base.test import getters  # noqa: E402

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces"),
    pytest.mark.filterwarnings("ignore::pytest.PytestReturnNotNoneWarning"),
]

DATA = Path(__file__).parents[1] / "support/frr/frr"

# What FRR has not: LLDP, NTP, SNMP, firewalls, optics, users and sensors are other programs' on Linux.
NOT_FRR = {
    "get_bgp_config", "get_environment", "get_firewall_policies", "get_lldp_neighbors", "get_lldp_neighbors_detail",
    "get_mac_address_table", "get_ntp_peers", "get_ntp_servers", "get_ntp_stats", "get_optics", "get_probes_config",
    "get_probes_results", "get_snmp_information", "get_users", "get_vlans",
}  # fmt: skip


class ConfigurationSuite(base.TestConfigNetworkDriver):
    vendor = str(DATA)
    # For other test runners; pytest would do everything twice.
    setup_class = teardown_class = None

    @classmethod
    def setUpClass(cls) -> None:
        one = cls.enterClassContext(router())
        cls.device = cls.connected(one)
        cls.addClassCleanup(cls.device.close)
        cls.device.load_replace_candidate(filename=f"{cls.vendor}/initial.conf")
        cls.device.commit_config()


class TestConfigurationLocally(ConfigurationSuite, unittest.TestCase):
    @classmethod
    def connected(cls, one):
        driver = FRRDriver("localhost", "", "", optional_args=one.optional_args)
        driver.open()
        return driver


class TestConfigurationBySsh(ConfigurationSuite, unittest.TestCase):
    """As an ordinary user in FRR's groups, who may write FRR's folder; watchfrr would write there for him."""

    @classmethod
    def connected(cls, one):
        one.config.chmod(0o775)
        server = cls.enterClassContext(sshd.server(one))
        driver = FRRDriver(
            server.host, server.username, server.password, optional_args={"port": server.port, **one.paths}
        )
        driver.open()
        return driver


@pytest.fixture(scope="class")
def set_device_parameters(request: pytest.FixtureRequest) -> Iterator[None]:
    with contextlib.ExitStack() as undo:
        left, _ = undo.enter_context(bgp_pair())
        request.cls.device = FRRDriver("localhost", "", "", optional_args=left.optional_args)
        request.cls.device.open()
        undo.callback(request.cls.device.close)
        yield


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    napalm_conftest.pytest_generate_tests(metafunc, __file__)


@pytest.mark.usefixtures("set_device_parameters")
class TestGetters(getters.BaseTestGetters):
    driver = FRRDriver

    def test_get_arp_table_with_vrf(self) -> None:
        # The suite's VRF is named TEST, and few kernels of test machines have VRF devices; all have the default one.
        table = self.device.get_arp_table(vrf="default")
        assert [one["ip"] for one in table] == ["192.0.2.2"]
        assert self.device.get_arp_table(vrf="TEST") == []


# What is not FRR's is no gap that a skip should report on every run.
for absent in NOT_FRR:
    setattr(TestGetters, f"test_{absent}", None)


def test_only_what_frr_has_not_is_left_out() -> None:
    driver = FRRDriver("localhost", "", "")
    with pytest.raises(NotImplementedError):
        driver.get_environment()
    implemented = {name for name in vars(FRRDriver) if name.startswith("get_")}
    asked = {name for name in dir(getters.NetworkDriver) if name.startswith("get_")}
    assert asked - implemented == NOT_FRR
