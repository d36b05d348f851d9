"""A third party publishes a driver of a network operating system, and a user builds an image with it.

The device is a simulation: our own Debian with a script on its serial console that plays a small vendor's command line.
Real are the wheel, the environment that has nothing of this repository, QEMU, the dialogue on the console, and SSH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.builds import REPOSITORY
from support.environments import fresh, our_wheels
from support.plugin_page import follow, image, tool

from labwright.host.clock import Deadline
from labwright.spec.hardware import Hardware
from labwright.vm.accelerator import choose_accelerator, slower
from labwright.vm.device import DeviceSpec, launch_device
from labwright.vm.device_test import wait_for_login
from labwright.vm.ssh import Login, ask, connect

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images")
CONSOLE = REPOSITORY / "tests/support/acme_console.py"
VENDOR = """\
slug: acme-vendor
description: A simulation of a vendor's device
sshUser: vendor
sshPassword: a password that nobody is told
build:
  type: debian
  playbook: playbook.yml
"""
PLAYBOOK = """\
- hosts: all
  tasks:
    - ansible.builtin.copy: {src: "{{ item.name }}", dest: "{{ item.place }}", mode: "{{ item.mode }}"}
      loop:
        - {name: device.py, place: /usr/local/lib/acme-device.py, mode: "0644"}
        - {name: system, place: /usr/local/sbin/acme-system, mode: "0755"}
        - {name: acme.service, place: /etc/systemd/system/acme.service, mode: "0644"}
    - ansible.builtin.command: systemctl mask serial-getty@ttyS0.service
    - ansible.builtin.command: systemctl enable acme.service
"""
SERVICE = """\
[Unit]
Description=The command line of a simulated vendor
After=ssh.service systemd-user-sessions.service
[Service]
ExecStart=/usr/bin/python3 /usr/local/lib/acme-device.py /usr/local/sbin/acme-system
StandardInput=tty-force
StandardOutput=tty
TTYPath=/dev/ttyS0
TTYReset=yes
Restart=always
[Install]
WantedBy=multi-user.target
"""
SYSTEM = """\
#!/bin/sh
set -e
case $1 in
    user)
        useradd --create-home --shell /bin/bash -- "$2"
        usermod --password "$(cat)" -- "$2"
        ;;
    halt) systemctl poweroff ;;
esac
"""


@pytest.fixture
def device(tmp_path) -> Path:
    """The simulated vendor's disk. Stopped before its test, which knows no vendor's console."""
    folder = tmp_path / "acme-vendor"
    folder.mkdir()
    files = {
        "image.meta.yaml": VENDOR,
        "playbook.yml": PLAYBOOK,
        "acme.service": SERVICE,
        "system": SYSTEM,
        "device.py": CONSOLE.read_text(),
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    words = [sys.executable, "-m", "labwright", "build", folder, "--until", "customize", "--json"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    made = Path(os.environ["LABWRIGHT_CACHE"], "store/customize").glob("*/manifest.json")
    mine = [path for path in made if json.loads(path.read_text())["inputs"]["slug"] == "acme-vendor"]
    newest = max(mine, key=lambda path: path.stat().st_mtime)
    return Path(shutil.copy(newest.with_name("disk.qcow2"), tmp_path / "acme.qcow2"))


def test_a_package_from_nothing_makes_an_image_of_a_simulated_vendors_device(device, tmp_path, bench):
    fresh(tmp_path / ".venv", our_wheels(tmp_path, "nos", "napalm-frr"))
    image(tmp_path)
    follow(tmp_path, with_disk=True)
    listed = {plugin["type"]: plugin for plugin in json.loads(tool(tmp_path, "labwright plugins list --json"))}
    assert listed["acme"]["package"] == "labwright-acme"
    (checked,) = json.loads(tool(tmp_path, "labwright plugins check acme --json"))
    assert checked["ok"]
    report = json.loads((tmp_path / "out/router.json").read_text())
    assert report["tests"]["boots"]["device"]["login"] > 0
    accelerator = choose_accelerator(bench)
    hardware = Hardware.model_validate_json(json.dumps(report["hardware"]))
    spec = DeviceSpec("router", hardware, {"system": tmp_path / "out/router.qcow2"}, accelerator.name)
    with launch_device(spec, bench.scratch / "router", bench.ledger) as running:
        login = Login(running.ports["ssh"], "antidote", "antidotepassword")
        limit = Deadline(hardware.boot * slower(accelerator))
        wait_for_login(running, login, limit, bench.say, accelerator.factor)
        with connect(login, 60) as client:
            assert ask(client, "id -un", 60).text == "antidote\n"
