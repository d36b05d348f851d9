"""The image's own part: pre scripts, its playbook, post scripts, in one Ansible run."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from labwright.errors import Cause, LabwrightError
from labwright.guest.bridge import CONNECTION, PLUGINS, bridge
from labwright.guest.guest import Guest
from labwright.interfaces import Workbench
from labwright.spec.image import ImageSpec

SECONDS = 7200.0
TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(.*)\] \**$")
FAILED = re.compile(r"^(?:\[ERROR\]: |fatal: |failed: |ERROR! |Origin: )")
RECAP = re.compile(r"^PLAY RECAP| : ok=\d+ ")
SHOWN = 14


def plays(image: ImageSpec, folder: Path) -> list[dict[str, Any]]:
    """What one run of ansible-playbook does, as the plays of a playbook."""
    build = image.build

    def scripts(names: tuple[str, ...]) -> list[dict[str, Any]]:
        if not names:
            return []
        tasks = [{"name": name, "ansible.builtin.script": {"cmd": quoted(folder / name)}} for name in names]
        return [{"name": "scripts", "hosts": "all", "gather_facts": False, "tasks": tasks}]

    middle = [{"ansible.builtin.import_playbook": str(folder / build.playbook)}] if build.playbook else []
    return [*scripts(build.pre), *middle, *scripts(build.post)]


def quoted(path: Path) -> str:
    """A path as a word of a free-form module's text, which is split as a shell would."""
    return "'" + str(path).replace("'", "'\"'\"'") + "'"


def run_playbook(image: ImageSpec, folder: Path, guest: Guest, bench: Workbench) -> None:
    """Run it in the guest. Raises LabwrightError naming the task, with Ansible's own words."""
    wanted = plays(image, folder)
    if not wanted:
        return
    place = bench.scratch / "ansible"
    place.mkdir(mode=0o700, exist_ok=True)
    # JSON is YAML, and nothing in it can be taken for something else.
    (place / "play.yml").write_text(json.dumps(wanted))
    (place / "ansible.cfg").write_text(
        "[defaults]\nhost_key_checking = False\nretry_files_enabled = False\nnocows = True\nnocolor = True\n"
        "callback_result_format = yaml\ninterpreter_python = auto_silent\n"
    )
    progress = _Progress(bench)
    with bridge(guest, bench.ledger) as socket:
        (place / "inventory.json").write_text(
            json.dumps(
                {
                    "all": {
                        "hosts": {
                            image.slug: {
                                "ansible_connection": CONNECTION,
                                "labwright_socket": str(socket),
                                "labwright_method": guest.method,
                                "ansible_remote_tmp": "/tmp/.ansible",  # noqa: S108 - in the guest
                            }
                        }
                    }
                }
            )
        )
        done = bench.run(
            [sys.executable, "-P", "-m", "ansible", "playbook", "--inventory", place / "inventory.json",
             place / "play.yml"],
            cwd=folder,
            env={
                "ANSIBLE_CONFIG": str(place / "ansible.cfg"), "ANSIBLE_HOME": str(place / "home"),
                "ANSIBLE_LOCAL_TEMP": str(place / "local"), "ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS),
                "ANSIBLE_PIPELINING": "True", "PYTHONDONTWRITEBYTECODE": "1",
            },
            timeout=SECONDS, accept=range(256), what="the playbook", on_line=progress.see,
        )  # fmt: skip
    if done.code != 0:
        raise LabwrightError(
            f"the playbook of {image.slug} failed" + (f" at the task {progress.task!r}" if progress.task else ""),
            cause=Cause.GUEST,
            details=tuple(progress.failure or done.log_tail)[-SHOWN:],
            hint="mend it and build again: what came before is kept. --keep keeps the image as it failed, to look at",
        )


class _Progress:
    """Says each task as it begins, and remembers what Ansible says of a failure."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self.task = ""
        self.failure: list[str] = []

    def see(self, line: str) -> None:
        """One line of ansible-playbook's."""
        if found := TASK.match(line):
            self.task = found[1]
            self.failure.clear()
            self._bench.say(self.task)
        elif (self.failure or FAILED.match(line)) and line.strip() and not RECAP.search(line):
            self.failure.append(line)
