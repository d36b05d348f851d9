"""dnf and rpm on a root as a user would call them, without labwright: what the stand-in itself is tested with."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .keys import EPOCH
from .mirror import BINARY, SOURCE

# Namespaces of its own, in which the root has the file systems that scriptlets need, and the agents that dnf starts to
# check signatures end with it.
ENTER = """
set -eu
root=$1 cache=$2; shift 2
mkdir -p "$root/dev" "$root/var/cache/dnf" "$root/run" "$cache"
for name in proc sys; do [ -d "$root/$name" ] || install -d -m 0555 "$root/$name"; done
mount --bind "$cache" "$root/var/cache/dnf"
mount -t tmpfs -o mode=0755,nosuid tmpfs "$root/dev"
for name in null zero full random urandom tty; do
    touch "$root/dev/$name"; mount --bind "/dev/$name" "$root/dev/$name"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
exec "$@"
"""
SETTINGS = """[main]
gpgcheck=1
repo_gpgcheck=1
localpkg_gpgcheck=1
best=1
skip_if_unavailable=0
install_weak_deps=0
tsflags=nodocs
plugins=0
check_config_file_age=0
keepcache=1
module_platform_id=platform:el{major}
reposdir={folder}/repos
varsdir={folder}/vars
"""
REPOSITORY = "[{name}]\nname={name}\nbaseurl=file://{place}\ngpgkey=file://{key}\n\n"


@dataclass(frozen=True)
class Root:
    """A tree, and beside it what dnf and rpm are told."""

    folder: Path
    major: int = 9

    @property
    def tree(self) -> Path:
        return self.folder / "root"

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program of the host in the namespace."""
        return subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
             "sh", "-c", ENTER, "sh", self.tree, self.folder / "cache", *words],
            check=False, capture_output=True, text=True, env=self._environment(),
        )  # fmt: skip

    def chroot(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program of the tree in the tree."""
        return self.run("env", "HOME=/root", "chroot", self.tree, *words)

    def dnf(self, *words: str) -> subprocess.CompletedProcess[str]:
        options = ["-y", f"--config={self.folder / 'dnf.conf'}", f"--installroot={self.tree}"]
        return self.run("dnf", *options, f"--releasever={self.major}", *words)

    def rpm(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("rpm", "--root", self.tree, *words)

    def _environment(self) -> Mapping[str, str]:
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.folder / "home"), "LANG": "C.UTF-8", "TZ": "UTC",
            "SOURCE_DATE_EPOCH": str(EPOCH), "SYSTEMD_OFFLINE": "1",
        }  # fmt: skip


def make_root(folder: Path, flavour: Path, key: Path, major: int = 9) -> Root:
    """An empty root that installs from a flavour's mirror."""
    for name in ("root", "repos", "vars", "home"):
        (folder / name).mkdir(parents=True)
    repositories = "".join(
        REPOSITORY.format(name=name, place=flavour / name / BINARY, key=key) for name in ("BaseOS", "AppStream")
    )
    source = REPOSITORY.format(name="source", place=flavour / "BaseOS" / SOURCE, key=key)
    (folder / "repos/stand-in.repo").write_text(repositories + source)
    (folder / "dnf.conf").write_text(SETTINGS.format(major=major, folder=folder))
    database = "/var/lib/rpm" if major < 10 else "/usr/lib/sysimage/rpm"
    (folder / "home/.rpmmacros").write_text(
        f"%_dbpath {database}\n%_pkgverify_level signature\n%_install_langs C:en:en_US\n"
    )
    return Root(folder, major)
