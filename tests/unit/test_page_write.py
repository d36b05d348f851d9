"""Pages are whole, are HTML, say what is damaged, and nothing from outside adds an element to them."""

from __future__ import annotations

import base64
import hashlib
import html
import itertools
import json
import re
import shutil
import string
from dataclasses import replace
from pathlib import Path

import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import nights

import labwright.nightly.page as package
from labwright.errors import Cause, LabwrightError
from labwright.nightly.model import Failure, ImageNight, Published, StepTime
from labwright.nightly.page import write
from labwright.nightly.page.images import SHOWN_LOG
from labwright.nightly.places import Places

CSS = (Path(package.__file__).parent / "templates/page.css").read_text()
TAG = "{http://www.w3.org/1999/xhtml}"
ALLOWED = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "link",
        "style",
        "body",
        "header",
        "nav",
        "main",
        "section",
        "article",
        "footer",
    ),
    *(
        "h1",
        "h2",
        "h3",
        "h4",
        "p",
        "div",
        "span",
        "a",
        "b",
        "strong",
        "br",
        "ul",
        "li",
        "dl",
        "dt",
        "dd",
        "time",
        "pre",
    ),
    *("table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary", "figure", "figcaption"),
    *("svg", "symbol", "circle", "path", "rect", "use", "text", "desc"),
}
HOSTILE = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"' onfocus=alert(1) autofocus x='",
         "</pre></details><h1>owned</h1>", "{{ 7 * 7 }}{% raw %}", "<!--", "]]>", "&lt;b&gt;", "\x1b[31m\x00\ud800",
         "</style>", "javascript:alert(1)", "\u202eevil", "</title><base href=//evil>"]
    ),
)  # fmt: skip


def tree(page):
    """The elements of a page; a document with any mistake is refused."""
    return html5lib.HTMLParser(strict=True).parse(page.read_text(encoding="utf-8"))


def names(document):
    return [element.tag.rpartition("}")[2] for element in document.iter() if isinstance(element.tag, str)]


def words(page):
    """The text of a page, as a reader sees it."""
    document = tree(page)
    for element in document.iter():
        if str(element.tag).endswith("style"):
            element.text = ""
    return " ".join("".join(document.itertext()).split())


