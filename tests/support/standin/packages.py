"""What the stand-in is made of: Debian's packages, the names that the family has for them, and what they ask for."""

from __future__ import annotations

from dataclasses import dataclass


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# fmt: off
DEBS = _words(
    """bash coreutils grep sed gawk findutils diffutils tar gzip cpio less file util-linux fdisk mount login passwd
    hostname libpam-modules libpam-runtime libpam-systemd libnss-systemd systemd systemd-sysv udev dbus kmod
    procps e2fsprogs libc-bin libcap2-bin ncurses-base ncurses-bin tzdata ca-certificates openssl curl sudo
    openssh-server openssh-client openssh-sftp-server iproute2 iputils-ping iputils-arping iputils-tracepath
    network-manager chrony python3 rpm dnf python3-dnf python3-rpm python3-gpg tcpdump nano socat iperf3 jq"""
)

# What only a Debian needs. sysvinit-utils is kept for pidof, which the family has in procps-ng.
DROPPED = frozenset(_words(
    """adduser apt base-files base-passwd dash debconf debian-archive-keyring debianutils debugedit dpkg gcc-12-base
    gnupg gnupg-l10n gpg-wks-client gpg-wks-server gpgsm init-system-helpers libapt-pkg6.0 libdebconfclient0
    libfile-find-rule-perl libnumber-compare-perl libperl5.36 libtext-glob-perl libgdbm6 libgdbm-compat4 lsb-base mawk
    media-types perl perl-base perl-modules-5.36 rpm2cpio runit-helper sensible-utils sgml-base ucf usr-is-merged
    usrmerge xml-core"""
))

