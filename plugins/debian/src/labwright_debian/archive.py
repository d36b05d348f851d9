"""A Debian archive, read by apt in folders of our own: the host's packages and sources play no part.

The host's apt settings for proxies and certificates do apply; its permissions to use unsigned archives do not.
"""

from __future__ import annotations

import email.utils
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.environment import has_tool
from labwright.interfaces import Workbench
from labwright.spec.image import ImageSpec

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True)
class Archive:
    """One suite with its updates. security: the mirror of security updates, empty for none."""

    suite: str
    mirror: str
    security: str
    keyring: str

    @classmethod
    def of(cls, image: ImageSpec, suite: str, bench: Workbench) -> Archive:
        """The archive that the image names, or the one that this machine's apt is set up for."""
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
        return cls(suite, mirror, "" if security == "none" else security, keyring)

    def sources(self, keyring: str | None = None) -> str:
        """The text of a sources.list. Updates and security come with a full mirror only."""
        signed = f"[signed-by={keyring or self.keyring}]"
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
            "Acquire::AllowDowngradeToInsecureRepositories": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Acquire::http::Timeout": "30",
            "APT::Update::Error-Mode": "any",
        }
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

    def update(self, bench: Workbench) -> None:
        """Bring our lists up to date. Raises LabwrightError: network or signature."""
        folder = self.folder(bench)
        for name in ("state/lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text(self.sources())
        bench.run(
            ["apt-get", *self.options(bench), "update", "-q"],
            what=f"the archive of {self.suite} at {self.mirror} cannot be read",
            cause=Cause.NETWORK,
            hint="check build.mirror, build.release and this machine's network",
            timeout=600,
        )

    def releases(self, bench: Workbench) -> list[Path]:
        """The signed Release files in our lists."""
        return sorted((self.folder(bench) / "state/lists").glob("*InRelease"))

    def digest(self, bench: Workbench) -> str:
        """A digest of the signed indexes: it changes when anything in the archive does."""
        joined = hashlib.sha256()
        for path in self.releases(bench):
            joined.update(path.name.encode() + b"\0" + path.read_bytes())
        return joined.hexdigest()

    def epoch(self, bench: Workbench) -> int:
        """The date of the newest Release file, in seconds since 1970."""
        dates = [
            int(email.utils.parsedate_to_datetime(found.group(1).replace(" UTC", " +0000")).timestamp())
            for path in self.releases(bench)
            if (found := re.search(r"^Date: (.+)$", path.read_text(errors="replace"), re.MULTILINE))
        ]
        return max(dates, default=0)

    def candidate(self, package: str, bench: Workbench) -> str:
        """File name, size and hash of a package as apt would fetch it now; remembered for this state of the archive."""
        known = self.folder(bench) / f"candidate-{package}-{self.digest(bench)[:16]}"
        if known.is_file():
            return known.read_text()
        done = bench.run(
            ["apt-get", *self.options(bench), "--print-uris", "-q", "download", package],
            what=f"{self.mirror} has no package {package} in {self.suite}",
            cause=Cause.CONFIG,
            hint="check that build.mirror is a full mirror of build.release",
        )
        fields = done.output.splitlines()[-1].split()
        answer = " ".join(fields[1:])
        known.write_text(answer)
        return answer

    def download(self, package: str, pinned: str, bench: Workbench) -> Path:
        """Fetch a package, checked by apt against the signed indexes, and refuse another than the pinned one."""
        if self.candidate(package, bench) != pinned:
            raise LabwrightError(
                f"{package} changed on the mirror while the build ran",
                cause=Cause.NETWORK,
                hint="run the same command again",
            )
        name, size = pinned.split()[:2]
        bench.say(f"fetching {name} ({int(size) // 1_000_000} MB)")
        folder = bench.scratch / "download"
        folder.mkdir()
        bench.run(
            ["apt-get", *self.options(bench), "-q", "download", package],
            cwd=folder,
            what=f"fetching {package} failed",
            cause=Cause.NETWORK,
            timeout=3600,
        )
        return next(folder.glob("*.deb"))


def host_mirror(bench: Workbench, security: bool) -> str:
    """The mirror that this machine's apt is set up for, of security updates or of the archive itself; empty for none.

    Read from `apt-get indextargets`, apt's own interface for that (apt's docs, acquire-additional-files).
    """
    if not has_tool("apt-get"):
        return ""
    cache = bench.downloads / "apt-of-this-host"
    cache.mkdir(exist_ok=True)
    done = bench.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)",
         # Containers' apt settings switch its caches off; this is what makes it answer at once.
         "-o", f"Dir::Cache::pkgcache={cache}/pkgcache.bin", "-o", f"Dir::Cache::srcpkgcache={cache}/srcpkgcache.bin"],
        what="this machine's apt cannot say which mirrors it uses",
        hint="mend its sources, or set build.mirror in image.meta.yaml",
    )  # fmt: skip
    for line in done.output.splitlines():
        found, label, url = line.split("|", 2)
        if found == "Debian" and (label.lower() == "debian-security") == security:
            return url.rstrip("/")
    return ""
