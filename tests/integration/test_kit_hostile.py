"""The kit against values, places and machines that mean harm, or are merely odd: nothing runs, nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.kit import fixtures
from support.kit.machine import NOBODY_SPECIAL, WITH_PASSWORD, Machine

from labwright.kit import File, KitError, connect, node
from labwright.kit.host import Host

pytestmark = fixtures.needs_machine
one = fixtures.one
BAIT = "/opt/taken"
SHELL = f"a'b\"c$(touch {BAIT})`touch {BAIT}`;touch {BAIT}|&>{BAIT} *~\\"


@pytest.fixture(autouse=True)
def nothing_ran_and_nothing_is_left(one: Machine):
    one.execute("rm", "-rf", "/opt")
    one.execute("mkdir", "/opt")
    yield
    assert one.execute("sh", "-c", f"ls {BAIT} 2>/dev/null || :") == ""
    left = one.execute(
        "find", "/tmp", "/etc", "/opt", "/home", "-name", "*labwright-kit*", "-not", "-path", "*/tests/*"
    )
    assert left == ""


def lesson(host: Host, folder: Path) -> Host:
    host._folders = (folder,)
    return host


@pytest.mark.parametrize("user", ["antidote", WITH_PASSWORD])
def test_signs_of_the_shell_in_names_places_and_arguments_are_only_signs(
    one: Machine, tmp_path: Path, user: str
) -> None:
    name = SHELL.replace("/", "_")
    (tmp_path / name).write_text('#!/bin/sh\nprintf %s "$1"\n')
    with one.host(user) as host:
        lesson(host, tmp_path)
        assert host.put({name: "/opt/"}) == (f"/opt/{name}",)
        assert host.put([File(f"/opt/{name}2/deeper/-n", b"x", folders=True)])
        assert host.script(name, SHELL, sudo=True).output == SHELL
        assert host.run(["printf", "%s", SHELL]).output == SHELL
        assert host.sudo(["printf", "%s", SHELL]).output == SHELL
    assert one.read(f"/opt/{name}2/deeper/-n") == "x"
    assert one.status(f"/opt/{name}2") == "root:root 755", "whoever may read the file must get there"


@pytest.mark.parametrize("password", [SHELL, "-n", "a:b", " blanks ", "%s\\n", "ä€😀", "x" * 200, "#", "'"])
def test_any_password_is_the_one_that_lets_in(one: Machine, password: str) -> None:
    with one.host() as host:
        host.user("odd", password)
        assert not host.user("odd", password)
    with connect("127.0.0.1", "odd", password, one.port) as odd:
        assert odd.run(["id", "-un"]).output == "odd\n"


@pytest.mark.parametrize("name", ["", "-x", "root;id", "a b", "a\nb", "A", "ä", "x" * 33, "$(id)"])
def test_what_is_no_name_of_a_user_gets_to_no_shell(one: Machine, name: str) -> None:
    with one.host() as host:
        for block in (lambda: host.user(name), lambda: host.keys(name, ["ssh-ed25519 AAAA"]),
                      lambda: host.user("odd", groups=[name])):  # fmt: skip
            with pytest.raises(KitError, match="is not the name"):
                block()


def test_a_nul_in_a_command_is_refused_and_not_the_end_of_it(one: Machine, tmp_path: Path) -> None:
    (tmp_path / "s.sh").write_text("true")
    with one.host() as host:
        lesson(host, tmp_path)
        for block in (lambda: host.run("echo a\0b"), lambda: host.sudo(["echo", "a\0b"]), lambda: host.run("  "),
                      lambda: host.script("s.sh", "a\0b"), lambda: host.run([])):  # fmt: skip
            with pytest.raises(KitError, match="command"):
                block()


def test_bytes_that_are_not_utf_8_come_back_in_output_and_in_errors(one: Machine, tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9.conf")
    (tmp_path / odd).write_text("content")
    with one.host() as host:
        lesson(host, tmp_path)
        assert host.run(r"printf 'a\377\200b'").output == "a��b"
        with pytest.raises(KitError, match="exit status 3"):
            host.run(r"printf 'a\377b' >&2; exit 3")
        assert host.put({"*.conf": "/opt/"}) == (f"/opt/{odd}",)
        assert host.run(["cat", f"/opt/{odd}"]).output == "content"
        assert host.text("/opt/odd", odd)
    assert one.execute("sh", "-c", r"cat /opt/caf$(printf '\351').conf; printf ' '; od -An -tx1 </opt/odd") == (
        "content  63 61 66 e9 2e 63 6f 6e 66\n"
    )


def test_a_place_that_is_a_link_is_replaced_and_what_it_leads_to_is_left_alone(one: Machine) -> None:
    one.execute("sh", "-c", "echo kept >/opt/real; ln -s real /opt/link; ln -s /nowhere /opt/dangling; mkdir /opt/dir;"
                "ln -s dir /opt/dirlink")  # fmt: skip
    with one.host() as host:
        assert host.put([File("/opt/link", b"new"), File("/opt/dangling", b"new"), File("/opt/dirlink/x", b"new")])
        with pytest.raises(KitError, match="/opt/dirlink is a folder"):
            host.text("/opt/dirlink", "x")
        with pytest.raises(KitError, match="no folder /opt/real"):
            host.text("/opt/real/x", "x")
        with pytest.raises(KitError):
            host.put([File("/opt/real/x", b"x", folders=True)])
    assert one.read("/opt/real") == "kept\n"
    assert one.status("/opt/link") == "root:root 644"
    assert one.execute("find", "/opt", "-type", "l") == "/opt/dirlink\n"


@pytest.mark.parametrize("place", ["", "/", "opt/x", "/opt/", "/opt/../x", "/opt/./x", "//opt/x", "/opt/a\nb", "/a\0b"])
def test_what_is_no_place_of_a_file_is_refused_here(place: str) -> None:
    with pytest.raises(KitError, match="is not the absolute path of a file"):
        File(place, b"")


def test_when_the_last_file_cannot_take_its_place_the_first_ones_are_as_they_were(one: Machine) -> None:
    one.execute("sh", "-c", "echo old >/opt/a; chmod 600 /opt/a; ln -s a /opt/link; echo mount >/opt/c;"
                "mount --bind /opt/c /opt/c")  # fmt: skip
    try:
        with one.host() as host, pytest.raises(KitError, match="exit status"):
            host.put(
                [File("/opt/a", b"new"), File("/opt/b", b"new"), File("/opt/link", b"new"), File("/opt/c", b"new")]
            )
    finally:
        one.execute("umount", "/opt/c")
    assert one.read("/opt/a") == "old\n"
    assert one.status("/opt/a") == "root:root 600"
    assert one.execute("readlink", "/opt/link") == "a\n"
    assert one.execute("ls", "/opt").split() == ["a", "c", "link"]


def test_a_file_of_50_megabytes_gets_there_whole(one: Machine, tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * 50
    (tmp_path / "large").write_bytes(data)
    with one.host(WITH_PASSWORD) as host:
        lesson(host, tmp_path).put({"large": "/opt/large"}, timeout=200)
        assert host.put({"large": "/opt/large"}, timeout=200) == ()
    assert one.execute("stat", "-c", "%s", "/opt/large") == f"{len(data)}\n"


def test_a_disk_that_is_full_is_an_error_and_leaves_the_old_file(one: Machine) -> None:
    one.execute("sh", "-c", "mkdir /opt/small; mount -t tmpfs -o size=1m none /opt/small; echo old >/opt/small/x")
    try:
        with one.host() as host, pytest.raises(KitError, match="space"):
            host.text("/opt/small/x", "y" * 3_000_000)
        assert one.read("/opt/small/x") == "old\n"
    finally:
        one.execute("umount", "/opt/small")


def test_output_that_is_still_on_its_way_when_the_command_has_ended_is_not_lost(one: Machine) -> None:
    with one.host() as host:
        for _ in range(3):
            assert len(host.run("head -c 15000000 /dev/zero | tr '\\0' x").output) == 15_000_000


def test_more_output_than_anybody_reads_is_an_error_and_not_all_of_our_memory(one: Machine) -> None:
    with one.host() as host, pytest.raises(KitError, match="more than 16 MiB"):
        host.run("head -c 60000000 /dev/zero")


def test_a_command_that_does_not_read_what_it_is_given_costs_its_time_limit(one: Machine) -> None:
    with one.host() as host:
        started = time.monotonic()
        with pytest.raises(KitError, match="no end after 2 s"):
            host.run("sleep 30", stdin="x" * 20_000_000, timeout=2)
        with pytest.raises(KitError, match="no end after 2 s"):
            host.run("while :; do head -c 40000 >/dev/null; sleep 0.2; done", stdin="x" * 20_000_000, timeout=2)
        assert time.monotonic() - started < 20


def test_a_secret_is_in_no_error_of_a_command_that_hangs_or_of_a_line_that_was_cut(one: Machine) -> None:
    with one.host() as host:
        with pytest.raises(KitError, match="no end after") as caught:
            host.run(f"echo {one.password}; sleep 30", timeout=1)
        assert one.password not in str(caught.value)
        half = len(one.password) // 2
        with pytest.raises(KitError) as caught:
            host.run(f"printf '%0{400 - half}d%s\\n' 0 {one.password}; false")
        assert one.password[:half] not in str(caught.value).partition("\n")[2]


def test_a_machine_that_is_lost_in_the_middle_of_a_large_file_leaves_nothing_in_its_place(one: Machine) -> None:
    with one.host() as host:
        ours = host.run("echo $PPID").output.strip()
        one.execute(
            "systemd-run", "sh", "-c", f"while ! ls -d /tmp/labwright-kit.*; do sleep 0.02; done; kill -9 {ours}"
        )
        with pytest.raises(KitError, match="connection"):
            host.put([File("/opt/lost", os.urandom(1 << 20) * 50)], timeout=100)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and one.execute("sh", "-c", "ls /tmp | grep labwright-kit || :"):
        time.sleep(0.1)
    assert one.execute("ls", "/opt") == ""


def test_someone_who_may_not_be_root_or_has_a_stale_password_is_told_by_sudos_words(one: Machine) -> None:
    with one.host(NOBODY_SPECIAL) as host:
        for block in (lambda: host.sudo("id"), lambda: host.hostname("x"), lambda: host.text("/opt/x", "x")):
            with pytest.raises(KitError, match="sudoers"):
                block()
    with one.host(WITH_PASSWORD) as host:
        host._password = "not-any-more"
        with pytest.raises(KitError, match=r"incorrect password|no password|try again") as caught:
            host.text("/opt/x", "x")
        assert "not-any-more" not in str(caught.value)


def test_sudo_without_a_password_for_other_commands_alone_does_not_give_the_password_away(one: Machine) -> None:
    one.execute("sh", "-c", f"echo '{NOBODY_SPECIAL} ALL=(ALL) NOPASSWD: /bin/sh, /usr/bin/sh' >/etc/sudoers.d/some;"
                "chmod 440 /etc/sudoers.d/some")  # fmt: skip
    try:
        with one.host(NOBODY_SPECIAL) as host:
            assert host.sudo(["cat"], stdin="given").output == "given"
    finally:
        one.execute("rm", "/etc/sudoers.d/some")


def test_a_stage_without_routing_takes_away_what_an_earlier_one_made_and_nothing_of_others(one: Machine) -> None:
    address = {"interfaces": [{"index": 1, "ipv4": ["10.3.0.1/24"]}]}
    routing = address | {"bgp": {"as": 65000, "neighbors": [{"peer": "10.3.0.2", "remote_as": 65001}]}}
    with one.host() as host:
        assert "/etc/frr/frr.conf" in host.apply(node(routing))
        assert "router bgp 65000" in one.execute("vtysh", "-c", "show running-config")
        assert "/etc/frr/frr.conf" in host.apply(node(address))
        assert "router bgp" not in one.execute("vtysh", "-c", "show running-config")
        assert host.apply(node(address)) == ()
        host.text("/etc/frr/frr.conf", "router bgp 65009\n", owner="frr:frr", mode="0640")
        assert host.apply(node(address)) == ()
    assert one.read("/etc/frr/frr.conf") == "router bgp 65009\n"


@pytest.mark.parametrize("kind", ["closes", "talks nonsense", "is silent"])
def test_something_that_is_no_ssh_is_a_sentence_and_no_traceback(tmp_path: Path, kind: str) -> None:
    server = tmp_path / "server.py"
    server.write_text(
        "import socket, sys, time\nlistener = socket.create_server(('127.0.0.1', 0))\n"
        "print(listener.getsockname()[1], flush=True)\nc, _ = listener.accept()\n"
        f"kind = {kind!r}\nif kind == 'talks nonsense': c.sendall(b'\\x00\\xff nonsense\\r\\n' * 2000)\n"
        "if kind == 'is silent': time.sleep(20)\nc.close()\n"
    )
    with subprocess.Popen([sys.executable, server], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port = process.stdout.readline().strip()
        (tmp_path / "c.py").write_text(
            f"from labwright import kit\nwith kit.connect('127.0.0.1', 'u', 'the-password', {port}, timeout=2): pass\n"
        )
        done = subprocess.run([sys.executable, tmp_path / "c.py"], capture_output=True, text=True, timeout=30,
                              check=False, env={"PATH": os.environ["PATH"], "ANTIDOTE_TARGET_HOST": "x"})  # fmt: skip
        process.kill()
    assert done.returncode == 1
    assert "no login as u at 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr
    assert "the-password" not in done.stderr


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 99999), ("x" * 300, 22), ("a..b", 22), ("\0", 22), ("", 22)])
def test_what_is_no_address_is_a_sentence(host: str, port: int) -> None:
    with pytest.raises(KitError, match="no login as u"), connect(host, "u", "p", port, timeout=2):
        pass
