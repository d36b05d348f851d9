"""NAPALM's configuration files as templates that may ask the model: in a sandbox, with nothing undefined in them."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import BaseLoader, StrictUndefined, TemplateError, TemplateNotFound, TemplateSyntaxError, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from labwright.errors import Cause, LabwrightError
from labwright.kit.errors import KitError
from labwright.kit.model import Node
from labwright.kit.rendering import PARTS, part, render
from labwright.kit.systems import SYSTEMS

SYSTEM_OF_DRIVER = {"nxos_ssh": "nxos", "junos": "junos", "eos": "eos", "ios": "ios", "nxos": "nxos", "frr": "frr"}
"""NAPALM's names of drivers, and ours of systems."""
INCLUDES = frozenset(name for parts in PARTS.values() for name in parts)
HINT = "docs/kit.md says what a template has"


def napalm_template(
    text: str, node_loader: Callable[[str], Node], context: Mapping[str, Any], name: str = "template"
) -> str:
    """What a template says.

    node_loader: the model in a file that the template names. context: values; driver is NAPALM's name of the driver,
    node the model that includes are about. name: the template's, for errors.

    In it: `render("model.yaml")`, `model("model.yaml")`, and `{% include "interfaces" %}` for the part of `node` that
    is called so (hostname, interfaces, routing, raw). Raises LabwrightError (config) with file and line.
    """
    system = SYSTEM_OF_DRIVER.get(str(context.get("driver", "")), str(context.get("driver", "")))

    def rendered(file: str, system: str = system) -> str:
        found = render(node_loader(file), system)
        if not isinstance(found, str):
            raise KitError(f"{system} has several files, not one text", cause=Cause.CONFIG)
        return found

    @pass_context
    def included(values: Context, which: str) -> str:
        node = values.get("node")
        if not isinstance(node, Node):
            raise KitError(
                f'{{% include "{which}" %}} needs a node', cause=Cause.CONFIG,
                hint='write {% set node = model("FILE.yaml") %} before it',
            )  # fmt: skip
        return part(node, system, which)

    # No autoescape: this is a device's configuration; what is XML is escaped by the renderer.
    environment = ImmutableSandboxedEnvironment(
        loader=_Parts(name, text), undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True,
        lstrip_blocks=True, autoescape=False,
    )  # fmt: skip
    environment.globals |= {"render": rendered, "model": node_loader, "_part": included, "systems": tuple(SYSTEMS)}
    try:
        return environment.get_template(name).render(**context)
    except TemplateSyntaxError as error:
        raise KitError(f"{name}:{error.lineno}: {error.message}", cause=Cause.CONFIG, hint=HINT) from None
    except TemplateNotFound as error:
        what = f"there is no {error.message!r} to include: {', '.join(sorted(INCLUDES))}"
        raise KitError(f"{name}:{_line(error, name)}: {what}", cause=Cause.CONFIG, hint=HINT) from None
    except LabwrightError as error:
        raise KitError(
            f"{name}:{_line(error, name)}: {error.what}", cause=error.cause, details=error.details, hint=error.hint
        ) from None
    # A template can divide by zero, or call a text: whatever it does is its author's to mend.
    except (TemplateError, ArithmeticError, TypeError, ValueError, LookupError, AttributeError, RecursionError,
            MemoryError) as error:  # fmt: skip
        what = f"{name}:{_line(error, name)}: {error or type(error).__name__}"
        raise KitError(what, cause=Cause.CONFIG, hint=HINT) from None


class _Parts(BaseLoader):
    """The template itself, and the parts that it can include; no file is ever read."""

    def __init__(self, name: str, text: str) -> None:
        self._texts = {which: f"{{{{ _part({which!r}) }}}}" for which in INCLUDES} | {name: text}

    def get_source(self, environment: object, template: str) -> tuple[str, str, Callable[[], bool]]:
        """A text by its name. Raises TemplateNotFound."""
        if template not in self._texts:
            raise TemplateNotFound(template)
        return self._texts[template], template, lambda: True


def _line(error: BaseException, name: str) -> int:
    """The line of the template that an error was raised in."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or 1 for frame in reversed(frames) if frame.filename == name), 1)
