"""Families of Linux distributions: how packages are installed, what the base set is called, what is to be cleaned.

A family is data; the scripts beside this file are the same for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labwright.errors import Cause, LabwrightError
from labwright.guest.content import Release


@dataclass(frozen=True)
class Family:
    """One family. names: of os-release(5), ID or ID_LIKE. base: what every image gets.

    has, refresh, install, clean, listed: POSIX shell; `has` says whether the package $1 is there, `install` takes
    packages as further words, `listed` prints name and version of each package on a line.
    """

    name: str
    names: tuple[str, ...]
    base: tuple[str, ...]
    has: str
    refresh: str
    install: str
    clean: str
    listed: str


RPM_HAS = 'rpm --query --whatprovides -- "$1" >/dev/null 2>&1'
RPM_LISTED = "rpm --query --all --queryformat '%{NAME} %{VERSION}-%{RELEASE}\\n'"
DEBIAN = Family(
    name="debian",
    names=("debian", "ubuntu"),
    base=("bash", "ca-certificates", "iproute2", "iputils-ping", "openssh-server", "openssh-sftp-server", "python3",
          "python3-apt", "sudo"),
    has="[ \"$(dpkg-query --show --showformat '${db:Status-Status}' \"$1\" 2>/dev/null)\" = installed ]",
    refresh="apt-get -q -o APT::Update::Error-Mode=any update",
    install="apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold install --",
    clean="apt-get -q clean; rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/lib/dpkg/*-old",
    listed="dpkg-query --show --showformat '${Package} ${Version}\\n'",
)  # fmt: skip
ENTERPRISE = Family(
    name="enterprise",
    names=("rhel", "centos", "fedora", "almalinux", "rocky"),
    base=("bash", "ca-certificates", "iproute", "iputils", "openssh-server", "python3", "sudo"),
    has=RPM_HAS,
    refresh="command -v dnf >/dev/null || die 'it has no dnf: version 8 or later is wanted'; dnf -q -y makecache",
    install="dnf -y --setopt=install_weak_deps=False install --",
    clean="dnf -q clean all; rm -rf /var/cache/dnf/* /var/lib/dnf/history*; rm -f /root/anaconda-ks.cfg",
    listed=RPM_LISTED,
)  # fmt: skip
SUSE = Family(
    name="suse",
    names=("suse", "opensuse", "opensuse-leap", "opensuse-tumbleweed", "sles"),
    base=("bash", "ca-certificates-mozilla", "iproute2", "iputils", "openssh", "python3", "sudo"),
    has=RPM_HAS,
    refresh="zypper --non-interactive refresh",
    install="zypper --non-interactive install --no-recommends --",
    clean="zypper --non-interactive clean --all",
    listed=RPM_LISTED,
)
ALPINE = Family(
    name="alpine",
    names=("alpine",),
    base=("bash", "ca-certificates", "iproute2", "iputils", "openssh-server", "openssh-sftp-server", "python3",
          "shadow", "sudo"),
    has='apk info --installed -- "$1" >/dev/null 2>&1',
    refresh="apk update",
    install="apk add --",
    clean="rm -rf /var/cache/apk/*",
    listed="apk info --verbose | sed -E 's/^(.+)-([^-]+-r[0-9]+)$/\\1 \\2/'",
)  # fmt: skip
LINUX = (DEBIAN, ENTERPRISE, SUSE, ALPINE)


def family_of(release: Release, families: Sequence[Family]) -> Family:
    """The family of a system: by its own name, else by the first that it is like. Raises LabwrightError (config)."""
    for name in release.names:
        for family in families:
            if name in family.names:
                return family
    known = ", ".join(family.name for family in families)
    raise LabwrightError(
        f"the image holds {release.title or 'a system that does not say its name'}, which this driver does not know",
        cause=Cause.CONFIG,
        hint=f"it knows these families: {known}. build.type: linux takes the most; a plugin can bring others",
    )
