"""The kit's blocks on a machine with a real sshd, sudo and systemd."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from support.kit import fixtures
from support.kit.machine import NOBODY_SPECIAL, WITH_PASSWORD, Machine

from labwright.kit import File, KitError, connect
from labwright.kit.host import Host
from labwright.kit.service import PROPERTIES, Service

pytestmark = fixtures.needs_machine
one = fixtures.one
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5cFKMUSyWPAZXUoYHWRJpnUmIJrjWz8tVFYEgZfWEB somebody"


def left_behind(one: Machine) -> list[str]:
    """Temporary files of the kit's, wherever it makes some."""
    return one.execute(
        "find", "/tmp", "/etc", "/opt", "-name", "*labwright-kit*", "-not", "-path", "*/tests/*"
    ).splitlines()


def lesson(host: Host, folder: Path) -> Host:
    """The same connection, for a script in that folder."""
    host._folders = (folder,)
    return host


def test_a_command_that_fails_says_itself_its_status_and_its_last_words(one: Machine) -> None:
    with one.host() as host, pytest.raises(KitError) as caught:
        host.run("echo before; echo the reason >&2; exit 3")
    assert "exit status 3" in str(caught.value)
    assert "the reason" in str(caught.value)


def test_a_failure_that_is_expected_is_an_answer(one: Machine) -> None:
    with one.host() as host:
        answer = host.run("echo out; echo err >&2; exit 4", check=False)
    assert (answer.code, answer.output, answer.errors) == (4, "out\n", "err\n")


def test_no_shell_changes_the_words_of_a_list(one: Machine) -> None:
    words = ["a b", "$(id)", "'", '"', "*", "line\nfeed", "", "ä"]
    with one.host() as host:
        for run in (host.run, host.sudo):
            assert run(["printf", "%s\\n--\\n", *words]).output == "".join(f"{word}\n--\n" for word in words)


@pytest.mark.parametrize("user", ["antidote", WITH_PASSWORD, "root"])
def test_root_is_reached_by_every_kind_of_user_and_the_password_is_not_the_commands_input(
    one: Machine, user: str
) -> None:
    if user == "root":
        one.execute("sh", "-c", "grep ^antidote: /etc/shadow | sed s/^antidote/root/ >>/etc/shadow.new; "
                    "grep -v ^root: /etc/shadow >>/etc/shadow.new; mv /etc/shadow.new /etc/shadow")  # fmt: skip
    with one.host(user) as host:
        assert host.sudo("id -u; cat", stdin="given").output == "0\ngiven"
        assert host.sudo(["cat"], stdin="again").output == "again"


def test_a_user_who_may_not_be_root_is_told_so_without_the_password(one: Machine) -> None:
    with one.host(NOBODY_SPECIAL) as host, pytest.raises(KitError, match="sudoers") as caught:
        host.sudo("true")
    assert one.password not in str(caught.value)


def test_a_secret_that_a_command_prints_is_not_in_the_error(one: Machine) -> None:
    with one.host() as host, pytest.raises(KitError) as caught:
        host.run(f"echo the password is {one.password}; false")
    assert "the password is …" in str(caught.value)
    assert one.password not in str(caught.value)


def test_much_output_on_both_streams_does_not_stop_a_command_that_also_reads(one: Machine) -> None:
    with one.host() as host:
        answer = host.run("head -c 3000000 /dev/zero | tr '\\0' x >&2; wc -c; head -c 3000000 /dev/zero | tr '\\0' y",
                          stdin="z" * 5_000_000)  # fmt: skip
    assert answer.output.startswith("5000000\n")
    assert (answer.output.count("y"), answer.errors.count("x")) == (3_000_000, 3_000_000)


def test_a_command_that_never_ends_costs_its_time_limit_and_the_next_one_works(one: Machine) -> None:
    with one.host() as host:
        started = time.monotonic()
        with pytest.raises(KitError, match=r"(?s)no end after 5 s.*so far"):
            host.run("echo so far; sleep 120", timeout=5)
        assert time.monotonic() - started < 60
        assert host.run("echo next").output == "next\n"


