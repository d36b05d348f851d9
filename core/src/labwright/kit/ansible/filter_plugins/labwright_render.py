"""The filter labwright_render: variables of a playbook, or a file, as the configuration of a system."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from labwright.errors import LabwrightError
from labwright.kit.errors import told
from labwright.kit.model import node
from labwright.kit.rendering import render


def labwright_render(value: Mapping[str, Any], system: str, names: Sequence[str] | None = None) -> Any:
    """`{{ model | labwright_render('frr') }}`: a text, or for some systems the texts of files by their places."""
    try:
        return render(node(value), system, names)
    except LabwrightError as error:
        raise AnsibleFilterError(told(error)) from None


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"labwright_render": labwright_render}
