"""From fragments and a source tree to a .config."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import Workbench
from labwright.kernel.fragments import Option, Version, as_config, for_kernel

SET = re.compile(r"^(CONFIG_[A-Za-z0-9_]+)=(.*)$")
UNSET = re.compile(r"^# (CONFIG_[A-Za-z0-9_]+) is not set$")
SYMBOL = re.compile(r"^\s*(?:menu)?config\s+([A-Za-z0-9_]+)", re.MULTILINE)
PARTS = re.compile(r"^(VERSION|PATCHLEVEL) *= *([0-9]+)$", re.MULTILINE)


@dataclass(frozen=True)
class ConfiguredSource:
    """An unpacked source tree with its .config. options: what was asked for, as far as this kernel has it."""

    tree: Path
    config: dict[str, str]
    version: Version
    options: list[Option]


def parse_config(text: str) -> dict[str, str]:
    """The options of a .config: y, m, n for `is not set`, numbers and texts as they stand."""
    config = {}
    for line in text.splitlines():
        if found := SET.match(line):
            config[found[1]] = found[2]
        elif found := UNSET.match(line):
            config[found[1]] = "n"
    return config


def kernel_version(tree: Path) -> Version:
    """VERSION and PATCHLEVEL from the top Makefile."""
    parts = dict(PARTS.findall((tree / "Makefile").read_text()))
    if set(parts) != {"VERSION", "PATCHLEVEL"}:
        raise LabwrightError(
            f"{tree / 'Makefile'} names no kernel version", cause=Cause.HOST, hint="is the archive a kernel source?"
        )
    return int(parts["VERSION"]), int(parts["PATCHLEVEL"])


def defined_symbols(tree: Path) -> frozenset[str]:
    """The names, with CONFIG_, of all options that some Kconfig file of the source has."""
    found: set[str] = set()
    for path in tree.rglob("Kconfig*"):
        if path.is_file() and not path.is_symlink():
            found.update(SYMBOL.findall(path.read_text(errors="replace")))
    return frozenset(f"CONFIG_{name}" for name in found)


def configure(tree: Path, options: list[Option], bench: Workbench) -> ConfiguredSource:
    """Write the .config: everything off, then the fragments, then what those need by the kernel's own rules."""
    version = kernel_version(tree)
    wanted = for_kernel(options, version, defined_symbols(tree))
    fragment = bench.scratch / "fragments.config"
    fragment.write_text(as_config(wanted))
    bench.run(
        ["make", "-C", tree, f"KCONFIG_ALLCONFIG={fragment}", "allnoconfig"],
        env={"ARCH": "x86_64"},
        contained=True,
        what="the kernel cannot be configured",
    )
    return ConfiguredSource(tree, parse_config((tree / ".config").read_text()), version, wanted)
