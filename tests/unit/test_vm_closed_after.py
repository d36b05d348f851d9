"""What ends a conversation in time, where the other end closes it at the very same moment."""

from __future__ import annotations

import threading
import time

import pytest

from labwright.vm.ssh import closed_after


class ClosedFromBothEnds:
    """As paramiko's channels are when the guest was faster: what they would send to close goes nowhere."""

    def close(self) -> None:
        raise EOFError


def test_that_it_is_closed_already_is_nobody_s_error(monkeypatch):
    unhandled: list[object] = []
    monkeypatch.setattr(threading, "excepthook", unhandled.append)
    with pytest.raises(TimeoutError), closed_after(ClosedFromBothEnds(), 0.01):
        time.sleep(0.2)
    assert unhandled == []
