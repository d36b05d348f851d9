"""Which commit an image's description is of, whoever owns the repository."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from labwright.host.environment import has_tool
from labwright.host.run import Completed, run
from labwright.host.text import plain

CHANGED = "-dirty"
"""At the end of a revision where something is not committed, as `git describe --dirty` writes it."""
REVISION = re.compile(rf"(?P<commit>[0-9a-f]{{64}}|[0-9a-f]{{40}})(?P<changed>{CHANGED})?")
UNTOUCHED = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
"""A repository may name programs that git is to run."""


def revision_of(folder: Path, say: Callable[[str], None]) -> str:
    """The commit (git) that a folder is at, CHANGED after it where something in the folder is not committed.

    Empty outside of any repository; and where there is one of which git says no commit, which `say` is told.
    """
    place = folder.resolve()
    top = next((one for one in (place, *place.parents) if (one / ".git").exists()), None)
    if top is None:
        return ""
    if not has_tool("git"):
        say(f"the revision of {folder} is not noted: git is not installed")
        return ""
    trust = _trust(place, top)
    found = _git(place, trust, "rev-parse", "--verify", "HEAD^{commit}")
    if found.code:
        why = next(iter(found.errors.splitlines()), "git does not say why")
        say(f"the revision of {folder} is not noted: {plain(why)}")
        return ""
    # Into a submodule git would go with programs of that one's choice.
    changed = _git(place, trust, "status", "--porcelain", "--ignore-submodules=dirty", "--", ".")
    return found.output.strip() + (CHANGED if changed.code or changed.output.strip() else "")


def _trust(folder: Path, top: Path) -> tuple[str, ...]:
    """git works in no repository of somebody else's, for fear of its settings (safe.directory in git-config(1)).

    Whoever owns the folder that we are told to build from has our trust; a repository around it that is not theirs has
    not. In a namespace, where all users but ours look alike, this holds as well.
    """
    try:
        theirs = folder.stat().st_uid == (top / ".git").stat().st_uid
    except OSError:
        theirs = False
    return ("-c", f"safe.directory={top}") if theirs else ()


def _git(folder: Path, trust: tuple[str, ...], *words: str) -> Completed:
    what = f"the revision of {folder} cannot be found"
    return run(["git", *UNTOUCHED, *trust, "-C", folder, *words], accept=range(256), timeout=60, what=what)
