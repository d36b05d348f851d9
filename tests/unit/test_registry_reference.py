"""Names of images in registries: what is one, what is none, and what would be taken for another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.errors import Cause, LabwrightError
from labwright.registry.reference import Reference, is_loopback, parse_reference

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("registry.example.org/frr:nightly", ("registry.example.org", "frr", "nightly", "")),
        ("localhost/a/b:1", ("localhost", "a/b", "1", "")),
        ("localhost:5000/a:1", ("localhost:5000", "a", "1", "")),
        ("registry:5000/a__b/c-d.e:v1.2_3", ("registry:5000", "a__b/c-d.e", "v1.2_3", "")),
        ("[::1]:5000/a:b", ("[::1]:5000", "a", "b", "")),
        (f"ghcr.io/a/b@{DIGEST}", ("ghcr.io", "a/b", "", DIGEST)),
        (f"ghcr.io/a/b:c@{DIGEST}", ("ghcr.io", "a/b", "c", DIGEST)),
    ],
)
def test_names_are_taken_apart(text, parts):
    found = parse_reference(text)
    assert (found.host, found.repository, found.tag, found.digest) == parts
    assert str(found) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "frr", "frr:nightly", "images/frr:nightly", "https://ghcr.io/a:b", "docker://ghcr.io/a:b", "ghcr.io/a",
        "ghcr.io/A:b", "ghcr.io/a/:b", "ghcr.io//a:b", "ghcr.io/a/../b:c", "ghcr.io/a:b:c", "ghcr.io/a:-b",
        "ghcr.io/a:",
        "ghcr.io/a@", "ghcr.io/a@sha256:abc", f"ghcr.io/a@{DIGEST.upper()}", f"ghcr.io/a@{DIGEST}0",
        "ghcr.io/a:b?x=y",
        "ghcr.io/a:b#c", "ghcr.io/a%2fb:c", "user@ghcr.io/a:b", "ghcr.io:0/a:b", "ghcr.io:99999/a:b", "ghcr.io:x/a:b",
        "-ghcr.io/a:b", "ghcr.io/a:b\n", "ghcr.io\r\nX: y/a:b", "ghcr.io/" + "a" * 256 + ":b", "ghcr.io/a:" + "b" * 129,
        "ghcr.io/a--:b", "ghcr.io/.a:b", "ghcr.io/a\u202eb:c", "ghcr.io/ä:b", "[::1/a:b",
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused_with_a_remedy(text):
    with pytest.raises(LabwrightError, match="no name of an image") as caught:
        parse_reference(text)
    assert caught.value.cause == Cause.CONFIG
    assert caught.value.hint


@given(st.text(max_size=80) | st.from_regex(r"[a-z.:/@-]{0,40}", fullmatch=True))
def test_any_text_is_taken_as_it_stands_or_refused(text):
    try:
        found = parse_reference(text)
    except LabwrightError as error:
        assert "\x1b" not in error.what
    else:
        assert str(found) == text
        assert parse_reference(str(found)) == found


COMPONENT = st.from_regex(r"[a-z0-9]+(?:[._-][a-z0-9]+)?", fullmatch=True).filter(lambda text: len(text) < 20)


@given(
    st.sampled_from(["ghcr.io", "localhost", "r:5000", "10.0.0.1:443"]),
    st.lists(COMPONENT, min_size=1, max_size=4),
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True),
)
def test_what_is_put_together_is_taken_apart_again(host, parts, tag):
    made = Reference(host, "/".join(parts), tag)
    assert parse_reference(str(made)) == made


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:5000"])
def test_this_machine_is_known(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["localhost.example.org", "127.0.0.1.example.org", "10.0.0.1", "[fe80::1]:80", "mylocalhost", "0.0.0.0", ""]
)
def test_another_machine_is_not_taken_for_this_one(host):
    assert not is_loopback(host)


def test_a_tag_that_is_none_is_refused():
    with pytest.raises(LabwrightError, match="a tag has letters"):
        parse_reference("ghcr.io/a:b").tagged("../evil")
