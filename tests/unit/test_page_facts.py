"""Reports are read for what they say; what is damaged is not there, and nothing is made up."""

from __future__ import annotations

import copy
import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import nights

from labwright.host.quantities import duration, finite, size
from labwright.nightly.page.changes import kernel_words, package_changes, package_words
from labwright.nightly.page.facts import LARGEST_REPORT, Unreadable, parse, read_facts
from labwright.nightly.page.metrics import metrics_text
from labwright.nightly.page.summary import first_thing, sentence
from labwright.nightly.page.words import address, clean, line, machine_time, people_time, size_change
from labwright.nightly.places import Places

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def places_in(value, at=()):
    """The way to every value in a report."""
    yield at
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from places_in(inner, (*at, key))


REPORT = nights.report("debian")
WAYS = [way for way in places_in(REPORT) if way]


@given(st.lists(st.tuples(st.sampled_from(WAYS), JSON), min_size=1, max_size=4))
def test_a_report_with_anything_in_any_place_is_read(damages):
    report = copy.deepcopy(REPORT)
    for way, value in damages:
        holder = report
        try:
            for step in way[:-1]:
                holder = holder[step]
            holder[way[-1]] = value
        except (TypeError, KeyError, IndexError):
            continue
    facts = parse(report)
    package_changes(facts, parse(REPORT))
    metrics_text(nights.night(1, nights.built("debian", 1)), {"debian": facts})


def test_the_facts_of_a_report_are_those_that_it_states():
    facts = parse(REPORT)
    assert [boot.firmware for boot in facts.boots] == ["bios", "uefi", "direct"]
    assert facts.boots[0].ssh == 11.19
    assert facts.kernel.release == "6.1.192-labwright"
    assert (facts.kernel.source, facts.kernel.version) == ("linux-source-6.1", "6.1.192-2")
    assert facts.packages["apt"] == "2.6.2"
    assert facts.order == "deb"
    assert facts.security == set(nights.SECURE)
    assert facts.clones == ("MAC addresses", "machine IDs", "SSH host keys")


def test_without_a_list_of_packages_the_pins_are_taken():
    report = {key: value for key, value in REPORT.items() if key != "packages"}
    assert parse(report).packages == parse(REPORT).packages


def test_clones_with_the_same_host_key_are_not_said_to_differ_in_it():
    report = copy.deepcopy(REPORT)
    clones = report["tests"]["clones"]
    clones["second"]["host_keys"] = clones["first"]["host_keys"]
    assert "SSH host keys" not in parse(report).clones


def test_a_package_that_was_later_upgraded_from_elsewhere_is_not_called_the_security_mirrors():
    report = copy.deepcopy(REPORT)
    report["packages"] = [[name, "9:1" if name == "libssl3" else version] for name, version in report["packages"]]
    assert "libssl3" not in parse(report).security


def test_packages_are_added_removed_upgraded_and_downgraded():
    before = parse(nights.report("debian", {"a": "1.9-1", "b": "2~rc1", "libssl3": "3.0.17-1~deb12u2", "gone": "1"}))
    after = parse(nights.report("debian", {"a": "1.10-1", "b": "1", "libssl3": "3.0.17-1~deb12u3", "new": "1"}))
    changes = package_changes(before, after)
    assert {change.name: change.word for change in changes} == {
        "a": "upgraded", "libssl3": "upgraded", "b": "downgraded", "new": "added", "gone": "removed",
    }  # fmt: skip
    assert package_words(changes) == "2 upgraded (1 from the security mirror), 1 downgraded, 1 added and 1 removed"


def test_of_a_system_whose_order_is_not_known_a_version_is_only_changed():
    before, after = ({"packages": [["a", version]], "system": "Alpine Linux v3.20"} for version in ("1", "2"))
    assert [change.word for change in package_changes(parse(before), parse(after))] == ["changed"]


def test_a_name_with_two_versions_is_only_changed():
    before = {"packages": [["gpg-pubkey", "1"], ["gpg-pubkey", "2"]], "system": "Rocky Linux 9"}
    after = {"packages": [["gpg-pubkey", "2"], ["gpg-pubkey", "3"]], "system": "Rocky Linux 9"}
    assert [(one.before, one.word) for one in package_changes(parse(before), parse(after))] == [("1, 2", "changed")]


