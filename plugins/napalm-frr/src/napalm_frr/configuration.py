"""FRR's configuration as text: what a candidate says, what of it is missing afterwards, which daemons it needs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable

from napalm_frr.errors import NOT_UTF8, UNPRINTABLE, printable, sanitized

MOST_CHARACTERS = 16 * 1024 * 1024

# A line with the lines that it stands below: ("router bgp 65001", "address-family ipv4 unicast", "network ...").
Line = tuple[str, ...]

# What `show running-config` prints around a configuration, and `end`: after it `vtysh -f` takes no more commands.
AROUND = re.compile(r"(Building configuration\.\.\.|Current configuration:|end)\s*")
# Not configuration: the version that wrote the file, and what vtysh answers from its own vtysh.conf.
ABOUT_FILE = re.compile(r"(frr version |(no )?service integrated-vtysh-config$)")
# FRR forwards by default and then shows no line, so a line that says so would be missing for ever.
DEFAULT_FORWARDING = re.compile(r"(ip|ipv6) forwarding$")
# No daemon takes a host name: each shows that of its own start, and vtysh, last, that of the system. So it is compared
# by the last line, and set on the system.
HOSTNAME_LINE = re.compile(r"hostname (\S+)\s*$")
COMMENT = ("!", "#")

# Which daemon takes a line; FRR's own table is compiled into vtysh. Where several do, one that runs is enough.
# Source: FRR user guide, the chapter of each daemon; tried with 8.4.
DAEMONS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(pattern), tuple(daemons.split()))
    for pattern, daemons in (
        (r"router bgp\b", "bgpd"),
        (r"bgp (as-path|community-list|large-community-list|extcommunity-list)\b", "bgpd"),
        (r"router ospf6\b", "ospf6d"),
        (r"router ospf\b", "ospfd"),
        (r"router ripng\b", "ripngd"),
        (r"router rip\b", "ripd"),
        (r"router isis\b", "isisd"),
        (r"router openfabric\b", "fabricd"),
        (r"router eigrp\b", "eigrpd"),
        (r"router babel\b", "babeld"),
        (r"router pim6\b", "pim6d"),
        (r"router pim\b", "pimd"),
        (r"(mpls ldp|l2vpn)\b", "ldpd"),
        (r"bfd$", "bfdd"),
        (r"pbr-map\b", "pbrd"),
        (r"key chain\b", "ripd eigrpd ospfd ospf6d isisd"),
        (r"segment-routing\n traffic-eng\b", "pathd"),
        (r"(vrf [^\n]+\n )?ip(v6)? route\b", "staticd"),
        (r"interface [^\n]+\n (ip ospf|ospf)\b", "ospfd"),
        (r"interface [^\n]+\n ipv6 ospf6\b", "ospf6d"),
        (r"interface [^\n]+\n ip rip\b", "ripd"),
        (r"interface [^\n]+\n ipv6 ripng\b", "ripngd"),
        (r"interface [^\n]+\n (ip router isis|ipv6 router isis|isis)\b", "isisd"),
        (r"interface [^\n]+\n (ip|ipv6) router openfabric\b", "fabricd"),
        (r"((interface|vrf) [^\n]+\n )?ip (pim|igmp|msdp|mroute)\b", "pimd"),
        (r"((interface|vrf) [^\n]+\n )?ipv6 (pim|mld)\b", "pim6d"),
        (r"rpki$", "bgpd"),
        (r"interface [^\n]+\n (ip|ipv6) nhrp\b", "nhrpd"),
        (r"interface [^\n]+\n pbr-policy\b", "pbrd"),
        (r"(interface [^\n]+\n )?vrrp\b", "vrrpd"),
        (r"interface [^\n]+\n (ip|ipv6) eigrp\b", "eigrpd"),
        (r"interface [^\n]+\n babel\b", "babeld"),
    )
)

# Blocks that FRR always shows when it has them, even empty ones; others may be all defaults and then not be shown.
ALWAYS_SHOWN = re.compile(r"router \w")

LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# As long as Linux lets it be (HOST_NAME_MAX).
HOSTNAME = re.compile(rf"(?=.{{1,64}}$){LABEL}(?:\.{LABEL})*")


def cleaned(text: str) -> str:
    """A caller's text with the lines blanked that are no configuration; line numbers stay those of the caller.

    Raises ValueError with the reason for what cannot be a configuration.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"it has {len(text)} characters, more than {MOST_CHARACTERS}")
    if number := not_utf8(text):
        raise ValueError(f"line {number} is not UTF-8, and frr-reload.py could neither read it nor take it back")
    lines = text.replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines, 1):
        if found := UNPRINTABLE.search(line):
            raise ValueError(f"line {number} has the control character {printable(found[0])}")
    kept = ["!" if AROUND.fullmatch(line) or ABOUT_FILE.match(line) else line.rstrip() for line in lines]
    if not any(is_command(line) for line in kept):
        raise ValueError("there is no configuration in it")
    return "\n".join(kept).rstrip("\n") + "\n"


def not_utf8(text: str) -> int:
    """The number of the first line with bytes that are not UTF-8, or 0."""
    return next((number for number, line in enumerate(text.split("\n"), 1) if NOT_UTF8.search(line)), 0)


def is_command(line: str) -> bool:
    """Neither empty nor a comment nor the end of a block."""
    plain = line.strip()
    return bool(plain) and not plain.startswith(COMMENT) and not re.match(r"(exit|exit-[a-z0-9-]+|end)$", plain)


def hostname_of(text: str) -> str:
    """The host name of the last line that has one, or empty."""
    return next((found[1] for line in reversed(text.split("\n")) if (found := HOSTNAME_LINE.match(line))), "")


