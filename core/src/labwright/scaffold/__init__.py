"""New packages for drivers: `common` and a folder for each kind hold their files, with @WORDS@ to be filled in."""

from __future__ import annotations

from labwright.scaffold.kinds import KINDS, Kind
from labwright.scaffold.names import check_name
from labwright.scaffold.write import write_package

__all__ = ["KINDS", "Kind", "check_name", "write_package"]
