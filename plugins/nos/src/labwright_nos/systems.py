"""A provisioner for each profile in this package, by its name: what the entry points name."""

from __future__ import annotations

from pathlib import Path

from labwright_nos.profile.load import load_profile
from labwright_nos.provisioner import NosProvisioner

PROFILES = Path(__file__).with_name("profiles")


def __getattr__(name: str) -> type[NosProvisioner]:
    """The class of a profile, made when it is asked for: one that cannot be read breaks no other."""
    path = PROFILES / f"{name.replace('_', '-')}.yaml"
    if name.startswith("_") or not path.is_file():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = type(f"{name}_provisioner", (NosProvisioner,), {"profile": load_profile(path), "__module__": __name__})
    globals()[name] = made
    return made
