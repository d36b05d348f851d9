"""The clock of a machine that was resumed: it is behind, and what is done before it is set keeps it so for good."""

from __future__ import annotations

import os
import subprocess

import pytest

from labwright.lesson.parcel import SCRIPT, arguments


@pytest.mark.parametrize(("resumed", "first"), [(True, "date -s @7.000"), (False, "mktemp -d /run/labwright.XXXXXX")])
def test_the_clock_is_set_before_files_are_read_and_only_where_it_is_behind(tmp_path, resumed, first):
    for name in ("date", "mktemp"):
        program = tmp_path / name
        # It ends where a folder of this host would be made.
        program.write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/said\n[ {name} = date ]\n')
        program.chmod(0o755)
    words = arguments("antidote", resumed, 7.0, ["eth0"], "52:00:00:00:00:00")
    done = subprocess.run(
        ["/bin/sh", "-c", SCRIPT, "labwright", *words], stdin=subprocess.DEVNULL, capture_output=True, check=False,
        env=os.environ | {"PATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode != 0
    assert (tmp_path / "said").read_text().splitlines()[0] == first
