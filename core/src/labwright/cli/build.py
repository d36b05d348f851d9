"""labwright build."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.session import ImageFolder, Json, session
from labwright.errors import Cause, LabwrightError
from labwright.pipeline.build import Wish, build_image
from labwright.pipeline.deliver import Built
from labwright.spec.image import ImageSpec
from labwright.spec.load import load_image

Offline = Annotated[bool, typer.Option("--offline", help="Ask no mirror: use what it gave the last time.")]
Locked = Annotated[
    bool, typer.Option("--locked", help="Only the packages of image.lock.json (labwright lock), by their hashes.")
]


def build(
    image_dir: ImageFolder,
    stage: Annotated[int, typer.Option(min=1, max=2, help="How far to go.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder for the image, its kernel and its report.")] = Path("out"),
    offline: Offline = False,
    locked: Locked = False,
    until: Annotated[str, typer.Option(help="Stop after this step (labwright plan lists them).")] = "",
    force: Annotated[bool, typer.Option("--force", help="Start even if it will not fit by the estimate.")] = False,
    json_lines: Json = False,
) -> None:
    """Build an image and test it by booting it."""
    with session(json_lines) as running:
        if stage == 2:
            raise LabwrightError(
                "stage 2 is not there yet: no provisioner is ready", cause=Cause.PLUGIN, hint="build with --stage 1"
            )
        spec = load_image(image_dir)
        built = build_image(Wish(spec, image_dir, locked, offline, until, force), running.workshop, out)
        if built is None:
            running.result(f"the step {until} is done; nothing was put into {out}", step=until)
            return
        running.result(
            how_to_log_in(spec, built),
            image=str(built.image),
            report=str(built.report),
            kernel=str(built.kernel),
            files=str(built.files),
            user=spec.ssh_user,
        )


def how_to_log_in(spec: ImageSpec, built: Built) -> str:
    """The commands that start the machine and log in to it."""
    data = "".join(" \\\n      -nic user,model=virtio-net-pci,restrict=on" for _ in spec.network_interfaces)
    return (
        f"\nStart it (changes to the disk are thrown away; quit with Ctrl-a x):\n"
        f"  qemu-system-x86_64 -m 256 -nographic -snapshot -drive file={built.image},if=virtio \\\n"
        f"      -nic user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:2222-:22{data}\n"
        f"Log in, there or over SSH, as {spec.ssh_user} with the password from image.meta.yaml:\n"
        f"  ssh -p 2222 {spec.ssh_user}@127.0.0.1"
    )
