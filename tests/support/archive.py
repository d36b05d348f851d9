"""A stand-in for a Debian archive: signed by a key of its own, with empty packages of real names.

It stands for what nobody can order from a real mirror: an expired Release file, one of the future, yesterday's archive
beside today's, a package that has vanished.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

DAY = 86400


@dataclass(frozen=True)
class Key:
    """A key pair in a GnuPG home of its own, and its public half as apt wants it."""

    home: Path
    keyring: Path


def make_key(folder: Path) -> Key:
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    key = Key(home, folder / "stand-in.gpg")
    _gpg(key, "--quick-generate-key", "--passphrase", "", "stand-in@localhost", "rsa2048", "sign", "never")
    _gpg(key, "--output", str(key.keyring), "--export")
    return key


def _gpg(key: Key, *words: str, stdin: str = "") -> str:
    done = subprocess.run(
        ["gpg", "--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", *words],
        input=stdin, capture_output=True, text=True, check=True, env=os.environ | {"GNUPGHOME": str(key.home)},
    )  # fmt: skip
    return done.stdout


def end_agent(key: Key) -> None:
    subprocess.run(["gpgconf", "--kill", "all"], check=True, env=os.environ | {"GNUPGHOME": str(key.home)})


def make_archive(
    place: Path, key: Key, versions: Mapping[str, str], age: float = 0, valid: float | None = None
) -> None:
    """An archive of bookworm with these packages. age: seconds since it was made; valid: seconds that it is valid."""
    pool = place / "pool"
    pool.mkdir(parents=True, exist_ok=True)
    for name, version in versions.items():
        _package(pool, name, version)
    index = place / "dists/bookworm/main/binary-amd64"
    index.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(["dpkg-scanpackages", "--multiversion", "pool"], cwd=place, capture_output=True, check=True)
    (index / "Packages").write_bytes(listed.stdout)
    made = time.time() - age
    lines = ["Origin: Debian", "Label: Debian", "Suite: oldstable", "Codename: bookworm", "Architectures: amd64",
             "Components: main", f"Date: {formatdate(made, usegmt=True)}"]  # fmt: skip
    if valid is not None:
        lines.append(f"Valid-Until: {formatdate(made + valid, usegmt=True)}")
    digest = hashlib.sha256(listed.stdout).hexdigest()
    text = "\n".join([*lines, "SHA256:", f" {digest} {len(listed.stdout)} main/binary-amd64/Packages", ""])
    _publish(place / "dists/bookworm/InRelease", _gpg(key, "--clearsign", stdin=text))


def _publish(release: Path, text: str) -> None:
    """HTTP knows whole seconds: an archive made twice in one would be taken for unchanged (If-Modified-Since)."""
    last = int(release.stat().st_mtime) if release.exists() else 0
    release.write_text(text)
    changed = max(int(release.stat().st_mtime), last + 1)
    os.utime(release, (changed, changed))


def _package(pool: Path, name: str, version: str) -> None:
    deb = pool / f"{name}_{version}_amd64.deb"
    if deb.exists():
        return
    root = pool / f".{name}"
    (root / "DEBIAN").mkdir(parents=True)
    essential = "Essential: yes\n" if name == "base-files" else ""
    (root / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: x <x@localhost>\nPriority: required\n"
        f"{essential}Description: stand-in of the tests\n"
    )
    for old in pool.glob(f"{name}_*"):
        old.unlink()
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", root, deb],
        check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run(["rm", "-r", root], check=True)
