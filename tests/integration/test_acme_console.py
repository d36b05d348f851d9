"""The terminal that the end-to-end test of a third party puts into its device fits the profile that is generated."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest
from support import acme_console

from labwright.interfaces import ImageSpec
from labwright.scaffold import KINDS, write_package
from labwright_nos.dialogue.after import wait_until_ready
from labwright_nos.dialogue.commands import run_commands, synchronise
from labwright_nos.dialogue.console import Console
from labwright_nos.dialogue.engine import first_boot
from labwright_nos.dialogue.session import Restarted, Session
from labwright_nos.dialogue.transcript import Transcript
from labwright_nos.image import values_of
from labwright_nos.profile.load import load_profile

SYSTEM = "#!/bin/sh\n(echo $*; [ $1 = halt ] || echo $(cat)) >> $0.did\n"


class Terminal:
    """The other end of its terminal, as labwright-nos wants it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def receive(self, seconds: float) -> bytes | None:
        if not select.select([self.descriptor], [], [], seconds)[0]:
            return b""
        try:
            return os.read(self.descriptor, 65536) or None
        except OSError:
            return None

    def send(self, data: bytes) -> None:
        os.write(self.descriptor, data)


@pytest.fixture
def system(tmp_path) -> Path:
    """Writes down what the console has it do."""
    place = tmp_path / "system"
    place.write_text(SYSTEM)
    place.chmod(0o755)
    return place


@pytest.fixture
def played(bench, tmp_path, system):
    package = write_package("acme", KINDS["nos-profile"], tmp_path)
    profile = load_profile(package / "src/labwright_acme/acme.yaml")
    image = ImageSpec.model_validate({"slug": "sample", "description": "A sample", "build": {"type": "acme"}})
    near, far = pty.openpty()
    device = subprocess.Popen([sys.executable, acme_console.__file__, system], stdin=far, stdout=far, stderr=far)
    os.close(far)
    transcript = Transcript(tmp_path / "console.log", [])
    console = Console(Terminal(near), transcript)
    session = Session(profile, console, values_of(profile, image, bench), profile.console.credentials, lambda _: None)
    yield session, device
    device.kill()
    device.wait()
    os.close(near)
    transcript.close()


def test_it_is_taken_through_its_first_boot_and_switched_off(played, system):
    session, device = played
    assert first_boot(session)[0] == "power-on"
    wait_until_ready(session)
    commands = session.profile.shutdown.commands
    synchronise(session, commands.prompt, "off")
    with contextlib.suppress(Restarted):
        run_commands(session, commands, "off")
    device.wait(10)
    user, password, halt = system.with_name("system.did").read_text().splitlines()
    assert (user, halt) == ("user antidote", "halt")
    assert password.startswith("$6$")
