"""VyOS: a configuration shell within bash, with commit and save."""

from __future__ import annotations

import re
from collections.abc import Iterator

from labwright_nos.testing import Ask, Cli, Device, Memory, Mode, Program, Say, Surprise, goes, says
from support.consoles.lines import absent, login

LOGS = (
    "[   31.900113] e1000: eth1 NIC Link is Up 1000 Mbps Full Duplex",
    "[   44.120007] vyos-router[912]: Mounting VyOS Config...done.",
)


def commit(cli: Cli, match: re.Match[str]) -> Program:
    if cli.memory.candidate == cli.memory.running:
        yield Say("No configuration changes to commit\n[edit]\n")
        return
    yield Say("[edit]\n", 9)
    cli.memory.commit()


def save(cli: Cli, match: re.Match[str]) -> Program:
    yield Say("Saving configuration to '/config/config.boot'...\n")
    yield Say("Done\n[edit]\n", 2)
    cli.memory.save()


def leave(cli: Cli, match: re.Match[str]) -> str | None:
    if cli.memory.candidate != cli.memory.running and match[0] == "exit":
        return "Cannot exit: configuration modified.\nUse 'exit discard' to discard the changes and exit.\n[edit]\n"
    cli.mode, cli.store = "operational", "running"
    return "exit\n"


def configure(cli: Cli, match: re.Match[str]) -> str:
    cli.memory.candidate = dict(cli.memory.running)
    cli.mode, cli.store = "configuration", "candidate"
    return "[edit]\n"


def sets(key: str):
    """A set command: one that is there already is said, and does no harm."""

    def action(cli: Cli, match: re.Match[str]) -> str:
        name = key.format(*match.groups())
        value = match.groups()[-1] if match.groups() else True
        if cli.settings.get(name) == value:
            return f"\n  Configuration path: [{match[0].removeprefix('set ')}] already exists\n\n[edit]\n"
        cli.settings[name] = value
        return "[edit]\n"

    return action


def modes() -> dict[str, Mode]:
    return {
        "operational": Mode(
            "vyos@{hostname}:~$ ",
            [
                ("configure", configure),
                (r"set terminal (?:length|width) \d+", says()),
                ("exit", goes("")),
                ("show configuration.*", says("system {\n}\n")),
            ],
        ),
        "configuration": Mode(
            "vyos@{hostname}# ",
            [
                ("commit", commit),
                ("save", save),
                ("exit(?: discard)?", leave),
                (r"set system host-name '?([\w-]+)'?", sets("hostname")),
                (r"set system login user (\S+) authentication encrypted-password '([^']+)'", sets("user {}")),
                (r"set system login user (\S+) full-name '?([^']+)'?", sets("name {}")),
                (r"set service ssh(?: port '?(22)'?)?", sets("ssh")),
                (r"set interfaces ethernet eth0 address '?(dhcp)'?", sets("address")),
                ("set system ip disable-forwarding", sets("no forwarding")),
                (
                    "delete system ip disable-forwarding",
                    says("\n  Nothing to delete (the specified node does not exist)\n\n[edit]\n"),
                ),
            ],
        ),
    }


def refused(text: str) -> str:
    if text.startswith(("set ", "delete ")):
        return f"\n  Configuration path: [{text.partition(' ')[2]}] is not valid\n  Set failed\n\n[edit]\n"
    return f"\n  Invalid command: [{text.split()[0]}]\n\n"


def program(memory: Memory) -> Program:
    yield Say("GNU GRUB  version 2.06\nBooting `VyOS 1.4 (Serial console)'\n", 2)
    yield Say("Loading kernel ...\n[    0.000000] Linux version 6.1.0-amd64-vyos\n", 4)
    yield Say("[   40.000000] vyos-router[912]: Starting VyOS router.\n", 25)
    host = memory.running.get("hostname", "vyos")
    while True:
        yield Say(f"\nWelcome to VyOS - {host} ttyS0\n\n", 10)
        yield from login(f"{host} login: ", lambda user, word: (user, word) == ("vyos", "vyos"))
        yield Say("Welcome to VyOS!\n\nCheck out project news\n", 1)
        yield from Cli(memory, modes(), "operational", refused, "vyos").run()


def missing(memory: Memory) -> Iterator[str]:
    given = memory.given
    wanted = {
        "hostname": given["hostname"],
        f"user {given['ssh_user']}": given["ssh_password_hash"],
        "ssh": "22",
        "address": "dhcp",
    }
    yield from absent(memory.saved, wanted)
    if "no forwarding" in memory.saved:
        yield "it does not forward packets"


VYOS = Device(
    "vyos",
    program,
    missing,
    LOGS,
    surprises=(Surprise(Ask(":", echo=False, key=True), re.compile("[q]")),),
    most=300,
)
