"""Opens a disk by the way that is named."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from labwright.guest.appliance import appliance_guest
from labwright.guest.booted import booted_guest
from labwright.guest.boots import firmwares_of
from labwright.guest.content import find_root, read_content
from labwright.guest.guest import Guest
from labwright.guest.mounted import mounted_guest
from labwright.guest.way import APPLIANCE, BOOTED
from labwright.interfaces import DiskRequest, Workbench
from labwright.spec.secret import read_secret
from labwright.vm.accelerator import choose_accelerator, kvm_works


@contextlib.contextmanager
def enter(request: DiskRequest, bench: Workbench) -> Iterator[Guest]:
    """The guest of a request, entered; what is written in it is on the disk afterwards. Raises LabwrightError."""
    if request.method == BOOTED:
        firmware = firmwares_of(request.disk, bench)[0]
        user, password = login(request)
        with booted_guest(request.disk, firmware, user, password, choose_accelerator(bench), bench) as guest:
            yield guest
    else:
        with enter_disk(request.disk, request.method, request.image.build.partition, bench) as guest:
            yield guest


@contextlib.contextmanager
def enter_disk(disk: Path, method: str, partition: int | None, bench: Workbench, fresh: bool = True) -> Iterator[Guest]:
    """The system on a disk that does not run. partition: of its root, where the user says it. fresh: see mounted_guest.

    Raises LabwrightError.
    """
    content = read_content(disk, bench)
    if method == APPLIANCE:
        with appliance_guest(content, partition, kvm_works(bench)[0], bench) as guest:
            yield guest
    else:
        with mounted_guest(content, find_root(content, partition, bench), bench, fresh) as guest:
            yield guest


def login(request: DiskRequest) -> tuple[str, str]:
    """User and password of a disk that is booted: those of build.login, or those that the image gets anyway."""
    given = request.image.build.login
    if given is None or not request.prepare:
        return request.image.ssh_user, request.image.ssh_password.get_secret_value()
    secret = read_secret(given.password, "build.login.password", request.folder)
    return given.user, secret.decode(errors="replace").rstrip("\n")
