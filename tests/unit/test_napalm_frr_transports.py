"""The driver's ways to run a command: what comes late over SSH, and what does not end locally."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest
from napalm.base.exceptions import CommandTimeoutException, ConnectionClosedException, ConnectionException

from napalm_frr import transport
from napalm_frr.options import Options
from napalm_frr.ssh import SshTransport
from napalm_frr.transport import SCRIPT, LocalTransport


class Server(paramiko.ServerInterface):
    """Tells the exit status before the data, as OpenSSH may; then the end, or it is gone."""

    def __init__(self, ends: bool) -> None:
        self.ends = ends

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self._answer, args=(channel,), daemon=True).start()
        return True

    def _answer(self, channel: paramiko.Channel) -> None:
        channel.sendall(b"begin ")
        channel.send_exit_status(0)
        time.sleep(0.1)
        if self.ends:
            channel.sendall(b"end")
            channel.close()
        else:
            channel.get_transport().close()


@contextlib.contextmanager
def connected(ends: bool, **options: object) -> Iterator[SshTransport]:
    with contextlib.ExitStack() as undo:
        listener = undo.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve() -> None:
            served = paramiko.Transport(listener.accept()[0])
            undo.callback(served.close)
            served.add_server_key(paramiko.ECDSAKey.generate())
            served.start_server(server=Server(ends))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        made = SshTransport("127.0.0.1", "u", "p", 5, Options(port=listener.getsockname()[1], **options))
        made.open()
        undo.callback(made.close)
        thread.join(5)
        yield made


def test_data_after_the_exit_status_is_not_cut_off() -> None:
    with connected(ends=True) as ssh:
        assert ssh.run(["show"], timeout=5).out == "begin end"


def test_a_connection_that_breaks_after_the_exit_status_is_no_whole_answer() -> None:
    with connected(ends=False) as ssh, pytest.raises(ConnectionClosedException, match="broke"):
        ssh.run(["show"], timeout=5)


def test_a_home_is_found_in_the_paths_of_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "hosts").write_text("")
    strict = SshTransport("127.0.0.1", "u", "p", 5, Options(port=1, ssh_strict=True, known_hosts="~/hosts"))
    with pytest.raises(ConnectionException, match="No SSH connection"):
        strict.open()
    given: dict[str, object] = {}
    monkeypatch.setattr(paramiko.SSHClient, "connect", lambda self, *words, **more: given.update(more))
    SshTransport("r1", "u", "p", 5, Options(key_file="~/key"))._connect(paramiko.SSHClient())
    assert given["key_filename"] == str(tmp_path / "key")


# On this machine


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> LocalTransport:
    monkeypatch.setattr(transport, "GRACE_SECONDS", 0.2)
    made = LocalTransport()
    made.open()
    return made


def soon(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return met


@pytest.mark.parametrize("script", [True, False])
def test_a_script_that_takes_too_long_tidies_up_and_all_else_is_killed_in_the_end(
    local: LocalTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: bool
) -> None:
    begun, go, tidy = tmp_path / "begun", tmp_path / "go", tmp_path / "tidy"
    waiting = "for each in $(seq 600); do [ -e {} ] || sleep 0.05; done"
    program = f"trap '{waiting.format(go)}; : >{tidy}; exit 143' TERM; : >{begun}; {waiting.format(go)}"
    collect, started = LocalTransport._collect, []

    def collect_when_begun(process: subprocess.Popen[bytes], *words: object) -> object:
        started.append(process)
        assert soon(begun.exists)
        return collect(process, *words)

    monkeypatch.setattr(LocalTransport, "_collect", staticmethod(collect_when_begun))
    with pytest.raises(CommandTimeoutException):
        local.run(["sh", "-c", program, SCRIPT if script else "sh"], timeout=0.1)
    if script:
        go.touch()
        assert soon(tidy.exists), "it was not left to tidy up"
    else:
        assert soon(lambda: started[0].returncode is not None), "it was not killed"
        go.touch()
        assert not tidy.exists()


def test_a_process_that_is_not_ours_to_end_does_not_hide_what_failed(
    local: LocalTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    for name in ("terminate", "kill"):
        monkeypatch.setattr(subprocess.Popen, name, refuse)
    monkeypatch.setattr("os.killpg", refuse)
    with pytest.raises(CommandTimeoutException):
        local.run(["sleep", "1"], timeout=0.1)
