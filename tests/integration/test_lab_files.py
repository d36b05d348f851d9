"""What a lesson's machines cannot be given is said before any of them starts, and validate says it too."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.lessons import FILES, META, write

from labwright.errors import Cause, LabwrightError
from labwright.lesson.files import check_files
from labwright.lesson.validate import validate

NOBODY = 65534
LONELY = META.partition("endpoints:")[0] + (
    "endpoints:\n- {name: linux1, image: utility, additionalPorts: [22]}\n"
    "stages:\n- {description: Begin, guideType: markdown}\n"
)


@pytest.fixture
def lesson() -> Iterator[Path]:
    """One that every user may read."""
    folder = Path(tempfile.mkdtemp(prefix="labwright-lesson-"))
    folder.chmod(0o755)
    yield write(folder)
    shutil.rmtree(folder)


@contextlib.contextmanager
def ordinary() -> Iterator[None]:
    """As a user who may not read everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.parametrize("name", ["stage0/data", "stage0/folder"])
def test_what_cannot_be_read_is_named_before_a_machine_waits_for_it(lesson, name):
    place = lesson / name
    place.mkdir() if name.endswith("folder") else place.write_text("x")
    place.chmod(0)
    with ordinary():
        with pytest.raises(LabwrightError, match=f"{place} cannot be read: Permission denied") as caught:
            check_files(lesson)
        found = validate(lesson).findings
    place.chmod(0o700)
    assert caught.value.cause is Cause.CONFIG
    assert [(each.path, each.level, each.kind, each.message) for each in found] == [
        (place, "error", "file", "it cannot be read: Permission denied")
    ]
    check_files(lesson)


@pytest.mark.parametrize("fault", ["link", "large"])
def test_up_refuses_at_once_what_a_machine_cannot_be_given(lesson, tmp_path, fault):
    """The first machine had booted by then, and all of them were thrown away."""
    write(lesson, {"lesson.meta.yaml": LONELY, "stage0/guide.md": FILES["stage0/guide.md"]})
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "utility.qcow2", "1M"], check=True)
    deep = lesson / "stage0/deeper"
    deep.mkdir()
    if fault == "link":
        (deep / "link").symlink_to("/etc/passwd")
    else:
        with (deep / "large").open("wb") as stream:
            stream.truncate(257 << 20)
    done = subprocess.run(
        [sys.executable, "-m", "labwright", "lesson", "up", lesson, "--images", tmp_path, "--force"],
        capture_output=True, text=True, timeout=60, check=False,
        env=os.environ | {"LABWRIGHT_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    words = f"{deep}/link is a link that leads out of the lesson" if fault == "link" else "are larger than 256 MiB"
    assert words in done.stderr.replace("\n", " ")
    assert "answers after" not in done.stderr
    assert "Start 1 machines" not in done.stdout + done.stderr