def test_a_process_left_in_the_background_does_not_hold_the_script_up(one: Machine) -> None:
    with one.host() as host:
        started = time.monotonic()
        assert host.run("sleep 120 & echo started").output == "started\n"
        assert time.monotonic() - started < 60


def test_a_command_ended_by_a_signal_has_failed(one: Machine) -> None:
    with one.host() as host, pytest.raises(KitError, match="signal"):
        host.run("kill -9 $$")


def test_a_connection_that_breaks_in_a_command_is_an_error_and_not_an_empty_answer(one: Machine) -> None:
    with one.host() as host, pytest.raises(KitError, match="connection"):
        host.run("kill -9 $PPID; sleep 5")


def test_no_login_says_as_whom_and_where_and_not_the_password(one: Machine) -> None:
    wrong = connect("127.0.0.1", "antidote", "not-the-password", one.port)
    with pytest.raises(KitError, match=rf"no login as antidote at 127\.0\.0\.1:{one.port}") as caught, wrong:
        pass
    assert "not-the-password" not in str(caught.value)


def test_output_cannot_drive_the_terminal(one: Machine) -> None:
    with one.host() as host, pytest.raises(KitError) as caught:
        host.run("printf '\\033]0;title\\007\\033[31mred'; exit 1")
    assert "\x1b" not in str(caught.value)


def test_files_get_to_their_places_with_owner_and_mode_and_the_second_time_nothing_changes(
    one: Machine, tmp_path: Path
) -> None:
    (tmp_path / "hub").mkdir()
    for name in ("zebra.conf", "bgpd.conf"):
        (tmp_path / "hub" / name).write_text(f"! {name}\n")
    with one.host() as host:
        lesson(host, tmp_path)
        put = {"hub/*.conf": "/etc/frr/", "hub/zebra.conf": "/opt/with a blank"}
        places = ("/etc/frr/bgpd.conf", "/etc/frr/zebra.conf", "/opt/with a blank")
        assert host.put(put, owner="frr:frrvty", mode="0640") == places
        assert host.put(put, owner="frr:frrvty", mode="0640") == ()
        assert host.put(put, owner="frr:frr", mode="0640") == places
    assert one.read("/opt/with a blank") == "! zebra.conf\n"
    assert one.status("/etc/frr/zebra.conf") == "frr:frr 640"
    assert left_behind(one) == []


def test_when_one_file_cannot_be_put_none_is_and_nothing_is_left_behind(one: Machine) -> None:
    good = File("/opt/first", b"one")
    with one.host() as host:
        for bad, why in (
            (File("/opt/second", b"x", owner="nosuchuser"), "nosuchuser"),
            (File("/opt/typo/second", b"x"), "no folder /opt/typo"),
            (File("/etc", b"x"), "is a folder"),
        ):
            with pytest.raises(KitError, match=why):
                host.put([good, bad])
            assert one.execute("ls", "/opt").find("first") < 0
            assert left_behind(one) == []


def test_a_reader_sees_the_old_file_or_the_new_one_and_never_a_part(one: Machine) -> None:
    small, large = "a" * 10, "b" * 3_000_000
    with one.host() as host, one.host() as reader:
        host.text("/opt/atomic", small)
        seen: set[int] = set()
        stop = threading.Event()

        def read() -> None:
            while not stop.is_set():
                seen.add(len(reader.run("cat /opt/atomic").output))

        thread = threading.Thread(target=read)
        thread.start()
        for text in (large, small, large, small):
            host.text("/opt/atomic", text)
        stop.set()
        thread.join(20)
    assert seen <= {len(small), len(large)}
    assert seen


def test_a_tree_gets_to_its_place_with_its_folders_and_executables(one: Machine, tmp_path: Path) -> None:
    (tmp_path / "site/bin").mkdir(parents=True)
    (tmp_path / "site/index.html").write_text("hello")
    (tmp_path / "site/bin/go").write_text("#!/bin/sh\n")
    (tmp_path / "site/bin/go").chmod(0o755)
    with one.host() as host:
        assert len(lesson(host, tmp_path).put_tree("site", "/opt/www")) == 2
        assert host.put_tree("site", "/opt/www") == ()
    assert one.status("/opt/www/bin/go") == "root:root 755"
    assert one.status("/opt/www/index.html") == "root:root 644"


