"""Jobs at once, and Ctrl-C in the middle of them."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from labwright.lesson.configure import STOPPED, all_at_once


def nobody_has_died(name: str) -> None:
    return None


def test_the_results_are_in_the_order_of_the_items():
    def work(item, stop_for):
        time.sleep(item)
        return item

    assert all_at_once([0.2, 0.1, 0.0], work, nobody_has_died) == (0.2, 0.1, 0.0)


def test_ctrl_c_is_raised_after_the_last_job_has_ended():
    """Before Python 3.13 a join() that Ctrl-C interrupts takes the thread for ended: its copy went under the job."""
    ended, begun = [], threading.Barrier(4)

    def work(item, stop_for):
        stop = stop_for("")
        begun.wait(80)
        while stop() is None:
            time.sleep(0.01)
        assert stop().what == STOPPED
        # Its children are ended, its file system is unmounted.
        time.sleep(item / 10)
        ended.append(item)

    def interrupt() -> None:
        begun.wait(80)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        all_at_once([3, 1, 2], work, nobody_has_died)
    assert sorted(ended) == [1, 2, 3]
