"""A kernel source that comes with patches and a version of its own, from a package to a tree that can be compiled.

The package is the stand-in's stub: the shape of the real one, with a few files in place of a kernel.
"""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import KernelSource
from labwright.kernel.source import unpack_source
from labwright_centos.kernel_source import unpack


def package(standin, pattern: str) -> Path:
    return next(standin.flavour("9-stream").rglob(pattern))


def fresh(bench, tmp_path: Path, name: str):
    """Each step of a build has a scratch folder of its own."""
    place = tmp_path / name
    place.mkdir()
    return replace(bench, scratch=place)


@pytest.fixture
def source(standin, bench, tmp_path) -> tuple[Path, KernelSource]:
    place = tmp_path / "source"
    place.mkdir()
    found = unpack(package(standin, "kernel-*.src.rpm"), "5.14.0-1.standin.el9", place, bench)
    return place, found


def test_the_distribution_s_patches_and_version_are_in_the_tree(source, bench, tmp_path):
    place, found = source
    assert [path.name for path in (place / "patches").iterdir()] == ["01000000-1000-debrand-some-messages.patch"]
    tree = unpack_source(place, found.extra_version, fresh(bench, tmp_path, "one"))
    assert "EXTRAVERSION = -1.standin.el9.x86_64\n" in (tree / "Makefile").read_text()
    assert "(stand-in)" in (tree / "init/version.c").read_text()
    assert "RHEL_MAJOR" in (tree / "Makefile.rhelver").read_text()


def test_a_patch_that_does_not_apply_is_named(source, bench, tmp_path):
    place, found = source
    (patch,) = (place / "patches").iterdir()
    patch.write_text(patch.read_text().replace("LINUX_COMPILER", "SOMETHING_ELSE"))
    with pytest.raises(LabwrightError, match=r"patch 01000000-1000-debrand.* does not apply"):
        unpack_source(place, found.extra_version, fresh(bench, tmp_path, "one"))


@pytest.mark.parametrize("target", ["../outside", "a/../../outside"])
def test_a_patch_that_would_leave_the_tree_is_refused(source, bench, tmp_path, target):
    place, found = source
    (place / "patches/1-climbs.patch").write_text(f"--- x/{target}\n+++ x/{target}\n@@ -0,0 +1 @@\n+climbed\n")
    with pytest.raises(LabwrightError, match="does not apply"):
        unpack_source(place, found.extra_version, fresh(bench, tmp_path, "one"))
    assert not list(tmp_path.rglob("outside"))


def test_a_makefile_without_the_line_is_no_kernel_s(source, bench, tmp_path):
    place, found = source
    shutil.rmtree(place / "patches")
    (tmp_path / "x").mkdir()
    (tmp_path / "x/Makefile").write_text("all:\n")
    with tarfile.open(place / KernelSource.ARCHIVE, "w:xz") as tar:
        tar.add(tmp_path / "x", "linux-1")
    with pytest.raises(LabwrightError, match="0 lines EXTRAVERSION"):
        unpack_source(place, found.extra_version, fresh(bench, tmp_path, "one"))


def test_a_package_of_another_shape_is_refused_and_nothing_of_it_is_written(standin, bench, tmp_path):
    place = tmp_path / "source"
    place.mkdir()
    with pytest.raises(LabwrightError, match="is no kernel source that is known: it has a file named") as caught:
        unpack(package(standin, "setup-*.rpm"), "1-1", place, bench)
    assert caught.value.cause is Cause.CONFIG
    assert list(place.iterdir()) == []
    assert list((bench.scratch / "source").iterdir()) == []
