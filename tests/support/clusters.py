"""A real scheduler and real workers of Dask, on loopback, as processes of their own."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from labwright.testing import workbench
from labwright.vm.accelerator import kvm_works
from support.builds import REPOSITORY, users_cache
from support.registry import free_port


@functools.cache
def known_of_kvm() -> str:
    """What labwright remembers where KVM does not work, which takes seconds to find out."""
    with tempfile.TemporaryDirectory() as folder:
        bench = workbench(Path(folder))
        # It counts as long as this machine runs.
        with contextlib.suppress(OSError):
            shutil.copy(users_cache() / "downloads/kvm.json", bench.downloads)
        kvm_works(bench)
        memory = bench.downloads / "kvm.json"
        return memory.read_text() if memory.exists() else ""


def remember_kvm(cache: Path) -> None:
    (cache / "downloads").mkdir(parents=True)
    if known := known_of_kvm():
        (cache / "downloads/kvm.json").write_text(known)


BIN = Path(sys.executable).parent
FAKE = (sys.executable, str(Path(__file__).with_name("fake_build.py")))
"""In place of labwright, on workers: see there."""


@dataclass
class Cluster:
    """folder: of logs, caches and what the fakes write. secure, worker_options: for TLS, empty for none."""

    folder: Path
    secure: tuple[str, ...] = ()
    worker_options: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    caches: set[str] = field(default_factory=set)

    @property
    def address(self) -> str:
        return f"{'tls' if self.secure else 'tcp'}://127.0.0.1:{self.port}"

    @property
    def deaths(self) -> Path:
        return self.folder / "deaths"

    @property
    def pids(self) -> Path:
        return self.folder / "pids"

    def start_scheduler(self) -> None:
        words = [BIN / "dask", "scheduler", "--host", self.address, "--dashboard-address", "127.0.0.1:0",
                 "--no-show"]  # fmt: skip
        self.scheduler = self._start([*words, *self.secure], "scheduler")
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self.scheduler.poll() is None, self.log("scheduler")
            time.sleep(0.1)
        raise AssertionError(self.log("scheduler"))

    def start_worker(self, name: str, *options: str | Path, **environment: str) -> subprocess.Popen[bytes]:
        """A worker that says that it works."""
        process = self.begin_worker(name, *options, **environment)
        self.wait_for(name)
        return process

    def start_workers(self, *names: str) -> None:
        """Workers for one build each, all at once."""
        for name in names:
            self.begin_worker(name, "--slots", "1")
        self.wait_for(*names)

    def begin_worker(self, name: str, *options: str | Path, **environment: str) -> subprocess.Popen[bytes]:
        """A worker with a cache of its own."""
        cache = environment.pop("LABWRIGHT_CACHE", "")
        if not cache:
            cache = str(self.folder / name)
            self.caches.add(cache)
            remember_kvm(Path(cache))
        words = [
            sys.executable,
            "-m",
            "labwright",
            "worker",
            "--scheduler",
            self.address,
            *self.worker_options,
            *options,
        ]
        variables = {"LABWRIGHT_CACHE": cache, "FAKE_WORKER": name, "DEATHS": str(self.deaths), "PIDS": str(self.pids)}
        process = self._start(words, name, **variables, **environment)
        self.workers.append(process)
        return process

    def wait_for(self, *names: str) -> None:
        until = time.monotonic() + 240
        while any("working for" not in self.log(name) for name in names):
            assert time.monotonic() < until, [self.log(name) for name in names]
            time.sleep(0.1)

    def _start(self, words: list[str | Path], name: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [str(word) for word in words], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=REPOSITORY,
                env=os.environ | {"PYTHONUNBUFFERED": "1"} | environment,
            )  # fmt: skip

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def stop(self) -> None:
        for process in [*self.workers, *([self.scheduler] if self.scheduler else [])]:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in [*self.workers, *([self.scheduler] if self.scheduler else [])]:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
        for cache in self.caches:
            # A worker that was killed, and its build with it, leaves what it held to whoever starts there next.
            words = [sys.executable, "-m", "labwright", "clean"]
            subprocess.run(words, check=True, capture_output=True, env=os.environ | {"LABWRIGHT_CACHE": cache})


@contextlib.contextmanager
def cluster(folder: Path, *secure: str) -> Iterator[Cluster]:
    folder.mkdir(parents=True, exist_ok=True)
    made = Cluster(folder, secure)
    try:
        made.start_scheduler()
        yield made
    finally:
        made.stop()
