"""A FAKE of `labwright build`, for tests of the cluster: a disk and a report in a moment, and faults on demand.

What it does is in the image's folder, in a file `behaviour`, a word a line:
    die N          the worker that runs it is killed, as often as N times; each adds a line to the file DEATHS names
    full NAME      the disk of the worker NAME is full
    fail           an error, as a build says it
    hold PATH      it makes that folder and writes it down as held, and is not going to give it back
    sleep SECONDS  its process id is written to the file PIDS names, then it sleeps
    stray          it ends without a word
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def tell(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def error(what: str, cause: str) -> None:
    log = Path(os.environ["LABWRIGHT_CACHE"], "logs", "fake.txt")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("the whole log of a fake\n")
    tell(kind="error", what=what, cause=cause, hint="a hint", details=["the last line"], log=str(log))
    sys.exit(6)


def main(words: list[str]) -> None:
    folder, out = Path(words[1]), Path(words[words.index("--out") + 1])
    base = Path(words[words.index("--base") + 1]) if "--base" in words else None
    slug = folder.name
    tell(kind="step-started", image=slug, step="fake", text="a fake step")
    for line in (folder / "behaviour").read_text().splitlines():
        word, _, value = line.partition(" ")
        behave(word, value)
    tell(kind="progress", image=slug, text="nearly done")
    tell(kind="step-finished", image=slug, step="fake", text="a fake step", outcome="ran", seconds=0.1)
    disk = out / f"{slug}.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "1M"], check=True)
    made_of = sorted(path.name for path in base.iterdir()) if base else []
    report = {
        "labwright": "0.1.0", "image": slug, "type": "debian", "sha256": hashlib.sha256(disk.read_bytes()).hexdigest(),
        "bytes": disk.stat().st_size, "private": [], "visibility": "public", "made of": made_of,
        "worker": os.environ.get("FAKE_WORKER", ""), "seen": sorted(path.name for path in folder.iterdir()),
        "secret": os.environ.get("FAKE_SECRET", ""),
    }  # fmt: skip
    (out / f"{slug}.json").write_text(json.dumps(report))
    tell(kind="result", image=str(disk))


def behave(word: str, value: str) -> None:
    if word == "die":
        deaths = Path(os.environ["DEATHS"])
        with deaths.open("a") as stream:
            stream.write(f"{os.environ['FAKE_WORKER']}\n")
        if len(deaths.read_text().splitlines()) <= int(value):
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
    elif word == "full" and os.environ["FAKE_WORKER"] in value.split():
        error("the disk is full", "disk full")
    elif word == "fail":
        error("the guest does not come up", "guest")
    elif word == "sleep":
        with Path(os.environ["PIDS"]).open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        time.sleep(float(value))
    elif word == "hold":
        # Here, since only one test pays for it.
        from labwright.host.ledger import Ledger

        Ledger(Path(os.environ["LABWRIGHT_CACHE"], "ledger")).write("folder", value)
        Path(value).mkdir()
    elif word == "stray":
        sys.exit(3)


if __name__ == "__main__":
    main(sys.argv[1:])
