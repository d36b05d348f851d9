"""The NETCONF server of the tests, netconfd behind sshd, does what the standard says: commits, locks, startup."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ncclient.operations import RPCError
from support.netconf import live, missing, netconf_server
from support.netconf.live import FIRST, SECOND, eventually, lock_is_free, somebody_else

pytestmark = [pytest.mark.skipif(bool(missing()), reason=f"needs {missing()}"), pytest.mark.timeout(120)]
quick, server = live.quick, live.server


def command_lines() -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            yield (process / "cmdline").read_text(errors="replace")


def test_two_servers_at_once_know_nothing_of_each_other_and_leave_nothing():
    with netconf_server() as one, netconf_server() as other:
        somebody_else(one, FIRST)
        assert one.leaves() == {"hostname": "r1", "contact": "night shift"}
        assert other.leaves() == {}
        assert not Path("/tmp/ncxserver.sock").exists()
    for server in (one, other):
        assert not server.folder.exists()
        assert server.user not in Path("/etc/passwd").read_text()
        assert server.sessions() == 0
        with pytest.raises(ConnectionRefusedError), socket.create_connection((server.host, server.port)):
            pass
        assert not any(str(server.folder) in words for words in command_lines())


def test_a_confirmed_commit_that_nobody_confirms_is_taken_back_after_its_time(server):
    somebody_else(server, FIRST)
    with server.session() as session:
        session.edit_config(SECOND, target="candidate")
        session.commit(confirmed=True, timeout="10")
        assert server.leaves()["hostname"] == "r2"
        time.sleep(11)
        for _ in range(10):
            # Asking all the time would put it off: netconfd looks at its clock when it has nothing to do.
            time.sleep(2)
            if (left := server.leaves())["hostname"] == "r1":
                break
        assert left == {"hostname": "r1", "contact": "night shift"}


def test_a_confirmed_commit_is_taken_back_when_its_session_dies_before_the_confirmation(server):
    somebody_else(server, FIRST)
    with server.session() as session:
        session.edit_config(SECOND, target="candidate")
        session.commit(confirmed=True, timeout="600")
        assert server.leaves()["hostname"] == "r2"
    eventually(lambda: server.leaves() == {"hostname": "r1", "contact": "night shift"})


def test_a_confirmed_commit_with_a_name_outlives_its_session_until_somebody_cancels_it(server):
    somebody_else(server, FIRST)
    with server.session() as session:
        session.edit_config(SECOND, target="candidate")
        session.commit(confirmed=True, timeout="600", persist="lesson")
    eventually(lambda: server.sessions() == 0)
    assert server.leaves()["hostname"] == "r2"
    with server.session() as session:
        session.cancel_commit(persist_id="lesson")
    assert server.leaves()["hostname"] == "r1"


def test_a_confirmed_commit_that_is_confirmed_stays(server):
    with server.session() as session:
        session.edit_config(SECOND, target="candidate")
        session.commit(confirmed=True, timeout="600")
        session.commit()
        with pytest.raises(RPCError):  # nothing waits for a confirmation any more
            session.cancel_commit()
    eventually(lambda: server.sessions() == 0)
    assert server.leaves()["hostname"] == "r2"


def test_a_lock_is_free_again_when_the_session_that_held_it_dies(server):
    with server.session() as session, server.session() as other:
        session.lock("candidate")
        with pytest.raises(RPCError, match="lock denied"):
            other.lock("candidate")
    eventually(lambda: server.sessions() == 0)
    assert lock_is_free(server)


def test_what_was_not_saved_to_startup_is_gone_when_the_device_dies(server):
    somebody_else(server, FIRST)
    with server.session() as session:
        session.copy_config("running", "startup")
    somebody_else(server, SECOND)
    server.dies()
    server.starts_again()
    assert server.leaves() == {"hostname": "r1", "contact": "night shift"}
