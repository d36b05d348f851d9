"""Locks are read strictly, and what two builds differ in is said in words."""

from __future__ import annotations

import json
import tarfile
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labwright.disk.manifest import Described, describe, parse
from labwright.errors import Cause, LabwrightError
from labwright.pipeline.explain import Made, Subject, explain
from labwright.pipeline.prune import parse_size
from labwright.spec.pins import Package, Pins, read_pins
from labwright_debian.acquire import Watch
from labwright_debian.resolve import parse_uri
from labwright_debian.tree import parse_status

MIRRORS = {"archive": "http://a/debian", "security": "http://a/debian-security"}


def package(name: str = "sudo", version: str = "1.0", **changes: object) -> Package:
    facts = {"name": name, "version": version, "architecture": "amd64", "sha256": "a" * 64, "size": 3,
             "mirror": "archive", "path": f"pool/{name}.deb"}  # fmt: skip
    return Package(**(facts | changes))


def pins(*packages: Package) -> Pins:
    return Pins(type="debian", release="bookworm", asked=("sudo",), mirrors=MIRRORS,
                kernel_source=package("linux-source-6.1"), packages=packages)  # fmt: skip


def test_a_lock_is_what_was_written(tmp_path):
    made = pins(package(), package("bash"))
    made.write(tmp_path / "lock")
    again = read_pins(tmp_path / "lock")
    assert [one.name for one in again.packages] == ["bash", "sudo"]
    assert again == made, "a plan has the keys of the build"
    assert again.text() == made.text()


@pytest.mark.parametrize(
    "change",
    [
        {"path": "../../etc/passwd"}, {"path": "/etc/passwd"}, {"path": "pool/../../x"}, {"path": "a b"},
        {"path": "http://x/y"}, {"sha256": "x"}, {"sha256": "A" * 64}, {"size": 0}, {"size": "3"}, {"size": -1},
        {"name": "--option"}, {"name": "a b"}, {"version": "1;x"}, {"more": 1}, {"mirror": "../x"},
    ],
)  # fmt: skip
def test_a_package_that_we_would_not_have_written_is_refused(tmp_path, change):
    facts = json.loads(pins(package()).text())
    facts["packages"][0] |= change
    (tmp_path / "lock").write_text(json.dumps(facts))
    with pytest.raises(LabwrightError) as caught:
        read_pins(tmp_path / "lock")
    assert caught.value.cause is Cause.CONFIG
    assert "packages.0" in caught.value.what
    assert "labwright lock" in caught.value.hint


@pytest.mark.parametrize("url", ["http://user:secret@a/debian", "javascript:x", "http://a/x y", "file://host/x"])
def test_a_mirror_in_a_lock_is_checked_as_one_in_an_image(tmp_path, url):
    facts = json.loads(pins(package()).text())
    facts["mirrors"]["archive"] = url
    (tmp_path / "lock").write_text(json.dumps(facts))
    with pytest.raises(LabwrightError) as caught:
        read_pins(tmp_path / "lock")
    assert "secret" not in caught.value.what


def test_a_package_of_a_mirror_that_is_not_there_is_refused(tmp_path):
    facts = json.loads(pins(package()).text())
    del facts["mirrors"]["archive"]
    (tmp_path / "lock").write_text(json.dumps(facts))
    with pytest.raises(LabwrightError, match="mirror"):
        read_pins(tmp_path / "lock")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)))
def test_no_text_in_a_lock_brings_another_error(tmp_path, text):
    (tmp_path / "lock").write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(LabwrightError):
        read_pins(tmp_path / "lock")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"'http://a/debian/pool/s/sudo_1%3a2+b_amd64.deb' sudo_1%3a2+b_amd64.deb 5 SHA256:{'b' * 64}",
         ("sudo", "1:2+b", "archive", "pool/s/sudo_1%3a2+b_amd64.deb")),
        (f"'http://a/debian-security/p/x_1_all.deb' x_1_all.deb 5 SHA256:{'b' * 64}",
         ("x", "1", "security", "p/x_1_all.deb")),
    ],
)  # fmt: skip
def test_apt_s_answer_is_a_package(line, expected):
    found = parse_uri(line, MIRRORS)
    assert (found.name, found.version, found.mirror, found.path) == expected


