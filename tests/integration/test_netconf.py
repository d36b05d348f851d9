"""NAPALM's way in by NETCONF, against a real server: netconfd behind OpenSSH.

Where a fact of NAPALM or of the server is what the product has to live with, a test holds it fast.
"""

from __future__ import annotations

import threading
import time

import pytest
from lxml.etree import XMLSyntaxError
from napalm import get_network_driver
from napalm.base.exceptions import ConnectionException, LockError, MergeConfigException, ReplaceConfigException
from ncclient.operations import RPCError, TimeoutExpiredError
from ncclient.transport import SessionCloseError
from support.netconf import NetconfServer, free_port, live, missing
from support.netconf.driver import MendedXrDriver
from support.netconf.live import FIRST, SECOND, eventually, lock_is_free, router, somebody_else

from labwright.errors import LabwrightError
from labwright.guest.napalm import Applied, apply

pytestmark = [pytest.mark.skipif(bool(missing()), reason=f"needs {missing()}"), pytest.mark.timeout(120)]
quick, server = live.quick, live.server


LINK = "a link to an interface that is not there"
BAD = {
    "a leaf that the model lacks": router("<hostnam>r2</hostnam>"),
    "a value out of range": router("<interface><name>eth1</name><mtu>17</mtu></interface>"),
    "a good line before a bad one": router("<hostname>r2</hostname><interface><mtu>1400</mtu></interface>"),
    LINK: router("<neighbor><peer>10.0.0.1</peer><link>eth9</link></neighbor>"),
    "a model that the server lacks": '<config><configuration xmlns="urn:example:other"/></config>',
}
HANDS_OVER_NOTHING = {
    "XML that ends too early": (SECOND[:-12], XMLSyntaxError),
    "nothing": ("", XMLSyntaxError),
    "a comment": (SECOND.replace("<config>", "<config><!-- lesson 1 -->"), TypeError),
    "an XML declaration": ('<?xml version="1.0" encoding="UTF-8"?>' + SECOND, ValueError),
}


@pytest.fixture
def driver(server: NetconfServer) -> MendedXrDriver:
    return way_in(server)


def way_in(server: NetconfServer, name: str | type = MendedXrDriver, **other: object):
    """A driver as the product constructs it. No agent, no keys: they are the developer's, and sshd counts attempts."""
    made = get_network_driver(name) if isinstance(name, str) else name
    encoding = {} if name == "junos" else {"config_encoding": "xml", "allow_agent": False, "look_for_keys": False}
    reach = {"hostname": server.host, "username": server.user, "password": server.password, "timeout": 20}
    port = other.pop("port", server.port)
    return made(**reach | other, optional_args={"port": port} | encoding)


def hand_over(driver, configuration: str, replace: bool = False) -> Applied:
    return apply(driver, configuration, replace, say=lambda _: None)


def fails_within(limit: float, driver, configuration: str) -> LabwrightError:
    start = time.monotonic()
    with pytest.raises(LabwrightError) as caught:
        hand_over(driver, configuration)
    assert time.monotonic() - start < limit
    return caught.value


def said(error: LabwrightError) -> str:
    return "\n".join([error.what, *error.details, error.hint])


# The order in which a configuration is handed over


def test_a_merge_is_committed_and_the_second_load_of_it_changes_nothing(server, driver):
    somebody_else(server, FIRST)
    applied = hand_over(driver, SECOND)
    assert applied.changed
    lines = [line.replace(" ", "") for line in applied.difference.splitlines()]
    assert {"-<hostname>r1</hostname>", "+<hostname>r2</hostname>"} <= set(lines)
    assert server.leaves() == {"hostname": "r2", "contact": "night shift", "name": "eth1", "mtu": "1400"}
    assert lock_is_free(server)


def test_a_replace_takes_away_what_the_configuration_does_not_say(server, driver):
    somebody_else(server, FIRST)
    assert hand_over(driver, SECOND, replace=True).changed
    assert server.leaves() == {"hostname": "r2", "name": "eth1", "mtu": "1400"}
    assert lock_is_free(server)


@pytest.mark.parametrize("replace", [False, True])
def test_a_configuration_that_is_there_already_is_not_committed(server, replace):
    hand_over(way_in(server), SECOND, replace)
    edits = server.log().count("on target 'running'")
    assert hand_over(way_in(server), SECOND, replace) == Applied("", changed=False)
    assert server.log().count("on target 'running'") == edits
    assert lock_is_free(server)


