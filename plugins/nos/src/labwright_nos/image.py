"""What a first boot needs of an image's description: checked before anything runs, and made values for templates."""

from __future__ import annotations

import re
from pathlib import Path

from labwright.errors import Cause, LabwrightError
from labwright.finish.machine import crypted
from labwright.interfaces import DiskRequest, ImageSpec, Workbench
from labwright.spec.secret import read_secret
from labwright_nos.profile.model import Credentials, Profile

TYPED = re.compile(r"[A-Za-z0-9._+=,@%/-]{1,64}")
"""Passwords that no command line takes for anything else: a question mark asks IOS for help, a blank ends a word."""
LARGEST = 1024 * 1024
"""Bytes of a configuration."""


def check_image(profile: Profile, image: ImageSpec, folder: Path) -> None:
    """Raise LabwrightError (config) for what this system cannot have, or a console cannot take. folder: the image's."""
    interface_names(profile, image)
    _check_passwords(image)
    login = image.build.login
    if login is not None:
        read_secret(login.password, "build.login.password", folder)
    if image.build.configuration and profile.napalm is None:
        raise LabwrightError(
            f"{image.slug}: build.configuration is merged by NAPALM, which has no driver for {profile.title}",
            cause=Cause.CONFIG,
            hint="take it out; what the console can do is in the profile",
        )
    if image.build.configuration:
        configuration_text(folder / image.build.configuration)
    if image.build.private_files and profile.files is None:
        raise LabwrightError(
            f"{image.slug}: the profile of {profile.title} does not say how files get in",
            cause=Cause.CONFIG,
            hint="take build.privateFiles out, or add `files` to the profile",
        )


def interface_names(profile: Profile, image: ImageSpec) -> tuple[str, ...]:
    """The system's names of the image's data interfaces. Raises LabwrightError (config) for more than it can have."""
    try:
        return profile.interfaces.named(len(image.network_interfaces))
    except ValueError as error:
        raise LabwrightError(
            f"{image.slug}: networkInterfaces: {profile.title}: {error}", cause=Cause.CONFIG, hint="take some out"
        ) from error


def configuration_text(path: Path) -> str:
    """The text of a configuration. Raises LabwrightError (config) naming the file."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LabwrightError(
            f"{path} is no text that can be read: {error}", cause=Cause.CONFIG, hint="save it as UTF-8"
        ) from error
    if len(data) > LARGEST or "\0" in text:
        raise LabwrightError(
            f"{path} is no configuration of at most 1 MiB", cause=Cause.CONFIG, hint="is it the right file?"
        )
    return text


def values_of(profile: Profile, image: ImageSpec, bench: Workbench) -> dict[str, object]:
    """What templates may use. Raises LabwrightError (config) for what check_image refuses."""
    interfaces = interface_names(profile, image)
    _check_passwords(image)
    passwords = _passwords(image)
    hashes = {
        f"{who}_password_hash": crypted(password, f"{image.slug} {who}", bench) for who, password in passwords.items()
    }
    return {
        "ssh_user": image.ssh_user,
        "config_user": image.config_user,
        "hostname": image.slug,
        "management": profile.interfaces.management,
        "interfaces": list(interfaces),
        "forwarding": image.enable_forwarding,
        **{f"{who}_password": password for who, password in passwords.items()},
        **hashes,
    }


def _passwords(image: ImageSpec) -> dict[str, str]:
    return {"ssh": image.ssh_password.get_secret_value(), "config": image.config_password.get_secret_value()}


def _check_passwords(image: ImageSpec) -> None:
    for who, password in _passwords(image).items():
        if not TYPED.fullmatch(password):
            raise LabwrightError(
                f"{image.slug}: {who}Password cannot be typed on a console",
                cause=Cause.CONFIG,
                hint="use at most 64 letters, digits and . _ + = , @ % / -: command lines take others for their own",
            )


def logins_of(profile: Profile, request: DiskRequest) -> tuple[Credentials, ...]:
    """The logins to try: the one in build.login first. Raises LabwrightError (config) for a missing password."""
    login = request.image.build.login
    if login is None:
        return profile.console.credentials
    password = read_secret(login.password, "build.login.password", request.folder).decode(errors="replace").rstrip("\n")
    return (Credentials(user=login.user, password=password), *profile.console.credentials)
