"""The first boot of a network operating system, by part, beside the floor: a plain boot of what came out of it.

python -m bench.nos
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measure import Table

from labwright.host.paths import Paths

IMAGE = "images/frr-nos"
PART = re.compile(r"^(the dialogue on the console|the first login over SSH|NAPALM|seal and power-off): ([0-9.]+) s$")


def first_boot() -> Table:
    """Build the image with its first boot made anew; all before it comes from the user's cache."""
    known = Paths.from_environment().root
    with tempfile.TemporaryDirectory(prefix="labwright-", dir=known) as folder:
        cache, out = Path(folder, "cache"), Path(folder, "out")
        for name in ("pins", "store"):
            shutil.copytree(known / name, cache / name, copy_function=os.link)
        shutil.rmtree(cache / "store/device", ignore_errors=True)
        done = subprocess.run(
            [sys.executable, "-m", "labwright", "build", IMAGE, "--out", out, "--json"],
            capture_output=True, text=True, check=True, env=os.environ | {"LABWRIGHT_CACHE": str(cache)},
        )  # fmt: skip
        report = json.loads((out / "frr-nos.json").read_text())
    floor = float(report["tests"]["boots"]["device"]["login"])
    table = Table(("seconds",), "beside a plain boot")
    for line in done.stdout.splitlines():
        if part := PART.match(json.loads(line).get("text", "")):
            table.add(part[1], float(part[2]))
    whole = float(report["steps"]["device"]["seconds"])
    table.add("from the disk to the sealed image", whole, ratio=whole / floor)
    table.add("floor: the sealed image boots to a login over SSH", floor)
    return table


if __name__ == "__main__":
    print(first_boot().markdown())
