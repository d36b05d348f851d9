"""The doctor and the accelerator really try what they speak of, and leave nothing behind."""

from __future__ import annotations

import json
import os

import pytest
from support import builds

from labwright.vm.accelerator import try_accelerator


def test_the_tiny_guest_runs_under_emulation():
    seconds, failure = try_accelerator("tcg", 60)
    assert failure == ""
    assert seconds > 0


def test_an_accelerator_that_does_not_work_is_a_reason_not_a_crash():
    seconds, failure = try_accelerator("xen", 10)
    assert seconds == 0
    assert failure


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: loop devices and mounts are tried")
def test_the_doctor_tries_everything_and_leaves_nothing(cli, own_cache, tmp_path):
    done = cli("doctor", "--json", TMPDIR=str(tmp_path))
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert findings["tools"]["state"] == "ok"
    assert findings["Debian mirror"]["state"] == "ok"
    assert findings["loop device at an offset"]["state"] == "ok"
    for finding in findings.values():
        assert finding["state"] == "ok" or (finding["meaning"] and finding["remedy"])
    assert builds.loop_devices(tmp_path) == set()
    assert list((own_cache / "ledger").iterdir()) == []


def test_help_and_completion_and_module(cli):
    assert cli("--help").returncode == 0
    assert cli("--version").stdout.startswith("labwright 0.")
    for command in ("build", "plan", "test", "kernel", "plugins", "doctor", "clean", "cache", "schema"):
        assert cli(command, "--help").returncode == 0
    assert "install-completion" in cli("--help").stdout


def test_nothing_was_left_behind_is_said(cli):
    assert cli("clean").stdout.strip() == "nothing was left behind"
