"""A power cut at any moment of a night: the next run goes on, and ends where an undisturbed one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from support.builds import REPOSITORY

EVERY = 11
"""Of so many touches of files one is the last: a prime, so that no kind of touch is always left out."""


def test_a_night_that_is_killed_at_any_moment_ends_the_same_when_it_is_run_again(tmp_path):
    done = subprocess.run(
        [sys.executable, REPOSITORY / "tests/support/crash_nights.py", tmp_path, str(EVERY)],
        capture_output=True, text=True, check=False, timeout=300, env=os.environ | {"PYTHONPATH": "tests"},
        cwd=REPOSITORY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    undisturbed, *others = map(json.loads, done.stdout.splitlines())
    assert undisturbed["serving"].keys() == {"base", "top", "apex"}
    assert [image["state"] for image in undisturbed["images"]] == ["built", "built", "failed", "skipped", "built"]
    assert sum(one["killed"] for one in others) > 12
    for one in others:
        for key in ("night", "finished", "images", "serving", "files"):
            assert one[key] == undisturbed[key], (one["moment"], key)
