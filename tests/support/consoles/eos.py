"""Arista EOS: a login without a password, Zero Touch Provisioning that has to be switched off and reloads."""

from __future__ import annotations

import re
from collections.abc import Iterator

from labwright_nos.testing import Ask, Cli, Device, Memory, Mode, Program, Restart, Say, Surprise, goes, notes, says
from support.consoles.lines import absent, login

ZTP = """\
No startup-config was found.

The device is in Zero Touch Provisioning mode and is attempting to
download the startup-config from a remote system. The device will not
be fully functional until either a valid startup-config is downloaded
from a remote system or Zero Touch Provisioning is cancelled. To cancel
Zero Touch Provisioning, login as admin and type 'zerotouch cancel'
at the CLI.

"""
LOGS = (
    "Nov 26 18:00:01 localhost ZeroTouch: %ZTP-6-DHCPv4_QUERY: Sending DHCPv4 request on  [ Management1 ]",
    "Nov 26 18:00:02 localhost Ebra: %LINEPROTO-5-UPDOWN: Line protocol on Interface Ethernet1 changed state to up",
    "Nov 26 18:00:03 localhost SuperServer: %SYS-5-CONFIG_E: Enter configuration mode from console by admin",
)


def ztp_off(cli: Cli, match: re.Match[str]) -> Program:
    if cli.memory.saved.get("ztp"):
        yield Say("% ZeroTouch is not active\n")
        return
    cli.memory.saved["ztp"] = "off"
    yield Say("Broadcast message from root@localhost\nThe system is going down for reboot NOW!\n", 1)
    yield Restart()


def write(cli: Cli, match: re.Match[str]) -> Program:
    ztp = cli.memory.saved.get("ztp")
    cli.memory.save()
    cli.memory.saved["ztp"] = ztp or "on"
    yield Say("Copy completed successfully.\n", 1)


def api(cli: Cli, match: re.Match[str]) -> Program:
    state = "running" if cli.settings.get("api") else "shutdown"
    yield Say(f"Enabled:            Yes\nHTTPS server:       {state}, set to use port 443\n", 0.5)


def modes() -> dict[str, Mode]:
    end = [("end", goes("enabled")), ("exit", goes("config"))]
    pager = (r"terminal (length|width) \d+", says("Pagination disabled.\n"))
    return {
        "exec": Mode("{hostname}>", [("enable|en", goes("enabled")), pager]),
        "enabled": Mode(
            "{hostname}#",
            [
                ("configure(?: terminal)?", goes("config")),
                pager,
                (r"zerotouch (?:cancel|disable)", ztp_off),
                ("write(?: memory)?", write),
                ("copy running-config startup-config", write),
                ("show management api http-commands", api),
                ("disable", goes("exec")),
            ],
        ),
        "config": Mode(
            "{hostname}(config)#",
            [
                ("end|exit", goes("enabled")),
                (r"hostname (\S+)", notes("hostname")),
                (r"username (\S+) privilege (\d+) role network-admin secret (sha512|0) (\S+)", notes("user {}")),
                ("management api http-commands", goes("api")),
                (r"interface (Management ?1)", goes("interface")),
                ("aaa authorization exec default local", notes("aaa")),
                ("(?:no )?ip routing", notes("routing")),
                ("no aaa root", says()),
                (
                    "service routing protocols model (?:ribd|multi-agent)",
                    says("! Change will take effect only after switch reboot\n"),
                ),
            ],
        ),
        "api": Mode(
            "{hostname}(config-mgmt-api-http-cmds)#",
            [*end, ("no shutdown", notes("api")), ("protocol https", says())],
            "config",
        ),
        "interface": Mode(
            "{hostname}(config-if-Ma1)#",
            [*end, ("ip address (dhcp)", notes("address")), ("no shutdown", says())],
            "config",
        ),
    }


def refused(text: str) -> str:
    return f"% Invalid input (at token 0: {text.split()[0]!r})\n"


def program(memory: Memory) -> Program:
    yield Say("Aboot 8.0.0-3255441\n\nPress Control-C now to enter Aboot shell\n", 2)
    yield Say("Booting flash:/vEOS-lab.swi\n[    0.000000] Linux version 4.19.142.Ar-27389740\n", 5)
    yield Say("Welcome to Arista Networks EOS 4.29.2F\n[  OK  ] Started Apply Kernel Variables.\n", 40)
    if not memory.saved.get("ztp"):
        yield Say(ZTP, 20)
    name = memory.running.get("hostname", "localhost")
    yield from login(f"{name} login: ", lambda user, password: False, ("admin",))
    yield from Cli(memory, modes(), "exec", refused, "localhost").run()


def missing(memory: Memory) -> Iterator[str]:
    given = memory.given
    user = given["ssh_user"]
    wanted = {
        "hostname": given["hostname"],
        f"user {user}": (user, "15", "sha512", given["ssh_password_hash"]),
        "api": True,
        "aaa": True,
        "address": "dhcp",
        "ztp": "off",
        "routing": True,
    }
    yield from absent(memory.saved, wanted)


VEOS = Device(
    "veos",
    program,
    missing,
    LOGS,
    surprises=(Surprise(Ask(" --More-- ", echo=False, key=True), re.compile(r"[ \rq]")),),
    most=400,
)
