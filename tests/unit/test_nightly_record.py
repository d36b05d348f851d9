"""What nights leave on the disk: counted, whole, one at a time, and only what is to be kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.fake_executor import ContentLooker, FakeExecutor

from labwright.errors import Cause, LabwrightError
from labwright.host.paths import Paths
from labwright.nightly import record, service, whole
from labwright.nightly.images import Candidate
from labwright.nightly.lock import alone
from labwright.nightly.model import Night, from_json, to_json
from labwright.nightly.night import Book, Listener, Rules, run_night
from labwright.nightly.places import PAGE, Places
from labwright.nightly.prune import Keep, prune_nights
from labwright.pipeline.workshop import Workshop
from labwright.plugins import hook_manager

ONE = [Candidate("frr", Path("/images/frr"))]
TWO = [Candidate("router", Path("/images/router")), Candidate("nos", Path("/images/nos"), needs=("router",))]


def one_night(places: Places, content: dict[str, str], wanted: list[Candidate]) -> Night:
    book = Book(places, record.begin(places, wanted))
    run_night(book, wanted, FakeExecutor(content=content), ContentLooker(content), Rules(pauses=()))
    book.save(finished=True)
    return book.night


def versions(places: Places, slug: str) -> list[str]:
    return sorted(path.name for path in places.versions(slug).iterdir() if path.name.isdigit())


def test_nights_are_counted_whatever_the_clock_says(tmp_path, monkeypatch):
    places = Places(tmp_path)
    times = iter([1e9, 5e8, 0.0])
    monkeypatch.setattr("time.time", lambda: next(times, 0.0))
    found = [one_night(places, {}, []).number for _ in range(3)]
    assert found == [1, 2, 3]
    assert record.last(places).number == 3


def test_a_record_that_a_disk_lost_does_not_stop_the_next_night(tmp_path):
    places = Places(tmp_path)
    first = one_night(places, {}, ONE)
    one_night(places, {}, ONE)
    for damage in ("", "{", '{"number": "x"}', "[]", "\0" * 4096):
        (tmp_path / "nights/0002/night.json").write_text(damage)
        assert record.last(places) == first
    (tmp_path / "nights/0002/night.json").write_bytes(b"\xff\xfe")
    assert one_night(places, {}, ONE).number == 3, "its number is not given twice"


def test_a_number_is_not_given_again_while_an_image_has_it(tmp_path):
    places = Places(tmp_path)
    one_night(places, {}, ONE)
    (tmp_path / "nights/0001").rename(tmp_path / "elsewhere")
    assert one_night(places, {"frr": "2"}, ONE).number == 2
    assert versions(places, "frr") == ["0001", "0002"]


def test_the_record_is_read_as_it_was_written(tmp_path):
    night = one_night(Places(tmp_path), {}, TWO)
    assert from_json(to_json(night), "x") == night


def test_one_version_more_than_is_kept_goes_and_never_the_one_in_service(tmp_path):
    places = Places(tmp_path)
    for number in range(1, 5):
        night = one_night(places, {"frr": str(number)}, ONE)
    assert prune_nights(places, night, Keep(versions=2), print)
    assert versions(places, "frr") == ["0003", "0004"]
    # Somebody went back to an older one by hand.
    partial = places.versions("frr") / "new"
    partial.symlink_to("0003")
    partial.replace(places.current("frr"))
    prune_nights(places, night, Keep(versions=1), print)
    assert versions(places, "frr") == ["0003", "0004"]


def test_a_version_that_one_in_service_was_made_from_stays(tmp_path):
    places = Places(tmp_path)
    night = one_night(places, {"router": "1"}, TWO)
    source = json.loads((tmp_path / "images/router/0001/router.json").read_text())["sha256"]
    report = tmp_path / "images/nos/0001/nos.json"
    report.write_text(json.dumps(json.loads(report.read_text()) | {"steps": {"base": {"inputs": {"source": source}}}}))
    for number in (2, 3):
        night = one_night(places, {"router": str(number)}, TWO[:1])
    prune_nights(places, night, Keep(versions=1), print)
    assert versions(places, "router") == ["0001", "0003"]
    assert versions(places, "nos") == ["0001"]


def test_old_nights_go_and_the_running_one_stays(tmp_path):
    places = Places(tmp_path)
    for _ in range(4):
        night = one_night(places, {}, ONE)
    prune_nights(places, night, Keep(nights=2), print)
    assert record.numbers(places) == [3, 4]
    prune_nights(places, replace(night, number=3), Keep(nights=1), print)
    assert record.numbers(places) == [3]


def test_what_cannot_be_pruned_is_said_and_the_rest_goes(tmp_path, monkeypatch):
    places, said = Places(tmp_path), []
    for number in range(1, 4):
        night = one_night(places, {"frr": str(number)}, ONE)

    def refuse(folder: Path) -> None:
        if folder.name == "0001" and folder.parent.name == "frr":
            raise LabwrightError("it is mounted", cause=Cause.HOST)
        folder.rename(tmp_path / f"gone-{folder.parent.name}-{folder.name}")

    monkeypatch.setattr("labwright.nightly.prune.remove_folder", refuse)
    prune_nights(places, night, Keep(versions=1), said.append)
    assert versions(places, "frr") == ["0001", "0003"]
    assert said == ["not pruned: it is mounted"]


def test_half_made_folders_and_links_of_a_killed_night_are_removed(tmp_path):
    places = Places(tmp_path)
    night = one_night(places, {}, ONE)
    (places.versions("frr") / ".0002/frr-kernel").mkdir(parents=True)
    (places.versions("frr") / ".current.12345678").symlink_to("0002")
    (places.versions("frr") / ".0002.log").write_text("x")
    service.clear_staging(places)
    assert sorted(path.name for path in places.versions("frr").iterdir()) == ["0001", "current"]
    assert service.in_service(places, "frr") == places.version("frr", night)


@pytest.mark.parametrize("target", ["../../../etc", "0009", "/etc", "."])
def test_a_link_that_leads_nowhere_or_out_is_no_version(tmp_path, target):
    places = Places(tmp_path)
    places.versions("frr").mkdir(parents=True)
    places.current("frr").symlink_to(target)
    assert service.in_service(places, "frr") is None
    assert service.delivered(places, Night(1, 0.0, ()), "frr") is None


def test_two_nights_at_once_are_refused_with_the_first_one_s_process_and_time(tmp_path):
    code = (
        "import sys; from pathlib import Path; from labwright.nightly.lock import alone\n"
        "from labwright.nightly.places import Places\n"
        "with alone(Places(Path(sys.argv[1]))):\n    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as other:  # fmt: skip
        assert other.stdout.readline() == "held\n"
        with pytest.raises(LabwrightError, match=rf"process {other.pid}, since \d{{4}}-") as caught, \
                alone(Places(tmp_path)):  # fmt: skip
            pass
        assert caught.value.cause == Cause.HOST
        other.kill()
        other.wait()
    with alone(Places(tmp_path)):
        pass


def test_a_change_soon_after_a_page_is_on_the_next_one_though_nothing_changes_any_more(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(whole, "time", SimpleNamespace(monotonic=lambda: now[0]))
    places = Places(tmp_path)
    pages = whole.Pages(places, Listener(), print)
    night = one_night(places, {}, TWO)
    waiting = replace(night, images=tuple(replace(one, state="waiting") for one in night.images))
    page = places.night(night) / PAGE
    pages.changed(waiting, waiting.images[0])
    before = page.read_text()
    now[0] += 1
    pages.changed(night, night.images[0])
    pages.tick()
    assert page.read_text() == before
    now[0] += whole.PAGE_EVERY
    pages.tick()
    assert page.read_text() != before
    page.unlink()
    now[0] += whole.PAGE_EVERY
    pages.tick()
    assert not page.exists(), "nothing changed since"


def test_a_night_that_is_asked_to_keep_less_makes_room_before_it_builds(tmp_path):
    places = Places(tmp_path / "nights")
    for number in range(1, 4):
        one_night(places, {"frr": str(number)}, ONE)
    (tmp_path / "images/frr").mkdir(parents=True)
    (tmp_path / "images/frr/image.meta.yaml").write_text("slug: frr\ndescription: x\nbuild:\n  type: debian\n")
    found = []
    executor = FakeExecutor(on_start=lambda _: found.extend(versions(places, "frr")))
    workshop = Workshop(Paths(tmp_path / "cache"), hook_manager()[0])
    wanted = whole.Wanted(tmp_path / "images", keep=Keep(versions=1))
    whole.nightly(wanted, places, workshop, lambda: executor, ContentLooker({"frr": "4"}), Listener())
    assert found == ["0003"]
    assert versions(places, "frr") == ["0004"]


def begun(places: Places, wanted: list[Candidate]) -> Book:
    """A night that wrote its record and was killed."""
    book = Book(places, record.begin(places, wanted))
    book.save()
    return book


def test_a_night_keeps_the_revision_that_it_began_with_since_its_tags_do_too(tmp_path):
    places = Places(tmp_path)
    Book(places, record.begin(places, ONE, "one")).save()
    assert record.begin(places, ONE, "two").revision == "one"


@pytest.mark.parametrize("hours", [13, -1])
def test_a_night_of_long_ago_or_of_the_future_is_closed_and_a_new_one_begun(tmp_path, hours):
    places = Places(tmp_path)
    one_night(places, {}, ONE)
    book = begun(places, [*ONE, *TWO])
    built = replace(book.image("router"), state="built")
    book.put(built)
    record.write(places, replace(book.night, started=book.night.started - hours * 3600))
    assert record.close_stale(places) == record.last(places)
    images = {image.slug: image for image in record.last(places).images}
    assert record.last(places).finished
    assert images["router"] == built
    assert (images["frr"].state, images["frr"].failure.what) == ("failed", "the night was not finished")
    assert images["frr"].delivered.since == 1, "what is in service is not forgotten"
    assert record.close_stale(places) is None
    after = record.begin(places, ONE)
    assert (after.number, after.resumed, [image.state for image in after.images]) == (3, 0, ["waiting"])


def test_a_night_of_this_morning_is_gone_on_with(tmp_path):
    places = Places(tmp_path)
    book = begun(places, ONE)
    record.write(places, replace(book.night, started=book.night.started - 11 * 3600))
    assert record.close_stale(places) is None
    assert record.begin(places, ONE).resumed == 1


class PowerCutError(BaseException):
    """Nothing of labwright's runs after it."""


