"""The blocks of labwright.kit as one action: they run in ansible-playbook's process, over Ansible's own connection."""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from labwright.errors import Cause, LabwrightError
from labwright.kit import expect, rest
from labwright.kit.answer import Answer
from labwright.kit.connection import interface_names, target_name
from labwright.kit.errors import KitError, told
from labwright.kit.files import File
from labwright.kit.host import Host
from labwright.kit.local import find_all, read
from labwright.kit.model import load_node, node


class AnsibleTransport:
    """Ansible's connection as the kit wants one. With `become` commands come as root already."""

    def __init__(self, action: ActionModule, name: str) -> None:
        self._action = action
        self.name = name

    def execute(self, command: str, stdin: bytes, timeout: float) -> Answer:
        """Run a line of shell. The time limit is Ansible's own."""
        return self._action.execute(command, stdin)

    def close(self) -> None:
        """Ansible closes it."""


class ActionModule(ActionBase):  # type: ignore[misc]
    """`labwright_kit: {block: hostname, ...}`; the roles are made of it."""

    _requires_connection = True
    _supports_check_mode = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """One block. What it says of itself becomes the task's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        values = {key: _plain(value) for key, value in dict(self._task.args).items()}
        block = str(values.pop("block", ""))
        folder = Path(self._loader.get_basedir())
        name = target_name() or str((task_vars or {}).get("inventory_hostname", "the machine"))
        host = Host(AnsibleTransport(self, name), (folder,), interfaces=interface_names())
        try:
            if block not in BLOCKS:
                raise KitError(f"{block!r} is no block", cause=Cause.CONFIG, hint=f"one of {', '.join(BLOCKS)}")
            return result | BLOCKS[block](host, folder, **values)
        except LabwrightError as error:
            return result | {"failed": True, "msg": told(error)}
        # Values of another kind than the block takes.
        except (TypeError, ValueError, AttributeError) as error:
            return result | {"failed": True, "msg": f"{block}: {error}"}
        except LookupError as error:
            return result | {"failed": True, "msg": f"{block}: it lacks {error}"}

    def execute(self, command: str, stdin: bytes) -> Answer:
        """A line of shell on the machine, as the play's user or by its become.

        The exit status comes in the output: Ansible takes 1 to 6 for sshpass's own, and 255 for a lost connection.
        """
        mark = uuid.uuid4().hex
        line = f"{shlex.join(['sh', '-c', command])}; printf '\\n%s %d' {mark} \"$?\""
        # Never without input: Ansible would ask for a terminal then, where both streams are one.
        found = self._low_level_execute_command(line, in_data=stdin or b"\n")
        output, marked, code = str(found.get("stdout", "")).rpartition(f"\n{mark} ")
        if not marked or not code.strip().isdecimal():
            raise AnsibleError(
                f"the connection gave no exit status: {found.get('stderr') or found.get('msg') or found}"
            )
        return Answer(int(code), output, str(found.get("stderr", "")))


def _plain(value: Any) -> Any:
    """Plain values of what Ansible hands over: its texts and lists are classes of their own."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, str) else value


def _hostname(host: Host, folder: Path, name: str) -> dict[str, Any]:
    return {"changed": host.hostname(name)}


def _files(host: Host, folder: Path, files: list[dict[str, str]]) -> dict[str, Any]:
    chosen: list[File] = []
    for each in files:
        given = dict(each)
        source, place, content = given.pop("src", ""), given.pop("dest"), given.pop("content", None)
        owner, mode = given.pop("owner", "root:root"), given.pop("mode", "0644")
        if given:
            raise KitError(
                f"a file has no {min(given)!r}", cause=Cause.CONFIG, hint="src or content, dest, owner, mode"
            )
        if not isinstance(mode, str):
            raise KitError(f"{place}: the mode needs quotes", cause=Cause.CONFIG, hint='write mode: "0640"')
        if content is not None:
            chosen.append(File(place, content.encode(), owner, mode))
            continue
        for path in find_all(source, (folder,)):
            where = f"{place}{path.name}" if place.endswith("/") else place
            chosen.append(File(where, read(path), owner, mode))
    changed = host.put(chosen)
    return {"changed": bool(changed), "places": list(changed)}


def _user(
    host: Host,
    folder: Path,
    name: str,
    password: str | None = None,
    groups: list[str] | None = None,
    keys: list[str] | None = None,
) -> dict[str, Any]:
    return {"changed": host.user(name, password or None, groups or (), keys or ())}


def _service(host: Host, folder: Path, name: str, state: str = "restarted", timeout: float = 60.0) -> dict[str, Any]:
    service = host.service(name)
    actions = {"restarted": service.restart, "started": service.start, "reloaded": service.reload,
               "waited": service.wait, "stopped": service.stop}  # fmt: skip
    if state not in actions:
        raise KitError(f"{state!r} is no state", cause=Cause.CONFIG, hint=f"one of {', '.join(actions)}")
    before = service.state()
    actions[state](timeout=float(timeout))
    return {"changed": before["InvocationID"] != service.state()["InvocationID"] or state == "reloaded"}


def _network(
    host: Host,
    folder: Path,
    model: dict[str, Any] | None = None,
    file: str = "",
    names: list[str] | None = None,
    manager: str = "",
) -> dict[str, Any]:
    what = load_node(find_all(file, (folder,))[0]) if file else node(model or {})
    changed = host.apply(what, names or None, manager)
    return {"changed": bool(changed), "places": list(changed)}


def _rest(
    host: Host,
    folder: Path,
    url: str,
    body: dict[str, Any],
    user: str = "",
    password: str = "",
    token: str = "",
    **more: Any,
) -> dict[str, Any]:
    if isinstance(more.get("match"), list):
        more["match"] = tuple(more["match"])
    done = rest.ensure(url, body, auth=token or ((user, password) if user else None), **more)
    return {"changed": done.changed, "created": done.created}


def _wait(
    host: Host, folder: Path, command: str = "", url: str = "", timeout: float = 60.0, what: str = ""
) -> dict[str, Any]:
    if url:
        rest.wait(url, timeout=float(timeout))
    else:
        host.wait_for(command, float(timeout), what=what)
    return {"changed": False}


EXPECTATIONS: Mapping[str, Callable[..., bool]] = {
    "reaches": expect.reaches,
    "route": expect.route,
    "bgp_established": expect.bgp_established,
}


def _expect(host: Host, folder: Path, expectations: list[dict[str, Any]]) -> dict[str, Any]:
    lines: list[str] = []
    with expect.gathered(lines) as found:
        for each in expectations:
            given = dict(each)
            kind = next((key for key in given if key in EXPECTATIONS), "")
            if not kind:
                raise KitError(f"{each} expects nothing", cause=Cause.CONFIG, hint=f"one of {', '.join(EXPECTATIONS)}")
            EXPECTATIONS[kind](host, given.pop(kind), **given)
    return {"changed": False, "failed": bool(found.failures), "msg": "\n".join(lines)}


BLOCKS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "hostname": _hostname,
    "files": _files,
    "user": _user,
    "service": _service,
    "network": _network,
    "rest": _rest,
    "wait": _wait,
    "expect": _expect,
}
