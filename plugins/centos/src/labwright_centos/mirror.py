"""A mirror of the family: which repositories it has, and whether what it says of them can be trusted.

Trust has one home. The lists of a repository (repomd.xml, which has the hashes of all others) are taken when the
release's key signed them, or when the project's own address gave their hash over TLS; everything else follows by hash.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from labwright.errors import Cause, LabwrightError
from labwright.fetch.curl import Transfer, download
from labwright.interfaces import ImageSpec, Workbench
from labwright.spec.image import check_mirror_url
from labwright_centos import keys
from labwright_centos.keys import Keyring
from labwright_centos.releases import ARCHITECTURE, RELEASES, REPOSITORY, Enterprise

BINARY = ("BaseOS", "AppStream", "CRB")
SOURCE = "source"
"""The role of the repository that the kernel's source comes from."""
SNAPSHOT = "@SNAPSHOTID@"
LISTS = "repodata/repomd.xml"
LARGEST_LIST = 1 << 20
MOST_MIRRORS = 12
"""Mirrors of a metalink that are tried."""
UNFIT = re.compile(r"[?#\\@,]")
"""What a base URL of packages cannot have, and a lock would refuse."""
METALINK = "{http://www.metalinker.org/}"


@dataclass(frozen=True)
class Mirror:
    """Where an image's packages come from. address: the folder with the repositories, or a metalink.

    signed: whether lists have to be signed; where not, TLS and the project's own address vouch for them.
    """

    release: Enterprise
    address: str
    signed: bool
    keyring: Keyring

    @classmethod
    def of(cls, image: ImageSpec, name: str, bench: Workbench, snapshot: str = "") -> Mirror:
        """The mirror that the image names, or the project's own. Raises LabwrightError (config, network, signature)."""
        release, build = RELEASES[name], image.build
        if build.bootstrap != "auto" or build.security_mirror:
            raise LabwrightError(
                f"build.{'securityMirror' if build.security_mirror else 'bootstrap'} is a matter of Debian's images",
                cause=Cause.CONFIG,
                hint="take it out: dnf makes this tree, and updates are in the same repositories",
            )
        address = build.mirror or (release.composes if snapshot and release.composes else release.mirror)
        return cls(
            release,
            at_snapshot(address, snapshot),
            signed=build.mirror is not None and not build.unsigned_lists,
            keyring=keys.keyring(release, build.keyring, bench),
        )

    def repositories(self, bench: Workbench) -> Mapping[str, str]:
        """The base URL of each repository by its role, after its lists were fetched and found to be right.

        Raises LabwrightError: network, signature.
        """
        names = {**{name.lower(): f"{name}/x86_64/os" for name in BINARY}, SOURCE: f"BaseOS/{self.release.sources}"}
        if is_metalink(self.address):
            return {role: self._through_metalink(role, bench) for role in names}
        found = {role: f"{self.address}/{path}" for role, path in names.items()}
        if self.release.source_mirror and self.address == self.release.mirror:
            found[SOURCE] = self.release.source_mirror
        self._fetch_lists(found, bench)
        return found

    def _fetch_lists(self, repositories: Mapping[str, str], bench: Workbench) -> None:
        transfers = []
        for role, url in repositories.items():
            place = lists(role, bench)
            place.parent.mkdir(parents=True, exist_ok=True)
            transfers.append(Transfer(f"{url}/{LISTS}", place, LARGEST_LIST))
            transfers.append(Transfer(f"{url}/{LISTS}.asc", _signature(place), LARGEST_LIST, optional=True))
        what = f"the repositories of {self.release.title} at {self.address} cannot be read"
        download(transfers, what, "check build.mirror, build.release and this machine's network", bench)
        for role, url in repositories.items():
            self._check_signature(role, url, bench)

    def _check_signature(self, role: str, url: str, bench: Workbench) -> None:
        place = lists(role, bench)
        if _signature(place).is_file():
            keys.check_detached(place, _signature(place), self.keyring, f"the lists at {url}", bench)
        elif self.signed:
            raise LabwrightError(
                f"the lists at {url} are not signed: there is no {LISTS}.asc",
                cause=Cause.SIGNATURE,
                hint="who answers there could leave packages out, or give old ones; check build.mirror. If the mirror "
                "never signs its lists and you trust the way to it, set build.unsignedLists: true",
            )

    def _through_metalink(self, role: str, bench: Workbench) -> str:
        """The first mirror that has the lists whose hash the metalink gives."""
        name, architecture = ("baseos-source", "source") if role == SOURCE else (role, "x86_64")
        url = self.address.replace(REPOSITORY, name).replace(ARCHITECTURE, architecture)
        place = bench.scratch / f"metalink-{role}"
        hint = "check build.mirror and this machine's network"
        download([Transfer(url, place, LARGEST_LIST)], f"the list of mirrors at {url} cannot be read", hint, bench)
        digest, mirrors = read_metalink(place.read_bytes(), url)
        failures = []
        for mirror in mirrors[:MOST_MIRRORS]:
            try:
                self._fetch_lists({role: mirror}, bench)
            except LabwrightError as error:
                if error.cause is Cause.SIGNATURE:
                    raise
                failures.append(f"{mirror}: {error.details[0] if error.details else error}")
                continue
            if hashlib.sha256(lists(role, bench).read_bytes()).hexdigest() in digest:
                return mirror
            failures.append(f"{mirror}: its lists are not the ones that the metalink names")
            bench.say(f"passing over {mirror}")
        raise LabwrightError(
            f"none of the {len(mirrors)} mirrors that {url} names can be used",
            cause=Cause.NETWORK,
            details=failures,
            hint="run it again, since mirrors come and go; or set build.mirror to one that you know",
        )


