"""No password in what is kept and shown, however it is quoted."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from labwright.guest.job import mask_for, run_job
from labwright.host.ledger import Ledger
from labwright.host.mask import MASKED, Mask
from labwright.host.run import run
from labwright.interfaces import Endpoint, Workbench

WAYS = (str, json.dumps, repr, urllib.parse.quote, lambda text: f"<p>{text}</p>", lambda text: f"--password={text}!")
secrets = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=6, max_size=40)


@given(secrets, st.sampled_from(WAYS), st.text(max_size=20), st.text(max_size=20))
def test_no_way_of_writing_a_password_gets_past(secret, way, before, after):
    masked = Mask([secret])(f"{before} {way(secret)} {after}")
    assert MASKED in masked
    assert secret not in masked.replace(before, "").replace(after, "").replace(MASKED, "")


def test_of_two_secrets_one_the_beginning_of_the_other_neither_is_seen():
    assert Mask(["secret", "secretive-one"])("secretive-one and secret") == f"{MASKED} and {MASKED}"


def test_a_short_password_is_masked_as_a_word_and_leaves_other_words_alone():
    assert Mask(["root"])("chroot root:root /root/x") == f"chroot {MASKED}:{MASKED} /{MASKED}/x"


def test_no_password_masks_nothing():
    assert Mask([""])("as it was") == "as it was"


def test_what_http_makes_of_a_login_is_masked():
    mask = mask_for(Endpoint("r1", "127.0.1.1", 22, "antidote", "antidotepassword"))
    assert mask("Authorization: Basic YW50aWRvdGU6YW50aWRvdGVwYXNzd29yZA==") == f"Authorization: Basic {MASKED}"


def test_neither_a_mask_nor_an_endpoint_shows_its_secret():
    endpoint = Endpoint("r1", "127.0.1.1", 22, "antidote", "antidotepassword")
    assert "antidotepassword" not in repr(endpoint) + repr(mask_for(endpoint)) + repr(vars(mask_for(None)))


def test_a_colour_in_the_middle_of_a_password_does_not_hide_it_from_the_mask(tmp_path):
    log = tmp_path / "log"
    said: list[str] = []
    bench = Workbench(run, tmp_path, tmp_path, Ledger(tmp_path / "ledger"), said.append, 0, 1, log)
    script = r"printf 'antidote\033[31mpassword\n'; printf 'antidote\033[0mpassword\n' >&2"
    ran = run_job(["sh", "-c", script], bench, Mask(["antidotepassword"]), 30, cwd=Path("/"), env={})
    assert said == [MASKED, MASKED]
    assert "antidotepassword" not in log.read_text() + ran.errors + ran.text
