"""image.meta.yaml: the Antidote platform's fields, and ours under `build:`."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from labwright.spec.secret import check_reference

SLUG = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
USER_NAME = r"^[a-z_][a-z0-9_-]{0,31}$"
LINUX_INTERFACE_NAME = re.compile(r"[A-Za-z0-9._-]{1,15}")
INTERFACE_NAME = re.compile(r"[A-Za-z0-9._-]{1,15}|[A-Za-z0-9-]{1,20}(/[0-9]{1,3}){1,4}(:[0-9]{1,2})?")
"""Linux's, or a device's: Ethernet1/1, ge-0/0/0, GigabitEthernet0/0/0/1, xe-0/0/0:1."""
NAME = r"^[a-z][a-z0-9-]{0,15}$"
"""Of the parts of a device."""
PACKAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]+")
Visibility = Literal["public", "private"]
PLACE = re.compile(r"(/[^/\x00-\x1f\x7f]+)+")
DEFAULT_DISK = 2
"""GiB of a disk that is made from nothing."""
UNFIT_FOR_SOURCES = re.compile(r"[\s\[\]\"'#\x00-\x1f\x7f]")
"""What apt's sources.list(5) would read as something else."""


class Strict(BaseModel):
    """Unknown keys are refused, values are not converted, objects do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PrivateFile(Strict):
    """A file such as a licence: it reaches the image and nothing else."""

    source: str = Field(alias="from", description="env:NAME or file:/path, outside of this folder.")
    path: str = Field(description="Its absolute path in the image.")
    owner: str = Field("root", pattern=USER_NAME, description="Its owner in the image.")
    group: str = Field("root", pattern=USER_NAME, description="Its group in the image.")
    mode: str = Field("0600", pattern=r"^0[0-7]{3}$", description="Its mode, four octal digits in quotes.")

    _reference = field_validator("source")(check_reference)

    @field_validator("path")
    @classmethod
    def _place(cls, path: str) -> str:
        if not PLACE.fullmatch(path) or {".", ".."} & set(path.split("/")):
            raise ValueError("an absolute path without . and .. is wanted")
        return path


class LoginSpec(Strict):
    """How to log in to the disk that an image is made from, where it has to be booted for that."""

    user: str = Field(pattern=USER_NAME, description="A user that is root or may use sudo.")
    password: str = Field(description="env:NAME or file:/path, outside of this folder.")

    _reference = field_validator("password")(check_reference)


class BuildSpec(Strict):
    """How labwright makes the image. The platform ignores this key."""

    type: str = Field(pattern=SLUG, description="Image type: the name of a driver (labwright plugins list).")
    release: str | None = Field(None, pattern=r"^[a-z0-9.-]+$", description="Release; by default the driver's.")
    bootstrap: Literal["auto", "debootstrap", "mmdebstrap"] = Field("auto", description="Tool that makes the tree.")
    mirror: str | None = Field(None, description="Package mirror; by default the one this machine is set up for.")
    security_mirror: str | None = Field(
        None, alias="securityMirror", description="Mirror of security updates; 'none' for none."
    )
    keyring: str | None = Field(None, description="File with the keys that sign the mirror's lists and packages.")
    unsigned_lists: bool = Field(
        False, alias="unsignedLists", description="Take a mirror whose lists are not signed; its packages still are."
    )
    snapshot: str = Field(
        "", pattern=r"^([0-9]{4}-?[0-9]{2}-?[0-9]{2}(T[0-9]{6}Z|\.[0-9]{1,3})?)?$",
        description="Date of a snapshot mirror, or the number of a compose.",
    )  # fmt: skip
    packages: tuple[str, ...] = Field((), description="Packages beside the base set.")
    disk_size: Annotated[int, Field(ge=1, le=2048)] | None = Field(
        None, alias="diskSize", description="Disk size in GiB; by default 2, or that of the disk in from."
    )
    source: str | None = Field(
        None, alias="from", description="Disk image to start from, instead of from nothing; or the folder of an image."
    )
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="Hash of that disk image: you vouch for exactly this one."
    )
    partition: Annotated[int, Field(ge=1, le=128)] | None = Field(
        None, description="Partition of its root, where more than one holds a system."
    )
    login: LoginSpec | None = Field(None, description="How to log in to that disk, where it has to be booted.")
    disks: dict[Annotated[str, Field(pattern=NAME)], str] = Field(
        {}, description="The other disks of a device with several, by the names in its profile."
    )
    quick_launch: bool = Field(
        False,
        alias="quickLaunch",
        description="Keep a snapshot of the booted device in its disk.",
    )
    configuration: str | None = Field(
        None, description="Configuration of a network OS in this folder, merged into it by NAPALM."
    )
    playbook: str | None = Field(None, description="Ansible playbook in this folder, run as root in the image.")
    pre: tuple[str, ...] = Field((), description="Shell scripts in this folder, run as root before the playbook.")
    post: tuple[str, ...] = Field((), description="Shell scripts in this folder, run as root after the playbook.")
    private_files: tuple[PrivateFile, ...] = Field((), alias="privateFiles", description="Files such as licences.")
    visibility: Visibility = Field(
        "public", description="private: it goes to registries for our own people only, never to a public one."
    )

    @field_validator("packages")
    @classmethod
    def _package_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not PACKAGE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a package name")
        return names

    @field_validator("configuration", "playbook", "pre", "post")
    @classmethod
    def _beside_this_file(cls, names: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for name in (names,) if isinstance(names, str) else names or ():
            if not PLACE.fullmatch(f"/{name}") or {".", ".."} & set(name.split("/")):
                raise ValueError(f"{name!r} is not the path of a file below this folder")
        return names

    @model_validator(mode="after")
    def _facts_of_a_source(self) -> BuildSpec:
        needless = [name for name in ("sha256", "partition", "login", "disks") if getattr(self, name)]
        if self.source is None and needless:
            raise ValueError(f"{needless[0]} is about a disk to start from, and there is no build.from")
        return self

    @property
    def customized(self) -> bool:
        """Whether the image's author has more done than a bootstrap does."""
        return bool(self.playbook or self.pre or self.post or self.private_files)

    @field_validator("mirror", "security_mirror")
    @classmethod
    def _mirror(cls, url: str | None) -> str | None:
        if url is None or url == "none":
            return url
        check_mirror_url(url)
        return url.rstrip("/")

    @field_validator("keyring")
    @classmethod
    def _keyring(cls, path: str | None) -> str | None:
        if path is not None and (not path or UNFIT_FOR_SOURCES.search(path)):
            raise ValueError("a keyring is the path of a file, without blanks, quotes and brackets")
        return path


