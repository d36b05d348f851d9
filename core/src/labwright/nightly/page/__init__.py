"""What people and programs see of the nights: a page a night, the index of them, index.json, metrics."""

from labwright.nightly.page.metrics import write_metrics
from labwright.nightly.page.pages import write

__all__ = ["write", "write_metrics"]
