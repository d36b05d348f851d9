"""A lab's process: starts its QEMUs, notes when one ends, does what it is asked, and takes all along when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from labwright.host.clock import Deadline
from labwright.host.files import write_whole
from labwright.host.ledger import Ledger
from labwright.host.sockets import listens
from labwright.host.text import plain
from labwright.lesson.command import MEMORY, Order
from labwright.lesson.keeper.consoles import keep_small
from labwright.lesson.keeper.doors import open_door
from labwright.lesson.keeper.frames import Wire
from labwright.lesson.keeper.plan import GO, KeeperPlan, read_plan
from labwright.vm.machine import start

LONGEST_REQUEST = 65536
LISTENS = 20.0
"""Seconds for a QEMU to make its sockets, before the next one of the same device connects to them."""


def main(folder: Path) -> None:
    """Hold the lab in this folder."""
    plan = read_plan(folder)
    if sys.stdin.buffer.read(len(GO)) != GO:
        # Whoever started us died before anybody could have found the lab.
        return
    # Ctrl-C is for the command in the foreground; a lab ends by SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Not while we take or give back: it waits until somebody listens.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    # Sockets and captures are for us alone.
    os.umask(0o077)
    ledger = Ledger(plan.ledger)
    with contextlib.ExitStack() as held:
        held.enter_context(ledger.hold("folder", plan.folder))
        held.enter_context(ledger.hold("folder", plan.sockets))
        asyncio.run(Keeper(plan, ledger, held).run())


class Keeper:
    """All that a lab holds. held: gives it back, last first."""

    def __init__(self, plan: KeeperPlan, ledger: Ledger, held: contextlib.ExitStack) -> None:
        self._plan = plan
        self._ledger = ledger
        self._held = held
        self._over = asyncio.Event()
        self._wires: dict[str, Wire] = {}
        self._open: set[str] = set()

    async def run(self) -> None:
        """Until it is told to end."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._over.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        try:
            await self._run()
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        self._wires = {plan.name: Wire(loop, plan) for plan in self._plan.wires}
        for order in self._plan.orders:
            if self._over.is_set():
                break
            process = self._start(order)
            watched = os.pidfd_open(process.pid)
            loop.add_reader(watched, self._ended, watched, order, process)
            await self._until_open(order.opens, process)
        server = await self._listen()
        written = [order.complaints.with_suffix(".console") for order in self._plan.orders]
        consoles = asyncio.create_task(keep_small(written))
        async with server:
            await self._over.wait()
        consoles.cancel()
        for wire in self._wires.values():
            wire.close()

    async def _until_open(self, sockets: Iterable[Path], process: subprocess.Popen[bytes]) -> None:
        limit = Deadline(LISTENS)
        for path in sockets:
            while not (listens(path) or process.poll() is not None or limit.expired or self._over.is_set()):
                await asyncio.sleep(0.02)

    async def _listen(self) -> asyncio.Server:
        """Its name appears once it answers, and nobody but us can open it: others wait for the name."""
        place = self._plan.sockets / "keeper.new"
        server = await asyncio.start_unix_server(self._answer, place, limit=LONGEST_REQUEST)
        place.chmod(0o600)
        place.rename(self._plan.sockets / "keeper")
        return server

    def _start(self, order: Order) -> subprocess.Popen[bytes]:
        files: list[int] = []
        argv = list(order.argv)
        if order.memory:
            files.append(os.open(order.memory, os.O_RDONLY))
            argv = [f"fd:{files[0]}" if word == MEMORY else word for word in argv]
        name = f"{order.endpoint}-{order.machine}"
        process = self._held.enter_context(start(name, argv, order.complaints, self._ledger, files))
        for descriptor in files:
            os.close(descriptor)
        return process

    def _ended(self, watched: int, order: Order, process: subprocess.Popen[bytes]) -> None:
        asyncio.get_running_loop().remove_reader(watched)
        os.close(watched)
        process.wait()
        if (self._plan.folder / f"ended-{order.endpoint}").exists():
            return
        said = [plain(line) for line in order.complaints.read_text(errors="replace").splitlines() if line.strip()]
        # Warnings come with every start, and say nothing of its end.
        said = [line for line in said if "warning:" not in line] or said
        how = f"exit code {process.returncode}" if process.returncode >= 0 else f"signal {-process.returncode}"
        words = f"its QEMU ended ({how})" + (f": {said[-1][:200]}" if said else "")
        write_whole(self._plan.folder / f"ended-{order.endpoint}", words)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer, each a line of JSON. Only we can open the socket."""
        with contextlib.suppress(OSError, ValueError, asyncio.LimitOverrunError):
            request = json.loads(await reader.readline())
            try:
                answer = {"ok": True} | await self._do(request)
            except (KeyError, TypeError, ValueError, OSError) as error:
                answer = {"ok": False, "error": str(error)}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "open":
                await self._let_in(request["endpoint"])
            case "link":
                self._wires[request["link"]].change(**request["change"])
            case "capture":
                path = request["path"]
                self._wires[request["link"]].capture(Path(path) if path else None)
            case "links":
                return {"links": {name: _facts(wire) for name, wire in self._wires.items()}, "time": time.time()}
            case other:
                raise ValueError(f"the keeper does not know {other!r}")
        return {}

    async def _let_in(self, endpoint: str) -> None:
        if endpoint in self._open:
            return
        self._open.add(endpoint)
        for door in self._plan.doors:
            if door.endpoint == endpoint:
                await open_door(door)


def _facts(wire: Wire) -> dict[str, Any]:
    capture = wire.there.capture
    return {
        "conditions": asdict(wire.conditions),
        "there": asdict(wire.there.traffic),
        "back": asdict(wire.back.traffic),
        "capture": str(capture.path) if capture else None,
    }
