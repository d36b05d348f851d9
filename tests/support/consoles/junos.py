"""Juniper's Junos on vQFX, vSRX and vJunos-switch: a shell, a CLI, a candidate that wants a root password.

A password in plain text is asked for and has to change its class of characters; a hash is taken as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from labwright_nos.testing import (
    Ask,
    Cli,
    Device,
    Memory,
    Mode,
    Off,
    Program,
    Say,
    Shell,
    Surprise,
    forgets,
    goes,
    notes,
    says,
)
from support.consoles.lines import login

LOGS = (
    "Nov 26 18:00:01   init: interface-control (PID 2081) started",
    "Nov 26 18:00:02  Amnesiac mgd[3210]: UI_COMMIT_PROGRESS: Commit operation in progress: signaling 'Alarm daemon'",
    "kernel: pfe_listener_disconnect: conn dropped: listener idx=1, tnpaddr=0x0, reason: none",
)
MORE = Surprise(Ask("---(more)---", echo=False, key=True), re.compile(r"[ \rq]"))


@dataclass(frozen=True)
class Model:
    """What differs. password: of root in the vendor's image. shell: the prompt of root's shell."""

    boot: tuple[tuple[float, str], ...]
    host: str
    shell: str
    password: str
    management: str
    port: str
    answers: int
    """How often the first port is looked for before it is there."""
    master: str = ""


def plain_text(cli: Cli, match: re.Match[str]) -> Program:
    first = yield Ask("New password: ", echo=False, kind="password")
    if not re.search(r"[^a-z]", first) or len(first) < 6:
        yield Say("error: require change of case, digits or punctuation\n")
        return
    if (yield Ask("Retype new password: ", echo=False, kind="password")) == first:
        cli.settings[match[1]] = first


def hashed(cli: Cli, match: re.Match[str]) -> str | None:
    if not re.fullmatch(r"\$[156]\$.+", match[2]):
        return "error: invalid encrypted password\n"
    cli.settings[match[1]] = match[2]
    return None


def commit(cli: Cli, match: re.Match[str]) -> Program:
    if "root-authentication" not in cli.memory.candidate:
        yield Say(
            "[edit]\n  'system'\n    Missing mandatory statement: 'root-authentication'\n"
            "error: commit failed: (missing mandatory statements)\n",
            2,
        )
        return
    yield Say("commit complete\n", 12)
    cli.memory.commit()
    cli.memory.save()
    if match[0].endswith("and-quit"):
        yield Say("Exiting configuration mode\n\n")
        cli.mode, cli.store = "operational", "running"


def leave(cli: Cli, match: re.Match[str]) -> Program:
    if (
        cli.memory.candidate != cli.memory.running
        and (
            yield Ask(
                "The configuration has been modified but not committed\nExit with uncommitted changes? [yes,no] (yes) "
            )
        ).strip()
        == "no"
    ):
        return
    cli.mode, cli.store = "operational", "running"


def configure(cli: Cli, match: re.Match[str]) -> str:
    cli.memory.candidate = dict(cli.memory.running)
    cli.mode, cli.store = "configuration", "candidate"
    return "Entering configuration mode\n"


def off(cli: Cli, match: re.Match[str]) -> Program:
    if (yield Ask("Power Off the system ? [yes,no] (no) ")).strip() != "yes":
        return
    yield Say("Shutdown NOW!\n[pid 4711]\n\n*** FINAL System shutdown message from root@ ***\n", 2)
    yield Off()


def erase(cli: Cli, match: re.Match[str]) -> Program:
    if (
        yield Ask("This will delete the entire configuration\nDelete everything under this level? [yes,no] (no) ")
    ).strip() == "yes":
        cli.settings.clear()


def modes(model: Model) -> dict[str, Mode]:
    looked: list[int] = []
    slots: list[int] = []

    def terse(cli: Cli, match: re.Match[str]) -> str:
        looked.append(1)
        there = len(looked) > model.answers
        head = f"Interface               Admin Link Proto\n{model.management}                    up    up\n"
        if match[1]:
            return f"{model.port}                up    up\n" if there else f"error: device {model.port} not found\n"
        return head + (f"{model.port}                up    up\n" if there else "")

    def fpc(cli: Cli, match: re.Match[str]) -> str:
        slots.append(1)
        state = "Online           Testing   3" if len(slots) > model.answers else "Present          Testing"
        return f"Slot State            (C)  Total  Interrupt\n  0  {state}\n"

    head = model.master
    secret = r'"?([^"\s]+)"?'
    return {
        "operational": Mode(
            f"{head}root@{{hostname}}> ",
            [
                ("configure(?: exclusive)?", configure),
                (r"set cli screen-(?:length|width) (\d+)", says("Screen length set to 0\n")),
                (rf"show interfaces terse(?: ({re.escape(model.port)}))?", terse),
                ("show chassis fpc", fpc),
                ("request system power-off", off),
                ("exit|quit", goes("")),
                (
                    r"request system license add (/var/tmp/\S+)",
                    notes("licence", text="add license complete (no errors)\n"),
                ),
                ("set cli timestamp disable", says()),
                (r"set cli idle-timeout \d+|set cli complete-on-space off", says("Idle timeout disabled\n")),
            ],
        ),
        "configuration": Mode(
            f"\n{head}[edit]\nroot@{{hostname}}# ",
            [
                ("exit|quit|top", leave),
                ("commit(?: and-quit)?", commit),
                ("delete", erase),
                (r"set system host-name (\S+)", notes("hostname")),
                (rf"set system (root-authentication) encrypted-password {secret}", hashed),
                ("set system (root-authentication) plain-text-password", plain_text),
                (r"set system login user (\S+) class (\S+)", notes("class {}")),
                (rf"set system login user (\S+) authentication encrypted-password {secret}", notes("user {}")),
                (r"set system login user (\S+ authentication) plain-text-password", plain_text),
                ("set system services (ssh|netconf ssh)", notes("{}")),
                (r"set system services ssh root-login (allow|deny)", says()),
                ("delete system login user vagrant", says("warning: statement not found\n")),
                ("delete system services (?:telnet|web-management)", says()),
                (
                    "delete (chassis auto-image-upgrade|system phone-home|interfaces|protocols)",
                    notes("without {}"),
                ),
                (rf"delete interfaces {model.management}(?: unit 0)?", forgets("dhcp")),
                (r"set interfaces em1 unit 0 family inet address (\S+)", notes("em1")),
                (rf"set interfaces {model.management} unit 0 family inet (dhcp)", notes("dhcp")),
                ("rollback 0", says("load complete\n")),
                (r"set security forwarding-options family mpls mode packet-based", notes("packets")),
                (r"set system (?:syslog|processes) .*", says()),
            ],
        ),
    }


def _drawn(prompt: str, memory: Memory) -> str:
    """A device without a name shows none."""
    return prompt.replace("root@>", "root>").replace("root@#", "root#")


def refused(text: str) -> str:
    return "           ^\nunknown command.\n" if " " not in text else "              ^\nsyntax error.\n"


def program(model: Model) -> Callable[[Memory], Program]:
    def run(memory: Memory) -> Program:
        for after, text in model.boot:
            yield Say(text, after)
        host = memory.running.get("hostname", model.host)
        name = "" if model.host == "Amnesiac" else model.host

        def check(user: str, word: str) -> bool:
            known = memory.running.get("root-authentication")
            if known is None:
                return user == "root" and word == model.password
            return (
                user == "root" and known == memory.given["ssh_password_hash"] and word == memory.given["ssh_password"]
            )

        while True:
            yield Say(f"\n{host} (ttyd0)\n\n", 1)
            bare = not model.password and "root-authentication" not in memory.running
            yield from login("login: ", check, ("root",) if bare else ())
            yield Say("\n--- JUNOS 20.2R1.10 built 2020-06-25 12:11:04 UTC\n", 1)

            def cli(shell: Shell, match: re.Match[str]) -> Program:
                yield Say("", 1.5)
                yield from Cli(memory, modes(model), "operational", refused, name, drawn=_drawn).run()

            def leave(shell: Shell, match: re.Match[str]) -> None:
                shell.open = False

            prompt = model.shell.replace("{host}", host if host != "Amnesiac" else "")
            yield from Shell(memory, prompt, [("cli", cli), ("exit", leave)], name="-sh").run()

    return run


def missing(model: Model, more: dict[str, object]) -> Callable[[Memory], Iterator[str]]:
    def found(memory: Memory) -> Iterator[str]:
        given = memory.given
        user, word = given["ssh_user"], given["ssh_password_hash"]
        wanted = {
            "hostname": given["hostname"],
            "root-authentication": word,
            f"user {user}": (user, word),
            "ssh": "ssh",
            f"class {user}": (user, "super-user"),
            "netconf ssh": "netconf ssh",
            "dhcp": "dhcp",
            **more,
        }
        for key, value in wanted.items():
            if memory.saved.get(key) != value:
                yield f"{key} is {memory.saved.get(key)!r}, not {value!r}"

    return found


LOADER = (2, "Consoles: serial port\nFreeBSD/x86 bootstrap loader, Revision 1.1\n\nBooting [/kernel]...\n")
KERNEL = (
    5,
    'Copyright (c) 1996-2020, Juniper Networks, Inc.\nAll rights reserved.\nTimecounter "i8254" frequency 1193182 Hz\n',
)
VQFX_MODEL = Model(
    (LOADER, KERNEL, (60, "Mounting junos-platform...\nInitializing M/T/EX/PTX platform properties ...\n")),
    "vqfx-re",
    "root@{host}:RE:0% ",
    "Juniper",
    "em0",
    "xe-0/0/0",
    5,
    master="{master:0}\n",
)
VSRX_MODEL = Model(
    (LOADER, KERNEL, (70, "Creating initial configuration:  mgd: commit complete\nSetting initial options:  .\n")),
    "Amnesiac",
    "root@{host}:~ # ",
    "",
    "fxp0",
    "ge-0/0/0",
    4,
)
VJUNOS_MODEL = Model(
    (
        LOADER,
        KERNEL,
        (200, "Loading configuration ...\nTime and ticks drifted too much, resetting synchronization...\n"),
    ),
    "Amnesiac",
    "root@{host}:~ # ",
    "",
    "fxp0",
    "ge-0/0/0",
    9,
)
VQFX = Device("vqfx", program(VQFX_MODEL), missing(VQFX_MODEL, {"em1": "169.254.0.2/24"}), LOGS, (MORE,), most=600)
VSRX = Device("vsrx", program(VSRX_MODEL), missing(VSRX_MODEL, {"licence": None}), LOGS, (MORE,), most=600)
VJUNOS = Device(
    "vjunos-switch",
    program(VJUNOS_MODEL),
    missing(VJUNOS_MODEL, {"without chassis auto-image-upgrade": "chassis auto-image-upgrade"}),
    (*LOGS, "Auto Image Upgrade: DHCP INET Client State Reset : fxp0.0"),
    (MORE,),
    most=900,
)
