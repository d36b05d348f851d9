"""Virtual environments like a user's: our packages in them come from wheels and from nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from support.builds import REPOSITORY

OURS = ("labwright", "_editable_impl", "__editable__", "napalm_frr", "_napalm_frr")
"""How what we installed for development begins, in the folder that it shares with the libraries."""
OFFLINE = {
    # What is built is built by the hatchling that is there, and what is needed is there: no network decides a test.
    # The first is pip's negated form: `false` is what the option --no-build-isolation sets.
    "PIP_NO_BUILD_ISOLATION": "false",
    "PIP_NO_INDEX": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_QUIET": "1",
}


def wheel(source: Path, into: Path) -> Path:
    """Build a package's wheel. Returns it."""
    before = set(into.glob("*.whl"))
    _run([sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", into, source])
    (made,) = set(into.glob("*.whl")) - before
    return made


def our_wheels(into: Path, *plugins: str) -> list[Path]:
    """The wheels of labwright and of these plugins."""
    return [wheel(source, into) for source in (REPOSITORY / "core", *(REPOSITORY / "plugins" / one for one in plugins))]


def fresh(place: Path, wheels: list[Path]) -> Path:
    """A new virtual environment with these wheels. Returns its bin/.

    Third parties' libraries are those of the tests' own environment, by links: fetching them again would test the
    network. That environment itself must not be seen, since our packages are in it as folders of this repository.
    """
    _run([sys.executable, "-m", "venv", "--system-site-packages", place])
    libraries = place / "libraries"
    libraries.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(OURS) and entry.name not in {"pip", "setuptools", "__pycache__"}:
            (libraries / entry.name).symlink_to(entry)
    (site,) = place.glob("lib/python3.*/site-packages")
    (site / "libraries.pth").write_text(f"{libraries}\n")
    _run([place / "bin/python", "-m", "pip", "install", "--no-deps", *wheels])
    return place / "bin"


def _run(words: list[str | Path]) -> None:
    done = subprocess.run(
        [str(word) for word in words], env=os.environ | OFFLINE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
