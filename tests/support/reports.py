"""Reports of builds, as labwright build writes them, with the versions that are hard to write down."""

from __future__ import annotations

from typing import Any

SHA = "ab" * 32
PRIVATE_INPUTS = {"password": "71ca78", "build.mirror": "http://cache.school.internal/debian", "source": "c0" * 32}


def pin(name: str, version: str, architecture: str = "amd64", mirror: str = "archive") -> dict[str, Any]:
    path = f"pool/main/{name[0]}/{name}/{name}.deb"
    sha256 = name.encode().hex().ljust(64, "0")[:64]
    return {"name": name, "version": version, "architecture": architecture, "sha256": sha256, "size": 7,
            "mirror": mirror, "path": path}  # fmt: skip


def step(name: str, **inputs: str) -> dict[str, Any]:
    return {"key": f"key-of-{name}", "digest": "d1" * 32, "inputs": inputs, "seconds": 1.0, "disk": 1, "memory": 1}


def debian(**more: object) -> dict[str, Any]:
    """An image that was made from nothing."""
    return {
        "labwright": "0.1.0", "image": "leaf", "type": "debian", "user": "antidote", "interfaces": ["eth0"],
        "sha256": SHA, "bytes": 5, "ours": True, "memory": 128, "locked": True, "host": "x86_64",
        "release": "bookworm", "kernel": "6.1.192-labwright", "source_date_epoch": 1793624159,
        "tests": {"accelerator": {"name": "tcg"}},
        "steps": {"kernel": step("kernel", **{"kernel configuration": "7c" * 32}), "tree": step("tree", password="x")},
        "pins": {
            "lock": 1, "type": "debian", "release": "bookworm", "snapshot": "", "asked": ["bsdutils"],
            "mirrors": {"archive": "http://mirror.example/debian", "security": "file:/srv/secret-place/debian"},
            "kernel_source": pin("linux-source-6.1", "6.1.192-2", "all", "security"),
            "packages": [
                pin("bsdutils", "1:2.38.1-5+deb12u3"), pin("ca-certificates", "20250419~deb12u2", "all"),
                pin("libstdc++6", "12.2.0-14+deb12u1"), pin("gone", "1.0"),
            ],
        },
    } | more  # fmt: skip


def customized(**more: object) -> dict[str, Any]:
    """The same, where it was asked what is installed at the end: one package gone, one more, and our kernel's."""
    packages = [
        ["bsdutils", "1:2.38.1-5+deb12u3"], ["ca-certificates", "20250419~deb12u2"], ["frr", "8.4.4-1.1~deb12u2"],
        ["libstdc++6", "12.2.0-14+deb12u1"], ["linux-image-labwright", "6.1.192+labwright"],
    ]  # fmt: skip
    return debian(packages=packages, system="Debian GNU/Linux 12 (bookworm)", systemd=True, **more)


def foreign(system: str, *packages: tuple[str, str], **more: object) -> dict[str, Any]:
    """An image that was made from somebody's disk."""
    return {
        "labwright": "0.1.0", "image": "leaf", "type": "linux", "sha256": SHA, "bytes": 5, "ours": False,
        "locked": False, "host": "x86_64", "system": system, "systemd": True,
        "packages": [list(pair) for pair in packages], "steps": {"base": step("base", **PRIVATE_INPUTS)},
    } | more  # fmt: skip
