"""labwright build."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.convert import DEFAULT, GIB
from labwright.cli.session import ImageFolder, Json, session
from labwright.foreign import Limits
from labwright.guest.way import AUTO
from labwright.interfaces import Hardware
from labwright.pipeline.build import Wish, build_image
from labwright.pipeline.deliver import Built
from labwright.spec.image import ImageSpec
from labwright.spec.load import image_folder, load_image

Offline = Annotated[bool, typer.Option("--offline", help="Ask no mirror: use what it gave the last time.")]
Locked = Annotated[
    bool, typer.Option("--locked", help="Only the packages of image.lock.json (labwright lock), by their hashes.")
]

Method = Annotated[
    str, typer.Option(help="Way into a disk: auto, mounted, appliance, booted or virt-customize.", metavar="METHOD")
]
Source = Annotated[
    Path | None, typer.Option("--from", metavar="DISK", help="Start from this disk image, whatever build.from says.")
]


def build(
    image_dir: ImageFolder,
    out: Annotated[Path, typer.Option(help="Folder for the image, its kernel and its report.")] = Path("out"),
    offline: Offline = False,
    locked: Locked = False,
    until: Annotated[str, typer.Option(help="Stop after this step (labwright plan lists them).")] = "",
    force: Annotated[bool, typer.Option("--force", help="Start even if it will not fit by the estimate.")] = False,
    source: Source = None,
    method: Method = AUTO,
    base: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The image in build.from is in this folder already: it is not made anew."),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep a disk whose provisioning failed, to look at: labwright enter.")
    ] = False,
    max_size: Annotated[int, typer.Option(min=1, help="Largest disk in build.from, GiB.")] = DEFAULT.virtual_size
    // GIB,
    max_ratio: Annotated[float, typer.Option(min=1, help="Most bytes of data for each in it.")] = DEFAULT.ratio,
    json_lines: Json = False,
) -> None:
    """Build an image, from nothing or from the disk in build.from, and test it by booting it."""
    with session(json_lines) as running:
        spec = load_image(image_dir, source)
        kept = out / f"{spec.slug}.failed.raw" if keep else None
        limits = Limits(max_size * GIB, max_ratio)
        wish = Wish(spec, image_folder(image_dir), locked, offline, until, force, method, kept, limits, base=base)
        built = build_image(wish, running.workshop, out)
        if built is None:
            running.result(f"the step {until} is done; nothing was put into {out}", step=until)
            return
        running.result(
            how_to_log_in(spec, built),
            image=str(built.image),
            report=str(built.report),
            kernel=str(built.kernel or ""),
            files=str(built.files or ""),
            disks={name: str(path) for name, path in built.more.items()},
            user=spec.ssh_user,
        )


def how_to_log_in(spec: ImageSpec, built: Built) -> str:
    """The commands that start the machine and log in to it."""
    if built.hardware:
        return how_to_start(spec, built, built.hardware)
    data = "".join(" \\\n      -nic user,model=virtio-net-pci,restrict=on" for _ in spec.network_interfaces)
    memory = 256 if built.kernel else 512
    return (
        f"\nStart it (changes to the disk are thrown away; quit with Ctrl-a x):\n"
        f"  qemu-system-x86_64 -m {memory} -nographic -snapshot -drive file={built.image},if=virtio \\\n"
        f"      -nic user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:2222-:22{data}\n"
        f"Log in, there or over SSH, as {spec.ssh_user} with the password from image.meta.yaml:\n"
        f"  ssh -p 2222 {spec.ssh_user}@127.0.0.1"
    )


def how_to_start(spec: ImageSpec, built: Built, hardware: Hardware) -> str:
    """The command that boots a device again and tests it, and where its hardware is written down."""
    disks = ", ".join(str(path) for path in (built.image, *built.more.values()))
    count = len(hardware.machines)
    return (
        f"\nIts disk: {disks}\nIts hardware, {count} machine{'s' if count > 1 else ''} with {hardware.memory} MiB, is "
        f"in {built.report}, and this boots it in that and logs in as {spec.ssh_user}:\n"
        f"  labwright test {built.image}"
    )
