"""SSH to a server that sends without end: no more of it is taken than SSH needs, and the connection ends at once."""

from __future__ import annotations

import contextlib
import time

import pytest
from napalm.base.exceptions import ConnectionException
from support.hostile_sshd import (
    endless_greeting,
    hostile_sshd,
    large_packet,
    large_packet_later,
    unasked_errors,
    unasked_output,
)

from labwright import kit
from labwright.errors import LabwrightError
from labwright.vm.ssh import Login, ask, connect
from napalm_frr.options import Options
from napalm_frr.ssh import SshTransport

TAKEN = 16 << 20
"""Bytes: what the kernel's buffers of a connection hold is in it."""
LIMIT = 5.0


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (large_packet, "a packet of 1073741824 bytes, and 262144 are allowed"),
        (endless_greeting, "more than 65536 bytes"),
    ],
)
def test_a_server_that_sends_without_end_before_the_login_is_given_up_at_once(behave, words):
    with hostile_sshd(behave) as served:
        started = time.monotonic()
        with pytest.raises(LabwrightError, match=words), connect(Login(served.port, "u", "p"), 4 * LIMIT):
            pass
        with pytest.raises(kit.KitError, match=words), kit.connect("127.0.0.1", "u", "p", served.port, 4 * LIMIT):
            pass
        assert time.monotonic() - started < 3 * LIMIT
        assert served.sent < TAKEN


@pytest.mark.parametrize("behave", [large_packet_later, unasked_output, unasked_errors])
def test_a_server_that_sends_without_end_after_the_login_is_given_up_at_once(behave):
    with hostile_sshd(behave) as served:
        started = time.monotonic()
        with connect(Login(served.port, "u", "p"), 4 * LIMIT) as client:
            with contextlib.suppress(LabwrightError):
                assert ask(client, "true", 4 * LIMIT).code == -1
            assert not client.get_transport().is_active()
        assert time.monotonic() - started < 3 * LIMIT
        assert served.sent < TAKEN


def test_a_router_that_announces_a_gigabyte_is_given_up_at_once():
    with hostile_sshd(large_packet) as served:
        started = time.monotonic()
        with pytest.raises(ConnectionException, match="a packet of 1073741824 bytes"):
            SshTransport("127.0.0.1", "u", "p", 4 * LIMIT, Options(port=served.port)).open()
        assert time.monotonic() - started < 3 * LIMIT
        assert served.sent < TAKEN
