"""A stand-in for a disk of the Enterprise Linux family, which nobody can download here.

Real rpm and dnf with a repository of empty packages that have the real names; everything else in the tree is Debian's.
It shows that the family's commands are right, not that a CentOS boots.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

PACKAGES = ("bash", "ca-certificates", "iproute", "iputils", "openssh-server", "python3", "sudo", "tcpdump")
INCLUDED = "rpm,dnf,createrepo-c,systemd-sysv,openssh-server,sudo,iproute2,iputils-ping,python3,ca-certificates"
RELEASE = """NAME="Stand-in"
PRETTY_NAME="Stand-in for CentOS Stream 9"
ID="centos"
ID_LIKE="rhel fedora"
VERSION_ID="9"
"""
SPEC = (
    "Name: {name}\nVersion: 1\nRelease: 1\nSummary: stand-in\nLicense: none\nBuildArch: noarch\n"
    "%description\nx\n%files\n"
)
REPOSITORY = "[stand-in]\nname=stand-in\nbaseurl=file:///srv/stand-in\ngpgcheck=0\nenabled=1\n"
MAKE = """
set -e
mkdir -p /srv/stand-in
for spec in /srv/*.spec; do rpmbuild --quiet -bb --define '_rpmdir /srv/stand-in' "$spec"; rm "$spec"; done
createrepo_c --quiet /srv/stand-in
apt-get -q -y purge createrepo-c >/dev/null
groupadd --force wheel
rm -f /etc/ssh/ssh_host_*
"""


def make_stand_in(folder: Path, disk: Path) -> None:
    """A raw disk with the tree. Its boot sector does nothing: what it holds is provisioned and not booted."""
    tree = folder / "tree"
    subprocess.run(
        ["mmdebstrap", "--variant=minbase", "--quiet", f"--include={INCLUDED}", "bookworm", tree], check=True
    )
    for name in PACKAGES:
        (tree / "srv" / f"{name}.spec").write_text(SPEC.format(name=name))
    subprocess.run(["chroot", tree, "sh", "-c", MAKE], check=True)
    (tree / "usr/lib/os-release").write_text(RELEASE)
    # Debian's rpm keeps its packages in the user's home.
    (tree / "etc/rpm").mkdir(exist_ok=True)
    (tree / "etc/rpm/macros").write_text("%_dbpath /var/lib/rpm\n")
    (tree / "etc/yum.repos.d").mkdir(parents=True, exist_ok=True)
    (tree / "etc/yum.repos.d/stand-in.repo").write_text(REPOSITORY)
    (tree / "etc/selinux").mkdir(exist_ok=True)
    (tree / "etc/selinux/config").write_text("SELINUX=enforcing\nSELINUXTYPE=targeted\n")
    unit = tree / "usr/lib/systemd/system"
    (tree / "lib/systemd/system/ssh.service").rename(unit / "sshd.service")
    (unit / "sshd-keygen@.service").write_text("[Unit]\nDescription=stand-in\n[Service]\nExecStart=/bin/true\n")
    for link in (tree / "etc/systemd/system").rglob("ssh*.service"):
        link.unlink()
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, disk, "1G"], check=True)
    with disk.open("r+b") as stream:
        stream.write(b"\xeb\xfe")
