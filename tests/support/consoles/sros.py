"""Nokia SR OS with its classic command line: what is saved is written to a compact flash, its address apart."""

from __future__ import annotations

import re
from collections.abc import Iterator

from labwright_nos.testing import Ask, Cli, Device, Memory, Mode, Program, Say, Surprise, goes, notes, says
from support.consoles.lines import absent, login

LOGS = (
    '1 2026/11/26 18:00:01.100 UTC MINOR: CHASSIS #2002 Base Card 1 "Class IO Module : inserted"',
    '2 2026/11/26 18:00:02.200 UTC WARNING: SYSTEM #2011 Base Licensing "License is valid"',
)


def save(cli: Cli, match: re.Match[str]) -> Program:
    yield Say("Writing configuration to cf3:\\config.cfg\nSaving configuration ... ", 1)
    yield Say("OK\nCompleted.\n", 3)
    cli.memory.save()


def hostname(cli: Cli, match: re.Match[str]) -> None:
    cli.settings["hostname"] = match[1]


def profile(cli: Cli, match: re.Match[str]) -> str | None:
    if f"user {match[1]}" not in cli.settings:
        return f"MINOR: USER #1001 No such user - {match[1]}\n"
    cli.settings[f"profile {match[1]}"] = match[2]
    return None


def modes() -> dict[str, Mode]:
    user = r'configure system security user "?([\w-]+)"?'
    return {
        "classic": Mode(
            "A:{hostname}# ",
            [
                ("environment no more", notes("more", "no")),
                (r'configure system name "([^"]+)"', hostname),
                ("exit(?: all)?", says()),
                (rf'{user} password "?([^"\s]+)"?(?: hash2)?', notes("user {}")),
                (rf"{user} access ((?:console|ftp|netconf|grpc|scp-sftp|snmp|li)(?: \w+)*)", notes("access {}")),
                (rf'{user} console member "(administrative)"', profile),
                ("configure system netconf no shutdown", notes("netconf", "on")),
                ("configure system netconf capabilities candidate", notes("candidate", "on")),
                ("configure system management-interface yang-modules (?:no )?base-r13-modules", says()),
                ("configure system management-interface yang-modules nokia-combined-modules", says()),
                ("configure system management-interface netconf auto-config-save", says()),
                (r"configure system management-interface configuration-mode (mixed|model-driven)", notes("mode")),
                ("configure system security ssh preserve-key", notes("preserve")),
                (
                    'configure system security profile "administrative" netconf base-op-authorization (lock)',
                    notes("{}"),
                ),
                (r"configure card 1 card-type (\S+)", notes("card")),
                (r"configure card 1 mda 1 mda-type (\S+)", notes("mda")),
                (r"configure (?:card 1|card 1 mda 1) no shutdown", says()),
                ("admin save(?: cf3:\\\\config.cfg)?", save),
                (r"bof address \S+ active", says()),
                ("bof save", says("Writing BOF to cf3:/bof.cfg ... OK\nCompleted.\n", 1)),
                ("bof persist on", says("*** Warning: save the BOF\n")),
                ("show card state", says("1  iom-v:he  iom-v:he  up  up  1\n", 1)),
                ("show version", says("TiMOS-B-22.10.R1 both/x86_64 Nokia 7750 SR\n")),
                ("logout", goes("")),
            ],
        )
    }


def _drawn(prompt: str, memory: Memory) -> str:
    """A star for what is not saved."""
    return f"*{prompt}" if memory.running != memory.saved else prompt


def refused(text: str) -> str:
    return "                 ^\nError: Bad command.\n"


def program(memory: Memory) -> Program:
    yield Say("TiMOS BOOT LOADER\n\nTime from clock is THU NOV 26 18:00:00 2026 UTC\n", 3)
    yield Say(
        "Total Memory: 4096MB\nPerforming file system check on cf3:\n"
        "Hit a key within 1 second to redirect boot output\n",
        5,
    )
    yield Say("TiMOS-B-22.10.R1 both/x86_64 Nokia 7750 SR Copyright (c) 2000-2022 Nokia.\nAll rights reserved.\n", 50)
    name = memory.running.get("hostname", "vsim")
    while True:
        yield Say("\n", 5)
        yield from login("Login: ", lambda user, word: (user, word) == ("admin", "admin"))
        yield Say("\n SR OS Software\n Copyright (c) Nokia 2022.  All Rights Reserved.\n\n", 1)
        yield from Cli(memory, modes(), "classic", refused, name, drawn=_drawn).run()


def missing(memory: Memory) -> Iterator[str]:
    given = memory.given
    user = given["ssh_user"]
    wanted = {
        "hostname": given["hostname"],
        f"user {user}": (user, given["ssh_password"]),
        f"profile {user}": "administrative",
        "netconf": "on",
    }
    yield from absent(memory.saved, wanted)
    access = memory.saved.get(f"access {user}", ("", ""))[1]
    for way in ("console", "netconf"):
        if way not in access:
            yield f"{user} has no access by {way}"


SROS = Device(
    "sros",
    program,
    missing,
    LOGS,
    surprises=(Surprise(Ask("Press any key to continue (Q to quit)", echo=False, key=True), re.compile("[ \rQq]")),),
    most=300,
)
