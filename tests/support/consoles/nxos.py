"""Cisco NX-OS: a wizard that wants a strong password unless told otherwise, and a boot variable that is not set."""

from __future__ import annotations

import re
from collections.abc import Iterator

from labwright_nos.testing import Ask, Cli, Device, Memory, Mode, Program, Say, Surprise, goes, notes, says
from support.consoles.lines import absent, login

POAP = (
    "Abort Power On Auto Provisioning [yes - continue with normal setup, skip - bypass password and basic "
    "configuration, no - continue with Power On Auto Provisioning] (yes/skip/no)[no]: "
)
LOGS = (
    "2026 Nov 26 18:00:01 switch %$ VDC-1 %$ %POAP-2-POAP_DHCP_DISCOVER_START: [9BQ] - POAP DHCP Discover phase",
    "2026 Nov 26 18:00:02 switch %$ VDC-1 %$ %PLATFORM-2-MOD_PRESENT: Detected the presence of Module 1",
    "2026 Nov 26 18:00:03 switch %$ VDC-1 %$ %ASCII-CFG-2-CONF_CONTROL: System ready",
)
IMAGE = "bootflash:///nxos.9.3.8.bin"


def strong(text: str) -> bool:
    classes = (r"[a-z]", r"[A-Z]", r"[0-9]", r"[^a-zA-Z0-9]")
    return len(text) >= 8 and sum(bool(re.search(one, text)) for one in classes) >= 3


def wizard(memory: Memory) -> Program:
    while (answer := (yield Ask(POAP)).strip()) != "yes":
        if answer in {"", "no"}:
            yield Say(f"{LOGS[0]}\n", 20)
        else:
            yield Say("Please answer yes, skip or no\n")
    yield Say(
        "Disabling POAP.......Disabling POAP\npoap: Rolling back, please wait... (This may take 5-15 minutes)\n", 2
    )
    yield Say("\n\n         ---- System Admin Account Setup ----\n\n\n", 70)
    enforced = (yield Ask("Do you want to enforce secure password standard (yes/no) [y]: ")).strip() not in {"no", "n"}
    while True:
        first = yield Ask('  Enter the password for "admin": ', echo=False, kind="password")
        if not first or (enforced and not strong(first)):
            yield Say("Password is weak\nPassword should contain characters from at least three of the classes\n")
            continue
        if (yield Ask('  Confirm the password for "admin": ', echo=False, kind="password")) == first:
            break
        yield Say("Passwords do not match, please try again\n")
    memory.running.update({"strength": enforced, "admin": first})
    yield Say(
        "\n         ---- Basic System Configuration Dialog VDC: 1 ----\n\nThis setup utility will guide you through\n",
        5,
    )
    while (yield Ask("Would you like to enter the basic configuration dialog (yes/no): ")).strip() not in {"no", "n"}:
        yield Say("Please answer yes or no\n")


def user(cli: Cli, match: re.Match[str]) -> str | None:
    name, word = match[1], match[2]
    if cli.settings.get("strength", True) and not strong(word):
        return "password is weak\nPassword should contain characters from at least three of the following classes\n"
    cli.settings["admin" if name == "admin" else f"user {name}"] = word
    return None


def save(cli: Cli, match: re.Match[str]) -> Program:
    yield Say("[########################################] 100%\n", 6)
    yield Say("Copy complete, now saving to disk (please wait)...\nCopy complete.\n", 2)
    cli.memory.save()


def modes(ports: list[int]) -> dict[str, Mode]:
    end = [("end", goes("enabled")), ("exit", goes("config"))]

    def brief(cli: Cli, match: re.Match[str]) -> str:
        ports.append(1)
        eth = (
            "Eth1/1        1       eth  access down    Link not connected         auto(D) --\n"
            if len(ports) > 2
            else ""
        )
        return f"Port   VRF          Status IP Address\nmgmt0  --           up     10.0.2.15\n{eth}"

    return {
        "enabled": Mode(
            "{hostname}# ",
            [
                (
                    "conf(?:igure)?(?: terminal)?",
                    goes("config", "Enter configuration commands, one per line. End with CNTL/Z.\n"),
                ),
                (r"terminal (length|width) \d+", says()),
                ("copy running-config startup-config", save),
                ("show interface brief", brief),
                (r"show version(?: \| include image)?", says(f"  NXOS image file is: {IMAGE}\n")),
                (r"show feature \| include nxapi", says("nxapi                  1          enabled\n")),
                ("terminal dont-ask", says()),
            ],
        ),
        "config": Mode(
            "{hostname}(config)# ",
            [
                ("end|exit", goes("enabled")),
                ("(?:hostname|switchname) ([a-zA-Z][\\w-]*)", notes("hostname")),
                ("no password strength-check", notes("strength", False)),
                (r"username (\S+) password (?:0 )?(\S+)(?: role network-admin)?", user),
                ("feature (nxapi|scp-server|netconf|ssh)", notes("feature {}")),
                (
                    r"boot nxos (\S+)",
                    notes("boot", text="Performing image verification and compatibility check, please wait....\n"),
                ),
                ("interface mgmt0", goes("interface")),
                ("no feature telnet|no ip domain-lookup|nxapi https port 443", says()),
                ("(?:no )?ip routing", says()),
                ("line console", goes("line")),
            ],
        ),
        "interface": Mode(
            "{hostname}(config-if)# ",
            [*end, ("ip address (dhcp)", notes("address")), ("no shutdown", says())],
            "config",
        ),
        "line": Mode(
            "{hostname}(config-console)# ", [*end, (r"exec-timeout \d+|terminal width 511", says())], "config"
        ),
    }


def refused(text: str) -> str:
    return "          ^\n% Invalid command at '^' marker.\n"


def program(memory: Memory) -> Program:
    yield Say("\n Booting kickstart image: bootflash:/nxos.9.3.8.bin\n", 3)
    if memory.saved and "boot" not in memory.saved:
        yield Say("No boot image is set\n", 2)
        while True:
            yield Ask("loader > ", kind="command")
    yield Say("Image valid\n\nINIT: version 2.88 booting\n", 20)
    yield Say("Installing SystemC\ndone\nINIT: Entering runlevel: 3\n", 60)
    if not memory.saved:
        yield from wizard(memory)
    name = memory.running.get("hostname", "switch")
    yield Say("\n\nUser Access Verification\n", 3)

    def check(who: str, word: str) -> bool:
        return who == "admin" and word == memory.running["admin"]

    yield from login(f"{name} login: ", check)
    yield Say("\nCisco Nexus Operating System (NX-OS) Software\nTAC support: on the vendor's page\n", 1)
    yield from Cli(memory, modes([]), "enabled", refused, "switch").run()


def missing(memory: Memory) -> Iterator[str]:
    given = memory.given
    wanted = {
        "hostname": given["hostname"],
        f"user {given['ssh_user']}": given["ssh_password"],
        "feature nxapi": True,
        "strength": False,
        "boot": IMAGE.replace("///", ""),
        "address": "dhcp",
        "admin": given["ssh_password"],
    }
    for key in ("feature nxapi", "feature scp-server"):
        wanted[key] = key.split()[1]
    yield from absent(memory.saved, wanted)


NXOSV9K = Device(
    "nxosv9k",
    program,
    missing,
    LOGS,
    surprises=(Surprise(Ask("--More--", echo=False, key=True), re.compile(r"[ \rq]")),),
    most=700,
)
