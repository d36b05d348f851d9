"""The configurator napalm: real FRR over a real sshd, and a real NETCONF server in the place of a vendor's device."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import netconf
from support.endpoints import Stage, frr_machine, own_network, stage
from support.frr.routers import Router
from support.netconf import NetconfServer, netconf_server
from support.netconf.live import FIRST, SECOND, somebody_else

from labwright.host.run import run
from labwright.interfaces import Endpoint
from labwright.lesson.configure import configure_stage
from labwright.lesson.outcome import EndpointOutcome, failure

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces"),
    pytest.mark.timeout(600),
]
needs_netconf = pytest.mark.skipif(bool(netconf.missing()), reason=f"needs {netconf.missing()}")
ROUTE = "ip route 203.0.113.{}/32 Null0\n"


@pytest.fixture(scope="module", autouse=True)
def network() -> Iterator[None]:
    with own_network():
        yield


@pytest.fixture(scope="module")
def frr(network: None) -> Iterator[tuple[Router, Endpoint]]:
    with frr_machine("r-1") as made:
        yield made


@pytest.fixture
def server() -> Iterator[NetconfServer]:
    with netconf_server() as made:
        yield made


def one(folder: Path, endpoint: Endpoint, text: str, driver: str = "frr") -> Stage:
    return stage(
        folder, {f"stage0/configs/{endpoint.name}-{driver}.txt": text}, [endpoint], **{endpoint.name: "napalm"}
    )


def configured(made: Stage, **work: object) -> EndpointOutcome:
    """Configure its only endpoint. Whatever happened: nothing is left, and the password is nowhere."""
    (outcome,) = configure_stage(made.work(**work), made.context(run_for=lambda _: with_repaired_drivers))
    (endpoint,) = made.endpoints.values()
    story = [] if outcome.ok else failure([outcome]).details
    shown = "\n".join([made.logs(), *made.said, repr(outcome), *story])
    assert endpoint.password not in shown
    assert "Traceback" not in shown
    assert made.left() == []
    return outcome


def with_repaired_drivers(argv, env, **other):
    """NAPALM looks for drivers of its users first: see tests/support/custom_napalm for what is mended."""
    support = Path(__file__).parents[1]
    return run(argv, env={**env, "PYTHONPATH": f"{support / 'support/napalm_repaired'}:{support}"}, **other)


def test_a_candidate_is_merged_committed_said_and_empty_the_second_time(tmp_path, frr):
    router, endpoint = frr
    made = one(tmp_path, endpoint, ROUTE.format(1))
    outcome = configured(made)
    assert outcome.ok and outcome.tries == 1, outcome
    assert "ip route 203.0.113.1/32 Null0" in outcome.result.difference
    assert ROUTE.format(1).strip() in router.running()
    assert any("203.0.113.1/32" in line for line in made.said)
    again = configured(made)
    assert again.ok and not again.changed


def test_a_dry_run_shows_the_difference_and_commits_nothing(tmp_path, frr):
    router, endpoint = frr
    outcome = configured(one(tmp_path, endpoint, ROUTE.format(2)), dry_run=True)
    assert outcome.ok and "203.0.113.2/32" in outcome.result.difference
    assert "203.0.113.2/32" not in router.running()


def test_a_line_that_the_device_does_not_know_is_shown_with_its_number(tmp_path, frr):
    router, endpoint = frr
    outcome = configured(one(tmp_path, endpoint, ROUTE.format(3) + "ip nonsense 1.2.3.4\n"))
    assert not outcome.ok
    assert outcome.result.where == "stage0/configs/r-1-frr.txt:2", outcome.result
    assert "203.0.113.3/32" not in router.running()


def test_a_wrong_password_is_said(tmp_path, frr):
    _, endpoint = frr
    wrong = Endpoint(endpoint.name, endpoint.host, endpoint.port, endpoint.user, "not this one")
    outcome = configured(one(tmp_path, wrong, ROUTE.format(4)))
    assert "NAPALM does not get in" in outcome.result.reason
    assert outcome.tries == 3


def test_an_endpoint_where_nobody_listens_is_said(tmp_path, frr):
    _, endpoint = frr
    down = Endpoint(endpoint.name, endpoint.host, 9, endpoint.user, endpoint.password)
    outcome = configured(one(tmp_path, down, ROUTE.format(5)))
    assert "NAPALM does not get in" in outcome.result.reason
    assert "127.0.0.1" in outcome.result.reason


def test_a_file_that_is_no_text_is_refused_before_anybody_connects(tmp_path, frr):
    _, endpoint = frr
    down = Endpoint(endpoint.name, endpoint.host, 9, endpoint.user, endpoint.password)
    made = one(tmp_path, down, "")
    (made.lesson / "stage0/configs/r-1-frr.txt").write_bytes(b"one\n\xff\n")
    outcome = configured(made)
    assert outcome.result.where == "stage0/configs/r-1-frr.txt:2"
    assert outcome.tries == 1


@needs_netconf
def test_xml_is_merged_by_netconf_and_the_device_has_it(tmp_path, server):
    somebody_else(server, FIRST)
    outcome = configured(one(tmp_path, at(server), SECOND, "iosxr_netconf"))
    assert outcome.ok, outcome
    assert "r2" in outcome.result.difference
    assert server.leaves()["hostname"] == "r2"


@needs_netconf
@pytest.mark.parametrize("driver", ["junos", "iosxr_netconf"])
def test_xml_that_is_not_well_formed_is_shown_with_its_line_and_no_device_is_asked(tmp_path, server, driver):
    text = "<configuration>\n  <system>\n    <host-name>r1</hostname>\n  </system>\n</configuration>\n"
    log = server.folder / "sshd.log"
    before = len(log.read_text())
    outcome = configured(one(tmp_path, at(server), text, driver))
    assert outcome.result.where == f"stage0/configs/r1-{driver}.txt:3"
    assert "mismatched tag" in outcome.result.reason
    assert outcome.tries == 1
    # Not its name alone: an earlier session's end may be said late.
    assert "for netadmin" not in log.read_text()[before:]


@needs_netconf
def test_junos_speaks_netconf_on_the_endpoints_port_and_its_refusal_is_the_reason(tmp_path, server):
    """netconfd knows none of Junos's operations: NAPALM gets in, and gets no lock."""
    outcome = configured(one(tmp_path, at(server), "<configuration/>", "junos"))
    assert "the device does not take the configuration (LockError)" in outcome.result.reason
    assert outcome.tries == 3


@needs_netconf
def test_a_device_that_stands_still_is_given_up_at_the_time_limit(tmp_path, server):
    server.stands_still()
    started = time.monotonic()
    outcome = configured(one(tmp_path, at(server), SECOND, "iosxr_netconf"), limit=10.0)
    assert time.monotonic() - started < 60
    assert not outcome.ok
    assert outcome.result.reason
    assert "gave no answer" not in outcome.result.reason, "it gave up by itself, and says at what"
    server.goes_on()


def test_a_driver_that_no_package_brings_is_named_and_not_tried_again(tmp_path, frr):
    _, endpoint = frr
    odd = Endpoint(endpoint.name, endpoint.host, endpoint.port, endpoint.user, endpoint.password, driver="nosuch")
    outcome = configured(one(tmp_path, odd, "x\n", "nosuch"))
    assert "NAPALM has no driver 'nosuch'" in outcome.result.reason
    assert outcome.tries == 1


def at(server: NetconfServer) -> Endpoint:
    return Endpoint("r1", server.host, server.port, server.user, server.password)
