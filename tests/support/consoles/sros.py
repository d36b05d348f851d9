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


def model_driven() -> dict[str, Mode]:
    """The command line of release 23: a candidate, which edit-config opens and commit applies."""
    user = r'/configure system security user-params local-user user "([^"]+)"'

    def edit(cli: Cli, match: re.Match[str]) -> str:
        cli.memory.candidate = dict(cli.memory.running)
        cli.mode, cli.store = "edit", "candidate"
        return "INFO: CLI #2060: Entering exclusive configuration mode\n"

    def leave(cli: Cli, match: re.Match[str]) -> Program:
        if cli.memory.candidate != cli.memory.running:
            ask = "INFO: CLI #2063: Uncommitted changes are present\nDiscard uncommitted changes before leaving? [y,n] "
            if (yield Ask(ask)).strip() != "y":
                return
        cli.mode, cli.store = "model", "running"
        yield Say("INFO: CLI #2064: Exiting exclusive configuration mode\n")

    def commit(cli: Cli, match: re.Match[str]) -> Program:
        yield Say("", 4)
        cli.memory.commit()

    common = [("environment more false", says()), ("/?admin save", save), ("show card state", says(STATE, 1))]
    return {
        "model": Mode(
            "\n[/]\nA:admin@{hostname}# ",
            [
                *common,
                ("edit-config exclusive", edit),
                ("quit-config", says("MINOR: MGMT_CORE #2203: Not in a configuration mode\n")),
            ],
        ),
        "edit": Mode(
            "\n(ex)[/]\nA:admin@{hostname}# ",
            [
                *common,
                ("quit-config", leave),
                ("commit", commit),
                ("discard /?", says()),
                (r'/configure system name "([^"]+)"', notes("hostname")),
                (r"/configure card 1 card-type (\S+)", notes("card")),
                (r"/configure card 1 mda 1 mda-type (\S+)", notes("mda")),
                (rf'{user} password "([^"]+)"', notes("user {}")),
                (rf"{user} access (console|netconf) true", notes("{} access {}")),
                (rf'{user} console member \["(administrative)"\]', notes("profile {}")),
                ("/configure system security ssh preserve-key true", notes("preserve")),
                (
                    "/configure system management-interface netconf (?:listen )?admin-state enable",
                    notes("netconf", "on"),
                ),
            ],
        ),
    }


STATE = "1  iom-v:he  iom-v:he  up  up  1\n"


def program_23(memory: Memory) -> Program:
    yield Say("TiMOS BOOT LOADER\n", 3)
    yield Say("TiMOS-B-23.10.R1 both/x86_64 Nokia 7750 SR Copyright (c) 2000-2023 Nokia.\n", 60)
    while True:
        yield Say("\n", 5)
        yield from login("Login: ", lambda user, word: (user, word) == ("admin", "admin"))
        yield Say("\n SR OS Software\n", 1)
        yield from Cli(memory, model_driven(), "model", refused_23, "vsim").run()


def refused_23(text: str) -> str:
    return "                 ^\nMINOR: MGMT_CORE #2201: Unknown element\n"


def missing_23(memory: Memory) -> Iterator[str]:
    given = memory.given
    user = given["ssh_user"]
    wanted = {
        "hostname": given["hostname"],
        f"user {user}": (user, given["ssh_password"]),
        f"{user} access console": (user, "console"),
        f"{user} access netconf": (user, "netconf"),
        f"profile {user}": (user, "administrative"),
        "netconf": "on",
    }
    yield from absent(memory.saved, wanted)


SROS_23 = Device("sros", program_23, missing_23, LOGS, surprises=SROS.surprises, most=300)
