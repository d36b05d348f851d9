"""CentOS Stream, AlmaLinux and Rocky Linux for labwright."""

from __future__ import annotations

from labwright_centos.bootstrapper import CentosBootstrapper
from labwright_centos.provisioner import CentosProvisioner

__all__ = ["CentosBootstrapper", "CentosProvisioner"]
