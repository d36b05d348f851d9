"""Nights that are killed at a moment of their work on files, and run again: python crash_nights.py FOLDER EVERY.

Prints a line of JSON for each: the moment, and how the folder looked after the next run had come to its end.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from labwright.host.paths import Paths
from labwright.nightly.night import Listener, Rules
from labwright.nightly.places import Places
from labwright.nightly.prune import Keep
from labwright.nightly.whole import Wanted, nightly
from labwright.pipeline.workshop import Workshop
from labwright.plugins import hook_manager
from support.fake_executor import ContentLooker, FakeExecutor, failed

NEEDS = {"base": "", "broken": "", "top": "../base", "hopeless": "../broken", "apex": "../top"}
EVENTS = {"open", "os.rename", "os.mkdir", "os.symlink", "os.remove", "os.rmdir", "shutil.rmtree", "os.listdir"}


def images(folder: Path) -> Path:
    for slug, base in NEEDS.items():
        (folder / slug).mkdir(parents=True)
        build = {"type": "debian"} | ({"from": base} if base else {})
        facts = {"slug": slug, "description": slug, "build": build}
        (folder / slug / "image.meta.yaml").write_text(json.dumps(facts))
    return folder


def run(root: Path, described: Path, content: str) -> None:
    """One night. Its builds are a fake's; all that is done with files is what really happens."""
    made = {"base": content}
    executor = FakeExecutor(fates={"broken": [failed("guest")]}, content=made)
    wanted = Wanted(described, rules=Rules(pauses=()), keep=Keep(versions=2, nights=2))
    # The quarter of a second in which fsync waits for a disk would be all that this takes.
    os.fsync = lambda _: None
    workshop = Workshop(Paths(root.parent / "cache"), hook_manager()[0])
    nightly(wanted, Places(root), workshop, lambda: executor, ContentLooker(made), Listener())


def in_child(root: Path, described: Path, content: str, moment: int | None = None) -> bool:
    """Run a night in a process of its own, and kill that at its n-th touch of a file. Whether it came to its end."""
    child = os.fork()
    if child == 0:
        left = [moment]

        def touched(event: str, arguments: tuple[object, ...]) -> None:
            if left[0] is not None and event in EVENTS and str(root) in str(arguments[0]):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(touched)
        try:
            run(root, described, content)
            os._exit(0)
        except BaseException as error:
            print(f"night: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in {0, -signal.SIGKILL}, code
    return code == 0


def seen(root: Path) -> dict[str, object]:
    """What a reader finds: which version is in service, what the last night says, and every file that is there."""
    nights = sorted((root / "nights").glob("*/night.json"))
    last = json.loads(nights[-1].read_text())
    serving = {link.parent.name: (link / f"{link.parent.name}.qcow2").read_text()
               for link in root.glob("images/*/current")}  # fmt: skip
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    keys = ("slug", "state", "delivered", "failure")
    images = [{key: image[key] for key in keys} for image in last["images"]]
    return {"serving": serving, "files": files, "images": images, "night": last["number"], "finished": last["finished"]}


def main(folder: Path, every: int) -> None:
    described = images(folder / "images")
    before = folder / "before"
    for content in "12":
        assert in_child(before, described, content)
    moment = 0
    while True:
        root = folder / f"nights-{moment}"
        shutil.copytree(before, root, symlinks=True)
        # The paths in reports' places are relative, so a copy is as good as the first.
        whole = in_child(root, described, "3", None if moment == 0 else moment)
        # What is killed after its last record was whole, and the next run is another night.
        record = root / "nights/0003/night.json"
        over = record.exists() and json.loads(record.read_text())["finished"]
        ended = over or in_child(root, described, "3")
        found = seen(root)
        if over:
            # Half a page: the next night removes it and writes the page again.
            found["files"] = [name for name in found["files"] if not name.endswith(".partial")]
        print(json.dumps({"moment": moment, "killed": not whole, "ended": ended} | found), flush=True)
        shutil.rmtree(root)
        if moment and whole:
            return
        moment += 1 if moment == 0 else every


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
