"""A Debian archive, read by apt in folders of our own: the host's packages and sources play no part.

The host's apt settings for proxies and certificates do apply; its permissions to use unsigned archives do not.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.environment import has_tool
from labwright.host.locks import IN_USE, exclusive
from labwright.host.retry import retried
from labwright.interfaces import ImageSpec, Pins, Workbench
from labwright_debian import acquire

SNAPSHOT = "@SNAPSHOTID@"
"""Where the date goes in the URL of a snapshot mirror, as apt writes it (sources.list(5), Snapshots)."""
DATE = re.compile(r"(?P<day>[0-9]{4}-?[0-9]{2}-?[0-9]{2})(?P<time>T[0-9]{6}Z)?")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True)
class Archive:
    """One suite with its updates. security: the mirror of security updates, empty for none. dated: a snapshot."""

    suite: str
    mirror: str
    security: str
    keyring: str
    dated: bool = False

    @classmethod
    def of(cls, image: ImageSpec, suite: str, bench: Workbench, snapshot: str = "") -> Archive:
        """The archive that the image names, or the one that this machine's apt is set up for.

        snapshot: a date, put into the mirrors' URLs at @SNAPSHOTID@.
        """
        build = image.build
        keyring = build.keyring or KEYRING
        if not Path(keyring).is_file():
            raise LabwrightError(
                f"the keyring {keyring} does not exist",
                cause=Cause.CONFIG if build.keyring else Cause.HOST,
                hint="mend build.keyring" if build.keyring else "install it: apt-get install debian-archive-keyring",
            )
        mirror = build.mirror or host_mirror(bench, security=False)
        if not mirror:
            raise LabwrightError(
                "no Debian mirror is known: this machine's apt is not set up for one",
                cause=Cause.CONFIG,
                hint="set build.mirror in image.meta.yaml to the URL of a Debian mirror",
            )
        security = build.security_mirror or ("" if build.mirror else host_mirror(bench, security=True))
        security = "" if security == "none" else security
        dated = [at_date(url, snapshot) for url in (mirror, security)]
        return cls(suite, dated[0], dated[1], keyring, dated=bool(snapshot))

    @classmethod
    def of_pins(cls, pins: Pins) -> Archive:
        """The archive that these pins were taken from, as the image's own apt sees it."""
        mirrors = pins.mirrors
        return cls(pins.release, mirrors["archive"], mirrors.get("security", ""), KEYRING, dated=bool(pins.snapshot))

    @property
    def mirrors(self) -> Mapping[str, str]:
        """The mirrors by their role."""
        return {"archive": self.mirror} | ({"security": self.security} if self.security else {})

    def sources(self) -> str:
        """The text of a sources.list. Updates and security come with a full mirror only."""
        # A snapshot is as old as it is wanted to be.
        signed = f"[signed-by={self.keyring}{' check-valid-until=no' if self.dated else ''}]"
        lines = [f"deb {signed} {self.mirror} {self.suite} main"]
        if self.security:
            lines.append(f"deb {signed} {self.mirror} {self.suite}-updates main")
            lines.append(f"deb {signed} {self.security} {self.suite}-security main")
        return "\n".join(lines) + "\n"

    def folder(self, bench: Workbench) -> Path:
        """Where apt keeps its lists of this archive between builds; all in it is signed or checked again."""
        return bench.downloads / f"apt-{hashlib.sha256(self.sources().encode()).hexdigest()[:16]}"

    def options(self, bench: Workbench) -> list[str]:
        """apt's own settings for working in our folder."""
        folder = self.folder(bench)
        settings = {
            "Dir::State": folder / "state",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            # Containers' apt settings switch these off, and without them apt parses all lists each time.
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
            "Dir::Etc::SourceList": folder / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::Etc::Trusted": "/dev/null",
            "Dir::Etc::TrustedParts": "/dev/null",
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Sandbox::User": "root",
            "APT::Get::AllowUnauthenticated": "false",
            "Acquire::AllowInsecureRepositories": "false",
            "Acquire::AllowWeakRepositories": "false",
            "Acquire::Check-Valid-Until": "false" if self.dated else "true",
            "Acquire::Check-Date": "true",
            "Acquire::AllowDowngradeToInsecureRepositories": "false",
            "Acquire::Languages": "none",
            "APT::Update::Error-Mode": "any",
        }
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

    @contextlib.contextmanager
    def alone(self, bench: Workbench) -> Iterator[None]:
        """Hold our folder: a second build of the same archive waits rather than fail at apt's own lock."""
        folder = self.folder(bench)
        with exclusive(folder / IN_USE, lambda: bench.say("waiting for another build that reads the same mirror")):
            yield

    def update(self, bench: Workbench) -> None:
        """Bring our lists up to date, once a command. Raises LabwrightError: network or signature."""
        folder = self.folder(bench)
        if folder.name in bench.asked and (folder / "sources.list").exists():
            return
        for name in ("state/lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text(self.sources())
        retried(lambda: self._update(bench), bench.say)
        bench.asked.add(folder.name)

    def _update(self, bench: Workbench) -> None:
        subject = f"the archive of {self.suite} at {self.mirror} cannot be read"
        bench.run(
            ["apt-get", *self.options(bench), *acquire.OPTIONS, *acquire.ONE_BY_ONE, "update", "-q"],
            what=subject,
            on_line=acquire.Watch(subject, bench.say),
            unlogged=acquire.STATUS_WORD,
            cause=Cause.NETWORK,
            hint="check build.mirror, build.release and this machine's network",
            timeout=600,
        )

    def releases(self, bench: Workbench) -> list[Path]:
        """The signed Release files in our lists."""
        lists = self.folder(bench) / "state/lists"
        found = sorted((*lists.glob("*InRelease"), *lists.glob("*_Release")))
        if not found:
            raise LabwrightError(
                f"{self.mirror} gave no signed Release file of {self.suite}",
                cause=Cause.SIGNATURE,
                hint="check build.mirror and build.release",
            )
        return found

    def digest(self, bench: Workbench) -> str:
        """A digest of the signed indexes: it changes when anything in the archive does."""
        joined = hashlib.sha256()
        for path in self.releases(bench):
            joined.update(path.name.encode() + b"\0" + path.read_bytes())
        return joined.hexdigest()

    def answer_key(self, words: Sequence[str], bench: Workbench) -> str:
        """A name for apt's answer to these words in this state of the archive."""
        return hashlib.sha256("\0".join([self.digest(bench), *words]).encode()).hexdigest()[:32]


def at_date(url: str, snapshot: str) -> str:
    """A mirror's URL with the date in its place. Raises LabwrightError (config) where they do not go together."""
    if not url or (not snapshot and SNAPSHOT not in url):
        return url
    found = DATE.fullmatch(snapshot)
    if not found or SNAPSHOT not in url:
        what = f"{snapshot!r} is not a date" if snapshot and not found else f"{url} and a snapshot do not go together"
        raise LabwrightError(
            what,
            cause=Cause.CONFIG,
            hint=f"a snapshot is a date such as 2026-11-01 or 20261101T120000Z, and wants build.mirror with {SNAPSHOT} "
            "where the date belongs, and build.securityMirror likewise or none",
        )
    return url.replace(SNAPSHOT, found["day"].replace("-", "") + (found["time"] or "T000000Z"))


_TARGETS: dict[Path, tuple[str, ...]] = {}


def host_mirror(bench: Workbench, security: bool) -> str:
    """The mirror that this machine's apt is set up for, of security updates or of the archive itself; empty for none.

    Read from `apt-get indextargets`, apt's own interface for that (apt's docs, acquire-additional-files).
    """
    if not has_tool("apt-get"):
        return ""
    for line in _index_targets(bench):
        found, label, url = line.split("|", 2)
        if found == "Debian" and (label.lower() == "debian-security") == security:
            return url.rstrip("/")
    return ""


def _index_targets(bench: Workbench) -> tuple[str, ...]:
    """apt's answer, which is the same for as long as a command runs: of ten images each would ask twice."""
    cache = bench.downloads / "apt-of-this-host"
    if cache not in _TARGETS:
        with exclusive(cache / IN_USE):
            done = bench.run(
                ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)",
                 # Containers' apt settings switch its caches off; this is what makes it answer at once.
                 "-o", f"Dir::Cache::pkgcache={cache}/pkgcache.bin",
                 "-o", f"Dir::Cache::srcpkgcache={cache}/srcpkgcache.bin"],
                what="this machine's apt cannot say which mirrors it uses",
                hint="mend its sources, or set build.mirror in image.meta.yaml",
            )  # fmt: skip
        _TARGETS[cache] = tuple(done.output.splitlines())
    return _TARGETS[cache]
