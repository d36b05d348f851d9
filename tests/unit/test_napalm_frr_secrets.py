"""What the driver shows of texts: no passwords, and nothing that a terminal obeys."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napalm_frr.errors import message, printable, sanitized, words

SECRETS = [
    "password 8 {}", "enable password {}", " neighbor 192.0.2.2 password {}", " neighbor PEERS password {}",
    " ip ospf authentication-key {}", " ip ospf message-digest-key 1 md5 {}", " isis password clear {}",
    " area-password md5 {}", " domain-password clear {}", "  key-string {}", " ip rip authentication string {}",
    " ip nhrp authentication {}", "  pcc peer P tcp-md5-auth {}",
    " area 1 virtual-link 1.1.1.1 message-digest-key 1 md5 {}",
    " neighbor 192.0.2.2 pasword {}", "line 7: % Unknown command[4]:  neighbour 192.0.2.2 password {}",
    " ipv6 ospf6 authentication key-id 10 hash-algo md5 key {}",
]  # fmt: skip


@pytest.mark.parametrize("line", SECRETS)
@settings(deadline=None)
@given(secret=st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=12, max_size=40))
def test_a_secret_is_in_no_message(line: str, secret: str) -> None:
    text = f"!\n{line.format(secret)}\n!"
    for shown in (sanitized(text), words(text), message("what", text)):
        assert secret not in shown
        assert "<removed>" in shown


@pytest.mark.parametrize(
    "line",
    ["service password-encryption", " ip ospf authentication message-digest", " no neighbor 192.0.2.2 password",
     " ip rip authentication key-chain A", " ip address 192.0.2.1/30", "key chain A", " bgp router-id 10.0.0.1"],
)  # fmt: skip
def test_what_is_no_secret_stays(line: str) -> None:
    assert sanitized(f"{line}\nnext\n") == f"{line}\nnext\n"


@settings(deadline=None)
@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    shown = printable(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", shown)
    assert printable(shown) == shown
    shown.encode()


def test_a_message_is_short_whatever_the_device_says() -> None:
    assert len(message("what", "x" * 10_000_000)) < 5000
