"""How files of the stand-in differ from what Debian's packages say: left out, other owners, other text."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Entry:
    """One file, folder or link of a package. verified: False where the real package tells rpm not to compare it."""

    kind: str
    mode: int
    user: str = "root"
    group: str = "root"
    capabilities: str = ""
    verified: bool = True


# What only a Debian reads, and what the family has in a package of its own, in packages/ or not at all.
LEFT_OUT = re.compile(
    r"/etc/(apparmor\.d|apt|bash\.bashrc|chrony|cron|default/(?!useradd)|dhcp|init\.d|logcheck|network(/|$)|pam\.conf|ppp"
    r"|runit|skel|sv|ufw|X11|NetworkManager/dispatcher\.d/01-ifupdown|dnf/(aliases\.d/|automatic|dnf-strict)|libreport"
    r"|dnf/protected\.d/yum|sudoers\.d/|systemd/networkd|ca-certificates|dbus-1/system\.d/org\.rpm|sysctl\.d/README)"
    r"|/usr/lib/systemd/(system/(ssh|rescue-ssh|chrony|.*systemd-network(d|-generator)|.*networkd)|network/|ntp-units\.d)"
    r"|/usr/lib/systemd/(systemd-networkd|system-preset/90-systemd)|/usr/bin/networkctl|.*networkd?\.conf$"
    r"|/usr/(lib/binfmt\.d|share/binfmts)/|/usr/lib/(networkd-|sysusers\.d|udev/hwdb\.d/README|tmpfiles\.d/(debian|passwd|provision|dnf|sudo))"
    r"|/usr/lib/rpm/platform/(?!x86_64|noarch)|/usr/lib/x86_64-linux-gnu/perl|/usr/lib/tc/q_atm"
    r"|/usr/sbin/(update-ca-certificates|shadowconfig|service|invoke-rc)|/usr/share/chrony"
    r"|/usr/share/(apport|bash-completion|bug|doc-base|info|lintian|man/(?!man[15]/(bash|nano))|zsh|perl5|menu)"
    r"|/usr/share/(doc/(?!bash|sudo|nano)|locale/(?!de/LC_MESSAGES/(nano|sudo)|fr/LC_MESSAGES/nano|de(/LC_MESSAGES)?$))"
    r"|/var/(lib/(dpkg|polkit-1)|log/(?!chrony)|mail)"
)

FILE_ATTRIBUTES = {
    "/etc/chrony.keys": ("root", "chrony", 0o640),
    "/etc/gshadow": ("root", "root", 0),
    "/etc/shadow": ("root", "root", 0),
    "/etc/ssh/sshd_config": ("root", "root", 0o600),
    "/etc/ssh/sshd_config.d": ("root", "root", 0o700),
    "/etc/ssh/sshd_config.d/50-redhat.conf": ("root", "root", 0o600),
    "/etc/sudoers": ("root", "root", 0o440),
    "/etc/sudoers.d": ("root", "root", 0o750),
    "/etc/sysconfig/sshd": ("root", "root", 0o640),
    "/usr/bin/chage": ("root", "root", 0o4755),
    "/usr/bin/expiry": ("root", "root", 0o755),
    "/usr/bin/ssh-agent": ("root", "root", 0o755),
    "/usr/lib/dbus-1.0/dbus-daemon-launch-helper": ("root", "dbus", 0o4750),
    "/usr/lib/polkit-1/polkit-agent-helper-1": ("root", "root", 0o4755),
    "/usr/sbin/unix_chkpwd": ("root", "root", 0o4755),
}
CAPABILITIES = {"/usr/bin/ping": "cap_net_raw=ep"}

# The real setup says %verify(not md5 size mtime) of these: every installation changes them.
UNVERIFIED = frozenset(
    f"/etc/{name}"
    for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid", "hosts", "shells", "fstab", "motd")
)

# Files that a package owns and does not bring, and folders that are one package's alone.
GHOSTS = {
    "ca-certificates": {"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem": 0o644},
    "glibc-common": {"/etc/ld.so.cache": 0o644},
    "setup": {"/etc/fstab": 0o644},
    "systemd": {"/etc/hostname": 0o644, "/etc/locale.conf": 0o644, "/etc/machine-id": 0o444},
    "systemd-udev": {"/etc/udev/hwdb.bin": 0o444},
}
FOLDERS = {
    "NetworkManager": {"/etc/NetworkManager/system-connections": ("root", "root", 0o700)},
    "ca-certificates": {
        "/etc/pki/ca-trust/extracted/pem": ("root", "root", 0o755),
        "/etc/pki/ca-trust/source/anchors": ("root", "root", 0o755),
    },
    "chrony": {
        "/var/lib/chrony": ("chrony", "chrony", 0o750),
        "/var/log/chrony": ("chrony", "chrony", 0o750),
    },
    "polkit": {
        "/etc/polkit-1/rules.d": ("polkitd", "root", 0o700),
        "/usr/share/polkit-1/rules.d": ("polkitd", "root", 0o700),
    },
    "openssh-server": {"/usr/share/empty.sshd": ("root", "root", 0o711)},
    "sudo": {"/etc/sudoers.d": ("root", "root", 0o750)},
}

# The folders of filesystem. A folder of two packages is filesystem's too, whether it stands here or not.
TREE = {
    name: mode
    for mode, names in {
        0o755: "/boot /dev /etc /etc/opt /etc/pki /etc/profile.d /etc/sysconfig /etc/yum.repos.d /home /media /mnt "
        "/opt /run /srv /usr /usr/games /usr/include /usr/libexec /usr/local /usr/local/bin /usr/local/sbin /usr/share "
        "/usr/share/man /usr/src /var /var/cache /var/db /var/empty /var/lib /var/local /var/log /var/opt /var/spool",
        0o555: "/proc /sys /usr/bin /usr/lib /usr/lib64 /usr/sbin",
        0o550: "/root",
        0o775: "/var/spool/mail",
        0o1777: "/tmp /var/tmp",
    }.items()
    for name in names.split()
}
LINKS = {
    "/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "usr/lib", "/lib64": "usr/lib64",
    "/var/lock": "../run/lock", "/var/mail": "spool/mail", "/var/run": "../run",
}  # fmt: skip

# What Debian has in another package than the family.
MOVED = {
    "/etc/pam.d/chfn": "util-linux", "/etc/pam.d/chsh": "util-linux", "/etc/pam.d/login": "util-linux",
    "/etc/pam.d/passwd": "passwd", "/usr/bin/chfn": "util-linux", "/usr/bin/chsh": "util-linux",
    "/usr/bin/login": "util-linux", "/usr/bin/passwd": "passwd",
}  # fmt: skip

# Text of Debian's that the family has otherwise, by layer and path. Without the first, rpm keeps its database in the
# home of whoever calls it.
DATABASE = "%(bash -c 'echo ~/.rpmdb')"
EDITS = {
    "el9": {"/usr/lib/rpm/macros": (DATABASE, "%{_var}/lib/rpm")},
    "el10": {"/usr/lib/rpm/macros": (DATABASE, "%{_usr}/lib/sysimage/rpm")},
    "common": {
        "/usr/lib/tmpfiles.d/dbus.conf": ("messagebus", "dbus"),
        "/usr/share/dbus-1/system.conf": ("<user>messagebus</user>", "<user>dbus</user>"),
    },
}
DATABASE_FOLDER = {"el9": "/var/lib/rpm", "el10": "/usr/lib/sysimage/rpm"}


def corrected(path: str, entry: Entry) -> Entry:
    """What the real package says of a path, where it differs from Debian's."""
    if path in FILE_ATTRIBUTES:
        user, group, mode = FILE_ATTRIBUTES[path]
        entry = replace(entry, user=user, group=group, mode=mode)
    return replace(entry, capabilities=CAPABILITIES.get(path, ""), verified=path not in UNVERIFIED)
