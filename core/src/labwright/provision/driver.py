"""Provisioning of a Linux image: the template that drivers fill in with the families that they know."""

from __future__ import annotations

from typing import ClassVar

from labwright.guest.content import Release, parse_release
from labwright.guest.guest import Guest
from labwright.guest.way import APPLIANCE, BOOTED, MOUNTED, VIRT_CUSTOMIZE
from labwright.interfaces import DiskRequest, Provisioned, Provisioner, Workbench
from labwright.provision.customize import by_virt_customize
from labwright.provision.enter import enter
from labwright.provision.family import Family, family_of
from labwright.provision.playbook import run_playbook
from labwright.provision.private import put_private
from labwright.provision.script import base_script, quiet_script, seal_script

LONGEST = 300
RELEASE = "cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release"


class LinuxProvisioner(Provisioner):
    """A Linux image by any way in. families: those that it takes, and what each needs."""

    families: ClassVar[tuple[Family, ...]]
    ways: ClassVar[tuple[str, ...]] = (MOUNTED, APPLIANCE, BOOTED, VIRT_CUSTOMIZE)

    def provision(self, request: DiskRequest, bench: Workbench) -> Provisioned:
        """Base, the author's part, seal: the same commands in the same order, whatever the way in."""
        if request.method == VIRT_CUSTOMIZE:
            return by_virt_customize(request, self.families, bench)
        with enter(request, bench) as guest:
            return self._in_guest(request, guest, bench)

    def _in_guest(self, request: DiskRequest, guest: Guest, bench: Workbench) -> Provisioned:
        release = parse_release(guest.script(RELEASE, "the image does not say what it is").output)
        family = family_of(release, self.families)
        live = guest.method == BOOTED
        guest.lend_certificates()
        if request.prepare:
            bench.say(f"{release.title}: base set, packages and login")
            guest.script(base_script(request.image, family), "preparing the image failed")
        if request.customize:
            guest.script(quiet_script(family), "the image cannot be written")
            put_private(request.image, request.private, guest)
            run_playbook(request.image, request.folder, guest, bench)
        listed = guest.script(family.listed, "the packages cannot be listed").output
        systemd = guest.execute(["sh", "-c", "command -v systemctl"]).code == 0
        if request.seal:
            bench.say("sealing: what clones must not share goes")
            guest.script(seal_script(family, live), "sealing the image failed")
        return provisioned(release, listed, systemd)


def provisioned(release: Release, listed: str, systemd: bool) -> Provisioned:
    """The facts of a guest from what it answered; lines that are no name and version are left out."""
    pairs = (line.split() for line in listed.splitlines() if line.isprintable() and len(line) < LONGEST)
    return Provisioned(release.title, systemd, tuple(sorted((pair[0], pair[1]) for pair in pairs if len(pair) == 2)))
