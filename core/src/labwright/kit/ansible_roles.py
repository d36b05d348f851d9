"""Where Ansible finds the kit's roles and the plugins behind them."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "ansible"


def ansible_environment() -> dict[str, str]:
    """Variables for ansible-playbook, started by the Python that has labwright. The roles are beside the lesson's."""
    return {
        # ./roles beside the playbook is looked in first, whatever stands here.
        "ANSIBLE_ROLES_PATH": str(FOLDER / "roles"),
        "ANSIBLE_FILTER_PLUGINS": str(FOLDER / "filter_plugins"),
        "ANSIBLE_ACTION_PLUGINS": str(FOLDER / "action_plugins"),
    }
