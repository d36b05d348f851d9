"""The words upgraded and downgraded are those of the package manager."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labwright.nightly.page.versions import compare, compare_deb, compare_rpm

DEB_PART = st.text("09aZ.+~", max_size=7)
DEB = st.builds(
    lambda epoch, digit, upstream, revision: f"{epoch}{digit}{upstream}{revision}",
    st.sampled_from(["", "0:", "1:", "12:"]), st.sampled_from("0129"), DEB_PART,
    st.one_of(st.just(""), st.builds("-{}".format, st.text("019b.+~", min_size=1, max_size=5))),
)  # fmt: skip
RPM = st.text("0129aZ.~^_+", min_size=1, max_size=9)


def dpkg_says(one, two):
    """Negative, 0 or positive, by dpkg itself."""
    for relation, answer in (("lt", -1), ("gt", 1)):
        asked = subprocess.run(["dpkg", "--compare-versions", one, relation, two], check=False, capture_output=True)
        assert asked.returncode in {0, 1}, asked.stderr
        if asked.returncode == 0:
            return answer
    return 0


@settings(max_examples=150)
@given(DEB, DEB)
def test_debian_versions_are_in_the_order_of_dpkg(one, two):
    assert compare_deb(one, two) == dpkg_says(one, two)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("1.0~rc1", "1.0"), ("1.0~~", "1.0~"), ("1.9", "1.10"), ("2.0", "1:0.1"), ("3.0.17-1~deb12u2", "3.0.17-1"),
        ("12.4+deb12u9", "12.4+deb12u15"), ("1.0-1", "1.0-1.1"), ("1.0a", "1.0+"), ("1.2-3-1", "1.2-3-2"),
        ("252.39-1~deb12u1", "252.39-1~deb12u2"), ("1.0", "1.0-0.1"), ("0.9.0", "0.09.1"),
    ],
)  # fmt: skip
def test_debian_versions_that_are_easily_taken_the_wrong_way_round(earlier, later):
    assert (compare_deb(earlier, later), compare_deb(later, earlier)) == (-1, 1)
    assert dpkg_says(earlier, later) == -1


@settings(max_examples=20)
@given(st.lists(st.tuples(RPM, RPM), min_size=20, max_size=40))
def test_versions_of_rpms_are_in_the_order_of_rpm(pairs):
    asked = ", ".join(f'rpm.vercmp("{one}-1", "{two}-1")' for one, two in pairs)
    answer = subprocess.run(
        ["rpm", "--eval", f"%{{lua: print({asked})}}"], check=True, capture_output=True, text=True
    ).stdout
    assert [compare_rpm(f"{one}-1", f"{two}-1") for one, two in pairs] == [int(word) for word in answer.split()]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("1.0~rc1-1", "1.0-1"), ("1.0-1", "1.0^git1-1"), ("1.0^git1-1", "1.0.1-1"), ("9.9-1", "1:0.1-1"),
        ("5.14.0-503.el9", "5.14.0-503.1.el9"), ("1.a-1", "1.1-1"), ("1.0-1.el9", "1.0-1.el9_4"),
    ],
)  # fmt: skip
def test_versions_of_rpms_that_are_easily_taken_the_wrong_way_round(earlier, later):
    assert (compare_rpm(earlier, later), compare_rpm(later, earlier)) == (-1, 1)


def test_nothing_is_said_of_versions_whose_order_nobody_knows():
    assert compare("", "1", "2") is None


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(["deb", "rpm"]))
def test_no_text_in_a_version_stops_a_page(one, two, order):
    forth, back = compare(order, one, two), compare(order, two, one)
    assert forth == -back


def test_a_version_of_a_million_digits_is_compared_at_once():
    assert compare("deb", "1" * 1_000_000, "1.0") is not None
