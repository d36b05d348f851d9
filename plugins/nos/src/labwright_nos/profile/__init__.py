"""A profile: one YAML file that says everything of a network operating system that labwright has to know."""

from labwright_nos.profile.load import load_profile
from labwright_nos.profile.model import Profile

__all__ = ["Profile", "load_profile"]
