"""Metrics are samples that a collector takes: each once, escaped, and a file that is whole."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import nights

from labwright.errors import Cause, LabwrightError
from labwright.nightly.page import write_metrics
from labwright.nightly.page.facts import parse
from labwright.nightly.page.metrics import metrics_text
from labwright.nightly.places import Places

LABEL = r'[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"[a-z_]+(?:\{{{LABEL}(?:,{LABEL})*\}})? [0-9]+(?:\.[0-9]+)?")


def samples(text):
    return [line for line in text.splitlines() if not line.startswith("#")]


@given(st.text(), st.floats(), st.integers())
def test_no_name_or_number_breaks_the_format(name, number, count):
    image = replace(
        nights.built("debian", 1), slug=name, seconds=number,
        steps=(nights.StepTime(name, name, number, "ran"), nights.StepTime(name, name, 1.0, "ran")), attempts=count,
    )  # fmt: skip
    night = nights.night(1, image, image, seconds=number, revision=name)
    report = nights.report("debian")
    report["tests"]["boots"] = {name: nights.boot("bios")}
    text = metrics_text(night, {name: parse(report)})
    found = samples(text)
    assert all(SAMPLE.fullmatch(line) for line in found)
    keys = [line.rpartition(" ")[0] for line in found]
    assert len(keys) == len(set(keys))


def test_every_metric_says_what_it_is_before_its_first_sample(tmp_path):
    places, good = nights.story(tmp_path, 3)
    write_metrics(places, good, tmp_path / "labwright.prom")
    said = set()
    for line in (tmp_path / "labwright.prom").read_text().splitlines():
        if line.startswith("#"):
            said.add(tuple(line.split()[1:3]))
        else:
            name = re.match("[a-z_]+", line)[0]
            assert {("HELP", name), ("TYPE", name)} <= said


def test_the_numbers_are_those_of_the_night(tmp_path):
    bad = nights.bad_night(Places(tmp_path), 3)
    write_metrics(Places(tmp_path), bad, tmp_path / "labwright.prom")
    found = samples((tmp_path / "labwright.prom").read_text())
    assert "labwright_night_number 3" in found
    assert 'labwright_night_images{state="failed"} 2' in found
    assert 'labwright_image_state{image="router",state="failed"} 1' in found
    assert 'labwright_image_state{image="router",state="built"} 0' in found
    assert 'labwright_image_size_bytes{image="frr"} 85145088' in found
    assert 'labwright_image_made_in_night{image="router"} 1' in found
    assert 'labwright_image_boot_seconds{image="frr",firmware="uefi",until="ssh"} 17.420' in found
    assert 'labwright_image_publish_failures{image="utility"} 1' in found


def test_a_report_that_cannot_be_read_is_a_metric_to_alert_on(tmp_path):
    places, good = nights.story(tmp_path, 3)
    places.report(good, "debian").write_text("{")
    write_metrics(places, good, tmp_path / "labwright.prom")
    found = samples((tmp_path / "labwright.prom").read_text())
    assert 'labwright_image_report_readable{image="debian"} 0' in found
    assert 'labwright_image_report_readable{image="router"} 1' in found


def test_metrics_that_cannot_be_written_leave_the_old_ones_and_say_so(tmp_path):
    with pytest.raises(LabwrightError, match="metrics cannot be written") as caught:
        write_metrics(Places(tmp_path), nights.night(1), tmp_path / "missing/labwright.prom")
    assert caught.value.cause is Cause.HOST
