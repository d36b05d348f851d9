"""What a keeper is told when it starts, in a file."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from labwright.host.files import write_whole
from labwright.lesson.command import Order, WirePlan
from labwright.lesson.keeper.doors import Door

FILE = "keeper.json"
GO = b"go\n"
"""Comes on a keeper's standard input once its lab is written down, where it can be found and ended."""


@dataclass(frozen=True)
class KeeperPlan:
    """The lab's folder and that of its sockets, both of which end with the keeper; and what it starts."""

    folder: Path
    sockets: Path
    ledger: Path
    orders: tuple[Order, ...]
    wires: tuple[WirePlan, ...]
    doors: tuple[Door, ...]

    def write(self) -> None:
        """Put it where the keeper finds it."""
        write_whole(self.folder / FILE, json.dumps(dataclasses.asdict(self), default=str))


def read_plan(folder: Path) -> KeeperPlan:
    """What write() wrote."""
    return TypeAdapter(KeeperPlan).validate_json((folder / FILE).read_text())
