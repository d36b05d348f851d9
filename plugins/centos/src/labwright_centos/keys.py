"""Keys by their fingerprints, and what they signed: lists of repositories and packages, binary ones and sources."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.fetch.curl import Transfer, download
from labwright.host.ledger import copy_whole
from labwright.interfaces import Workbench
from labwright_centos.releases import Enterprise

LARGEST_KEY = 1 << 20
STATUS = re.compile(r"^\[GNUPG:\] (?P<word>[A-Z_]+)(?: (?P<rest>.*))?$", re.MULTILINE)
"""gpgv's words for programs (GnuPG's doc/DETAILS)."""
VERDICTS = ("GOODSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "BADSIG", "ERRSIG")
UNFIT = ("r", "e", "i", "d")
"""Revoked, expired, invalid, disabled."""
DAMAGED = "the mirror or the way to it changed it: check build.mirror, and run it again"


@dataclass(frozen=True)
class Keyring:
    """The keys of one release and nothing else. binary: for gpgv; armored: for rpm. title: where they are from."""

    binary: Path
    armored: Path
    fingerprints: frozenset[str]
    title: str


def keyring(release: Enterprise, given: str | None, bench: Workbench) -> Keyring:
    """The keys in the file that the image names, for which its author answers; else the release's own.

    Those may come from anywhere, this host or the network, since their fingerprint is known.
    Raises LabwrightError: config, network, signature.
    """
    folder = bench.scratch / "keys"
    folder.mkdir(mode=0o700, exist_ok=True)
    if given is not None:
        if not Path(given).is_file():
            raise LabwrightError(f"the keyring {given} does not exist", cause=Cause.CONFIG, hint="mend build.keyring")
        found = _fingerprints(Path(given), folder, bench)
        if not found:
            raise LabwrightError(
                f"there is no OpenPGP key in {given} that is valid today",
                cause=Cause.CONFIG,
                hint="name a file with the mirror's public key; is it expired or revoked, or is this machine's clock "
                "wrong?",
            )
        return _exported(Path(given), folder, found, given, bench)
    key = release.key
    kept = bench.downloads / "keys" / key.fingerprint
    for place in (*map(Path, key.files), kept):
        if place.is_file() and key.fingerprint in _fingerprints(place, folder, bench):
            return _exported(place, folder, frozenset({key.fingerprint}), str(place), bench)
    fetched = folder / "fetched"
    what = f"the key of {release.title} cannot be fetched from {key.url}"
    download([Transfer(key.url, fetched, LARGEST_KEY)], what, "check this machine's network, or put the key file in "
             f"{key.files[0]}, or name it in build.keyring", bench)  # fmt: skip
    seen = _fingerprints(fetched, folder, bench)
    if key.fingerprint not in seen:
        raise LabwrightError(
            f"{key.url} gives another key than that of {release.title}",
            cause=Cause.SIGNATURE,
            details=[f"wanted: {key.fingerprint}", *(f"there: {one}" for one in sorted(seen))],
            hint="a login page of this network? if the project has a new key, a newer labwright knows it",
        )
    kept.parent.mkdir(parents=True, exist_ok=True)
    copy_whole(fetched, kept, bench.ledger)
    return _exported(kept, folder, frozenset({key.fingerprint}), str(key.url), bench)


def _gpg(home: Path, words: Sequence[str | Path], bench: Workbench) -> str:
    home.mkdir(mode=0o700, exist_ok=True)
    done = bench.run(
        ["gpg", "--homedir", home, "--batch", "--no-autostart", "--quiet", "--yes", *words],
        accept=(0, 2),
        what="a key cannot be read",
        cause=Cause.SIGNATURE,
    )
    return str(done.output)


def _fingerprints(file: Path, folder: Path, bench: Workbench) -> frozenset[str]:
    """The fingerprints of the primary keys in a file that are valid (GnuPG's doc/DETAILS, colon listings)."""
    found, valid = set(), False
    for line in _gpg(folder / "gnupg", ["--with-colons", "--show-keys", file], bench).splitlines():
        fields = line.split(":")
        if fields[0] == "fpr" and valid:
            found.add(fields[9])
        valid = fields[0] == "pub" and fields[1] not in UNFIT
    return frozenset(found)


def _exported(file: Path, folder: Path, wanted: frozenset[str], title: str, bench: Workbench) -> Keyring:
    """The wanted keys of a file, and none that may stand beside them."""
    home = folder / "gnupg"
    _gpg(home, ["--import", file], bench)
    binary, armored = folder / "keyring.gpg", folder / "keyring.asc"
    _gpg(home, ["--output", binary, "--export", *sorted(wanted)], bench)
    _gpg(home, ["--output", armored, "--armor", "--export", *sorted(wanted)], bench)
    return Keyring(binary, armored, wanted, title)


def check_detached(file: Path, signature: Path, keys: Keyring, what: str, bench: Workbench) -> None:
    """Raise LabwrightError (signature) unless one of the keys signed the file."""
    done = bench.run(
        ["gpgv", "--status-fd", "1", "--keyring", keys.binary.absolute(), signature, file],
        accept=range(256),
        what="gpgv failed",
    )
    if signed_by(done.output, keys.fingerprints):
        return
    if "NO_PUBKEY" in done.output:
        reason, hint = f"are signed by another key than those in {keys.title}", "check build.mirror and build.keyring"
    elif "BADSIG" in done.output:
        reason, hint = "are not what was signed", f"{DAMAGED}; a mirror that is just being updated needs minutes"
    else:
        reason, hint = "have no signature that holds", "check build.mirror, build.keyring and this machine's clock"
    raise LabwrightError(f"{what} {reason}", cause=Cause.SIGNATURE, details=done.log_tail[-4:], hint=hint)


def signed_by(status: str, fingerprints: frozenset[str]) -> bool:
    """Whether gpgv found a good signature of one of the keys; another one beside it, of a key unknown, is no matter.

    It says VALIDSIG of keys that are revoked or expired too, after another word.
    """
    verdict = ""
    for found in STATUS.finditer(status):
        if found["word"] in VERDICTS:
            verdict = found["word"]
        elif found["word"] == "VALIDSIG" and verdict == "GOODSIG":
            primary = (found["rest"] or "").rpartition(" ")[2]
            if primary in fingerprints:
                return True
    return False


def rpm_environment(bench: Workbench) -> dict[str, str]:
    """A home for rpm without the user's macros, which change what it checks."""
    home = bench.scratch / "keys"
    home.mkdir(mode=0o700, exist_ok=True)
    return {"HOME": str(home)}


def check_packages(files: Sequence[Path], keys: Keyring, bench: Workbench) -> None:
    """Raise LabwrightError (signature) unless each package, or source package, is whole and signed by one of the keys.

    rpmkeys says OK with exit code 0 of a package without any signature, so its words are read (rpmkeys(8)).
    """
    database = bench.scratch / "keys" / "rpmdb"
    options = ["--define", f"_dbpath {database.absolute()}", "--define", "_pkgverify_level all"]
    if not database.is_dir():
        bench.run(
            ["rpmkeys", *options, "--import", keys.armored],
            env=rpm_environment(bench),
            what="rpm does not take the key",
            cause=Cause.CONFIG,
        )
    done = bench.run(
        ["rpmkeys", *options, "--checksig", "--verbose", "--", *files],
        env=rpm_environment(bench),
        accept=range(256),
        what="rpmkeys failed",
    )
    said = verdicts(done.output.splitlines(), [str(file) for file in files])
    for file in files:
        if reason := refusal(said.get(str(file), [])):
            raise LabwrightError(
                f"{file.name} {reason}",
                cause=Cause.SIGNATURE,
                details=[line.strip() for line in said.get(str(file), [])][:8],
                hint=f"the keys are those in {keys.title}; {DAMAGED}",
            )


def verdicts(lines: Sequence[str], names: Sequence[str]) -> dict[str, list[str]]:
    """What rpmkeys says of each file: a line with its name and a colon, then indented lines."""
    known = {f"{name}:": name for name in names}
    said: dict[str, list[str]] = {}
    current = ""
    for line in lines:
        if line in known:
            current = known[line]
            said[current] = []
        elif line.startswith(" ") and current:
            said[current].append(line)
        else:
            current = ""
    return said


def refusal(lines: Sequence[str]) -> str:
    """Why a package is refused by what rpmkeys says of it; empty where it is whole and signed."""
    signatures = [line for line in lines if "ignature" in line]
    if any("BAD" in line for line in lines):
        return "was altered: it is not what was signed"
    if any("NOKEY" in line for line in lines):
        return "is signed by another key"
    if not any(line.endswith(": OK") for line in signatures):
        return "is not signed"
    if not all(line.endswith(": OK") for line in lines):
        return "has a signature or a digest that does not hold"
    return ""
