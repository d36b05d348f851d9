"""Debian for labwright."""

from __future__ import annotations

from labwright_debian.bootstrapper import DebianBootstrapper

__all__ = ["DebianBootstrapper"]
