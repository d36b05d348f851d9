"""image.meta.yaml as the Antidote platform reads it, of images that labwright need not be able to make."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator

from labwright.spec.lenient import Lenient
from labwright.spec.lesson import ImageSlug

FILE = "image.meta.yaml"


class PlatformImage(Lenient):
    """What a lesson needs to know of an image: how to get in, and what its interfaces are called."""

    slug: ImageSlug = Field(description="Name of the image.")
    description: str | None = Field(None, description="One line for people.")
    flavor: Literal["trusted", "untrusted", "legacy"] = Field("trusted", description="How the platform runs it.")
    enable_forwarding: bool = Field(False, alias="enableForwarding", description="Let it forward packets.")
    network_interfaces: tuple[str, ...] = Field(
        (), alias="networkInterfaces", description="Data interfaces in bus order, after the management one, eth0."
    )
    ssh_user: str = Field("antidote", min_length=1, alias="sshUser", description="Login.")
    ssh_password: SecretStr = Field(
        SecretStr("antidotepassword"), min_length=1, alias="sshPassword", description="Its password."
    )
    config_user: str = Field(
        "antidote", min_length=1, alias="configUser", description="User that lessons are configured as."
    )
    config_password: SecretStr = Field(
        SecretStr("antidotepassword"), min_length=1, alias="configPassword", description="Its password."
    )
    build: Any = Field(None, repr=False, description="How labwright makes it; labwright.spec.image reads that.")

    @field_validator("network_interfaces")
    @classmethod
    def _no_management_interface(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if "eth0" in names:
            raise ValueError("eth0 is the management interface; list only the interfaces after it")
        return names