def test_a_file_that_is_not_there_names_the_places_tried(one: Machine, tmp_path: Path) -> None:
    with one.host() as host, pytest.raises(KitError, match=f"looked for {tmp_path}/absent"):
        lesson(host, tmp_path).put({"absent": "/opt/absent"})


def test_a_script_of_the_lesson_runs_there_with_its_arguments_and_its_failure_is_one(
    one: Machine, tmp_path: Path
) -> None:
    (tmp_path / "catchup.sh").write_text('#!/bin/bash\n[[ $1 == "a b" ]] && pwd && id -un && exit "$2"\n')
    with one.host() as host:
        lesson(host, tmp_path)
        assert host.script("catchup.sh", "a b", "0").output == "/home/antidote\nantidote\n"
        assert host.script("catchup.sh", "a b", "0", sudo=True).output.endswith("root\n")
        with pytest.raises(KitError, match=r"catchup\.sh 'a b' 9.*exit status 9"):
            host.script("catchup.sh", "a b", "9")
    assert left_behind(one) == []


def test_the_host_name_is_that_of_kernel_file_and_hosts_at_once_and_again_changes_nothing(one: Machine) -> None:
    with one.host() as host:
        assert host.hostname("branch-1")
        assert not host.hostname("branch-1")
        assert host.run("uname -n; cat /etc/hostname").output == "branch-1\nbranch-1\n"
        with pytest.raises(KitError, match="not a host name"):
            host.hostname("a;reboot")
    assert one.read("/etc/hosts") == "127.0.0.1\tlocalhost\n127.0.1.1\tbranch-1\n"


def test_a_host_name_is_set_without_hostnamectl_too(one: Machine) -> None:
    one.execute("systemctl", "mask", "systemd-hostnamed")
    try:
        with one.host() as host:
            assert host.hostname("branch-2")
            assert host.run("uname -n").output == "branch-2\n"
    finally:
        one.execute("systemctl", "unmask", "systemd-hostnamed")


def test_a_user_can_log_in_with_its_new_password_and_again_changes_nothing(one: Machine) -> None:
    secret = "s3:cret' $x"
    with one.host() as host:
        assert host.user("jane", secret, ["frrvty"], [KEY])
        assert not host.user("jane", secret, ["frrvty"], [KEY])
        assert host.user("jane", "another")
        assert host.user("jane", secret)
    with connect("127.0.0.1", "jane", secret, one.port) as jane:
        assert "frrvty" in jane.run("id -Gn").output
    assert one.read("/home/jane/.ssh/authorized_keys") == f"{KEY}\n"
    assert one.status("/home/jane/.ssh/authorized_keys") == "jane:jane 600"


def test_no_password_is_in_the_arguments_of_a_process_on_the_machine(one: Machine) -> None:
    secret = "in-nobodys-argv"
    one.execute("systemd-run", "--unit", "watcher", "sh", "-c",
                "while :; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; done >>/run/seen 2>/dev/null")  # fmt: skip
    with one.host(WITH_PASSWORD) as host:
        for name in ("kim", "lee"):
            host.user(name, secret)
    one.execute("systemctl", "stop", "watcher")
    seen = one.execute("sh", "-c", "tr '\\0' '\\n' </run/seen; rm /run/seen")
    assert "user" in seen
    assert secret not in seen
    assert one.password not in seen


def test_keys_are_added_beside_those_that_are_there(one: Machine) -> None:
    one.execute("sh", "-c", "mkdir -p ~visitor/.ssh; printf 'ssh-rsa AAAA old' >~visitor/.ssh/authorized_keys;"
                "chown -R visitor: ~visitor/.ssh")  # fmt: skip
    with one.host() as host:
        assert host.keys(NOBODY_SPECIAL, [KEY])
        assert not host.keys(NOBODY_SPECIAL, [KEY])
        with pytest.raises(KitError, match="private"):
            host.keys(NOBODY_SPECIAL, ["-----BEGIN OPENSSH PRIVATE KEY-----"])
        with pytest.raises(KitError, match="not a public key"):
            host.keys(NOBODY_SPECIAL, [f'command="reboot" {KEY}'])
    assert one.read("/home/visitor/.ssh/authorized_keys") == f"ssh-rsa AAAA old\n{KEY}\n"


