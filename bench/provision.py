"""Provisioning beside virt-customize: user, sudo, SSH and three packages on the same Debian disk.

python -m bench.provision IMAGE
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from bench.measure import Measured, Table, measure

from labwright.host.files import file_digest

PACKAGES = ("curl", "tcpdump", "vim-tiny")
LIBGUESTFS = {"LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"}


def provisioning(image: Path, folder: Path) -> Table:
    """Ours by a mount and by the appliance, conversion and compression included; virt-customize writes in place."""
    table = Table(("seconds", "CPU seconds", "memory MB"), ratio="time, of virt-customize")
    theirs = virt_customize(image, folder / "theirs")
    table.add("virt-customize", *costs(theirs), ratio=1.0)
    for method in ("mounted", "appliance"):
        ours = labwright(image, folder / method, method)
        table.add(f"labwright, {method}", *costs(ours), ratio=ours.wall / theirs.wall)
    again = labwright(image, folder / "mounted", "mounted")
    table.add("labwright, nothing changed", *costs(again), ratio=again.wall / theirs.wall)
    return table


def costs(measured: Measured) -> tuple[float, float, float]:
    return measured.wall, measured.cpu, measured.peak_memory / 1e6


def virt_customize(image: Path, folder: Path) -> Measured:
    """The same work, as its manual would have it done."""
    folder.mkdir()
    disk = folder / "disk.qcow2"
    shutil.copyfile(image, disk)
    sudo = "antidote ALL=(ALL:ALL) NOPASSWD: ALL\n"
    words = [
        "virt-customize", "--format", "qcow2", "--add", disk, "--network",
        "--run-command", "id antidote || useradd -m -s /bin/bash antidote",
        "--password", "antidote:password:antidotepassword",
        "--write", f"/etc/sudoers.d/bench:{sudo}", "--chmod", "0440:/etc/sudoers.d/bench",
        "--append-line", "/etc/ssh/sshd_config:PasswordAuthentication yes",
        "--run-command", "apt-get update", "--install", ",".join(PACKAGES), "--truncate", "/etc/machine-id",
    ]  # fmt: skip
    return measure(words, env=LIBGUESTFS).checked()


def labwright(image: Path, folder: Path, method: str) -> Measured:
    place = folder / "bench"
    place.mkdir(parents=True, exist_ok=True)
    build = {"type": "debian", "from": str(image.absolute()), "sha256": file_digest(image), "packages": PACKAGES}
    text = json.dumps({"slug": "bench", "description": "bench", "build": build})
    if not (place / "image.meta.yaml").exists():
        (place / "image.meta.yaml").write_text(text)
    words = [sys.executable, "-m", "labwright", "build", place, "--method", method, "--until", "base"]
    return measure(words, env={"LABWRIGHT_CACHE": str(folder / "cache")}).checked()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path, help="a Debian disk as qcow2, such as out/debian.qcow2")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        print(provisioning(parser.parse_args().image, Path(folder)).markdown())


if __name__ == "__main__":
    main()