def lines_of(text: str) -> dict[Line, None]:
    """The lines with what they stand below, by their indentation, in order.

    FRR indents what it shows; a caller's text that is not indented so gives other lines, and never those that FRR has.
    """
    found: dict[Line, None] = {}
    above: list[tuple[int, str]] = []
    for raw in text.split("\n"):
        if not is_command(raw) or any(
            one.match(raw) for one in (AROUND, ABOUT_FILE, DEFAULT_FORWARDING, HOSTNAME_LINE)
        ):
            continue
        plain = " ".join(raw.split())
        indent = len(raw) - len(raw.lstrip())
        above = [one for one in above if one[0] < indent]
        found[(*(line for _, line in above), plain)] = None
        above.append((indent, plain))
    if name := hostname_of(text):
        found[(f"hostname {name}",)] = None
    return found


def target(candidate: str, running: str, merge: bool) -> str:
    """What frr-reload.py shall reach: all of a replacement, or what runs with the candidate's lines behind it.

    Its host names are those that run: frr-reload.py cannot change them.
    """
    kept = [line for line in candidate.split("\n") if not HOSTNAME_LINE.match(line)]
    if merge:
        return without_banner(running) + "\n".join(kept) + "\n"
    names = [line for line in running.split("\n") if HOSTNAME_LINE.match(line)]
    return "\n".join([*names, *(line for line in kept if not DEFAULT_FORWARDING.match(line))]) + "\n"


def with_hostname(difference: str, name: str) -> str:
    """What frr-reload.py would do, and the host name that is set besides; empty: none."""
    head = "Lines To Add\n============\n"
    if not name:
        return difference
    if head in difference:
        return difference.replace(head, f"{head}hostname {name}\n", 1)
    return f"{difference}\n\n{head}hostname {name}".strip()


def missing(candidate: str, running: str, merge: bool) -> list[Line]:
    """What running has not of the candidate, and for a replacement what it has besides. Empty: they agree.

    A replacement without a host name leaves it. Defaults and other spellings count as missing; frr-reload.py is asked
    about those.
    """
    want, have = lines_of(candidate), lines_of(running)
    if merge:
        # A block's own line counts when the block has lines: FRR does not show a block without any.
        blocks = {line[:end] for line in want for end in range(1, len(line))}
        return [line for line in want if line not in blocks and not is_reached(line, have)]
    if not hostname_of(candidate):
        have.pop((f"hostname {hostname_of(running)}",), None)
    return [line for line in (*want, *have) if line not in want or line not in have]


def is_reached(line: Line, have: Collection[Line]) -> bool:
    """Whether a merged line is there, or for one with `no`, whether what it takes away is not there."""
    if line in have:
        return True
    last = line[-1]
    if not last.startswith("no "):
        return False
    gone = (*line[:-1], last[3:])
    return not any(
        other[: len(gone) - 1] == gone[:-1] and len(other) >= len(gone) and starts(other[len(gone) - 1], gone[-1])
        for other in have
    )


def starts(line: str, words: str) -> bool:
    """Whether a line begins with whole words."""
    return line == words or line.startswith(f"{words} ")


def daemons_for(line: Line) -> tuple[str, ...]:
    """The daemons of which one has to run for a line; empty when nobody knows or zebra does it."""
    text = "\n ".join(part.removeprefix("no ") for part in line)
    return next((daemons for pattern, daemons in DAEMONS if pattern.match(text)), ())


def daemons_not_running(lines: Iterable[Line], running: Collection[str]) -> dict[str, Line]:
    """Daemons that lines are for and that do not run, with the first such line. `no ...` needs no daemon."""
    absent: dict[str, Line] = {}
    for line in lines:
        needed = daemons_for(line)
        if needed and not line[0].startswith("no ") and not set(needed) & set(running):
            absent.setdefault(" or ".join(needed), line)
    return absent


def not_in(running: str, lines: Iterable[Line]) -> list[Line]:
    """Those of the lines that do not run."""
    have = lines_of(running)
    return [line for line in lines if line not in have]


def blocks_dropped(lines: Iterable[Line], running: str) -> list[Line]:
    """Blocks of which FRR would show at least the first line and does not: nobody took them."""
    have = {line[0] for line in lines_of(running)}
    return [
        line for line in lines if ALWAYS_SHOWN.match(line[0]) and not any(abbreviates(line[0], one) for one in have)
    ]


def abbreviates(short: str, line: str) -> bool:
    """Whether FRR may have taken one for the other, as `router bg 65001`: each word begins as that of the line."""
    words, whole = short.split(), line.split()
    return len(words) <= len(whole) and all(map(str.startswith, whole, words))


def daemon_names(answer: str) -> set[str]:
    """From `show daemons`, such as ` zebra bgpd ospfd-2 staticd`: without the number of an instance."""
    return {re.sub(r"-\d+$", "", word) for word in answer.split()}


def difference(before: str, after: str, most: int = 40) -> str:
    """What somebody changed, for a message: no passwords, at most so many lines."""
    lines = list(
        difflib.unified_diff(
            [" / ".join(line) for line in lines_of(before)], [" / ".join(line) for line in lines_of(after)],
            lineterm="", n=0,
        )
    )[2:]  # fmt: skip
    kept = [sanitized(printable(line)) for line in lines if not line.startswith("@@")]
    return "\n".join([*kept[:most], *(["..."] if len(kept) > most else [])])


def without_banner(text: str) -> str:
    """What FRR shows without the words around it."""
    return "\n".join(line for line in text.split("\n") if not AROUND.fullmatch(line)).strip("\n") + "\n"
