"""What ansible-playbook -vvvv says, read as it comes: the task, where it stands, why it failed, what would change.

In the words of ansible-core 2.18 to 2.20; each line is JSON's or Ansible's own, so no output of a task begins one.
"""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

PLAY = re.compile(r"^PLAY \[")
TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(?P<name>.*)\] \**$")
TASK_PATH = re.compile(r"^task path: (?P<path>.+):(?P<line>\d+)$")
FAILED = re.compile(r"^(?P<word>fatal|failed): \[[^\]]+\](?:: (?P<kind>FAILED|UNREACHABLE)!)?.* => ?(?P<rest>.*)$")
RESULT = re.compile(r"^(?:ok|changed|skipping|failed|fatal|included): \[")
SHOWN = ("msg", "stderr", "module_stderr")
FIELD = re.compile(rf'^ {{4}}"(?P<name>{"|".join(SHOWN)})": (?P<value>".*"),?$')
BLOCK_ENDS = "}"
IGNORED = "...ignoring"
ERROR = re.compile(r"^(?:\[ERROR\]: |ERROR! )(?P<said>.+)$")
ORIGIN = re.compile(r"^Origin: (?P<path>.+?):(?P<line>\d+)(?::\d+)?$")
APPEARS = re.compile(r"^The error appears to be in '(?P<path>.+)': line (?P<line>\d+), column \d+")
RECAP = re.compile(r"^\S+\s+: ok=\d+ +changed=\d+")
DIFFERENCE = re.compile(r"^--- before")
ITEMS = ("One or more items failed", "All items completed")
LONGEST_REASON = 300
LARGEST_DIFFERENCE = 1 << 20
SILENT = "no play was for this endpoint, so nothing was done: write `hosts: all`"


class Reader:
    """Reads lines as they come. folder: the lesson as Ansible sees it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._where = ""
        self._in_block = False
        self._fields: dict[str, str] = {}
        self._failure: tuple[str, str, str] | None = None
        self._difference: list[str] = []
        self._differs = False
        self._size = 0
        self._error = ""
        self._origin = ""
        self.task = ""
        self.began = False
        self.hosts = 0

    def see(self, line: str) -> bool:
        """Take one line. Whether it is one for people."""
        if self._in_block:
            self._see_field(line)
            return False
        if task := TASK.match(line):
            self.task, self._where, self._fields = task["name"], "", {}
            return True
        if place := TASK_PATH.match(line):
            self._where = self._inside(place)
            return False
        if failed := FAILED.match(line):
            return self._see_failure(failed)
        return self._see_rest(line)

    def _see_rest(self, line: str) -> bool:
        if line == IGNORED:
            self._failure = None
        elif error := ERROR.match(line):
            self._error = self._error or error["said"]
            return True
        elif place := ORIGIN.match(line) or APPEARS.match(line):
            self._origin = self._inside(place) or self._origin
        elif RECAP.match(line):
            self.hosts += 1
        elif PLAY.match(line):
            self.began = True
            return True
        return self._see_difference(line)

    def _see_difference(self, line: str) -> bool:
        result = bool(RESULT.match(line))
        self._differs = bool(DIFFERENCE.match(line)) or (self._differs and not result)
        if self._differs and self._size < LARGEST_DIFFERENCE:
            self._size += len(line)
            self._difference.append(line)
        return result or self._differs

    def _see_failure(self, failed: re.Match[str]) -> bool:
        summary = failed["word"] == "fatal" and self._fields.get("msg", "")
        self._in_block = failed["rest"] == "{"
        if not self._in_block:
            # On one line, where an older or a quieter Ansible wrote it.
            with contextlib.suppress(ValueError):
                found = json.loads(failed["rest"])
                self._fields.update(
                    {name: str(found[name]) for name in ("msg", "stderr", "module_stderr") if found.get(name)}
                )
        elif not summary:
            self._fields = {}
        self._failure = (failed["kind"] or "FAILED", self.task, self._where)
        return True

    def _see_field(self, line: str) -> None:
        if line == BLOCK_ENDS:
            self._in_block = False
        elif field := FIELD.match(line):
            with contextlib.suppress(ValueError):
                said = str(json.loads(field["value"]))
                if not (said.startswith(ITEMS) and self._fields.get("msg")):
                    self._fields[field["name"]] = said

    def _inside(self, place: re.Match[str]) -> str:
        path = Path(place["path"])
        return f"{path.relative_to(self._folder)}:{place['line']}" if path.is_relative_to(self._folder) else ""

    @property
    def difference(self) -> str:
        """What changed or would change, where Ansible was asked to show it."""
        return "\n".join(self._difference).rstrip()

    @property
    def place(self) -> str:
        """Where the failing task stands, or the text that is no playbook; empty where that is not in the lesson."""
        return (self._failure[2] if self._failure else "") or self._origin or self._where

    def reason(self, code: int) -> str:
        """Why it failed; empty where it did not. code: its exit status."""
        if code == 0:
            return "" if self.hosts else SILENT
        if self._failure:
            kind, task, _ = self._failure
            said = _first_line(self._fields.get("msg", ""))
            errors = (self._fields.get("stderr") or self._fields.get("module_stderr", "")).strip().splitlines()
            if errors and errors[-1] not in said:
                said = f"{said}: {errors[-1]}"
            unreachable = "unreachable: " if kind == "UNREACHABLE" else ""
            return f"{unreachable}task '{task}': {said or 'failed'}"[:LONGEST_REASON]
        return (self._error or f"ansible-playbook ended with exit status {code}")[:LONGEST_REASON]


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