def is_metalink(address: str) -> bool:
    """Whether the address gives lists of mirrors. Raises LabwrightError (config) where it does for one repository."""
    if REPOSITORY in address:
        return True
    if address.partition("?")[0].endswith("/metalink"):
        raise LabwrightError(
            f"{address} is the metalink of one repository, and several are needed",
            cause=Cause.CONFIG,
            hint=f"write {REPOSITORY} where its name belongs, and {ARCHITECTURE} for x86_64",
        )
    return False


def lists(role: str, bench: Workbench) -> Path:
    """Where the lists of a repository are kept during a step."""
    return bench.scratch / "lists" / role / "repomd.xml"


def _signature(place: Path) -> Path:
    return place.with_name(f"{place.name}.asc")


def state(roles: Sequence[str], bench: Workbench) -> str:
    """A digest of the lists: it changes when anything in a repository does."""
    joined = hashlib.sha256()
    for role in roles:
        joined.update(role.encode() + b"\0" + lists(role, bench).read_bytes())
    return joined.hexdigest()


def read_metalink(data: bytes, url: str) -> tuple[frozenset[str], list[str]]:
    """The hashes of the lists that are right, today's and those just before, and the mirrors, best first.

    Raises LabwrightError (network) for anything that is no metalink of a repository.
    """
    refusal = LabwrightError(
        f"what {url} gives is no list of mirrors (metalink)",
        cause=Cause.NETWORK,
        hint="a login page of this network, or a release that it does not know? check build.mirror",
    )
    try:
        text = data.decode("utf-8")
        if "<!DOCTYPE" in text or "<!ENTITY" in text or "\0" in text:
            raise refusal
        root = ElementTree.fromstring(data)  # noqa: S314 - without entities, and within a limit
    except (UnicodeDecodeError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise refusal from error
    digests = [(one.text or "").strip() for one in root.iter(f"{METALINK}hash") if one.get("type") == "sha256"]
    places = [(_preference(one.get("preference", "")), (one.text or "").strip()) for one in root.iter(f"{METALINK}url")]
    mirrors = [text.removesuffix(f"/{LISTS}") for _, text in sorted(places, key=lambda one: -one[0]) if _fits(text)]
    if not mirrors or not digests:
        raise refusal
    return frozenset(digests), mirrors


def _preference(text: str) -> int:
    """How good a mirror is, 100 at best (RFC 5854's predecessor, metalink 3.0)."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else 0


def _fits(url: str) -> bool:
    """Whether it is the address of lists on a web server; a metalink names no file of this host."""
    if not url.startswith(("http://", "https://")) or not url.endswith(f"/{LISTS}") or UNFIT.search(url):
        return False
    try:
        check_mirror_url(url)
    except ValueError:
        return False
    return True


def at_snapshot(address: str, snapshot: str) -> str:
    """The address with the number of a compose in it. Raises LabwrightError (config) where they do not go together."""
    if (SNAPSHOT in address) != bool(snapshot):
        raise LabwrightError(
            f"{address} and {'the snapshot ' + snapshot if snapshot else 'no snapshot'} do not go together",
            cause=Cause.CONFIG,
            hint=f"a snapshot is the number of a compose, such as 20261101.0, and wants build.mirror with {SNAPSHOT} "
            "where that belongs (CentOS Stream's composes are the default)",
        )
    return address.replace(SNAPSHOT, snapshot)