def test_a_kernel_of_another_source_or_configuration_is_not_called_the_same():
    kernel = parse(REPORT).kernel
    assert kernel_words(kernel, kernel) == "the same as before"
    other = copy.deepcopy(REPORT)
    other["steps"]["kernel"]["inputs"]["kernel configuration"] = "beef"
    assert kernel_words(kernel, parse(other).kernel) == "changed: has another configuration"
    newer = parse(nights.report("debian", kernel="6.1.193")).kernel
    assert "was 6.1.192-labwright" in kernel_words(kernel, newer)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"report"', "[" * 100_000, '{"a": ' * 50_000, "\x00\xff"])
def test_a_damaged_report_is_said_to_be_damaged(tmp_path, text):
    places, night = Places(tmp_path), nights.night(1)
    nights.keep(places, night)
    places.report(night, "debian").write_text(text)
    with pytest.raises(Unreadable, match="is damaged"):
        read_facts(places, night, "debian")


def test_a_missing_or_huge_report_is_said_to_be_that(tmp_path):
    places, night = Places(tmp_path), nights.night(1)
    nights.keep(places, night)
    with pytest.raises(Unreadable, match="is missing"):
        read_facts(places, night, "debian")
    with places.report(night, "debian").open("wb") as stream:
        stream.truncate(LARGEST_REPORT + 1)
    with pytest.raises(Unreadable, match="larger"):
        read_facts(places, night, "debian")


def test_a_name_of_an_image_does_not_lead_out_of_the_folder_of_reports(tmp_path):
    (tmp_path / "secret.json").write_text(json.dumps(REPORT))
    with pytest.raises(Unreadable):
        read_facts(Places(tmp_path), nights.night(1), "../../../secret")


def test_the_summary_counts_and_says_what_to_mend_first(tmp_path):
    bad = nights.bad_night(Places(tmp_path), 3)
    assert sentence(bad) == "2 built, 1 unchanged, 2 failed and 1 skipped, in 14 min 13 s."
    first = first_thing(bad)
    assert first.what == "Mend router"
    assert "1 image could not be built without it: frr-nos." in first.why
    assert first.hint == "mend the unit, or take it out of the image"


def test_a_registry_that_refuses_is_the_first_thing_of_a_night_without_failures(tmp_path):
    bad = nights.bad_night(Places(tmp_path), 3)
    fine = nights.night(3, *(image for image in bad.images if image.state in {"built", "unchanged"}))
    assert first_thing(fine).what == "See why utility was not published"
    assert first_thing(nights.night(1, nights.built("debian", 1))) is None


def test_a_circle_of_needs_does_not_hang_the_page():
    one, two = nights.skipped("frr-nos", 1), nights.failed("router", 1, 1)
    circle = nights.night(1, two, nights.replace(one, needs=("router", "frr-nos")))
    assert "frr-nos" in first_thing(circle).why


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.44, "0.4 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (400, "6 min 40 s"), (3599.7, "1 h 00 min"),
     (4320, "1 h 12 min"), (float("nan"), "0.0 s"), (-3, "0.0 s"), (float("inf"), "0.0 s")],
)  # fmt: skip
def test_durations_are_short_and_never_sixty_seconds(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"), [(999, "999 B"), (999.9, "1 kB"), (72810496, "72.8 MB"), (999_960_000, "1.0 GB"), (-1, "0 B")]
)
def test_sizes_are_in_powers_of_a_thousand(count, words):
    assert size(count) == words


def test_a_change_of_size_has_its_sign():
    assert [size_change(*pair) for pair in ((1, 1), (1_000, 3_000), (3_000, 1_000))] == [
        "no change", "+2 kB", "\u22122 kB",
    ]  # fmt: skip


def test_times_are_utc_for_people_and_for_machines():
    assert people_time(nights.FIRST_NIGHT) == "27 Nov 2026, 02:00 UTC"
    assert machine_time(nights.FIRST_NIGHT) == "2026-11-27T02:00:00Z"
    assert (people_time(1e14), machine_time(1e14)) == ("at an unknown time", "")


@given(st.floats() | st.integers() | st.text() | st.booleans() | st.none())
def test_a_number_from_outside_is_always_one_to_reckon_with(value):
    assert 0 <= finite(value) <= 1e15


@given(st.text())
@example("\x08/0")
@example(".\x08./0")
def test_an_address_leads_down_and_nowhere_else(text):
    found = address(text)
    assert ":" not in found
    assert not found.startswith("/")
    assert ".." not in found.split("/")


@given(st.text())
def test_a_line_is_one_line_without_control_characters(text):
    found = line(text, 20)
    assert not any(unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} for sign in found)
    assert len(found) <= 20


def test_colours_and_progress_bars_of_a_log_are_gone():
    assert clean("\x1b[31mred\x1b[0m 1%\r2%\r\ndone\x00\ufffe\u202e") == "red 1%\n2%\ndone"


def test_the_review_of_a_kernel_is_read_and_what_it_lacks_is_named() -> None:
    report = {
        "kernel": "6.1",
        "kernel_review": {"on": 3, "capabilities": {"VXLAN": ["CONFIG_VXLAN"], "systemd": [], "odd": 7}},
    }
    kernel = parse(report).kernel
    assert kernel is not None
    assert kernel.on == 3
    assert kernel.capabilities == {"VXLAN": ("CONFIG_VXLAN",), "systemd": (), "odd": ()}
