"""The releases of the Enterprise Linux family: where their mirrors are, who signs them, what they are called.

Addresses and fingerprints are what each project publishes (centos.org/keys, repo.almalinux.org, rockylinux.org/keys).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

REPOSITORY, ARCHITECTURE = "@REPOSITORY@", "@ARCH@"
"""Where the name of a repository, and what is in it (x86_64 or source), go in the URL of a metalink."""


@dataclass(frozen=True)
class Key:
    """The key that signs a release. fingerprint: all 40 digits. url: where the project publishes it."""

    fingerprint: str
    url: str
    files: tuple[str, ...]
    """Where a host may have it: that of the release itself, and of the package distribution-gpg-keys."""


@dataclass(frozen=True)
class Enterprise:
    """One release. major: its number. mirror: where its repositories are, or a metalink that leads there.

    composes: the mirror of frozen states, with their number at @SNAPSHOTID@; empty for a project without them.
    sources: the folder of source packages in a repository; source_mirror: where the project has that, if elsewhere.
    package: the one that says which release it is.
    """

    title: str
    major: int
    identifier: str
    mirror: str
    key: Key
    package: str
    sources: str = "source/tree"
    source_mirror: str = ""
    composes: str = ""

    @property
    def processor(self) -> int:
        """The level of x86-64: version 2 for 9, version 3 for 10."""
        return 2 if self.major == 9 else 3

    @property
    def database(self) -> str:
        """Where its rpm has its database; Debian's would look in the user's home."""
        return "/var/lib/rpm" if self.major == 9 else "/usr/lib/sysimage/rpm"


CENTOS_KEY = Key(
    "99DB70FAE1D7CE227FB6488205B555B38483C65D",
    # The other file of that name holds a signature by SHA-1, which newer hosts refuse.
    "https://www.centos.org/keys/RPM-GPG-KEY-CentOS-Official-SHA256",
    ("/etc/pki/rpm-gpg/RPM-GPG-KEY-centosofficial-SHA256",
     "/usr/share/distribution-gpg-keys/centos/RPM-GPG-KEY-CentOS-Official-SHA256"),
)  # fmt: skip


def _stream(major: int) -> Enterprise:
    return Enterprise(
        title=f"CentOS Stream {major}",
        major=major,
        identifier="centos",
        mirror=f"https://mirrors.centos.org/metalink?repo=centos-{REPOSITORY}-{major}-stream&arch={ARCHITECTURE}"
        "&protocol=https",
        key=CENTOS_KEY,
        package="centos-stream-release",
        composes=f"https://composes.stream.centos.org/stream-{major}/production/CentOS-Stream-{major}-@SNAPSHOTID@/"
        "compose",
    )


def _alma(major: int, fingerprint: str) -> Enterprise:
    name = f"RPM-GPG-KEY-AlmaLinux-{major}"
    return Enterprise(
        title=f"AlmaLinux {major}",
        major=major,
        identifier="almalinux",
        mirror=f"https://repo.almalinux.org/almalinux/{major}",
        key=Key(fingerprint, f"https://repo.almalinux.org/almalinux/{name}",
                (f"/etc/pki/rpm-gpg/{name}", f"/usr/share/distribution-gpg-keys/alma/{name}")),
        package="almalinux-release",
        sources="Source",
        source_mirror=f"https://vault.almalinux.org/{major}/BaseOS/Source",
    )  # fmt: skip


def _rocky(major: int, fingerprint: str) -> Enterprise:
    name = f"RPM-GPG-KEY-Rocky-{major}"
    return Enterprise(
        title=f"Rocky Linux {major}",
        major=major,
        identifier="rocky",
        mirror=f"https://dl.rockylinux.org/pub/rocky/{major}",
        key=Key(fingerprint, f"https://dl.rockylinux.org/pub/rocky/{name}",
                (f"/etc/pki/rpm-gpg/{name}", f"/usr/share/distribution-gpg-keys/rocky/{name}")),
        package="rocky-release",
    )  # fmt: skip


RELEASES = MappingProxyType({
    "9-stream": _stream(9),
    "10-stream": _stream(10),
    "almalinux-9": _alma(9, "BF18AC2876178908D6E71267D36CB86CB86B3716"),
    "almalinux-10": _alma(10, "EE6DB7B98F5BF5EDD9DA0DE5DEE5C11CC2A1E572"),
    "rocky-9": _rocky(9, "21CB256AE16FC54C6E652949702D426D350D275D"),
    "rocky-10": _rocky(10, "FC226859C0860BF0DDB95B085B106C736FEDFC85"),
})  # fmt: skip

REFUSED = MappingProxyType(
    dict.fromkeys(("7", "centos-7"), "it has had no updates since June 2024, and its mirrors are gone")
    | dict.fromkeys(
        ("8", "8-stream", "almalinux-8", "rocky-8"),
        "its rpm keeps its database as Berkeley DB, which today's rpm cannot write",
    )
)