@given(st.text())
def test_no_answer_of_apt_brings_another_error(line):
    with pytest.raises(LabwrightError):
        parse_uri(line, MIRRORS)


def test_a_download_that_stands_still_is_given_up_and_one_that_moves_is_not():
    said = []
    watch = Watch("fetching", said.append, standstill=0.2)
    for percent in range(5):
        watch(f"dlstatus:1:{percent}.5:Retrieving file 1 of 3")
        time.sleep(0.1)
    assert said[-1] == "fetching: 4%"
    with pytest.raises(LabwrightError) as caught:
        for _ in range(10):
            watch("dlstatus:1:4.5:Retrieving file 1 of 3")
            time.sleep(0.1)
    assert caught.value.cause is Cause.NETWORK


def test_only_installed_packages_count():
    text = (
        "Package: a\nStatus: install ok installed\nVersion: 1\nDescription: x\n Version: 9\n\n"
        "Package: b\nStatus: deinstall ok config-files\nVersion: 2\n"
    )
    assert parse_status(text) == {("a", "1")}


def test_everything_in_a_tree_is_described(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "odd näme\n=#").write_text("text")
    (root / "odd näme\n=#").chmod(0o4755)
    (root / "link").symlink_to("odd näme\n=#")
    (root / "second").hardlink_to(root / "odd näme\n=#")
    with tarfile.open(tmp_path / "tar", "w") as tar:
        tar.add(root, ".")
    found = parse(describe(tmp_path / "tar"))
    assert set(found) == {".", "./odd näme\n=#", "./link", "./second"}
    assert found["./odd näme\n=#"].mode == "4755"
    assert found["./second"] == found["./odd näme\n=#"]
    assert found["./link"].target == "odd näme\n=#"
    assert found["."].kind == "dir"


def subject(inputs: dict[str, str], pinned: Pins, files: dict[str, Described] | None, digest: str = "d") -> Subject:
    packages = {one.name: (one.version, one.sha256) for one in pinned.packages}
    return Subject("x", {"tree": Made(digest, inputs)}, packages, files)


def test_why_two_builds_differ_in_words():
    plain = Described("file", "0644", "0:0", 5, 3, sha256="a")
    one = subject({"release": "bookworm", "code": "0" * 64}, pins(package(), package("old")), {
        "./same": plain, "./gone": plain, "./mode": plain, "./owner": plain, "./kind": plain, "./content": plain,
    })  # fmt: skip
    two = subject({"release": "trixie", "code": "1" * 64}, pins(package("sudo", "1.1"), package("new")), {
        "./same": plain, "./new": plain, "./mode": Described("file", "0755", "0:0", 5, 3, sha256="a"),
        "./owner": Described("file", "0644", "7:0", 5, 3, sha256="a"), "./kind": Described("dir", "0644", "0:0", 5),
        "./content": Described("file", "0644", "0:0", 5, 4, sha256="b"),
    }, "e")  # fmt: skip
    found = explain(one, two)
    assert not found.same
    assert found.inputs == ("tree: code changed", "tree: release: bookworm -> trixie")
    assert found.packages == ("new 1.0 is only in the second", "old 1.0 is only in the first", "sudo 1.0 -> 1.1")
    assert found.files == (
        "./content: content (3 -> 4 bytes)", "./gone: only in the first", "./kind: type file -> dir",
        "./mode: mode 0644 -> 0755", "./new: only in the second", "./owner: owner 0:0 -> 7:0",
    )  # fmt: skip


def test_a_step_that_is_not_reproducible_is_called_that():
    found = explain(subject({"a": "1"}, pins(), None), subject({"a": "1"}, pins(), None, "e"))
    assert "not reproducible" in found.inputs[0]
    assert found.unknown


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("500M", 500_000_000), ("20g", 20_000_000_000), ("7KB", 7000)])
def test_sizes(text, size):
    assert parse_size(text) == size


@given(st.text())
def test_a_size_is_a_size_or_an_error_in_words(text):
    try:
        assert parse_size(text) >= 0
    except LabwrightError as error:
        assert error.cause is Cause.CONFIG