# The family's name, and the Debian packages in it. A Debian package that is not here keeps its name.
NAMES = {
    "NetworkManager": "network-manager", "NetworkManager-libnm": "libnm0", "audit-libs": "libaudit1 libaudit-common",
    "brotli-libs": "libbrotli1", "bzip2-libs": "libbz2-1.0", "cyrus-sasl-lib": "libsasl2-2 libsasl2-modules-db",
    "dbus-common": "dbus-session-bus-common dbus-system-bus-common", "dbus": "dbus dbus-bin dbus-daemon",
    "dbus-libs": "libdbus-1-3", "device-mapper": "dmsetup", "device-mapper-libs": "libdevmapper1.02.1",
    "cryptsetup-libs": "libcryptsetup12", "dnf-data": "dnf-data", "e2fsprogs": "e2fsprogs logsave",
    "e2fsprogs-libs": "libext2fs2", "elfutils-libelf": "libelf1", "elfutils-libs": "libdw1", "expat": "libexpat1",
    "file-libs": "libmagic1 libmagic-mgc", "glib2": "libglib2.0-0", "glibc": "libc6", "glibc-common": "libc-bin",
    "gmp": "libgmp10", "gnupg2": "gpg gpg-agent gpgconf gpgv gnupg-utils dirmngr", "gnutls": "libgnutls30",
    "gpgme": "libgpgme11", "iperf3": "iperf3 libiperf0", "iproute": "iproute2",
    "iptables-libs": "libip4tc2 libxtables12",
    "iputils": "iputils-ping iputils-arping iputils-tracepath", "jansson": "libjansson4", "jq": "jq libjq1",
    "json-c": "libjson-c5", "keyutils-libs": "libkeyutils1", "kmod-libs": "libkmod2",
    "krb5-libs": "libkrb5-3 libkrb5support0 libk5crypto3 libgssapi-krb5-2", "libacl": "libacl1",
    "libarchive": "libarchive13", "libassuan": "libassuan0", "libattr": "libattr1", "libblkid": "libblkid1",
    "libbpf": "libbpf1", "libcap": "libcap2 libcap2-bin", "libcap-ng": "libcap-ng0", "libcbor": "libcbor0.8",
    "libcom_err": "libcom-err2", "libcomps": "libcomps0", "libcurl": "libcurl4 libcurl3-gnutls", "libdb": "libdb5.3",
    "libdnf": "libdnf2 libdnf2-common", "libedit": "libedit2", "libfdisk": "libfdisk1", "libffi": "libffi8",
    "libfido2": "libfido2-1", "libfsverity": "libfsverity0", "libgcc": "libgcc-s1", "libgcrypt": "libgcrypt20",
    "libgomp": "libgomp1", "libgpg-error": "libgpg-error0", "libicu": "libicu72", "libidn2": "libidn2-0",
    "libksba": "libksba8", "libmnl": "libmnl0", "libmodulemd": "libmodulemd2", "libmount": "libmount1",
    "libndp": "libndp0", "libnghttp2": "libnghttp2-14", "libpcap": "libpcap0.8", "libpsl": "libpsl5",
    "librepo": "librepo0", "libseccomp": "libseccomp2", "libselinux": "libselinux1",
    "libsemanage": "libsemanage2 libsemanage-common", "libsepol": "libsepol2", "libsmartcols": "libsmartcols1",
    "libsolv": "libsolv1 libsolvext1", "libss": "libss2", "libssh2": "libssh2-1", "libstdc++": "libstdc++6",
    "libtasn1": "libtasn1-6", "libtirpc": "libtirpc3 libtirpc-common", "libunistring": "libunistring2",
    "libuuid": "libuuid1", "libxcrypt": "libcrypt1", "libxml2": "libxml2", "libyaml": "libyaml-0-2",
    "libzstd": "libzstd1", "lua-libs": "liblua5.3-0", "lz4-libs": "liblz4-1", "mpfr": "libmpfr6",
    "ncurses": "ncurses-bin", "ncurses-libs": "libtinfo6 libncursesw6", "nettle": "libnettle8 libhogweed6",
    "newt": "libnewt0.52", "npth": "libnpth0", "oniguruma": "libonig5", "openldap": "libldap-2.5-0",
    "openssh-clients": "openssh-client", "openssh-server": "openssh-server openssh-sftp-server",
    "openssl-libs": "libssl3", "p11-kit": "libp11-kit0", "pam": "libpam-runtime libpam-modules libpam-modules-bin",
    "pam-libs": "libpam0g", "pcre2": "libpcre2-8-0", "pinentry": "pinentry-curses", "polkit": "polkitd",
    "polkit-libs": "libpolkit-gobject-1-0 libpolkit-agent-1-0", "popt": "libpopt0",
    "procps-ng": "procps libproc2-0 sysvinit-utils",
    "python3": "python3 python3-minimal python3.11 python3.11-minimal",
    "python3-libs": "libpython3.11 libpython3.11-minimal libpython3.11-stdlib libpython3-stdlib python3-lib2to3 "
                    "python3-distutils",
    "readline": "libreadline8 readline-common", "rpm": "rpm rpm-common", "rpm-build-libs": "librpmbuild9",
    "rpm-libs": "librpm9 librpmio9", "rpm-sign-libs": "librpmsign9", "shadow-utils": "login passwd",
    "slang": "libslang2", "sqlite": "sqlite3", "sqlite-libs": "libsqlite3-0", "systemd-pam": "libpam-systemd",
    "systemd": "systemd systemd-sysv libsystemd-shared", "systemd-libs": "libsystemd0 libudev1 libnss-systemd",
    "systemd-udev": "udev", "teamd-libs": "libteamdctl0",
    "util-linux": "util-linux util-linux-extra fdisk mount bsdutils",
    "xz-libs": "liblzma5", "zlib": "zlib1g",
}

# Packages that no Debian package stands for, and their versions. Their files, if any, are in files/.
MADE = {
    "setup": "2.13.7", "filesystem": "3.16", "basesystem": "11", "rootfiles": "8.1", "glibc-minimal-langpack": "2.36",
    "passwd": "0.80", "yum": "4.14.0", "selinux-policy": "38.1.53", "selinux-policy-targeted": "38.1.53",
}
NOARCH = frozenset(_words(
    """basesystem ca-certificates dbus-common dnf dnf-data filesystem ncurses-base python3-dnf rootfiles selinux-policy
    selinux-policy-targeted setup tzdata yum"""
))
APPSTREAM = frozenset(_words("iperf3 jq nano oniguruma socat tcpdump"))
CORE = _words(
    """basesystem bash chrony coreutils curl dnf e2fsprogs filesystem glibc hostname iproute iputils kmod less
    NetworkManager ncurses openssh-clients openssh-server passwd procps-ng rootfiles rpm selinux-policy-targeted setup
    shadow-utils sudo systemd util-linux yum"""
)

