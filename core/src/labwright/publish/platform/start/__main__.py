"""The container's entry point; with the word `health`, its health check."""

from __future__ import annotations

import sys

from labwright.publish.platform.start.health import healthy
from labwright.publish.platform.start.run import main

if __name__ == "__main__":
    sys.exit(0 if healthy() else 1) if sys.argv[1:] == ["health"] else sys.exit(main())
