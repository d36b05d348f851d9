"""Cisco IOS XR: it asks for the first user, then for a login; changes count with commit."""

from __future__ import annotations

import re
from collections.abc import Iterator

from labwright_nos.testing import Ask, Cli, Device, Memory, Mode, Program, Say, Surprise, goes, notes, says
from support.consoles.lines import absent

LOGS = (
    "RP/0/RP0/CPU0:Nov 26 18:00:01.100 UTC: ifmgr[250]: %PKT-LINK-3-UPDOWN : Interface Gi0/0/0/0, state Down",
    "0/RP0/ADMIN0:Nov 26 18:00:02.200 UTC: envmon[3680]: %PKT-FM-3-FAULT_MAJOR :Power Module redundancy lost",
    "RP/0/RP0/CPU0:Nov 26 18:00:03.300 UTC: sshd_proc[340]: %SECURITY-SSHD-6-INFO_GENERAL : sshd starting",
)
STAMP = "Thu Nov 26 18:00:04.000 UTC\n"


def first_user(memory: Memory) -> Program:
    yield Say(
        "\n!!!!!!!!!!!!!!!!!!!! NO root-system username is configured. Need to configure root-system username. "
        "!!!!!!!!!!!!!!!!!!!!\n\n         --- Administrative User Dialog ---\n\n\n",
        5,
    )
    while True:
        user = ""
        while not re.fullmatch(r"[A-Za-z][\w-]*", user):
            user = (yield Ask("  Enter root-system username: ")).strip()
        first = yield Ask("  Enter secret: ", echo=False, kind="password")
        again = yield Ask("  Enter secret again: ", echo=False, kind="password")
        if first and first == again:
            break
        yield Say("% Secrets do not match or are empty, try again\n")
    memory.running[f"user {user}"] = first
    memory.save()
    yield Say("Use the 'configure' command to modify this configuration.\n", 2)


def login(memory: Memory) -> Program:
    while True:
        user = ""
        yield Say("\nUser Access Verification\n\n")
        while not user:
            user = (yield Ask("Username: ", kind="login")).strip()
        if (yield Ask("Password: ", echo=False, kind="password")) == memory.running.get(f"user {user}", object()):
            return
        yield Say("% Authentication failed\n", 1)


def keys(cli: Cli, match: re.Match[str]) -> Program:
    yield Say(f"{STAMP}The name for the keys will be: the_default\n")
    if (
        "rsa" in cli.memory.saved
        and (
            yield Ask("You already have keys defined for the_default\nDo you really want to replace them? [yes/no]: ")
        ).strip()
        != "yes"
    ):
        return
    yield Say("  Choose the size of the key modulus in the range of 512 to 4096 for your General Purpose Keypair.\n")
    bits = (yield Ask("How many bits in the modulus [2048]: ")).strip() or "2048"
    yield Say("Generating RSA keys ...\nDone w/ crypto generate keypair\n[OK]\n\n", 6)
    cli.memory.saved["rsa"] = cli.memory.running["rsa"] = bits


def commit(cli: Cli, match: re.Match[str]) -> Program:
    yield Say(STAMP, 8)
    cli.memory.commit()
    cli.memory.save()


def leave(cli: Cli, match: re.Match[str]) -> Program:
    if cli.memory.candidate != cli.memory.running:
        answer = (yield Ask("Uncommitted changes found, commit them before exiting(yes/no/cancel)? [cancel]:")).strip()
        if answer not in {"yes", "no"}:
            return
        if answer == "yes":
            yield from commit(cli, match)
    cli.mode, cli.store = "enabled", "running"


def configure(cli: Cli, match: re.Match[str]) -> str:
    cli.memory.candidate = dict(cli.memory.running)
    cli.mode, cli.store = "config", "candidate"
    return STAMP


def modes() -> dict[str, Mode]:
    prompt = "RP/0/RP0/CPU0:{hostname}"
    both = [("commit", commit), ("end", leave)]
    return {
        "enabled": Mode(
            f"{prompt}#",
            [
                ("configure(?: terminal)?", configure),
                (r"terminal (length|width) \d+", says(STAMP)),
                ("crypto key generate rsa", keys),
                (
                    "show (?:ipv4 )?interfaces? brief",
                    says(
                        STAMP
                        + "               Intf       Intf        LineP\n           Gi0/0/0/0 admin-down  admin-down\n",
                        1,
                    ),
                ),
            ],
        ),
        "config": Mode(
            f"{prompt}(config)#",
            [
                *both,
                ("exit", leave),
                (r"hostname (\S+)", notes("hostname")),
                ("ssh server v2", notes("ssh")),
                ("ssh server netconf(?: vrf default)?", notes("netconf")),
                ("ssh server vrf default", says()),
                ("netconf-yang agent", goes("agent")),
                ("netconf-yang agent ssh", notes("yang")),
                ("netconf agent tty", says()),
                ("interface MgmtEth0/RP0/CPU0/0", goes("interface")),
                (r"line (?:console|default)", goes("line")),
                ("xml agent tty", goes("agent")),
                (r"domain name (\S+)", notes("domain")),
            ],
        ),
        "agent": Mode(
            f"{prompt}(config-ncy-agent)#", [*both, ("ssh", notes("yang")), ("exit", goes("config"))], "config"
        ),
        "interface": Mode(
            f"{prompt}(config-if)#",
            [*both, ("ipv4 address (dhcp)", notes("address")), ("no shutdown", notes("up")), ("exit", goes("config"))],
            "config",
        ),
        "line": Mode(
            f"{prompt}(config-line)#", [*both, (r"exec-timeout \d+ \d+", says()), ("exit", goes("config"))], "config"
        ),
    }


def refused(text: str) -> str:
    return "                ^\n% Invalid input detected at '^' marker.\n"


def program(memory: Memory) -> Program:
    yield Say("GNU GRUB  version 2.00\n\n  Booting from Disk..\nLoading Kernel..\n", 3)
    yield Say("This product contains cryptographic features and is subject to U.S. and local laws.\n\n", 120)
    yield Say("ios con0/RP0/CPU0 is now available\n\n\n", 90)
    yield Ask("Press RETURN to get started.\n")
    if not any(key.startswith("user ") for key in memory.running):
        yield from first_user(memory)
    yield Say(f"{LOGS[2]}\nSYSTEM CONFIGURATION COMPLETED\n", 2)
    yield from login(memory)
    yield from Cli(memory, modes(), "enabled", refused, "ios").run()


def missing(memory: Memory) -> Iterator[str]:
    given = memory.given
    wanted = {
        "hostname": given["hostname"],
        f"user {given['ssh_user']}": given["ssh_password"],
        "ssh": True,
        "netconf": True,
        "yang": True,
        "address": "dhcp",
        "up": True,
        "rsa": "2048",
    }
    yield from absent(memory.saved, wanted)


XRV9K = Device(
    "xrv9k",
    program,
    missing,
    LOGS,
    surprises=(Surprise(Ask(" --More-- ", echo=False, key=True), re.compile(r"[ \rq]")),),
    most=900,
)
