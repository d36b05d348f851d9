"""Debian's packages: fetched by apt's own downloader, and laid out as an archive that any bootstrapper reads."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.fetch import kept
from labwright.host.probes import APT_HELPER
from labwright.interfaces import Package, Pins, Workbench
from labwright_debian import acquire

AR_MAGIC = b"!<arch>\n"


def fetch(packages: Sequence[Package], pins: Pins, pool: Path, bench: Workbench) -> list[Path]:
    """The packages' files in the folder `pool`, each checked by its hash. Raises as `labwright.fetch.kept.fetch`."""
    return kept.fetch(packages, pins, pool, PACKAGES, bench)


def _download(wanted: Sequence[kept.Wanted], careful: bool, bench: Workbench) -> None:
    words: list[str | Path] = []
    for one in wanted:
        words += [one.url, one.place, f"SHA256:{one.sha256}"]
    bench.run(
        [APT_HELPER, "-o", "APT::Sandbox::User=root", *acquire.OPTIONS, *(acquire.ONE_BY_ONE if careful else ()),
         "download-file", *words],
        what="fetching packages failed",
        cause=Cause.NETWORK,
        on_line=acquire.Watch("fetching packages", bench.say),
        unlogged=acquire.STATUS_WORD,
        timeout=3600,
    )  # fmt: skip


PACKAGES = kept.Format(
    name=lambda package: f"{package.name}_{package.version.replace(':', '%3a')}_{package.architecture}.deb",
    download=_download,
    settings={"archive": "build.mirror", "security": "build.securityMirror"},
)


def newest(files: Sequence[Path]) -> int:
    """The date of the newest of these packages in seconds since 1970: that of its first member (deb(5), ar)."""
    return max(_date(path) for path in files)


def _date(path: Path) -> int:
    with path.open("rb") as stream:
        head = stream.read(68)
    # Magic of 8 bytes; then each member's header: name in 16 bytes, date in 12.
    date = head[24:36].strip()
    if not head.startswith(AR_MAGIC) or not date.isdigit():
        raise LabwrightError(
            f"{path} is not a Debian package", cause=Cause.SIGNATURE, hint="check the archive that it came from"
        )
    return int(date)


def index(pool: Path, suite: str, bench: Workbench) -> Path:
    """The folder of `pool` as an archive of exactly what is in there: hashes vouched for it, so it is not signed."""
    repository = pool.parent
    place = repository / "dists" / suite / "main/binary-amd64"
    place.mkdir(parents=True)
    listed = bench.run(
        ["dpkg-scanpackages", "--multiversion", "--hash", "sha256", pool.name],
        cwd=repository,
        what="the fetched packages cannot be listed",
    )
    data = listed.output.encode()
    (place / "Packages").write_bytes(data)
    (repository / "dists" / suite / "Release").write_text(
        f"Origin: Debian\nSuite: {suite}\nCodename: {suite}\nArchitectures: amd64\nComponents: main\nSHA256:\n"
        f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-amd64/Packages\n"
    )
    return repository
