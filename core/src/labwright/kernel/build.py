"""Compiles a kernel from a distribution's source: configured, reviewed, and the same bits every time."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.host.environment import version_of
from labwright.interfaces import KernelFiles, Workbench
from labwright.kernel.config import ConfiguredSource, configure, parse_config
from labwright.kernel.fragments import load_fragments
from labwright.kernel.review import Review, driver_symbols, load_catalogue, review
from labwright.kernel.source import unpack_source

COMPILE_HOURS = 4
SAY_EVERY = 2.0


def toolchain() -> str:
    """The compiler and linker of this host: another one makes another kernel."""
    return ", ".join(version_of(tool) for tool in ("gcc", "ld"))


def review_source(source: ConfiguredSource) -> Review:
    """Review a configured source tree."""
    return review(source.config, source.options, load_catalogue(), driver_symbols(source.tree))


def build_kernel(
    folder: Path, extra_version: str, fragments: Sequence[str], destination: Path, bench: Workbench
) -> KernelFiles:
    """Configure, review and compile; the files of KernelFiles are written into `destination`.

    folder, extra_version: see KernelSource.
    Raises LabwrightError: review, before anything is compiled; host, when the compiler fails.
    """
    tree = unpack_source(folder, extra_version, bench)
    source = configure(tree, load_fragments(fragments), bench)
    result = review_source(source)
    if not result.ok:
        raise LabwrightError(
            f"the kernel's configuration fails its review: {len(result.findings)} findings",
            cause=Cause.REVIEW,
            details=result.findings[:12],
            hint="mend the fragments or review.toml in kernel-configs/; labwright kernel review shows everything",
        )
    _make(tree, ["bzImage", "vmlinux", "modules"], bench, on_line=_Counter(bench.say))
    refuse_changes(source.config, parse_config((tree / ".config").read_text()))
    release = (tree / "include/config/kernel.release").read_text().strip()
    _collect(tree, destination, release, bench)
    return KernelFiles(destination, release)


def refuse_changes(reviewed: Mapping[str, str], compiled: Mapping[str, str]) -> None:
    """Raise LabwrightError (review) when make changed the configuration after its review."""
    names = reviewed.keys() | compiled.keys()
    changed = sorted(name for name in names if reviewed.get(name) != compiled.get(name))
    if changed:
        raise LabwrightError(
            f"the kernel was compiled with another configuration than the one reviewed: {len(changed)} options differ",
            cause=Cause.REVIEW,
            details=[f"{name}: {reviewed.get(name, 'n')}, then {compiled.get(name, 'n')}" for name in changed[:12]],
            hint="something of this host answers the kernel's questions about its compiler now one way, now another",
        )


def _make(tree: Path, targets: list[str], bench: Workbench, on_line: Callable[[str], None] | None = None) -> None:
    """make, with everything that would find its way into the bits set (kernel docs, reproducible-builds).

    Without ccache: the kernel asks its compiler what it can do, and ccache answers some of that otherwise, so that the
    configuration changes (CC_HAS_INT128, seen with CCACHE_NOCPP2). The store keeps the kernel anyway.
    """
    stamp = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(bench.source_date_epoch))
    bench.run(
        ["make", "-C", tree, f"-j{bench.jobs}", *targets],
        env={
            "ARCH": "x86_64",
            "KBUILD_BUILD_TIMESTAMP": stamp,
            "KBUILD_BUILD_USER": "labwright",
            "KBUILD_BUILD_HOST": "labwright",
            "KBUILD_BUILD_VERSION": "1",
            "SOURCE_DATE_EPOCH": str(bench.source_date_epoch),
        },
        contained=True,
        what=f"compiling the kernel failed at {targets[0]}",
        hint="the log has the compiler's words; kernel sources are picky about compilers newer than themselves",
        timeout=COMPILE_HOURS * 3600,
        on_line=on_line,
    )


class _Counter:
    """Says every other second how far the compiler is."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._count = 0
        self._said = 0.0

    def __call__(self, line: str) -> None:
        if not line.startswith("  CC "):
            return
        self._count += 1
        if time.monotonic() - self._said > SAY_EVERY:
            self._said = time.monotonic()
            self._say(f"{self._count} files compiled")


def _collect(tree: Path, destination: Path, release: str, bench: Workbench) -> None:
    bench.say("collecting modules")
    modules = bench.scratch / "modules"
    _make(tree, [f"INSTALL_MOD_PATH={modules}", "INSTALL_MOD_STRIP=1", "modules_install"], bench)
    folder = modules / "lib/modules" / release
    for link in ("build", "source"):
        (folder / link).unlink(missing_ok=True)
    shutil.copyfile(tree / "arch/x86/boot/bzImage", destination / "bzImage")
    bench.run(
        ["objcopy", "--strip-debug", tree / "vmlinux", destination / "vmlinux"], what="stripping the kernel failed"
    )
    shutil.copyfile(tree / ".config", destination / "config")
    (destination / "release").write_text(f"{release}\n")
    bench.run(
        ["tar", "--create", "--file", destination / "modules.tar", "--directory", modules, "--sort=name",
         "--owner=0", "--group=0", "--numeric-owner", "--mode=go=rX,u+rw,a-s", f"--mtime=@{bench.source_date_epoch}",
         "--format=ustar", "lib"],
        what="packing the modules failed",
    )  # fmt: skip
