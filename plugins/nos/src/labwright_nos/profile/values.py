"""What templates of a profile may use, and how they are rendered: in Jinja2's sandbox, a missing name is an error."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Mapping

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from labwright.errors import Cause, LabwrightError

NAMES = {
    "user": "the vendor's user that is tried now",
    "password": "its password",
    "ssh_user": "the image's sshUser",
    "ssh_password": "its password",
    "ssh_password_hash": "its password as crypt(3) hashes it with SHA-512",
    "config_user": "the image's configUser",
    "config_password": "its password",
    "config_password_hash": "its password, hashed the same way",
    "hostname": "the image's slug",
    "management": "the name of the management interface",
    "interfaces": "the names of the data interfaces",
    "forwarding": "the image's enableForwarding",
    "seen": "what named groups in patterns have caught: seen.image for (?P<image>...), empty before",
}
"""In every template."""
DIALOGUE_NAMES = ("user", "password", "seen")
"""What only a dialogue has; the others are the image's."""
FILE_NAMES = {
    "file": "where SFTP has put the private file",
    "path": "where it belongs",
    "owner": "its owner",
    "group": "its group",
    "mode": "its mode",
}
"""In files.install, beside the others."""
SECRET = ("password", "ssh_password", "ssh_password_hash", "config_password", "config_password_hash")


@functools.cache
def _environment() -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    # For shells: a path may have blanks and quotes in it.
    made.filters["quote"] = shlex.quote
    return made


def unknown_names(template: str, known: Mapping[str, str]) -> list[str]:
    """The names in a template that nothing stands for. Raises ValueError with the line of it where it is none."""
    if "{" not in template:
        return []
    try:
        parsed = _environment().parse(template)
    except TemplateSyntaxError as error:
        raise ValueError(f"not a Jinja2 template: line {error.lineno} of it: {error.message}") from None
    return sorted(meta.find_undeclared_variables(parsed) - known.keys())


def seen_in(template: str) -> list[str]:
    """The x of every seen.x in a template."""
    if "seen" not in template:
        return []
    parsed = _environment().parse(template)
    found = parsed.find_all(nodes.Getattr)
    return [one.attr for one in found if isinstance(one.node, nodes.Name) and one.node.name == "seen"]


@functools.cache
def names_in(template: str) -> frozenset[str]:
    """The names that a template uses. Raises ValueError as unknown_names does."""
    return frozenset(unknown_names(template, {}))


def rendered(template: str, values: Mapping[str, object]) -> str:
    """The text. Raises LabwrightError (plugin) for a template that fails."""
    try:
        return _environment().from_string(template).render(**values)
    except TemplateError as error:
        raise LabwrightError(
            f"a template of the profile fails: {error.message}", cause=Cause.PLUGIN, hint="mend the profile"
        ) from None
