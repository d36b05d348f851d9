"""Pages in a real browser: nothing overflows or is refused, axe finds nothing; metrics as Prometheus reads them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from support import nights
from support.browser import browser

from labwright.nightly.page import write, write_metrics
from labwright.nightly.places import Places

REPOSITORY = Path(__file__).parents[2]
WIDTHS = (320, 768, 1440)
OVERFLOWING = """
const inside = '.table, pre, .hidden, .skip, thead';
return [...document.querySelectorAll('body *')]
  .filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(inside))
  .map(one => one.outerHTML.slice(0, 160));
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The pages of a good night, of one with failures, and the index."""
    places, good = nights.story(tmp_path_factory.mktemp("nights"), 8)
    write(places, good)
    bad = nights.bad_night(places, good.number + 1)
    write(places, bad)
    return {
        "good": places.night(good) / "index.html",
        "failures": places.night(bad) / "index.html",
        "index": places.root / "index.html",
    }


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.mark.parametrize("name", ["good", "failures", "index"])
def test_nothing_is_wider_than_the_window_and_the_console_stays_empty(pages, chromium, name):
    for width in WIDTHS:
        chromium.show(pages[name], width)
        chromium.open_all()
        assert chromium.ask("return document.documentElement.scrollWidth") <= width
        assert chromium.ask(OVERFLOWING) == []
        assert chromium.console() == []


@pytest.mark.parametrize("name", ["good", "failures", "index"])
def test_axe_finds_nothing(pages, chromium, name):
    """All rules in light; what the dark scheme and a narrow window can break is the contrast of what is shown."""
    for dark, width, rules in ((False, 1440, ()), (True, 390, ("color-contrast",))):
        chromium.show(pages[name], width, dark)
        chromium.open_all()
        assert chromium.axe(*rules) == []


@pytest.mark.parametrize("name", ["good", "failures", "index"])
def test_screenshots_are_made_for_those_who_want_to_look(pages, chromium, name, tmp_path):
    for dark in (False, True):
        for width in (390, 1440):
            chromium.show(pages[name], width, dark)
            shot = chromium.screenshot(f"{name}-{width}-{'dark' if dark else 'light'}", tmp_path)
            assert shot.stat().st_size > 10_000


def test_the_style_sheet_is_applied_in_both_schemes(pages, chromium):
    """A policy with a wrong hash leaves a page without any style."""
    grounds = set()
    for dark in (False, True):
        chromium.show(pages["index"], 1440, dark)
        grounds.add(chromium.ask("return getComputedStyle(document.body).backgroundColor"))
    assert grounds == {"rgb(244, 245, 247)", "rgb(15, 20, 26)"}


def test_an_injected_style_or_script_is_refused(pages, chromium, tmp_path):
    page = tmp_path / "changed.html"
    text = (
        pages["index"]
        .read_text()
        .replace("</main>", "<script>document.title = 'owned'</script><p style='color:red'>x</p></main>")
    )
    page.write_text(text)
    chromium.show(page, 1440)
    assert chromium.ask("return document.title") == "All nights"
    assert any("Content Security Policy" in message for message in chromium.console())


def test_the_keyboard_reaches_the_content_first_and_sees_where_it_is(pages, chromium):
    chromium.show(pages["good"], 1440)
    chromium.driver.execute_cdp_cmd(
        "Input.dispatchKeyEvent", {"type": "keyDown", "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}
    )
    focused = """const one = document.activeElement;
        return [one.className, getComputedStyle(one).outlineStyle, one.getBoundingClientRect().left >= 0]"""
    assert chromium.ask(focused) == ["skip", "solid", True]


def test_promtool_has_nothing_to_say_of_the_metrics(tmp_path):
    places = Places(tmp_path)
    bad = nights.bad_night(places, 3)
    write_metrics(places, bad, tmp_path / "labwright.prom")
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=(tmp_path / "labwright.prom").read_bytes(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_ninety_nights_of_twenty_images_are_written_at_once_and_stay_small(tmp_path):
    places = Places(tmp_path)
    slugs = [f"image-{number:02}" for number in range(20)]
    last = None
    for number in range(1, 91):
        images = (
            nights.built(slug, number)
            if (number + position) % 3 == 0 or number in {1, 90}
            else nights.unchanged(slug, 1)
            for position, slug in enumerate(slugs)
        )
        last = nights.keep(places, nights.night(number, *images))
    write(places, last)
    began = time.process_time()
    write(places, last)
    assert time.process_time() - began < 5
    assert (tmp_path / "index.html").stat().st_size < 500_000
    assert (places.night(last) / "index.html").stat().st_size < 500_000


def test_the_wheel_has_the_templates(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(REPOSITORY / "core", source / "core")
    shutil.copytree(REPOSITORY / "kernel-configs", source / "kernel-configs")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, source / "core"],
        check=True, capture_output=True,
    )  # fmt: skip
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    templates = REPOSITORY / "core/src/labwright/nightly/page/templates"
    assert {f"labwright/nightly/page/templates/{path.name}" for path in templates.iterdir()} <= set(names)
