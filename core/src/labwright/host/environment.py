"""What a child process sees of the host: a fixed path and locale, and the tools that are found on that path."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from labwright.errors import Cause, LabwrightError

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE",
             "TMPDIR", "HOME", "SOURCE_DATE_EPOCH")  # fmt: skip
"""The only variables of our own environment that a child sees: the host must not leak into what is built."""

PACKAGE_OF_TOOL = {
    "mmdebstrap": "mmdebstrap", "debootstrap": "debootstrap", "sfdisk": "fdisk", "mke2fs": "e2fsprogs",
    "grub-mkimage": "grub-common grub-pc-bin grub-efi-amd64-bin", "mcopy": "mtools", "mmd": "mtools",
    "mkfs.vfat": "dosfstools", "qemu-img": "qemu-utils", "qemu-system-x86_64": "qemu-system-x86",
    "make": "build-essential bc bison flex libelf-dev libssl-dev", "gcc": "build-essential", "flex": "flex",
    "bison": "bison", "bc": "bc", "zstd": "zstd", "xz": "xz-utils", "apt-get": "apt", "dpkg-deb": "dpkg",
    "dpkg-scanpackages": "dpkg-dev", "openssl": "openssl", "patch": "patch",
    "dnf": "dnf", "rpm": "rpm", "rpmkeys": "rpm", "rpmbuild": "rpm", "rpm2cpio": "rpm2cpio", "curl": "curl",
    "gpg": "gnupg", "gpgv": "gpgv", "genisoimage": "genisoimage",
    "rsync": "rsync", "cpio": "cpio", "depmod": "kmod", "losetup": "mount", "umount": "mount",
    "unshare": "util-linux", "setpriv": "util-linux", "prlimit": "util-linux",
}  # fmt: skip
"""The Debian packages that bring the tools we call, for the remedy of a missing one."""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: a fixed path and locale, proxies, and what `extra` adds."""
    base = {"PATH": SEARCH_PATH, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "TZ": "UTC"}
    base.update({name: os.environ[name] for name in PASSED_ON if name in os.environ})
    base.setdefault("HOME", "/nonexistent")
    base.update(extra or {})
    return base


def has_tool(name: str) -> bool:
    """Whether a tool is installed."""
    return shutil.which(name, path=SEARCH_PATH) is not None


def find_tool(name: str) -> str:
    """The path of a tool, or LabwrightError naming the package that brings it."""
    found = shutil.which(name, path=SEARCH_PATH)
    if found is None:
        package = PACKAGE_OF_TOOL.get(name, name)
        raise LabwrightError(
            f"the tool {name} is not installed",
            cause=Cause.HOST,
            hint=f"install it: apt-get install {package} (or everything at once: make setup)",
        )
    return found


def find_any(names: Sequence[str]) -> str:
    """The path of the first of these tools that is installed, or LabwrightError naming the package of the first."""
    return find_tool(next((name for name in names if has_tool(name)), names[0]))


def has_kernel() -> bool:
    """Whether a kernel of this host can be read, which libguestfs's appliance starts with (supermin(1))."""
    kernels = [Path(os.environ.get("SUPERMIN_KERNEL", "/")), *Path("/boot").glob("vmlinuz*")]
    return any(path.is_file() and os.access(path, os.R_OK) for path in kernels)


@functools.cache
def version_of(tool: str, option: str = "--version") -> str:
    """What a tool of this host says of itself: another version may make other bits."""
    path = shutil.which(tool, path=SEARCH_PATH)
    if path is None:
        return f"{tool} is not installed"
    # Some write into their user's home for that: Debian's dnf makes an empty database of rpm there.
    with tempfile.TemporaryDirectory(prefix="labwright-") as home:
        done = subprocess.run(
            [path, option], capture_output=True, encoding="utf-8", errors="replace", check=False,
            env=environment({"HOME": home}), stdin=subprocess.DEVNULL,
        )  # fmt: skip
    said = (done.stdout + done.stderr).strip()
    return said.partition("\n")[0].strip() or f"{tool} does not say"
