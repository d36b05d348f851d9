"""Building blocks for the authors of lessons: what their scripts do again and again, in one line that cannot fail in
silence. docs/kit.md shows each in its three forms: Python, Ansible, NAPALM.

    from labwright import kit

    with kit.target() as host:
        host.hostname("hub")

In the process of a lesson's script (ANTIDOTE_TARGET_HOST is set) an error that nobody catches is printed as a sentence
with the line of the script, and without a traceback; the exit code is 1.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labwright.kit import expect, rest
    from labwright.kit.ansible_roles import ansible_environment
    from labwright.kit.answer import Answer
    from labwright.kit.connection import connect, endpoints, target
    from labwright.kit.errors import KitError
    from labwright.kit.files import File
    from labwright.kit.host import Host
    from labwright.kit.interfaces import Interface
    from labwright.kit.model import Node, load_node, node
    from labwright.kit.rendering import render
    from labwright.kit.systems import SYSTEMS
    from labwright.kit.template import napalm_template
    from labwright.kit.waits import wait_for

HOMES = {
    "ansible_environment": "ansible_roles", "Answer": "answer", "connect": "connection", "endpoints": "connection",
    "target": "connection", "KitError": "errors", "File": "files", "Host": "host", "Interface": "interfaces",
    "Node": "model", "load_node": "model", "node": "model", "SYSTEMS": "systems", "render": "rendering",
    "napalm_template": "template", "wait_for": "waits",
}  # fmt: skip
"""Where each name is from: a script pays for the libraries behind what it uses, and for nothing else."""
MODULES = ("expect", "rest")

__all__ = [
    "SYSTEMS", "Answer", "File", "Host", "Interface", "KitError", "Node", "ansible_environment", "connect",
    "endpoints", "expect", "load_node", "napalm_template", "node", "render", "rest", "target", "wait_for",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in MODULES:
        return importlib.import_module(f"labwright.kit.{name}")
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"labwright.kit.{HOMES[name]}"), name)
    globals()[name] = found
    return found


if "ANTIDOTE_TARGET_HOST" in os.environ:
    from labwright.kit.errors import speak_plainly

    speak_plainly()
