"""The doctor: one function a check. Each really tries the thing, and its docstring is the advice that users read."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labwright.errors import LabwrightError
from labwright.host import namespace
from labwright.host.environment import PACKAGE_OF_TOOL, has_kernel, has_tool
from labwright.host.ledger import Ledger
from labwright.host.paths import Paths
from labwright.host.run import run
from labwright.host.usage import available_memory, free_space

State = Literal["ok", "warning", "missing"]
KvmProbe = Callable[[], tuple[bool, str]]
GIB = 2**30
BUILD_GIB = 5
"""Free space that a build with a kernel takes at its peak: the unpacked source with its objects, and two trees."""
BUILD_MEMORY_GIB = 2
APT_HELPER = "/usr/lib/apt/apt-helper"
RPM_TOOLS = frozenset({"dnf", "rpm", "rpmkeys", "rpmbuild", "rpm2cpio", "cpio", "curl", "gpg", "gpgv"})
"""What only the trees of Enterprise Linux take."""
RELEASED = 1764028800
"""When this version was made, seconds since 1970: a clock before it is wrong."""
MOUNTABLE = {
    "ext4": ["mke2fs", "-q", "-F", "-t", "ext4"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
    "vfat": ["mkfs.vfat"],
}


@dataclass(frozen=True)
class Finding:
    """What a check found, what it means, and the command or setting that mends it."""

    name: str
    state: State
    found: str
    meaning: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Surroundings:
    """What checks may use."""

    paths: Paths
    ledger: Ledger
    scratch: Path
    kvm: KvmProbe
    deep: bool


def check_tools(_: Surroundings) -> Finding:
    """Without these tools a build stops at its start."""
    return _tools("tools", "missing", sorted(PACKAGE_OF_TOOL.keys() - RPM_TOOLS), check_tools.__doc__ or "")


def check_rpm_tools(_: Surroundings) -> Finding:
    """CentOS and its kin cannot be made from nothing here; everything else can."""
    return _tools("tools for CentOS", "warning", sorted(RPM_TOOLS), check_rpm_tools.__doc__ or "")


def _tools(name: str, state: State, tools: Sequence[str], meaning: str) -> Finding:
    missing = [tool for tool in tools if not has_tool(tool)]
    if not missing:
        return Finding(name, "ok", f"all {len(tools)} are installed")
    packages = sorted({word for tool in missing for word in PACKAGE_OF_TOOL[tool].split()})
    return Finding(name, state, f"not installed: {', '.join(missing)}", meaning,
                   f"apt-get install {' '.join(packages)} (or everything at once: make setup)")  # fmt: skip


def check_kvm(around: Surroundings) -> Finding:
    """Machines are emulated: boot tests take five to ten times as long. Everything works all the same."""
    works, words = around.kvm()
    if works:
        return Finding("KVM", "ok", f"a tiny guest ran in {words}")
    return Finding("KVM", "warning", words, (check_kvm.__doc__ or ""),
                   "on a real machine: enable virtualisation in its firmware, modprobe kvm_intel or kvm_amd, and add "
                   "yourself to the group kvm; in a virtual machine: enable nesting on its host")  # fmt: skip


def check_loop_at_offset(around: Surroundings) -> Finding:
    """The quick way into a disk image, mounting it, is not there; the libguestfs appliance is the slow one."""
    backing = around.scratch / "loop"
    backing.write_bytes(b"\0" * 1048576 + b"labwright" + b"\0" * 1048576)
    remedy = "run as root on a host with loop devices (modprobe loop); containers need --device /dev/loop-control"
    try:
        with around.ledger.hold("loop", backing):
            device = run(["losetup", "--find", "--show", "--read-only", "--offset", "1048576", backing]).output.strip()
            with Path(device).open("rb") as stream:
                right = stream.read(9) == b"labwright"
    except (LabwrightError, OSError) as error:
        return Finding("loop device at an offset", "warning", str(error), (check_loop_at_offset.__doc__ or ""), remedy)
    if right:
        return Finding("loop device at an offset", "ok", "read back through one")
    return Finding("loop device at an offset", "warning", "it reads something else",
                   (check_loop_at_offset.__doc__ or ""), remedy)  # fmt: skip


def check_filesystems(around: Surroundings) -> Finding:
    """Disk images with these file systems cannot be mounted here; they take the libguestfs appliance."""
    lacking = [name for name in MOUNTABLE if not _mounts(name, around.scratch)]
    if not lacking:
        return Finding("file systems", "ok", f"{', '.join(MOUNTABLE)} can be made and mounted")
    return Finding("file systems", "warning", f"cannot be made and mounted: {', '.join(lacking)}",
                   (check_filesystems.__doc__ or ""),
                   "install xfsprogs, btrfs-progs, dosfstools; the kernel's modules belong to the host")  # fmt: skip


def _mounts(name: str, scratch: Path) -> bool:
    image, point = scratch / f"{name}.img", scratch / name
    point.mkdir()
    with image.open("wb") as stream:
        stream.truncate((320 if name == "xfs" else 128) * 2**20)
    try:
        run([*MOUNTABLE[name], image])
        # In a mount namespace of its own: the mount and its loop device are gone with the command.
        run(["mount", "-t", name, "-o", "loop", image, point], contained=True)
    except LabwrightError:
        return False
    finally:
        image.unlink()
    return True


def check_user_namespaces(_: Surroundings) -> Finding:
    """Nothing can be built without root on this host."""
    name = "user namespaces"
    if not namespace.needed():
        return Finding(name, "ok", "not needed: builds run as root")
    try:
        namespace.check()
    except LabwrightError as error:
        return Finding(name, "missing", error.what, (check_user_namespaces.__doc__ or ""), error.hint)
    return Finding(name, "ok", "one with 65536 users was made: builds need no root")


def check_libguestfs(around: Surroundings) -> Finding:
    """Disk images that cannot be mounted on this host cannot be provisioned without it."""
    name = "libguestfs"
    if importlib.util.find_spec("guestfs") is None:
        return Finding(name, "warning", f"{sys.executable} has no module guestfs", (check_libguestfs.__doc__ or ""),
                       "apt-get install python3-guestfs libguestfs-tools, and make the virtual environment with "
                       "--system-site-packages from the system's Python (make setup does)")  # fmt: skip
    if not has_kernel():
        return Finding(
            name,
            "warning",
            "no kernel in /boot that can be read",
            (check_libguestfs.__doc__ or ""),
            "apt-get install linux-image-cloud-amd64; where only root may read it: chmod 644 /boot/vmlinuz*",
        )
    if not around.deep:
        return Finding(name, "ok", "the Python binding is there; --deep starts the appliance too")
    try:
        done = run(["libguestfs-test-tool", "--timeout", "300"], timeout=320,
                   env={"LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"})  # fmt: skip
    except LabwrightError as error:
        return Finding(name, "warning", error.what, (check_libguestfs.__doc__ or ""),
                       "apt-get install libguestfs-tools; root can read /boot/vmlinuz*, others may not")  # fmt: skip
    return Finding(name, "ok", f"its appliance started in {done.seconds:.0f} s")


def check_disk_space(around: Surroundings) -> Finding:
    """A build with a kernel would end with a full disk."""
    free = free_space(around.paths.root) / GIB
    found = f"{free:.0f} GiB free for {around.paths.root}"
    if free >= BUILD_GIB:
        return Finding("disk space", "ok", found)
    return Finding("disk space", "missing", found, (check_disk_space.__doc__ or ""),
                   f"free {BUILD_GIB} GiB, or set LABWRIGHT_CACHE to a folder on a larger disk")  # fmt: skip


def check_memory(_: Surroundings) -> Finding:
    """The compiler or a boot test may be killed for want of memory."""
    free = available_memory() / GIB
    found = f"{free:.1f} GiB available"
    if free >= BUILD_MEMORY_GIB:
        return Finding("memory", "ok", found)
    return Finding("memory", "warning", found, (check_memory.__doc__ or ""), "end other programs, or add memory")


def check_clock(_: Surroundings) -> Finding:
    """Signatures of mirrors look expired, or not valid yet."""
    now = time.time()
    found = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    if now >= RELEASED:
        return Finding("clock", "ok", found)
    return Finding("clock", "missing", f"{found} is before this version was made", (check_clock.__doc__ or ""),
                   "timedatectl set-ntp true")  # fmt: skip


def check_mirror(around: Surroundings) -> Finding:
    """Debian images have no packages to be made from, unless image.meta.yaml names a mirror."""
    name = "Debian mirror"
    remedy = "set up apt's sources, or set build.mirror in image.meta.yaml; check proxies and the network"
    try:
        lines = run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(BASE_URI)"]).output.splitlines()
    except LabwrightError as error:
        return Finding(name, "warning", error.what, (check_mirror.__doc__ or ""), remedy)
    bases = [line.split()[1] for line in lines if line.startswith("Debian ")]
    if not bases:
        return Finding(name, "warning", "apt is set up for none", (check_mirror.__doc__ or ""), remedy)
    started = time.monotonic()
    answer = around.scratch / "InRelease"
    try:
        # By apt's own way out, so that its proxy and its certificates are tried too.
        run([APT_HELPER, "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10",
             "download-file", f"{bases[0]}InRelease", answer], timeout=60)  # fmt: skip
        text = answer.read_bytes()[:4096]
    except (OSError, LabwrightError) as error:
        words = [line for line in getattr(error, "details", ()) if line.startswith("E: Failed to fetch")]
        found = words[-1].partition("InRelease ")[2].strip() if words else str(error)
        return Finding(name, "missing", f"{bases[0]}: {found}", (check_mirror.__doc__ or ""), remedy)
    if not text.startswith(b"-----BEGIN PGP SIGNED MESSAGE-----") or b"\nSuite: " not in text:
        return Finding(name, "missing", f"{bases[0]} answers with something else than a Release file",
                       (check_mirror.__doc__ or ""), f"a login page of this network? {remedy}")  # fmt: skip
    return Finding(name, "ok", f"{bases[0]} answers in {time.monotonic() - started:.1f} s")


def check_locale(_: Surroundings) -> Finding:
    """Ansible and other tools refuse to run without a UTF-8 locale."""
    try:
        answer = run(["locale", "charmap"]).output.strip()
    except LabwrightError as error:
        answer = error.what
    if answer == "UTF-8":
        return Finding("locale", "ok", "C.UTF-8 works")
    return Finding("locale", "warning", answer, (check_locale.__doc__ or ""), "apt-get install libc-bin locales")


CHECKS = (
    check_tools, check_rpm_tools, check_kvm, check_loop_at_offset, check_filesystems, check_user_namespaces,
    check_libguestfs, check_disk_space, check_memory, check_clock, check_mirror, check_locale,
)  # fmt: skip


def examine(paths: Paths, kvm: KvmProbe, deep: bool = False) -> list[Finding]:
    """Run every check; one that breaks is a finding of its own, not the end of the others."""
    ledger = Ledger(paths.ledger)
    findings = []
    folder = Path(tempfile.gettempdir()) / f"labwright-{uuid.uuid4().hex}"
    with ledger.hold("folder", folder):
        folder.mkdir(mode=0o700)
        for check in CHECKS:
            try:
                findings.append(check(Surroundings(paths, ledger, folder, kvm, deep)))
            except Exception as error:
                name = check.__name__.removeprefix("check_").replace("_", " ")
                what = f"the check itself failed: {type(error).__name__}: {error}"
                findings.append(Finding(name, "warning", what, check.__doc__ or "", "please report this"))
    return findings
