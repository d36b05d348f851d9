"""Network operating systems for labwright: first boot on the serial console, then NAPALM; each system is a profile."""

from labwright_nos.profile import Profile, load_profile
from labwright_nos.provisioner import NosProvisioner

__all__ = ["NosProvisioner", "Profile", "load_profile"]
