"""Opens a request's disk by the way that it names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from labwright.guest.appliance import appliance_guest
from labwright.guest.booted import booted_guest
from labwright.guest.content import find_root, read_content
from labwright.guest.guest import Guest
from labwright.guest.mounted import mounted_guest
from labwright.guest.way import APPLIANCE, BOOTED
from labwright.interfaces import DiskRequest, Workbench
from labwright.spec.secret import read_secret
from labwright.vm.accelerator import choose_accelerator


@contextlib.contextmanager
def enter(request: DiskRequest, bench: Workbench) -> Iterator[Guest]:
    """The guest, entered; what is written in it is on the disk afterwards. Raises LabwrightError."""
    build = request.image.build
    content = read_content(request.disk, bench)
    if request.method == BOOTED:
        user, password = login(request)
        with booted_guest(request.disk, user, password, choose_accelerator(bench), bench) as guest:
            yield guest
    elif request.method == APPLIANCE:
        kvm = choose_accelerator(bench).name == "kvm"
        with appliance_guest(request.disk, build.partition, kvm, bench) as guest:
            yield guest
    else:
        with mounted_guest(content, find_root(content, build.partition, bench), bench) as guest:
            yield guest


def login(request: DiskRequest) -> tuple[str, str]:
    """User and password of a disk that is booted: those of build.login, or those that the image gets anyway."""
    given = request.image.build.login
    if given is None or not request.prepare:
        return request.image.ssh_user, request.image.ssh_password.get_secret_value()
    secret = read_secret(given.password, "build.login.password", request.folder)
    return given.user, secret.decode(errors="replace").rstrip("\n")
