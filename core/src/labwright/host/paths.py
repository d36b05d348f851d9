"""Where labwright keeps what it makes and remembers."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError

UNFIT = re.compile(r"[\s:\[\]\"'#%\\$&;,*?]")
"""The kernel's makefiles refuse blanks and colons, apt's source lists the rest."""


@dataclass(frozen=True)
class Paths:
    """The folders under one root."""

    root: Path

    @classmethod
    def from_environment(cls) -> Paths:
        """LABWRIGHT_CACHE, or labwright/ in the user's cache folder (XDG base directory specification)."""
        given = os.environ.get("LABWRIGHT_CACHE")
        cache = os.environ.get("XDG_CACHE_HOME", "")
        try:
            if given:
                return cls(Path(given).expanduser().absolute())
            base = Path(cache) if cache.startswith("/") else Path.home() / ".cache"
        except RuntimeError as error:
            raise LabwrightError(
                f"no cache folder: {error}", cause=Cause.CONFIG, hint="set LABWRIGHT_CACHE to an absolute path"
            ) from error
        return cls(base / "labwright")

    @property
    def store(self) -> Path:
        """Outputs of steps."""
        return self.root / "store"

    @property
    def scratch(self) -> Path:
        """Work folders of running steps."""
        return self.root / "scratch"

    @property
    def ledger(self) -> Path:
        """What running builds hold."""
        return self.root / "ledger"

    @property
    def logs(self) -> Path:
        """What the tools said in the last builds."""
        return self.root / "logs"

    @property
    def downloads(self) -> Path:
        """What mirrors gave and compilers keep; always checked again before it is used."""
        return self.root / "downloads"

    def ensure(self) -> None:
        """Make the root. Raises LabwrightError when it is not ours alone to write: others could swap an image."""
        if found := UNFIT.search(str(self.root)):
            raise LabwrightError(
                f"the cache folder {self.root} has {found[0]!r} in its path, which make and apt cannot work with",
                cause=Cause.CONFIG,
                hint="set LABWRIGHT_CACHE to a folder without blanks and signs of that kind in its path",
            )
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o755)
            facts = self.root.stat()
        except OSError as error:
            raise LabwrightError(
                f"the cache folder {self.root} cannot be made: {error.strerror}",
                cause=Cause.CONFIG,
                hint="set LABWRIGHT_CACHE to a folder that you may write",
            ) from error
        if facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
            raise LabwrightError(
                f"the cache folder {self.root} can be written by others",
                cause=Cause.CONFIG,
                hint=f"chown it to yourself and chmod 755 {self.root}, or set LABWRIGHT_CACHE to another folder",
            )
        for parent in self.root.resolve().parents:
            mode = parent.stat().st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                raise LabwrightError(
                    f"the cache folder {self.root} is in {parent}, where everybody may rename what is there",
                    cause=Cause.CONFIG,
                    hint=f"chmod o-w {parent} (or o+t), or set LABWRIGHT_CACHE to another folder",
                )