def page_of(places, night):
    return places.night(night) / "index.html"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A story of nights, its last good one and a bad one, with their pages."""
    places, good = nights.story(tmp_path_factory.mktemp("nights"), 8)
    write(places, good)
    bad = nights.bad_night(places, 9)
    write(places, bad)
    return places, good, bad


@pytest.fixture(params=["good", "bad", "index"])
def page(told, request):
    places, good, bad = told
    return {"good": page_of(places, good), "bad": page_of(places, bad), "index": places.root / "index.html"}[
        request.param
    ]


def test_a_page_is_html_without_a_mistake(page):
    assert set(names(tree(page))) <= ALLOWED


def test_a_page_has_one_h1_and_no_level_of_headings_is_left_out(page):
    levels = [int(name[1]) for name in names(tree(page)) if re.fullmatch("h[1-6]", name)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_a_page_has_a_language_landmarks_and_a_way_past_the_navigation(page):
    document = tree(page)
    assert document.get("lang") == "en"
    found = names(document)
    assert [found.count(name) for name in ("main", "nav", "footer")] == [1, 1, 1]
    assert document.find(f".//{TAG}body/{TAG}a").get("href") == "#content"
    assert document.find(f".//{TAG}main").get("id") == "content"


def test_no_identifier_is_there_twice_and_every_reference_has_its_target(page):
    document = tree(page)
    identifiers = [element.get("id") for element in document.iter() if element.get("id")]
    assert len(identifiers) == len(set(identifiers))
    for element in document.iter():
        for attribute in ("aria-labelledby", "aria-describedby"):
            assert set((element.get(attribute) or "").split()) <= set(identifiers)
        if (element.get("href") or "").startswith("#"):
            assert element.get("href")[1:] in identifiers


def test_headers_of_tables_say_what_they_head(page):
    assert all(head.get("scope") in {"col", "row"} for head in tree(page).iter(f"{TAG}th"))


def test_every_drawing_has_words_or_is_hidden_from_those_who_do_not_see_it(page):
    for drawing in tree(page).iter("{http://www.w3.org/2000/svg}svg"):
        said = drawing.get("aria-label") or drawing.get("aria-labelledby")
        assert drawing.get("aria-hidden") == "true" or (drawing.get("role") == "img" and said)


def test_a_page_asks_nobody_for_anything(page):
    text = page.read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in html.unescape(policy)
    assert "url(" not in style
    assert "@import" not in style
    assert not re.search(r"<(script|iframe|img|object|embed|form)\b", text)
    assert " style=" not in text


def test_every_link_of_a_page_leads_to_a_file_that_is_there(page):
    for element in tree(page).iter(f"{TAG}a"):
        target = element.get("href")
        if not target.startswith("#"):
            place = (page.parent / target.partition("#")[0]).resolve()
            assert place.is_file() or place.name == "index.html", target


def luminance(colour):
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, two):
    """WCAG 2.2, contrast ratio."""
    lighter, darker = sorted((luminance(one), luminance(two)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(scheme):
    blocks = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    colours = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", blocks[0 if scheme == "light" else 1]))
    for text in ("text", "quiet", "link", "good", "bad", "warn", "calm"):
        for ground in ("ground", "surface", "sunken"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for text in ("good", "bad", "warn", "calm"):
        assert contrast(colours[text], colours[f"{text}-soft"]) >= 4.5, text
    for drawn in ("bar", "line-0", "line-1", "line-2", "line-3"):
        assert contrast(colours[drawn], colours["surface"]) >= 3, drawn


def test_a_good_night_says_that_there_is_nothing_to_do(told):
    places, good, _ = told
    text = words(page_of(places, good))
    assert "2 built, 3 unchanged, 0 failed and 0 skipped" in text
    assert "Nothing to do." in text
    assert "upgraded (1 from the security mirror)" in text
    assert "CVE" not in text


def test_a_bad_night_says_what_failed_why_and_what_to_do(told):
    places, _, bad = told
    text = words(page_of(places, bad))
    assert "First: Mend router" in text
    assert "frr.service: Failed with result" in text
    assert "Mend the unit, or take it out of the image" in text
    assert "refused the manifest of utility" in text
    assert "router failed, and it starts from that" in text
    assert "Nothing to do" not in text
    assert "Resumed once" in text


def test_what_was_published_is_there_with_its_digest_and_what_was_uploaded(told):
    places, _, bad = told
    text = words(page_of(places, bad))
    published = next(image for image in bad.images if image.slug == "frr").published[0]
    assert published.reference in text
    assert published.digest in text
    assert "Uploaded 9.4 MB of 85.1 MB" in text
    assert "artifact, signed" in text


def test_a_bill_of_materials_is_linked_where_there_is_one(told):
    places, good, _ = told
    assert "../../images/debian/0008/debian.cdx.json" in page_of(places, good).read_text()


def test_the_disk_of_a_private_image_is_not_offered(tmp_path):
    places = Places(tmp_path)
    night = nights.keep(
        places,
        nights.night(1, nights.built("debian", 1)),
        {"debian": nights.report("debian") | {"visibility": "private"}},
    )
    write(places, night)
    assert ".qcow2" not in page_of(places, night).read_text()
    assert "private" in words(page_of(places, night))


def test_a_change_is_said_of_the_version_before_and_not_of_the_night_before(tmp_path):
    places = Places(tmp_path)
    nights.keep(places, nights.night(1, nights.built("debian", 1, size=50_000_000)))
    nights.keep(places, nights.night(2, nights.failed("debian", 1, 2)))
    last = nights.keep(places, nights.night(4, nights.built("debian", 4, size=52_000_000)),
                       {"debian": nights.report("debian", later=1.5)})  # fmt: skip
    write(places, last)
    text = words(page_of(places, last))
    assert "+22.8 MB" not in text
    assert "+1.5 s since the version before" in text
    assert "in the same versions as in night 2" in text


def test_seconds_on_another_accelerator_are_not_compared(tmp_path):
    places = Places(tmp_path)
    nights.keep(places, nights.night(1, nights.built("debian", 1)))
    report = nights.report("debian", later=-8)
    report["tests"]["accelerator"]["name"] = "kvm"
    last = nights.keep(places, nights.night(2, nights.built("debian", 2)), {"debian": report})
    write(places, last)
    assert "8.0 s since" not in words(page_of(places, last))


def test_a_missing_and_a_damaged_report_are_said_and_break_nothing(tmp_path):
    places, good = nights.story(tmp_path, 5)
    places.report(good, "debian").unlink()
    places.report(good, "router").write_text("{")
    places.report(nights.night(4), "frr").write_bytes(b"\xff" * 100)
    write(places, good)
    text = words(page_of(places, good))
    assert "Not everything is known of this image: its report is missing." in text
    assert "its report is damaged: it is no JSON." in text
    tree(page_of(places, good))


def test_a_damaged_night_is_a_row_of_the_index_that_says_so(tmp_path):
    places, good = nights.story(tmp_path, 5)
    (tmp_path / "nights/0002/night.json").write_text("{" * 1000)
    shutil.rmtree(tmp_path / "nights/0003")
    (tmp_path / "nights/0003").mkdir()
    for stranger in ("0004x", "00005", "99999999999"):
        (tmp_path / "nights" / stranger).mkdir()
    write(places, good)
    text = words(tmp_path / "index.html")
    assert "Its record is damaged." in text
    assert "Its record is missing." in text
    numbers = [night["number"] for night in json.loads((tmp_path / "index.json").read_text())["nights"]]
    assert numbers == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": 99, "nights": []}', '{"format": 1, "nights": [{"number": "x"}]}', "\xff"]
)
def test_a_damaged_index_is_made_anew(tmp_path, text):
    places, good = nights.story(tmp_path, 3)
    write(places, good)
    whole = (tmp_path / "index.json").read_text()
    (tmp_path / "index.json").write_text(text)
    write(places, good)
    assert (tmp_path / "index.json").read_text() == whole


def test_an_earlier_night_that_changed_is_read_again(tmp_path):
    places, good = nights.story(tmp_path, 3)
    write(places, good)
    nights.keep(places, nights.night(2, nights.failed("debian", 1, 2)))
    write(places, good)
    second = json.loads((tmp_path / "index.json").read_text())["nights"][1]
    assert [image["state"] for image in second["images"]] == ["failed"]


def test_an_earlier_night_that_did_not_change_is_not_read_again(tmp_path, monkeypatch):
    places, good = nights.story(tmp_path, 3)
    write(places, good)
    read = []
    monkeypatch.setattr("labwright.nightly.page.history.read_night", read.append)
    write(places, good)
    assert read == []


def test_a_night_that_runs_says_so_and_has_a_page(tmp_path):
    places = Places(tmp_path)
    running = replace(
        nights.night(1, nights.built("debian", 1), ImageNight("frr", "A router", "building"),
                     ImageNight("router", "Another", "waiting")),
        finished=False,
    )  # fmt: skip
    write(places, running)
    text = words(page_of(places, running))
    assert "1 of 3 images so far" in text
    assert "has not come to its end" in text
    assert "Nothing to do" not in text


def test_a_night_without_images_has_a_page(tmp_path):
    write(Places(tmp_path), nights.night(1))
    tree(tmp_path / "nights/0001/index.html")
    tree(tmp_path / "index.html")


def test_a_page_that_cannot_be_written_is_an_error_for_people(tmp_path):
    (tmp_path / "nights").write_text("a file where a folder should be")
    with pytest.raises(LabwrightError, match="pages of night 1") as caught:
        write(Places(tmp_path), nights.night(1, nights.built("debian", 1)))
    assert caught.value.cause is Cause.HOST


def test_nothing_unfinished_is_left_beside_the_pages(told):
    assert not list(told[0].root.rglob("*.partial"))


def test_a_long_log_is_cut_at_a_line_and_the_file_is_linked(tmp_path):
    places = Places(tmp_path)
    night = nights.keep(places, nights.night(1, nights.failed("debian", 1, 1)))
    log = places.log(night, "debian")
    log.write_text("".join(f"line {number} </pre><script>\x1b[31m\n" for number in range(100_000)) + "the end\n")
    write(places, night)
    text = page_of(places, night).read_text()
    assert len(text) < 4 * SHOWN_LOG
    shown = re.search(r'aria-label="Log of debian">(.*?)</pre>', text, re.DOTALL)[1]
    assert shown.startswith("line ")
    assert shown.rstrip().endswith("the end")
    assert 'href="logs/debian.txt"' in text


@pytest.mark.parametrize(
    "log", ["../../../etc/passwd", "/etc/passwd", "logs/gone.txt", "logs/\x00", "logs", "x" * 5000]
)
def test_a_log_that_is_elsewhere_or_gone_is_not_shown(tmp_path, log):
    places = Places(tmp_path)
    image = replace(nights.failed("debian", 1, 1), failure=Failure("it failed", "guest", log=log))
    write(places, nights.night(1, image))
    text = words(tmp_path / "nights/0001/index.html")
    assert "root:" not in text
    assert "Its log is no longer there." in text


def test_a_log_behind_a_link_out_of_the_folder_is_not_shown(tmp_path):
    places = Places(tmp_path)
    night = nights.keep(places, nights.night(1, nights.failed("debian", 1, 1)))
    places.log(night, "debian").unlink()
    places.log(night, "debian").symlink_to("/etc/passwd")
    write(places, night)
    assert "root:" not in page_of(places, night).read_text()


def hostile_night(text, slug="debian"):
    """A night in which every word that comes from outside is this one, or has it in it."""
    failure = Failure(f"x{text}", f"x{text}", f"x{text}", (f"x{text}",))
    image = replace(
        nights.built(slug, 2), description=f"x{text}", why=f"x{text}", needs=(f"x{text}",), worker=f"x{text}",
        steps=(StepTime(f"x{text}", f"x{text}", 1.0, "ran"),), failure=failure, publish_failures=(failure,),
        published=(Published(f"x{text}", f"x{text}", f"x{text}", 1, 2),),
    )  # fmt: skip
    return replace(nights.night(2, image), revision=f"x{text}", labwright=f"x{text}", host=f"x{text}")


def hostile_report(text, version):
    report = nights.report("debian", {"apt": f"{version}{text}", f"x{text}": version})
    report["kernel"] = report["system"] = f"x{text}"
    report["pins"]["kernel_source"] = {"name": f"x{text}", "version": f"x{text}", "mirror": f"x{text}"}
    report["tests"]["accelerator"]["name"] = f"x{text}"
    report["tests"]["boots"] = {f"x{text}": nights.boot("bios") | {"failed": [f"x{text}"]}}
    return report


def hostile_pages(root, text):
    """The pages of two nights in which everything from outside is hostile."""
    places = Places(root)
    # A record with half characters cannot be written; a page with them must be.
    first = replace(hostile_night(text.encode(errors="ignore").decode()), number=1)
    before = replace(first.images[0], delivered=replace(first.images[0].delivered, since=1))
    nights.keep(places, replace(first, images=(before,)), {"debian": hostile_report(text, "1")})
    nights.keep(places, replace(first, number=2), {"debian": hostile_report(text, "2")})
    second = hostile_night(text)
    write(places, second)
    return page_of(places, second), root / "index.html"


@pytest.fixture(scope="module")
def harmless(tmp_path_factory):
    """The elements of the same two pages where no word is hostile."""
    return [names(tree(page)) for page in hostile_pages(tmp_path_factory.mktemp("harmless"), "y")]


@settings(max_examples=20)
@given(text=HOSTILE)
def test_no_word_from_outside_adds_an_element_to_a_page(tmp_path_factory, harmless, text):
    root = tmp_path_factory.mktemp("hostile")
    assert [names(tree(page)) for page in hostile_pages(root, text)] == harmless
    shutil.rmtree(root)


@settings(max_examples=25)
@given(slug=HOSTILE, folder=HOSTILE)
def test_no_name_of_an_image_adds_an_element_or_leads_away(tmp_path_factory, slug, folder):
    root = tmp_path_factory.mktemp("hostile")
    image = nights.built("debian", 1)
    night = nights.night(1, replace(image, slug=slug, delivered=replace(image.delivered, folder=folder)))
    write(Places(root), night)
    for page in (root / "nights/0001/index.html", root / "index.html"):
        document = tree(page)
        assert set(names(document)) <= ALLOWED
        for element in document.iter():
            assert not [name for name in element.attrib if name.startswith("on")]
            target = element.get("href") or ""
            assert target.startswith("data:image/svg") or set(target) <= set(
                string.ascii_letters + string.digits + "./#-_%~"
            )
            assert ":" not in target or target.startswith("data:image/svg")
    shutil.rmtree(root)