REQUIRES = {
    "NetworkManager": "NetworkManager-libnm dbus polkit systemd-udev", "basesystem": "filesystem setup",
    "bash": "filesystem",
    "ca-certificates": "bash coreutils grep sed", "chrony": "systemd", "dbus": "dbus-common systemd",
    "dnf": "python3-dnf python3", "e2fsprogs": "util-linux", "filesystem": "setup",
    "glibc": "basesystem glibc-common glibc-langpack", "glibc-minimal-langpack": "glibc glibc-common",
    "gpgme": "gnupg2", "ncurses-libs": "ncurses-base",
    "openssh-server": "openssh-clients pam systemd", "pam": "pam-libs",
    "passwd": "shadow-utils pam", "polkit": "dbus", "procps-ng": "systemd-libs", "python3": "python3-libs",
    "python3-dnf": "dnf-data python3-hawkey python3-libcomps python3-libdnf python3-rpm python3-gpg python3-dbus",
    "python3-gpg": "python3 gpgme", "python3-hawkey": "python3 python3-libdnf", "python3-libcomps": "python3 libcomps",
    "python3-libdnf": "python3 libdnf", "python3-rpm": "python3 rpm", "python3-dbus": "python3 dbus-libs",
    "rpm": "curl rpm-libs", "selinux-policy-targeted": "selinux-policy", "setup": "system-release",
    "shadow-utils": "setup", "sudo": "pam", "systemd": "dbus pam systemd-libs systemd-pam util-linux",
    "systemd-udev": "systemd kmod", "yum": "dnf",
}
REQUIRES_PRE = {
    "chrony": "shadow-utils glibc-common", "dbus-common": "shadow-utils", "filesystem": "setup",
    "openssh-server": "shadow-utils glibc-common", "polkit": "shadow-utils glibc-common",
    "systemd": "shadow-utils coreutils glibc-common", "systemd-udev": "shadow-utils glibc-common",
}
REQUIRES_POST = {
    "NetworkManager": "systemd", "ca-certificates": "coreutils findutils", "chrony": "systemd",
    "openssh-server": "systemd", "systemd": "coreutils grep sed",
}
PROVIDES = {
    "bash": "/bin/sh /bin/bash", "gawk": "/bin/awk /usr/bin/awk", "glibc": "rtld(GNU_HASH)",
    "glibc-common": "/sbin/ldconfig /usr/sbin/ldconfig", "glibc-minimal-langpack": "glibc-langpack",
    "python3": "python(abi)=3.11 python3.11", "NetworkManager": "NetworkManager(x86-64)",
    "dbus": "dbus-daemon dbus-broker", "procps-ng": "procps",
}


@dataclass(frozen=True)
class Layer:
    """Packages that are built in one run, all there are where none are named.

    dist: what ends their release. version and release: of packages that no Debian package stands for.
    """

    name: str
    dist: str
    packages: tuple[str, ...] = ()
    version: str = ""
    release: str = ""


@dataclass(frozen=True)
class Flavour:
    """A distribution: the layers that it is put together from, and its release package."""

    name: str
    layers: tuple[str, ...]
    release: str


# Packages that differ between the major releases: rpm knows where its database is, and el10 makes users of sysusers.d.
DIFFERENT = ("chrony", "rpm")
LAYERS = (
    Layer("common", ".standin"),
    Layer("el9", ".el9", DIFFERENT),
    Layer("el10", ".el10", DIFFERENT),
    Layer("9-stream", ".el9", ("centos-stream-release", "centos-stream-repos", "centos-gpg-keys"), "9.0", "26"),
    Layer("10-stream", ".el10", ("centos-stream-release", "centos-stream-repos", "centos-gpg-keys"), "10.0", "6"),
    Layer("almalinux-9", ".el9", ("almalinux-release", "almalinux-repos", "almalinux-gpg-keys"), "9.6", "1"),
    Layer("rocky-9", ".el9", ("rocky-release", "rocky-repos", "rocky-gpg-keys"), "9.6", "1"),
)
FLAVOURS = (
    Flavour("9-stream", ("common", "el9", "9-stream"), "centos-stream-release"),
    Flavour("10-stream", ("common", "el10", "10-stream"), "centos-stream-release"),
    Flavour("almalinux-9", ("common", "el9", "almalinux-9"), "almalinux-release"),
    Flavour("rocky-9", ("common", "el9", "rocky-9"), "rocky-release"),
)
KEYS = {
    "centos-gpg-keys": "RPM-GPG-KEY-centosofficial", "almalinux-gpg-keys": "RPM-GPG-KEY-AlmaLinux-9",
    "rocky-gpg-keys": "RPM-GPG-KEY-Rocky-9",
}
# fmt: on

RPM_OF = {deb: rpm for rpm, debs in NAMES.items() for deb in debs.split()}


def rpm_of(deb: str) -> str:
    """The name that a Debian package has in the family."""
    return RPM_OF.get(deb, deb)