def made(places: Places, night: Night, content: str) -> Path:
    output = service.staging(places, night, "frr")
    output.mkdir(parents=True)
    (output / "frr.qcow2").write_text(content)
    (output / "frr.json").write_text(json.dumps({"sha256": content, "bytes": 1}))
    return output


@pytest.mark.parametrize("fault", [PowerCutError, OSError])
def test_a_version_in_service_that_the_same_night_makes_again_is_there_until_the_new_one_is(
    tmp_path, monkeypatch, fault
):
    places, night = Places(tmp_path), Night(1, 0.0, ())
    service.put_in_service(places, night, "frr", made(places, night, "old"))
    output = made(places, night, "new")

    real = Path.rename

    def die(path: Path, target: Path) -> Path:
        if path == output:
            raise fault
        return real(path, target)

    with monkeypatch.context() as patch, pytest.raises(fault):
        patch.setattr(Path, "rename", die)
        service.put_in_service(places, night, "frr", output)
    if fault is PowerCutError:
        service.clear_staging(places)
    assert (places.current("frr") / "frr.qcow2").read_text() == "old"

    service.clear_staging(places)
    service.put_in_service(places, night, "frr", made(places, night, "new"))
    assert (places.current("frr") / "frr.qcow2").read_text() == "new"
    assert sorted(path.name for path in places.versions("frr").iterdir()) == ["0001", "current"]


