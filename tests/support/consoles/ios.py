"""Cisco IOS and IOS XE, as their guides describe a first boot: a dialog, no login, keys only with a domain name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from labwright_nos.testing import Ask, Cli, Device, Memory, Mode, Program, Say, Surprise, forgets, goes, notes, says
from support.consoles.lines import absent

BANNER = """\
              Restricted Rights Legend

Use, duplication, or disclosure by the Government is
subject to restrictions as set forth in subparagraph
(c) of the Commercial Computer Software - Restricted
Rights clause at FAR sec. 52.227-19.

"""
LOGS = (
    "*Nov 26 18:00:01.411: %LINEPROTO-5-UPDOWN: Line protocol on Interface GigabitEthernet0/1, changed state to down",
    "*Nov 26 18:00:02.007: %SYS-5-CONFIG_I: Configured from console by console",
    "*Nov 26 18:00:03.100: %CRYPTO-6-ISAKMP_ON_OFF: ISAKMP is OFF",
)
DIALOG = "Would you like to enter the initial configuration dialog? [yes/no]: "


def keys(cli: Cli, match: re.Match[str]) -> Program:
    running = cli.settings
    if running.get("hostname", "Router") == "Router":
        yield Say("% Please define a hostname other than Router.\n")
        return
    if "domain" not in running:
        yield Say("% Please define a domain-name first.\n")
        return
    name = f"{running['hostname']}.{running['domain']}"
    if "rsa" in running:
        yield Say(f"% You already have RSA keys defined named {name}.\n")
        while (answer := (yield Ask("% Do you really want to replace them? [yes/no]: ")).strip()) not in {"yes", "no"}:
            yield Say("% Please answer 'yes' or 'no'.\n")
        if answer == "no":
            return
    yield Say(f"The name for the keys will be: {name}\n\n% The key modulus size is {match[1]} bits\n")
    yield Say(f"% Generating {match[1]} bit RSA keys, keys will be non-exportable...\n")
    yield Say("[OK] (elapsed time was 14 seconds)\n\n", after=14)
    running["rsa"] = match[1]


def write(cli: Cli, match: re.Match[str]) -> Program:
    yield Say("Building configuration...\n")
    yield Say("[OK]\n", after=3)
    cli.memory.save()


def copy(cli: Cli, match: re.Match[str]) -> Program:
    yield Ask("Destination filename [startup-config]? ")
    yield from write(cli, match)


def ssh(cli: Cli, match: re.Match[str]) -> str:
    cli.settings["ssh"] = match[1]
    return (
        "" if "rsa" in cli.settings else "Please create RSA keys to enable SSH (and of atleast 768 bits for SSH v2).\n"
    )


def link(cli: Cli, match: re.Match[str]) -> Program:
    name = cli.settings["at"]
    cli.settings[f"{name} up"] = True
    yield Say("")
    yield Say(f"*Nov 26 18:01:00.000: %LINK-3-UPDOWN: Interface {name}, changed state to up\n", after=1)


def address(cli: Cli, match: re.Match[str]) -> None:
    cli.settings[f"{cli.settings['at']} address"] = match[1]


def line(key: str):
    def action(cli: Cli, match: re.Match[str]) -> None:
        cli.settings[f"{cli.settings['line']} {key}"] = match[1] if match.groups() else True

    return action


def modes(interface: str, extra: list) -> dict[str, Mode]:
    end = [("end", goes("enabled")), ("exit", goes("config"))]
    return {
        "exec": Mode("{hostname}>", [("enable", goes("enabled")), (r"terminal (length|width) \d+", says())]),
        "enabled": Mode(
            "{hostname}#",
            [
                (
                    "conf(?:igure)? t(?:erminal)?",
                    goes("config", "Enter configuration commands, one per line.  End with CNTL/Z.\n"),
                ),
                (r"terminal (length|width) \d+", says()),
                ("terminal no monitor|no logging console", says()),
                ("wr(?:ite)?(?: memory)?", write),
                ("copy running-config startup-config", copy),
                ("disable", goes("exec")),
                ("show ip ssh", says("SSH Enabled - version 2.0\nAuthentication timeout: 120 secs\n")),
                (
                    "show ip interface brief",
                    says(
                        f"Interface  IP-Address OK? Method Status Protocol\n{interface} 10.0.2.15 YES DHCP up up\n",
                        after=1,
                    ),
                ),
            ],
        ),
        "config": Mode(
            "{hostname}(config)#",
            [
                ("end", goes("enabled")),
                ("exit", goes("enabled")),
                (r"hostname ([A-Za-z][\w-]{0,62})", notes("hostname")),
                (r"ip domain[ -]name (\S+)", notes("domain")),
                ("no ip domain[ -]lookup", notes("lookup", "no")),
                (r"username (\S+) privilege (\d+) secret (?:0 )?(\S+)", notes("user {}")),
                (r"no username (\S+)", forgets("user {}")),
                (r"enable secret (?:0 )?(\S+)", notes("enable")),
                (r"crypto key generate rsa(?: general-keys)? modulus (\d+)", keys),
                (r"ip ssh version (2)", ssh),
                ("ip scp server enable", notes("scp")),
                (rf"interface ({interface})", notes("at", mode="interface")),
                (r"(line vty 0 4|line vty 0 15|line con(?:sole)? 0)", notes("line", mode="line")),
                ("archive", goes("archive")),
                (
                    "no ip http server|no service config|aaa new-model|service timestamps .*|ip routing|no ip routing",
                    says(),
                ),
                ("no logging console", notes("logging", "no")),
                *extra,
            ],
        ),
        "interface": Mode(
            "{hostname}(config-if)#",
            [*end, (r"ip address (dhcp|\S+ \S+)", address), ("no shutdown", link), ("description .*", says())],
            "config",
        ),
        "line": Mode(
            "{hostname}(config-line)#",
            [
                *end,
                ("login local", line("login")),
                (r"transport input (ssh|all)", line("transport")),
                (r"exec-timeout \d+ \d+", says()),
                ("logging synchronous", says()),
                (r"privilege level (\d+)", line("level")),
            ],
            "config",
        ),
        "archive": Mode(
            "{hostname}(config-archive)#", [*end, (r"path (\S+)", notes("archive")), ("write-memory", says())], "config"
        ),
    }


def refused(text: str) -> str:
    return "               ^\n% Invalid input detected at '^' marker.\n\n"


def program(boot: tuple[tuple[float, str], ...], interface: str, autoinstall: bool, extra: list):
    def run(memory: Memory) -> Program:
        for after, text in boot:
            yield Say(text, after)
        yield Say(BANNER, 2)
        yield Say("Cisco Systems, Inc. and its suppliers\nProcessor board ID 9AKH1\n", 5)
        if not memory.saved:
            yield Say("\n\n         --- System Configuration Dialog ---\n\n", 10)
            while (answer := (yield Ask(DIALOG)).strip()) != "no":
                if answer == "yes":
                    yield Say("At any point you may enter a question mark '?' for help.\n")
                yield Say("% Please answer 'yes' or 'no'.\n")
            if autoinstall:
                while (yield Ask("Would you like to terminate autoinstall? [yes]: ")).strip() not in {"", "yes"}:
                    yield Say("% Please answer 'yes' or 'no'.\n")
        yield Say("\n\n", 4)
        yield Ask("Press RETURN to get started!\n\n")
        yield Say(f"{LOGS[0]}\n*Nov 26 18:00:09.000: %SYS-5-RESTART: System restarted --\n", 1)
        yield from Cli(memory, modes(interface, extra), "exec", refused, "Router").run()

    return run


def missing(interface: str, more: dict[str, object]):
    def found(memory: Memory) -> Iterator[str]:
        given = memory.given
        wanted = {
            "hostname": given["hostname"],
            f"user {given['ssh_user']}": (given["ssh_user"], "15", given["ssh_password"]),
            "rsa": "2048",
            "ssh": "2",
            "scp": True,
            "line vty 0 4 login": True,
            "line vty 0 4 transport": "ssh",
            f"{interface} address": "dhcp",
            f"{interface} up": True,
            **more,
        }
        yield from absent(memory.saved, wanted)

    return found


SURPRISES = (
    Surprise(Ask(" --More-- ", echo=False, key=True), re.compile(r"[ \rq]")),
    Surprise(Ask(DIALOG), re.compile("no")),
)
IOSV = Device(
    name="iosv",
    program=program(
        (
            (1, "GNU GRUB  version 2.02\n\nBooting `IOSv'\n"),
            (8, "Smart Init is enabled\n"),
            (20, "CISCO IOSv platform\n"),
        ),
        "GigabitEthernet0/0",
        False,
        [],
    ),
    missing=missing("GigabitEthernet0/0", {"archive": "flash:rollback"}),
    logs=LOGS,
    surprises=SURPRISES,
    logins=False,
    most=400,
)
CSR1000V = Device(
    name="csr1000v",
    program=program(
        (
            (1, "GNU GRUB  version 0.97  (638K lower / 3143552K upper memory)\n"),
            (3, "%IOSXEBOOT-4-BOOT_SRC: (rp/0): 24 boots\n"),
            (60, "%IOSXEBOOT-4-WATCHDOG_DISABLED: (rp/0): Hardware watchdog timer disabled\n"),
        ),
        "GigabitEthernet1",
        True,
        [("netconf-yang", notes("netconf"))],
    ),
    missing=missing("GigabitEthernet1", {"archive": "bootflash:rollback"}),
    logs=(*LOGS, "*Nov 26 18:00:05.200: %ONEP_BASE-6-SS_ENABLED: ONEP: Service set Base was enabled by Default"),
    surprises=SURPRISES,
    logins=False,
    most=600,
)
