"""Linux on switches: Cumulus VX, whose password has expired, and SONiC, whose settings live in a database."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from labwright_nos.testing import Ask, Device, Memory, Off, Program, Restart, Say, Shell, Surprise
from support.consoles.lines import login

LOGS = (
    "[  101.412007] IPv6: ADDRCONF(NETDEV_UP): swp1: link is not ready",
    "[  102.003310] systemd[1]: Started Daily Cleanup of Temporary Directories.",
    '[  103.777123] audit: type=1400 audit(1700000000.100:12): apparmor="STATUS"',
)
SYSCTL = "net.ipv4.ip_forward=1\nnet.ipv6.conf.all.forwarding=1"
LESS = Surprise(Ask("--More--", echo=False, key=True), re.compile(r"[ \rq]"))


def keeps(action: Callable[[Memory, re.Match[str]], object]):
    """A command whose effect is on the disk at once."""

    def run(shell: Shell, match: re.Match[str]) -> int:
        done = action(shell.memory, match)
        shell.memory.save()
        return 1 if done is False else 0

    return run


def add(memory: Memory, match: re.Match[str]) -> object:
    users = memory.running.setdefault("users", {})
    if match[1] in users:
        return False
    users[match[1]] = {"groups": set(), "hash": ""}
    return True


def groups(memory: Memory, match: re.Match[str]) -> object:
    user = memory.running.get("users", {}).get(match[2])
    if user is None or not set(match[1].split(",")) <= {
        "sudo",
        "docker",
        "redis",
        "netedit",
        "netshow",
        "nvapply",
        "nvset",
        "frrvty",
        "frr",
    }:
        return False
    user["groups"] |= set(match[1].split(","))
    return True


def hashed(memory: Memory, match: re.Match[str]) -> object:
    user = memory.running.get("users", {}).get(match[2])
    if user is None:
        return False
    user["hash"] = match[1]
    return True


def note(key: str, value: object = None):
    return keeps(lambda memory, match: memory.running.__setitem__(key, match[1] if value is None else value))


def root_shell(shell: Shell, match: re.Match[str]) -> Program:
    inner = Shell(shell.memory, match[1] or "# ", root_commands(), name="sh")
    yield from inner.run()


def root_commands() -> list:
    def exit_(shell: Shell, match: re.Match[str]) -> None:
        shell.open = False

    def echo_off(shell: Shell, match: re.Match[str]) -> None:
        shell.echo = False

    def reboot(shell: Shell, match: re.Match[str]) -> Program:
        yield Restart()

    def poweroff(shell: Shell, match: re.Match[str]) -> Program:
        yield Say("[  OK  ] Reached target Power-Off.\n", 3)
        yield Off()

    def write_file(shell: Shell, match: re.Match[str]) -> int:
        return 0

    return [
        ("stty .*-echo.*", echo_off),
        ("exit", exit_),
        ("reboot", reboot),
        (r"true|sync|set \+o \w+", write_file),
        (r"id -u (\S+)", lambda shell, match: "1001\n" if match[1] in shell.memory.running.get("users", {}) else 1),
        (r"useradd (?:--create-home|-m) (?:--shell|-s) /bin/bash (\S+)", keeps(add)),
        (r"usermod (?:--append --groups|-aG|-a -G) (\S+) (\S+)", keeps(groups)),
        (r"usermod (?:--password|-p) '([^']*)' (\S+)", keeps(hashed)),
        (r"chmod 0?440 (\S+)", keeps(lambda memory, match: match[1] in memory.running.get("files", {}) or False)),
        (r"mkdir -p (\S+)", write_file),
        (r"hostnamectl set-hostname (\S+)", note("hostname")),
        (r"hostname (\S+)", write_file),
        (
            r"systemctl (?:enable|restart|enable --now|daemon-reload|reload)(?: --now)? ?(\S*)",
            note("ssh"),
        ),
        (r"systemctl is-active (\S+)", lambda shell, match: "active\n"),
        ("ztp -d|ztp --disable", note("ztp", "off")),
        ("config ztp disable -y|ztp disable -y", note("ztp", "off")),
        (r"config hostname (\S+)", lambda shell, match: shell.memory.running.__setitem__("database", match[1])),
        (
            "config save -y",
            keeps(lambda memory, match: memory.running.__setitem__("config", memory.running.get("database"))),
        ),
        (
            "show interfaces status",
            lambda shell, match: "  Interface    Lanes    Speed\n Ethernet0  25,26,27,28      40G   9100    N/A\n",
        ),
        (r"truncate -s 0 (/etc/machine-id)", note("machine-id", "empty")),
        (r"sysctl .*|nv .*|sed -i .*", write_file),
        ("systemctl poweroff", poweroff),
        (r"install -D -o \S+ -g \S+ -m 0\d{3} (/var/tmp/\S+) (\S+)", note("installed")),
        (r"usermod --lock --expiredate 1 (\S+)", note("locked")),
        (r"rm -r?f (.+)", note("removed")),
        (r": > (/etc/machine-id)", note("machine-id", "empty")),
        (r"chmod 444 \S+", write_file),
        (r"old=\$\(cat /etc/hostname\)", write_file),
        (r"vtysh -c 'show version' \| head -n 1", lambda shell, match: "FRRouting 8.4.4 (lab-router) on Linux(6.1)\n"),
        (r"test -[efd] (\S+)", lambda shell, match: 1),
        (r"grep -q .*", lambda shell, match: 1),
    ]


def expired(memory: Memory, old: str) -> Program:
    """A password that has to be changed at the first login, as pam_unix asks for it; a login fails where it is not."""
    yield Say(
        "You are required to change your password immediately (administrator enforced).\n"
        "Changing password for cumulus.\n"
    )
    if (yield Ask("Current password: ", echo=False, kind="password")) != old:
        yield Say("passwd: Authentication token manipulation error\n", 2)
        return False
    first = yield Ask("New password: ", echo=False, kind="password")
    if len(first) < 6 or first == old:
        yield Say("You must choose a longer password.\n", 1)
        return False
    if (yield Ask("Retype new password: ", echo=False, kind="password")) != first:
        yield Say("Sorry, passwords do not match.\n", 1)
        return False
    memory.running["vendor"] = first
    memory.save()
    return True


def program(
    name: str, user: str, word: str, prompt: str, boot: tuple, expires: bool, asks: bool
) -> Callable[[Memory], Program]:
    def run(memory: Memory) -> Program:
        for after, text in boot:
            yield Say(text, after)
        host = memory.running.get("hostname", name)
        while True:
            yield Say(f"\nDebian GNU/Linux 10 {host} ttyS0\n\n", 1)
            yield from login(
                f"{host} login: ", lambda who, given: who == user and given == memory.running.get("vendor", word)
            )
            if expires and "vendor" not in memory.running and not (yield from expired(memory, word)):
                continue
            yield Say(f"Linux {host} 4.19.0-9-2-amd64 #1 SMP x86_64\n\nWelcome\n", 1)

            def sudo(shell: Shell, match: re.Match[str]) -> Program:
                right = memory.running.get("vendor", word)
                for _ in range(3):
                    if not asks:
                        break
                    if (yield Ask(f"[sudo] password for {user}: ", echo=False, kind="password")) == right:
                        break
                    yield Say("Sorry, try again.\n", 2)
                else:
                    yield Say("sudo: 3 incorrect password attempts\n")
                    return 1
                return (yield from root_shell(shell, match))

            def refused(shell: Shell, match: re.Match[str]) -> str | Program:
                return "sudo: a password is required\n" if asks else sudo(shell, match)

            commands = [
                (r"sudo (?:-i|-s|env PS1='([^']*)' TERM=dumb sh|su)", sudo),
                (r"sudo -n env PS1='([^']*)' TERM=dumb sh", refused),
            ]
            yield from Shell(memory, prompt.replace("{host}", host), commands).run()

    return run


def missing(more: dict[str, object], groups_: set[str]) -> Callable[[Memory], Iterator[str]]:
    def found(memory: Memory) -> Iterator[str]:
        given = memory.given
        name = given["ssh_user"]
        saved = memory.saved
        user = saved.get("users", {}).get(name)
        if user is None:
            yield f"there is no user {name}"
            return
        if user["hash"] != given["ssh_password_hash"]:
            yield f"the password of {name} is {user['hash']!r}"
        if not groups_ <= user["groups"]:
            yield f"{name} is in the groups {user['groups']}"
        sudoers = [text for path, text in saved.get("files", {}).items() if path.startswith("/etc/sudoers.d/")]
        if not any(text.startswith(f"{name} ") and "NOPASSWD" in text for text in sudoers):
            yield f"{name} may not use sudo without a password"
        for key, value in more.items():
            wanted = given["hostname"] if value == "{hostname}" else value
            found = saved.get("files", {}).get(key, "").strip() if key.startswith("/") else saved.get(key)
            if found != wanted:
                yield f"{key} is {found!r}, not {wanted!r}"

    return found


BOOT = (
    (2, "GNU GRUB  version 2.02\n"),
    (5, "[    0.000000] Linux version 4.19.0\n"),
    (30, "[  OK  ] Reached target Network.\n"),
)
CUMULUS = Device(
    "cumulus-vx",
    program("cumulus", "cumulus", "cumulus", "cumulus@{host}:mgmt:~$ ", BOOT, expires=True, asks=True),
    missing({"hostname": "{hostname}", "ztp": "off"}, {"sudo"}),
    LOGS,
    (LESS,),
    most=400,
)
SONIC = Device(
    "sonic-vs",
    program("sonic", "admin", "YourPaSsWoRd", "admin@{host}:~$ ", BOOT, expires=False, asks=False),
    missing({"config": "{hostname}", "ztp": "off"}, {"sudo", "docker"}),
    LOGS,
    (LESS,),
    most=400,
)
FRR = Device(
    "frr",
    program("router", "admin", "admin", "admin@{host}:~$ ", BOOT, expires=False, asks=False),
    missing({"/etc/hostname": "{hostname}", "/etc/sysctl.d/90-lab.conf": SYSCTL}, {"frr", "frrvty"}),
    LOGS,
    most=200,
)
