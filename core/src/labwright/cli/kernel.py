"""labwright kernel."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from labwright.cli.session import Json, as_root, failures, out, print_json, session, workshop
from labwright.errors import Cause, LabwrightError
from labwright.kernel.build import review_source
from labwright.kernel.config import ConfiguredSource, configure, parse_config
from labwright.kernel.fragments import load_fragments
from labwright.kernel.review import Difference, Review, compare
from labwright.kernel.source import unpack_configuration
from labwright.pipeline.build import Wish, build_kernel_only, prepared
from labwright.pipeline.mirrors import ask_mirrors
from labwright.pipeline.preflight import check_host, writable
from labwright.pipeline.runner import scratch_folder
from labwright.pipeline.stage1 import CONFIGURATION, Recipe, configuration_steps
from labwright.pipeline.store import Stored
from labwright.pipeline.workshop import Workshop, source_date_epoch
from labwright.spec.image import BuildSpec, ImageSpec
from labwright.spec.surroundings import from_environment

app = typer.Typer(help="The kernel that images of a type get.", no_args_is_help=True)
Type = Annotated[str, typer.Argument(help="Image type, such as debian.")]
Release = Annotated[str | None, typer.Option(help="Release; by default the type's own.")]
Against = Annotated[Path | None, typer.Option(help="A Firecracker guest configuration to compare with.")]


def image_for(kind: str, release: str | None) -> ImageSpec:
    """An image of this type, since a driver wants one to know mirrors and release."""
    build = from_environment(BuildSpec(type=kind, release=release))
    return ImageSpec(slug=f"{kind}-kernel", description="kernel only", build=build)


@contextlib.contextmanager
def configured(kind: str, release: str | None, at: Workshop) -> Iterator[ConfiguredSource]:
    """The configuration that a build would use, made from the distribution's own source."""
    spec = image_for(kind, release)
    driver, chosen = prepared(spec)
    options = load_fragments(driver.distribution.fragments)
    check_host((driver, chosen), at, None)
    pins = ask_mirrors(spec, driver, at)
    steps = configuration_steps(Recipe(spec, driver, chosen, pins, source_date_epoch()))
    runner = at.runner(spec.slug)
    with scratch_folder(at.paths, at.ledger) as scratch:
        bench = runner.workbench(scratch, lambda _: None, scratch / "log")

        def unpack(done: dict[str, Stored]) -> Path:
            return unpack_configuration(done["kernel-configuration"].folder / CONFIGURATION, bench)

        yield configure(runner.run(steps, unpack), options, bench)


@contextlib.contextmanager
def as_root_configured(kind: str, release: str | None) -> Iterator[ConfiguredSource]:
    """The same, as root."""
    as_root()
    with configured(kind, release, workshop()) as source:
        yield source


@app.command()
def config(kind: Type, release: Release = None, json_document: Json = False) -> None:
    """Print the configuration, as a .config file."""
    with failures(json_document), as_root_configured(kind, release) as source:
        if json_document:
            print_json(source.config)
            return
        for name, value in source.config.items():
            typer.echo(f"# {name} is not set" if value == "n" else f"{name}={value}")


@app.command()
def review(kind: Type, release: Release = None, against: Against = None, json_document: Json = False) -> None:
    """Review the configuration: exit code 0 when it holds, 1 when something is missing or too much."""
    with failures(json_document), as_root_configured(kind, release) as source:
        result = review_source(source)
        difference = compare(source.config, _read_config(against)) if against else None
        if json_document:
            print_json({"ok": result.ok, "findings": result.findings, "kernel": source.version,
                        "difference": asdict(difference) if difference else None})  # fmt: skip
        else:
            show(result, source)
            if difference:
                show_difference(difference, against)
        if not result.ok:
            raise typer.Exit(Cause.REVIEW.exit_code)


@app.command()
def build(
    kind: Type,
    release: Release = None,
    out_folder: Annotated[Path, typer.Option("--out", help="Folder for the kernel.")] = Path("out"),
    json_lines: Json = False,
) -> None:
    """Compile the kernel and package it: bzImage, vmlinux, modules, configuration, package."""
    with session(json_lines) as running:
        writable(out_folder)
        place = out_folder / f"{kind}-kernel"
        made = build_kernel_only(Wish(image_for(kind, release), Path()), running.workshop, place)
        size = made.bzimage.stat().st_size / 1e6
        words = f"{made.release}: {place}, bzImage of {size:.2f} MB"
        running.result(words, kernel=str(place), release=made.release)


def _read_config(path: Path | None) -> dict[str, str]:
    try:
        found = parse_config(path.read_text()) if path else {}
    except (OSError, UnicodeDecodeError) as error:
        raise LabwrightError(f"{path} cannot be read: {error}", cause=Cause.CONFIG, hint="name a .config") from error
    if not found:
        raise LabwrightError(f"{path} holds no kernel option", cause=Cause.CONFIG, hint="name a .config file")
    return found


def show(result: Review, source: ConfiguredSource) -> None:
    """The review as a table."""
    table = Table("what lessons need", "", box=None, pad_edge=False)
    for capability in result.capabilities:
        missing = ", ".join(capability.missing)
        table.add_row(escape(capability.name), f"[red]missing: {missing}[/red]" if missing else "[green]there[/green]")
    out.print(table)
    major, minor = source.version
    on = sum(value in {"y", "m"} for value in source.config.values())
    out.print(f"\nLinux {major}.{minor}: {on} options on, {len(source.options)} of them asked for", highlight=False)
    for finding in result.findings:
        out.print(f"[red]✗[/red] {escape(finding)}", highlight=False, soft_wrap=True)
    if result.ok:
        out.print("[green]✓[/green] every option asked for is there, and no driver beyond the allowed ones")


def show_difference(difference: Difference, against: Path | None) -> None:
    """What differs from another configuration."""
    out.print(f"\ncompared with {against}:", highlight=False, markup=False)
    for title, names in (("only here", difference.only_ours), ("only there", difference.only_theirs)):
        out.print(f"{title} ({len(names)}): {' '.join(names)}", highlight=False, markup=False)
    for name, (ours, theirs) in difference.changed.items():
        out.print(f"{name}: {ours} here, {theirs} there", highlight=False, markup=False)