def test_a_commit_that_says_yes_and_changes_nothing_is_an_error(server):
    """A real one: netconfd 2.13 commits nothing, and says ok, if the candidate was validated before."""

    def commit(self, *_):
        self.device.validate("candidate")
        MendedXrDriver.commit_config(self)

    with pytest.raises(LabwrightError) as caught:
        hand_over(way_in(server, type("Careful", (MendedXrDriver,), {"commit_config": commit})), SECOND)
    assert "r2" in said(caught.value)
    assert server.leaves() == {}
    assert lock_is_free(server)


def test_a_device_that_took_only_half_is_an_error_that_says_what_is_missing(server):
    class Forgetful(MendedXrDriver):
        def commit_config(self, message="", revert_in=None):
            super().commit_config(message, revert_in)
            somebody_else(server, router('<interface nc:operation="delete" xmlns:nc="urn:ietf:params:xml:ns:netconf:'
                                         'base:1.0"><name>eth1</name></interface>'))  # fmt: skip

    with pytest.raises(LabwrightError) as caught:
        hand_over(way_in(server, Forgetful), SECOND)
    assert "eth1" in said(caught.value)
    assert server.leaves() == {"hostname": "r2"}
    assert lock_is_free(server)


@pytest.mark.parametrize(
    ("fault", "replace"), [*((fault, False) for fault in BAD), (LINK, True), ("a leaf that the model lacks", True)]
)
def test_a_bad_candidate_changes_nothing_and_keeps_no_lock(server, driver, fault, replace):
    somebody_else(server, FIRST)
    with pytest.raises(LabwrightError):
        hand_over(driver, BAD[fault], replace)
    eventually(lambda: server.sessions() == 0)
    assert server.leaves() == {"hostname": "r1", "contact": "night shift"}
    assert lock_is_free(server)


@pytest.mark.parametrize("fault", HANDS_OVER_NOTHING)
def test_a_candidate_that_napalm_stumbles_over_changes_nothing_and_keeps_no_lock(server, driver, fault):
    with pytest.raises(LabwrightError):
        hand_over(driver, HANDS_OVER_NOTHING[fault][0])
    eventually(lambda: server.sessions() == 0)
    assert server.leaves() == {}
    assert lock_is_free(server)


def test_a_commit_that_the_device_refuses_changes_nothing_and_keeps_no_lock(server, driver):
    somebody_else(server, FIRST)
    with server.session() as other, other.locked("running"):
        with pytest.raises(LabwrightError):
            hand_over(driver, SECOND)
        assert server.leaves() == {"hostname": "r1", "contact": "night shift"}
    assert lock_is_free(server)


@pytest.mark.parametrize("locked", [True, False])
def test_what_another_session_has_in_the_candidate_is_neither_committed_nor_thrown_away(server, driver, locked):
    with server.session() as other:
        if locked:
            other.lock("candidate")
        other.edit_config(FIRST, target="candidate")
        with pytest.raises(LabwrightError):
            hand_over(driver, SECOND)
        assert server.leaves() == {}
        assert server.leaves("candidate") == {"hostname": "r1", "contact": "night shift"}
        other.discard_changes()


@pytest.mark.parametrize("death", [NetconfServer.dies, NetconfServer.loses_its_sessions])
def test_a_device_that_dies_in_the_middle_of_a_commit_is_an_error_soon(server, death):
    def commit(self, *_):
        server.stands_still()  # so that the commit is under way, whatever the speed of this machine
        threading.Timer(0.5, lambda: death(server)).start()
        MendedXrDriver.commit_config(self)

    fails_within(30, way_in(server, type("Dying", (MendedXrDriver,), {"commit_config": commit}), timeout=5), SECOND)


def test_a_commit_without_an_answer_is_an_error_soon_and_may_still_be_carried_out(server):
    def commit(self, *_):
        server.stands_still()
        MendedXrDriver.commit_config(self)

    fails_within(50, way_in(server, type("Silent", (MendedXrDriver,), {"commit_config": commit}), timeout=5), SECOND)
    server.goes_on()
    # So an error here never means that the device is as it was.
    eventually(lambda: server.sessions() == 0)
    assert server.leaves()["hostname"] == "r2"
    assert lock_is_free(server)


