"""The table of systems and races: seconds of the simulated clock, or what went wrong.

PYTHONPATH=tests python -m support.consoles
"""

from __future__ import annotations

import time
from pathlib import Path

from labwright_nos import profile as profile_package
from labwright_nos.profile import load_profile
from labwright_nos.testing import Outcome, play, usual
from support.consoles import DEVICES


def cell(outcome: Outcome, race: str) -> str:
    if not outcome.well:
        return "FAILED"
    return f"{outcome.seconds:.0f}" if race == "none" or outcome.happened else "-"


def main() -> None:
    folder = Path(profile_package.__file__).parents[1] / "profiles"
    started = time.monotonic()
    names = [race.name for race in usual()]
    print("|", " | ".join(["system", *names]), "|")
    print("|---|", "---:|" * len(names), sep="")
    for name, device in DEVICES.items():
        profile = load_profile(folder / f"{name}.yaml")
        cells = [cell(play(profile, device, [race]), race.name) for race in usual()]
        print("|", " | ".join([name, *cells]), "|", flush=True)
    print(f"\nmade in {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
