"""A bootstrapped tree made into a machine of a lab: what is the same for every distribution with systemd."""

from __future__ import annotations

from labwright.finish.files import write
from labwright.finish.machine import System, finish

__all__ = ["System", "finish", "write"]
