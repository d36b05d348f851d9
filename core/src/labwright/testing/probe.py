"""Run by a Python of its own: import a module, and write down what that did to the process.

Standard input: JSON with `path` (sys.path), `module` and `result`, the file to write.
"""

from __future__ import annotations

import importlib
import json
import locale
import logging
import os
import random
import signal
import socket
import sys
import threading
import time
from pathlib import Path


def state() -> dict[str, object]:
    """What all code of a process shares, by a name for people. Values are compared, never shown."""
    umask = os.umask(0o022)
    os.umask(umask)
    root = logging.getLogger()
    return {
        "the working folder": str(Path.cwd()),
        "the umask": umask,
        "environment variables": dict(os.environ),
        "signal handlers": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "sys.path": list(sys.path),
        "sys.excepthook": sys.excepthook,
        "sys.stdout or sys.stderr": (sys.stdout, sys.stderr),
        "running threads": threading.active_count(),
        "handlers or level of the root logger": (list(root.handlers), root.level),
        "the default timeout of sockets": socket.getdefaulttimeout(),
        "the locale": locale.setlocale(locale.LC_ALL),
        "the state of random": random.getstate(),
    }


def others_turn() -> float:
    """Seconds in which this thread could have run and others did. 0 where the kernel does not count them."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def main() -> None:
    """Import it and say what changed."""
    asked = json.load(sys.stdin)
    sys.path[:] = asked["path"]
    # So that its time and its effects are not counted as the module's.
    importlib.import_module("labwright.interfaces")
    # Whoever asks has imported it too, and hands down what it changed then.
    os.umask(0o022)
    before = state()
    started, others = time.perf_counter(), others_turn()
    importlib.import_module(asked["module"])
    # What a busy host takes is not the module's; what it sleeps or asks the network for is.
    seconds = time.perf_counter() - started - (others_turn() - others)
    after = state()
    changed = [name for name, value in before.items() if after[name] != value]
    Path(asked["result"]).write_text(json.dumps({"seconds": seconds, "changed": changed}))


if __name__ == "__main__":
    main()
