"""The roles, by a real ansible-playbook over SSH: the same blocks as in Python, and the same ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.kit import fixtures
from support.kit.machine import Machine
from support.kit.rest import server

from labwright.kit import ansible_environment, node, render

pytestmark = fixtures.needs_machine
one = fixtures.one


@pytest.fixture(scope="module", autouse=True)
def no_sockets_are_left(one: Machine) -> Iterator[None]:
    yield
    shutil.rmtree(f"/tmp/kit-{one.port}", ignore_errors=True)


SECRET = "never-in-a-log"


def play(
    one: Machine, folder: Path, *roles: dict[str, Any], become: bool = False, user: str = ""
) -> subprocess.CompletedProcess[str]:
    """A playbook as the configurator runs it: very verbose, with its inventory in an argument."""
    (folder / "hub.yml").write_text(
        json.dumps([{"hosts": "all", "gather_facts": False, "become": become, "tasks": [
            {"ansible.builtin.include_role": {"name": role.pop("role")}, "vars": role} for role in map(dict, roles)
        ]}])
    )  # fmt: skip
    (folder / "inventory.json").write_text(json.dumps({"all": {"hosts": {"hub": {
        "ansible_host": "127.0.0.1", "ansible_port": one.port, "ansible_user": user or one.user,
        "ansible_password": one.password,
    }}}}))  # fmt: skip
    # A socket's path may have 107 bytes, and pytest's folders are longer.
    sockets = Path("/tmp") / f"kit-{one.port}"
    return subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-vvvv", "-i", folder / "inventory.json", folder / "hub.yml"],
        capture_output=True, text=True, timeout=600, check=False, cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8",
             "ANSIBLE_HOST_KEY_CHECKING": "False", "ANSIBLE_SSH_PASSWORD_MECHANISM": "sshpass",
             "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=5s",
             "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets),
             "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
             **ansible_environment()},
    )  # fmt: skip


def recap(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout.partition("PLAY RECAP")[2]


@pytest.mark.parametrize("become", [False, True])
def test_the_public_lessons_task_in_roles_changes_everything_once(one: Machine, tmp_path: Path, become: bool) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub/bgpd.conf").write_text(f"! {become}\n")
    name = f"hub-{become}".lower()
    roles = (
        {"role": "labwright_hostname", "labwright_hostname": name},
        {"role": "labwright_files", "labwright_files": [
            {"src": "hub/*.conf", "dest": "/etc/frr/", "owner": "frr:frr", "mode": "0640"},
            {"content": f"{become}\n", "dest": "/opt/note"}]},
        {"role": "labwright_users", "labwright_users": [
            {"name": name, "password": SECRET, "groups": ["frrvty"]}, {"name": f"{name}2"}]},
    )  # fmt: skip
    first = play(one, tmp_path, *roles, become=become)
    assert first.returncode == 0, first.stdout
    assert "changed=3" in recap(first)
    second = play(one, tmp_path, *roles, become=become)
    assert "changed=0" in recap(second)
    assert SECRET not in first.stdout + second.stdout + first.stderr
    assert one.execute("uname", "-n") == f"{name}\n"
    assert one.status("/etc/frr/bgpd.conf") == "frr:frr 640"
    assert "frrvty" in one.execute("id", "-nG", name)


def test_a_model_comes_true_and_what_was_expected_is_reported_line_by_line(one: Machine, tmp_path: Path) -> None:
    model = {"interfaces": [{"index": 1, "ipv4": ["10.20.0.1/24"]}]}
    (tmp_path / "model.yaml").write_text(json.dumps(model))
    roles = (
        {"role": "labwright_network", "labwright_model": model},
        {"role": "labwright_network", "labwright_model_file": "model.yaml"},
        {"role": "labwright_service", "labwright_service": "frr"},
        {"role": "labwright_wait", "labwright_wait_command": "sudo test -e /etc/frr/daemons"},
        {"role": "labwright_expect", "labwright_expect": [
            {"route": "10.20.0.0/24", "device": "eth1"}, {"reaches": "10.20.0.1"}]},
    )  # fmt: skip
    done = play(one, tmp_path, *roles)
    assert done.returncode == 0, done.stdout
    assert "changed=2" in recap(done), "the second model is the first one"
    assert "10.20.0.1/24" in one.execute("ip", "-br", "address", "show", "eth1")
    done = play(one, tmp_path, {"role": "labwright_expect", "labwright_expect": [
        {"route": "10.99.0.0/24", "timeout": 0.1}, {"reaches": "10.20.0.1"}]})  # fmt: skip
    assert done.returncode != 0
    assert "FAIL: hub has a route to 10.99.0.0/24: no such route; it has none" in done.stdout
    assert "ok: hub reaches 10.20.0.1" in done.stdout


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ({"role": "labwright_hostname", "labwright_hostname": "no_name"}, "is not a host name"),
        ({"role": "labwright_hostname"}, "missing required arguments: labwright_hostname"),
        ({"role": "labwright_files", "labwright_files": [{"src": "absent", "dest": "/opt/x"}]}, "no file absent"),
        ({"role": "labwright_files", "labwright_files": [{"content": "", "dest": "/opt/x", "mode": 640}]}, "quotes"),
        ({"role": "labwright_files", "labwright_files": [{"content": "x"}]}, "it lacks 'dest'"),
        ({"role": "labwright_files", "labwright_files": [{"content": {"a": 1}, "dest": "/opt/x"}]}, "files: "),
        ({"role": "labwright_service", "labwright_service": "nosuch"}, "could not restart"),
        ({"role": "labwright_network", "labwright_model": {"interfaces": [{"index": 0}]}}, "interfaces.0.index"),
    ],
)
def test_what_cannot_be_done_fails_the_play_in_the_kits_words(
    one: Machine, tmp_path: Path, role: dict[str, Any], said: str
) -> None:
    done = play(one, tmp_path, role)
    assert done.returncode != 0
    assert said in done.stdout
    assert "Traceback" not in done.stdout


def test_a_rest_object_is_made_once_and_its_password_is_in_no_log(one: Machine, tmp_path: Path) -> None:
    with server() as rest:
        role = {"role": "labwright_rest", "labwright_rest": {
            "url": f"{rest.url}/users", "body": {"name": "jane", "password": SECRET}, "user": "admin",
            "password": rest.password}}  # fmt: skip
        first, second = (play(one, tmp_path, role) for _ in range(2))
        assert ("changed=1" in recap(first), "changed=0" in recap(second)) == (True, True), first.stdout
        assert [each["name"] for each in rest.objects["/users"]] == ["jane"]
    assert SECRET not in first.stdout
    assert rest.password not in first.stdout


def test_the_filter_renders_as_python_does_and_says_what_is_wrong(one: Machine, tmp_path: Path) -> None:
    model = {"hostname": "hub", "interfaces": [{"index": 1, "ipv4": ["10.0.0.1/30"]}]}
    role = {"role": "labwright_files", "model": model, "labwright_files": [
        {"content": "{{ model | labwright_render('eos') }}", "dest": "/opt/eos"}]}  # fmt: skip
    done = play(one, tmp_path, role)
    assert done.returncode == 0, done.stdout
    assert one.read("/opt/eos") == render(node(model), "eos")
    done = play(one, tmp_path, role | {"model": {"hostname": "hub", "interface": []}})
    assert done.returncode != 0
    assert "interface: Extra inputs are not permitted" in done.stdout
