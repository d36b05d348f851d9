"""For tests of profiles: simulated devices, the races that users met, and `play`, which takes one through the other.

A simulated device stands for a vendor's image that a test cannot have. It says what somebody knows of the vendor's
first boot, so a profile that passes is one that fits that knowledge; docs/nos-profiles.md shows how to write both.
"""

from labwright_nos.testing.cli import Cli, Mode, Shell, forgets, goes, notes, says
from labwright_nos.testing.device import Ask, Device, Memory, Off, Program, Restart, Say, Surprise
from labwright_nos.testing.play import GIVEN, Outcome, play
from labwright_nos.testing.races import Race, Reboots, Storm, usual

__all__ = [
    "GIVEN", "Ask", "Cli", "Device", "Memory", "Mode", "Off", "Outcome", "Program", "Race", "Reboots", "Restart", "Say",
    "Shell", "Storm", "Surprise", "forgets", "goes", "notes", "play", "says", "usual",
]  # fmt: skip
