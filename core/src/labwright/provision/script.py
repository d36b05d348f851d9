"""The scripts that run in an image, with what they need to know before them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from labwright.provision.family import Family
from labwright.spec.image import ImageSpec

SCRIPTS = Path(__file__).with_name("scripts")


def base_script(image: ImageSpec, family: Family) -> str:
    """Packages, login, sudo, SSH. Holds the password: it is handed over on standard input only."""
    return _with_facts(
        ("quiet", "packages", "base"),
        family,
        {
            "user": image.ssh_user,
            "password": image.ssh_password.get_secret_value(),
            "hostname": image.slug,
            "packages": " ".join((*family.base, *image.build.packages)),
        },
    )


def packages_script(packages: Sequence[str], family: Family) -> str:
    """Packages alone, for a tree that a distribution's own driver finishes."""
    return _with_facts(("quiet", "packages"), family, {"packages": " ".join(packages)})


def quiet_script(family: Family) -> str:
    """Have nothing start that is installed."""
    return _with_facts(("quiet",), family, {})


def seal_script(family: Family, live: bool) -> str:
    """Everything out that clones must not share."""
    return _with_facts(("seal",), family, {"live": "yes" if live else "no"})


def _with_facts(names: Sequence[str], family: Family, facts: Mapping[str, str]) -> str:
    lines = [f"{key}={shlex.quote(value)}" for key, value in facts.items()]
    lines += [
        f"has() {{ {family.has}; }}",
        f"refresh() {{ {family.refresh}; }}",
        f'install() {{ {family.install} "$@"; }}',
        f"clean() {{ {family.clean}; }}",
    ]
    return "\n".join((*lines, *((SCRIPTS / f"{name}.sh").read_text() for name in names)))
