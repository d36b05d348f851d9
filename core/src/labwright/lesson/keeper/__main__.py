"""python -m labwright.lesson.keeper FOLDER: holds a lab until it is told to end it."""

from __future__ import annotations

import sys
from pathlib import Path

from labwright.lesson.keeper.keep import main

main(Path(sys.argv[1]))