def test_root_does_not_follow_a_link_that_a_user_put_in_the_place_of_its_keys(one: Machine) -> None:
    one.execute("sh", "-c", "mkdir -p /root/.ssh; rm -rf ~teacher/.ssh; ln -s /root/.ssh ~teacher/.ssh")
    with one.host() as host, pytest.raises(KitError):
        host.keys(WITH_PASSWORD, [KEY])
    assert "authorized_keys" not in one.execute("ls", "/root/.ssh")


def unit(one: Machine, name: str, command: str, more: str = "") -> None:
    one.execute("sh", "-c", 'printf "%s" "$1" >"/etc/systemd/system/$0.service"; systemctl daemon-reload', name,
                f"[Service]\nExecStart={command}\n{more}\n")  # fmt: skip


def test_a_service_that_starts_and_dies_is_a_failure_with_the_last_lines_of_its_journal(one: Machine) -> None:
    unit(one, "dies", "/bin/sh -c 'echo the reason it died; sleep 0.3; exit 1'")
    with one.host() as host, pytest.raises(KitError, match=r"(?s)dies has failed.*the reason it died"):
        host.service("dies").restart()


def test_a_service_that_is_started_again_and_again_never_counts_as_up(one: Machine) -> None:
    unit(one, "flaps", "/bin/sh -c 'sleep 0.4; exit 1'", "Restart=always\nRestartSec=0.1\n[Unit]\nStartLimitBurst=99")
    with one.host() as host, pytest.raises(KitError, match=r"flaps is .* after .* s"):
        host.service("flaps").restart(timeout=3)
    one.execute("systemctl", "stop", "flaps")


def test_an_answer_that_comes_late_is_no_time_that_a_service_has_stayed_up(
    one: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a process that was seen twice, 0.2 s apart, the second answer takes a second; then it is another each time."""
    seen: list[int] = []

    def late(_: Service) -> dict[str, str]:
        seen.append(len(seen))
        if len(seen) == 2:
            time.sleep(1.2)
        identity = str(max(1, seen[-1]))
        return dict.fromkeys(PROPERTIES, "") | {"ActiveState": "active", "InvocationID": identity}

    monkeypatch.setattr(Service, "state", late)
    with one.host() as host, pytest.raises(KitError, match=r"flaps is active .* after 3 s"):
        host.service("flaps").wait(timeout=3)


def test_a_service_that_stays_up_and_a_oneshot_that_has_succeeded_are_up(one: Machine) -> None:
    unit(one, "stays", "/bin/sleep 600")
    unit(one, "once", "/bin/true", "Type=oneshot")
    with one.host() as host:
        host.service("stays").restart()
        host.service("once").restart()
        host.service("stays").stop()
        with pytest.raises(KitError, match="no service nosuch"):
            host.service("nosuch").wait()
        with pytest.raises(KitError, match="could not restart"):
            host.service("nosuch").restart()


def test_a_wait_ends_when_the_command_succeeds_and_else_shows_the_last_evidence(one: Machine) -> None:
    with one.host() as host:
        one.execute("systemd-run", "sh", "-c", "sleep 1; touch /run/there")
        host.wait_for(["test", "-e", "/run/there"], timeout=60, every=0.1)
        with pytest.raises(KitError, match=r"(?s)the moon: not so after 5 s.*no moon yet"):
            host.wait_for("echo no moon yet; false", timeout=5, every=0.1, what="the moon")


def test_frr_answers_in_plain_values_and_its_refusal_is_an_error(one: Machine) -> None:
    with one.host() as host:
        host.service("frr").restart()
        # It counts as up while watchfrr starts a daemon anew that was slow to answer.
        assert host.wait_for(lambda: "lo" in host.frr("show interface"), 90)
        with pytest.raises(KitError, match="no such command"):
            host.frr("show no such command")
