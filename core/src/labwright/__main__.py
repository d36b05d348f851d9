"""python -m labwright."""

from labwright.cli.app import main

main()