def test_a_way_in_that_fails_after_it_has_connected_leaves_no_session(server):
    """NAPALM's own driver: open() raises, connected."""
    driver = way_in(server, "iosxr_netconf")  # kept: without a name for it, Python would clean up for us
    with pytest.raises(LabwrightError):
        hand_over(driver, SECOND)
    eventually(lambda: server.sessions() == 0)
    assert driver.is_alive() == {"is_alive": False}
    assert server.leaves() == {}


def test_a_wrong_password_is_an_error_that_says_so(server):
    error = fails_within(15, way_in(server, password="wrong"), SECOND)
    assert "uthentication" in said(error)


def test_a_port_where_nobody_listens_is_an_error_at_once(server):
    fails_within(10, way_in(server, port=free_port()), SECOND)


def test_sshd_without_a_netconf_server_behind_it_is_an_error_soon(server):
    server.dies()
    fails_within(15, way_in(server), SECOND)


# What NAPALM itself raises, which the order has to turn into words


def test_napalm_says_that_a_candidate_is_bad(driver):
    driver.open()
    for fault, configuration in BAD.items():
        with pytest.raises(MergeConfigException):
            driver.load_merge_candidate(config=configuration)
        with pytest.raises(ReplaceConfigException if fault != LINK else RPCError):
            driver.load_replace_candidate(config=configuration)
            driver.commit_config()  # a whole configuration is written unread, and links are looked at here
    driver.close()


def test_napalm_lets_errors_of_its_libraries_through_and_has_taken_the_lock(server, driver):
    driver.open()
    for configuration, error in HANDS_OVER_NOTHING.values():
        with pytest.raises(error):
            driver.load_merge_candidate(config=configuration)
    with server.session() as other, pytest.raises(RPCError, match="lock denied"):
        other.lock("candidate")
    driver.close()
    assert lock_is_free(server)


def test_discarding_after_a_load_that_got_no_lock_throws_away_what_others_wrote(server, driver):
    """Why the order does not discard after a load that failed."""
    driver.open()
    with server.session() as other:
        other.edit_config(FIRST, target="candidate")
        with pytest.raises(RPCError, match="discard-changes needed"):
            driver.load_merge_candidate(config=SECOND)
        driver.discard_config()
        assert server.leaves("candidate") == {}
    driver.close()


def test_napalm_waits_for_its_timeout_and_no_longer(server):
    driver = way_in(server, timeout=5)
    driver.open()
    driver.load_merge_candidate(config=SECOND)
    server.stands_still()
    for action in (driver.commit_config, driver.close):  # each waits anew
        start = time.monotonic()
        with pytest.raises(TimeoutExpiredError):
            action()
        assert time.monotonic() - start < driver.timeout + 10
    server.goes_on()
    assert driver.is_alive() == {"is_alive": True}  # close() gives the lock back first, and has not come further
    driver.device._session.close()


def test_napalm_says_that_the_session_was_closed(server, driver):
    driver.open()
    driver.load_merge_candidate(config=SECOND)
    server.stands_still()
    threading.Timer(0.5, server.dies).start()
    with pytest.raises(SessionCloseError):
        driver.commit_config()


@pytest.mark.parametrize("other", [{"password": "wrong"}, {"hostname": "no-such-host.invalid"}])
def test_napalm_says_that_it_could_not_connect(server, other):
    with pytest.raises(ConnectionException):
        way_in(server, **other).open()


def test_the_driver_for_xr_is_connected_when_its_open_fails_and_cannot_compare(server):
    driver = way_in(server, "iosxr_netconf")
    for action in (driver.open, lambda: driver.load_merge_candidate(config=SECOND) or driver.compare_config()):
        with pytest.raises(ValueError, match="encoding declaration"):
            action()
    assert driver.is_alive() == {"is_alive": True}
    driver.close()


def test_the_driver_for_junos_connects_and_gets_no_lock(server):
    driver = way_in(server, "junos")
    driver.open()
    with pytest.raises(LockError, match="lock-configuration"):
        driver.load_merge_candidate(config="<configuration/>")
    with pytest.raises(ValueError, match="encoding declaration"):  # and it has closed the session
        driver.close()
