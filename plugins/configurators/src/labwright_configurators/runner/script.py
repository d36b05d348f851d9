"""python .../runner/script.py FILE: as labwright_configurators.order describes."""

import sys

del sys.path[0]

from labwright_configurators.order import start  # noqa: E402 - not before what lies beside us is out of the way

start(globals())