def test_a_page_that_its_night_had_no_time_to_write_is_written_by_the_next_one(tmp_path):
    places = Places(tmp_path)
    night = one_night(places, {}, ONE)
    page = places.night(night) / PAGE
    whole._mend_page(places, print)
    assert "frr" in page.read_text()
    page.write_text("left by a night at work")
    whole._mend_page(places, print)
    assert page.read_text() == "left by a night at work", "it is newer than the record"
    os.utime(page, (0, 0))
    whole._mend_page(places, print)
    assert "frr" in page.read_text()


def test_a_night_says_when_the_revision_of_its_images_cannot_be_noted(tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "images/frr").mkdir(parents=True)
    (tmp_path / "images/frr/image.meta.yaml").write_text("slug: frr\ndescription: x\nbuild:\n  type: debian\n")
    told: list[str] = []
    workshop = Workshop(Paths(tmp_path / "cache"), hook_manager()[0])
    wanted, listener = whole.Wanted(tmp_path / "images"), Listener(lambda event: told.append(event.text))
    night = whole.nightly(wanted, Places(tmp_path / "nights"), workshop, FakeExecutor, ContentLooker({}), listener)
    assert night.revision == ""
    assert [text for text in told if text.startswith(f"the revision of {tmp_path}/images is not noted: ")]


@pytest.mark.parametrize(
    ("file", "said", "remedy"),
    [
        ("night.txt", "names end in .prom", "name it {}/night.prom"),
        ("labwright.prom.gz", "names end in .prom", "name it {}/labwright.prom"),
        ("gone/night.prom", "nothing can be written in {}/gone: No such file or directory", "ReadWritePaths="),
        # Nobody writes there, whatever the mode says, as on a file system that a unit sees read-only.
        ("/proc/night.prom", "nothing can be written in /proc: ", "ReadWritePaths="),
    ],
)
def test_metrics_that_could_not_be_written_or_read_are_refused_before_anything_is_built(tmp_path, file, said, remedy):
    (tmp_path / "images/frr").mkdir(parents=True)
    (tmp_path / "images/frr/image.meta.yaml").write_text("slug: frr\ndescription: x\nbuild:\n  type: debian\n")
    workshop, executor = Workshop(Paths(tmp_path / "cache"), hook_manager()[0]), FakeExecutor()
    places = Places(tmp_path / "nights")

    def run(metrics: Path) -> Night:
        wanted = whole.Wanted(tmp_path / "images", metrics=metrics)
        return whole.nightly(wanted, places, workshop, lambda: executor, ContentLooker({}), Listener())

    with pytest.raises(LabwrightError) as caught:
        run(tmp_path / file)
    assert caught.value.cause is Cause.CONFIG
    assert said.format(tmp_path) in caught.value.what
    assert remedy.format(tmp_path) in caught.value.hint
    assert (executor.order(), record.numbers(places)) == ([], [])
    # Below the folder of nights, which is made by the first one.
    run(places.root / "labwright.prom")
    assert "labwright_night_number 1" in (places.root / "labwright.prom").read_text()
