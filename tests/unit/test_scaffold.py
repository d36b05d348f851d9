"""A new package is there whole or not at all, and takes no name that somebody has."""

from __future__ import annotations

import errno
import os

import pytest
from packaging.specifiers import SpecifierSet
from support.packages import DRIVER, lay_out, offers

from labwright.errors import Cause, LabwrightError
from labwright.scaffold import KINDS, check_name, write_package
from labwright.scaffold.names import suggestion
from labwright.scaffold.write import version_range

PROVISIONER = KINDS["provisioner"]


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("Acme", "acme"), ("acme_os", "acme-os"), ("9front", "front"), ("acme--os", "acme-os"), ("-acme", "acme"),
        ("", "acme"), ("../acme", "acme"), ("acme\n", "acme"), ("a" * 33, "a" * 32), ("café", "caf"),
    ],
)  # fmt: skip
def test_a_name_that_no_package_can_have_is_refused_with_one_that_it_can(name, instead):
    with pytest.raises(LabwrightError) as caught:
        check_name(name)
    assert caught.value.cause is Cause.CONFIG
    assert caught.value.hint == f"try {instead!r}"
    assert suggestion(name) == instead
    check_name(instead)


def test_a_word_of_python_is_no_name():
    with pytest.raises(LabwrightError, match="a word of Python") as caught:
        check_name("class")
    assert "class-os" in caught.value.hint


@pytest.mark.parametrize(("name", "package"), [("debian", "labwright-debian"), ("linux", "labwright-linux")])
def test_a_type_that_is_taken_names_the_package_and_a_way_out(name, package):
    with pytest.raises(LabwrightError, match=f"offered by the installed package {package}") as caught:
        check_name(name)
    assert f"uninstall {package}" in caught.value.hint
    assert f"{name}-lab" in caught.value.hint


def test_a_module_or_package_of_that_name_is_in_the_way_too(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    lay_out(tmp_path / "site", "labwright_acme", DRIVER + "pass", offers("bootstrappers", "other", "labwright_acme:D"))
    with pytest.raises(LabwrightError, match="a package labwright-acme is installed"):
        check_name("acme")
    (tmp_path / "site/labwright_loose.py").write_text("")
    with pytest.raises(LabwrightError, match="there is a Python module labwright_loose"):
        check_name("loose")


@pytest.mark.parametrize("there", ["folder", "file", "link to nothing"])
def test_what_is_there_is_not_overwritten(tmp_path, there):
    place = tmp_path / "labwright-acme"
    if there == "folder":
        place.mkdir()
        (place / "mine").write_text("work of a week")
    elif there == "file":
        place.write_text("work of a week")
    else:
        place.symlink_to("nowhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(LabwrightError, match="nothing is overwritten"):
        write_package("acme", PROVISIONER, tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_package_that_cannot_be_written_whole_is_not_there(tmp_path, monkeypatch):
    # The name of a folder that a file already has: what a full disk would do halfway, without one.
    monkeypatch.setattr(
        "labwright.scaffold.write.package_files", lambda name, kind: {"a": "first", "b": "second", "b/c": "third"}
    )
    with pytest.raises(LabwrightError, match="labwright-acme"):
        write_package("acme", PROVISIONER, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(LabwrightError, match="there is no folder") as caught:
        write_package("acme", PROVISIONER, tmp_path / "nowhere")
    assert "--into" in caught.value.hint


@pytest.mark.parametrize(
    ("version", "range_"),
    [
        ("0.1.0", ">=0.1,<0.2"), ("0.12.3", ">=0.12,<0.13"), ("1.4.0", ">=1.4,<2"), ("2.0", ">=2.0,<3"),
        ("0.2.0rc1", ">=0.2.0rc1,<0.3"), ("0.2.0.dev3+g1a2b3c4", ">=0.2.0.dev3,<0.3"), ("1.0b2", ">=1.0b2,<2"),
        ("0.2rc1", ">=0.2rc1,<0.3"), ("0.2.1.post1", ">=0.2,<0.3"), ("0.2.1+ubuntu.rc1", ">=0.2,<0.3"),
    ],
)  # fmt: skip
def test_a_package_takes_the_labwrights_that_have_these_interfaces(version, range_):
    assert version_range(version) == range_
    assert SpecifierSet(range_).contains(version)
    assert not SpecifierSet(range_).contains("3.0")


@pytest.mark.parametrize(
    ("number", "cause"),
    [(errno.EACCES, Cause.HOST), (errno.EROFS, Cause.HOST), (errno.ENOSPC, Cause.DISK_FULL)],
)
def test_a_folder_that_cannot_be_written_is_said_with_the_way_to_another(tmp_path, monkeypatch, number, cause):
    def refused(place, *args, **names):
        raise OSError(number, os.strerror(number), str(place))

    monkeypatch.setattr("pathlib.Path.mkdir", refused)
    with pytest.raises(LabwrightError) as caught:
        write_package("acme", PROVISIONER, tmp_path)
    monkeypatch.undo()
    assert caught.value.cause is cause
    assert caught.value.what.startswith(f"writing {tmp_path}/labwright-acme: ")
    assert ".labwright-acme" not in caught.value.what
    assert "--into" in caught.value.hint
    assert "doctor" not in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_even_be_looked_into_is_too(tmp_path, monkeypatch):
    real = os.stat

    def refused(place, **names):
        if "locked" in str(place):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
        return real(place, **names)

    monkeypatch.setattr("os.stat", refused)
    with pytest.raises(LabwrightError, match=r"locked/labwright-acme: Permission denied$") as caught:
        write_package("acme", PROVISIONER, tmp_path / "locked")
    assert "--into" in caught.value.hint
