"""Ordinary users, and the repository where they can read it."""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

from support import builds
from support.frr.routers import wait_for


@contextlib.contextmanager
def ordinary_user() -> Iterator[pwd.struct_passwd]:
    """An ordinary user with subordinate ids, as useradd makes one."""
    name = f"lab{uuid.uuid4().hex[:8]}"
    subprocess.run(["useradd", "--create-home", name], check=True)
    try:
        yield pwd.getpwnam(name)
    finally:
        undo("userdel", "--remove", name)


@contextlib.contextmanager
def readable_repository() -> Iterator[Path]:
    """The repository where an ordinary user can read it, wherever it was cloned."""
    place = Path(f"/tmp/labwright-{uuid.uuid4().hex[:8]}")
    place.mkdir(mode=0o755)
    subprocess.run(["mount", "--bind", builds.REPOSITORY, place], check=True)
    try:
        yield place
    finally:
        undo("umount", place)
        place.rmdir()


def undo(*words: str | Path) -> None:
    """Until it succeeds: what a test has ended may need a moment to let go of a user or of a folder."""
    wait_for(lambda: subprocess.run(words, check=False, capture_output=True).returncode == 0, 30)


def as_user(
    user: pwd.struct_passwd, repository: Path, *words: str | Path, cache: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    python = repository / Path(sys.executable).relative_to(builds.REPOSITORY)
    sources = [repository / "core/src", *repository.glob("plugins/*/src")]
    return subprocess.run(
        ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups", "--", python, "-m",
         "labwright", *map(str, words)],
        capture_output=True, text=True, check=False, cwd=user.pw_dir,
        env={"HOME": user.pw_dir, "LABWRIGHT_CACHE": str(cache), "PATH": os.environ["PATH"],
             "PYTHONPATH": os.pathsep.join(map(str, sources))} | environment,
    )  # fmt: skip
