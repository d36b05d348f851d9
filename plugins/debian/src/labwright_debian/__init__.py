"""Debian for labwright."""

from __future__ import annotations

from labwright_debian.bootstrapper import DebianBootstrapper
from labwright_debian.provisioner import DebianProvisioner

__all__ = ["DebianBootstrapper", "DebianProvisioner"]