def check_mirror_url(url: str) -> None:
    """Raises ValueError unless apt can read the URL and it holds no credentials; the message does not repeat it."""
    wanted = "a mirror is an http://, https:// or file:/ URL"
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise ValueError(wanted) from None
    # A metalink is asked for by a query, and leads to mirrors.
    if UNFIT_FOR_SOURCES.search(url) or (parts.query and not parts.path.endswith("/metalink")):
        raise ValueError(wanted)
    if "@" in parts.netloc or (parts.scheme in {"http", "https"} and not host and "@" in url):
        raise ValueError("a mirror with a password would end up in the image: put it in apt's auth.conf instead")
    network = parts.scheme in {"http", "https"} and host
    local = parts.scheme in {"file", "copy"} and not parts.netloc and parts.path.startswith("/")
    if not network and not local:
        raise ValueError(wanted)


class ImageSpec(Strict):
    """One image, as its author wrote it."""

    slug: str = Field(pattern=SLUG, max_length=63, description="Name of the image; the folder's name.")
    description: str = Field(min_length=1, description="One line for people.")
    flavor: Literal["trusted", "untrusted", "legacy"] = Field("trusted", description="How the platform runs it.")
    enable_forwarding: bool = Field(False, alias="enableForwarding", description="Let it forward packets.")
    network_interfaces: tuple[str, ...] = Field(
        (), alias="networkInterfaces", description="Data interfaces in bus order, after the management one, eth0."
    )
    ssh_user: str = Field("antidote", alias="sshUser", pattern=USER_NAME, description="Login.")
    ssh_password: SecretStr = Field(SecretStr("antidotepassword"), alias="sshPassword", description="Its password.")
    config_user: str = Field(
        "antidote", alias="configUser", pattern=USER_NAME, description="User that lessons are configured as."
    )
    config_password: SecretStr = Field(
        SecretStr("antidotepassword"), alias="configPassword", description="Its password."
    )
    build: BuildSpec = Field(description="How labwright makes the image.")

    @field_validator("network_interfaces")
    @classmethod
    def _interface_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name == "eth0":
                raise ValueError("eth0 is the management interface; list only the interfaces after it")
            if name in {".", ".."} or not INTERFACE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not an interface name, such as eth1 or ge-0/0/0")
        if len(set(names)) != len(names):
            raise ValueError("an interface is listed twice")
        return names

    @field_validator("ssh_password", "config_password")
    @classmethod
    def _password_fits_one_line(cls, secret: SecretStr) -> SecretStr:
        if not secret.get_secret_value() or re.search(r"[\x00-\x1f\x7f:]", secret.get_secret_value()):
            raise ValueError("a password is not empty and has no colon or control character")
        return secret
