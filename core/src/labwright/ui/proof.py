"""A report of one build for people elsewhere: what it ran on, what it took, what it made, how that booted."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labwright import __version__
from labwright.errors import LabwrightError
from labwright.guest.content import parse_release
from labwright.host.environment import version_of
from labwright.host.processor import processor_level

TITLE = "labwright: a build with real mirrors"


def proof_text(
    image: str,
    tools: Sequence[str],
    facts: Mapping[str, Any] | None,
    error: LabwrightError | None,
    hidden: Mapping[str, str],
) -> str:
    """Markdown without a secret.

    tools: of the driver, whose versions matter. facts: the build's report, None where it failed with `error`.
    hidden: paths of this machine, and what stands for them; the longest first.
    """
    lines = [f"# {TITLE}", "", f"image: {image}", f"result: {'it was built and booted' if facts else 'it failed'}", ""]
    lines += ["## This machine", "", *_host(tools), ""]
    if facts:
        lines += ["## The image", "", *_image(facts), "", "## Steps", "", *_steps(facts), "", "## Boots", ""]
        lines += [*_boots(facts), ""]
    if error:
        lines += ["## The failure", "", *_failure(error), ""]
    text = "\n".join(lines)
    for path, word in hidden.items():
        text = text.replace(path, word)
    return text


def _host(tools: Sequence[str]) -> Iterable[str]:
    release = Path("/etc/os-release")
    title = parse_release(release.read_text()).title if release.is_file() else "unknown"
    yield f"- labwright {__version__}, Python {platform.python_version()}"
    yield f"- {title}, Linux {platform.release()}, x86-64-v{processor_level()}"
    for tool in (*tools, "gcc", "qemu-system-x86_64"):
        yield f"- {tool}: {version_of(tool)}"


def _image(facts: Mapping[str, Any]) -> Iterable[str]:
    pins = facts.get("pins", {})
    yield f"- {facts['type']} {facts.get('release', '')}, {facts['bytes']} bytes, sha256 {facts['sha256']}"
    yield f"- kernel {facts.get('kernel', '')}"
    if pins:
        source = pins["kernel_source"]
        yield f"- from {source['name']} {source['version']}; {len(pins['packages'])} packages"
    for role, url in sorted(pins.get("mirrors", {}).items()):
        yield f"- {role}: {url}"


def _steps(facts: Mapping[str, Any]) -> Iterable[str]:
    yield "| step | seconds |"
    yield "|---|---|"
    for name, step in facts["steps"].items():
        yield f"| {name} | {step['seconds']} |"


def _boots(facts: Mapping[str, Any]) -> Iterable[str]:
    yield "| firmware | SSH after seconds | ready after seconds | units that failed |"
    yield "|---|---|---|---|"
    for name, boot in facts["tests"]["boots"].items():
        yield f"| {name} | {boot['ssh']} | {boot['ready']} | {' '.join(boot['failed']) or 'none'} |"


def _failure(error: LabwrightError) -> Iterable[str]:
    yield f"{error.what} ({error.cause.value})"
    yield ""
    yield from (f"    {line}" for line in error.details)
