"""The images of a folder: one that is wrong costs a night that image, and no other."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from labwright.errors import Cause, LabwrightError
from labwright.nightly.images import find_images


def image(parent: Path, slug: str, base: str = "", **more: object) -> Path:
    folder = parent / slug
    folder.mkdir(parents=True)
    build = {"type": "debian"} | ({"from": base} if base else {}) | more
    (folder / "image.meta.yaml").write_text(json.dumps({"slug": slug, "description": f"the {slug}", "build": build}))
    return folder


def test_bases_are_found_inside_and_outside_of_the_folder(tmp_path):
    images = tmp_path / "images"
    image(tmp_path / "elsewhere", "base")
    image(images, "middle", "../../elsewhere/base")
    image(images, "top", "../middle")
    (images / "notes").mkdir()
    found = {one.slug: one for one in find_images(images)}
    assert {slug: one.needs for slug, one in found.items()} == {"base": (), "middle": ("base",), "top": ("middle",)}
    assert found["base"].folder == tmp_path / "elsewhere/base"
    assert found["top"].description == "the top"
    assert [one.failure for one in found.values()] == [None] * 3


def test_a_broken_description_fails_that_image_alone_and_says_where(tmp_path):
    image(tmp_path, "good")
    image(tmp_path, "bad")
    (tmp_path / "bad/image.meta.yaml").write_text("slug: bad\ndescription: x\nbuild:\n  type: debian\n  relase: x\n")
    image(tmp_path, "above", "../bad")
    found = {one.slug: one for one in find_images(tmp_path)}
    assert found["good"].failure is None
    assert found["above"].failure is None
    assert found["above"].needs == ("bad",), "so that it is skipped when that one fails"
    assert found["bad"].failure.cause == "config"
    assert "image.meta.yaml:5" in " ".join((found["bad"].failure.what, *found["bad"].failure.details))


def test_a_circle_is_named_and_stops_only_who_is_in_it(tmp_path):
    for slug, base in (("one", "../two"), ("two", "../three"), ("three", "../one"), ("above", "../one"), ("good", "")):
        image(tmp_path, slug, base)
    found = {one.slug: one for one in find_images(tmp_path)}
    for slug in ("one", "two", "three"):
        assert found[slug].failure.what.startswith(f"{slug} starts from itself: {slug} <- ")
    assert "one <- two <- three <- one" in found["one"].failure.what
    assert found["above"].failure is None
    assert found["good"].failure is None


def test_two_images_of_one_name_are_not_taken_for_one_another(tmp_path):
    images = tmp_path / "images"
    image(images, "base")
    image(tmp_path / "elsewhere", "base")
    image(images, "top", "../../elsewhere/base")
    found = {one.slug: one for one in find_images(images)}
    assert "another image of that name" in found["top"].failure.what
    assert found["base"].folder == images / "base"


@pytest.mark.parametrize(
    ("only", "without", "wanted"),
    [
        (["top"], [], {"base", "top"}),
        ([], ["base"], {"other"}),
        ([], ["top"], {"base", "other"}),
        (["top", "other"], ["other"], {"base", "top"}),
    ],
)
def test_chosen_images_come_with_their_bases_and_left_out_ones_with_what_needs_them(tmp_path, only, without, wanted):
    image(tmp_path, "base")
    image(tmp_path, "top", "../base")
    image(tmp_path, "other")
    assert {one.slug for one in find_images(tmp_path, only, without)} == wanted


def test_a_choice_that_leaves_nothing_is_an_error_and_no_empty_night(tmp_path):
    image(tmp_path, "base")
    image(tmp_path, "top", "../base")
    with pytest.raises(LabwrightError, match="no image is left") as caught:
        find_images(tmp_path, ["top"], ["base"])
    assert caught.value.cause == Cause.CONFIG


def test_a_folder_whose_name_is_not_utf_8_is_an_image_that_failed_with_a_name_that_can_be_written(tmp_path):
    image(tmp_path, "base")
    odd = tmp_path / os.fsdecode(b"b\xff")
    odd.mkdir()
    (odd / "image.meta.yaml").write_text("slug: b\n")
    found = {one.slug: one for one in find_images(tmp_path)}
    assert set(found) == {"base", "b?"}
    assert found["b?"].failure


def test_a_misspelt_name_and_a_folder_without_images_are_errors(tmp_path):
    image(tmp_path / "images", "base")
    for folder, only, words in ((tmp_path / "images", ["bsae"], "bsae"), (tmp_path, [], "no image in")):
        with pytest.raises(LabwrightError, match=words) as caught:
            find_images(folder, only)
        assert caught.value.cause == Cause.CONFIG
