"""What every command does first and last: the workshop, the view that was asked for, errors and exit codes."""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pluggy
import typer
from rich.console import Console

from labwright.errors import Cause, LabwrightError, os_error, out_of_memory
from labwright.host import namespace
from labwright.host.paths import Paths
from labwright.pipeline.workshop import Workshop
from labwright.plugins import hook_manager
from labwright.ui.views import JsonView, RichView, error_facts, show_error

Json = Annotated[bool, typer.Option("--json", help="JSON for programs instead of text for people.")]
ImageFolder = Annotated[Path, typer.Argument(metavar="IMAGE_DIR", help="Folder that holds image.meta.yaml.")]
out = Console()
errors = Console(stderr=True)


@dataclass(frozen=True)
class Session:
    """One run of a command that builds."""

    workshop: Workshop
    view: RichView | JsonView

    def result(self, text: str, **facts: object) -> None:
        """How it ended: the text for a person, or the facts as the last JSON line."""
        if isinstance(self.view, JsonView):
            self.view.result(**facts)
        else:
            out.print(text, highlight=False, soft_wrap=True)


def as_root(needed: bool = True) -> None:
    """Go on as root: an ordinary user's command starts again in a user namespace. Raises LabwrightError (host).

    needed: whether that is an error where it cannot be; where nothing could be built there is nothing of others' ids.
    """
    try:
        namespace.enter(sys.argv[1:])
    except LabwrightError:
        if needed:
            raise


@contextlib.contextmanager
def session(json_lines: bool, root: bool = True) -> Iterator[Session]:
    """A workshop for a command that builds, with a view listening; errors become messages and exit codes.

    root: whether what is made has files of other owners.
    """
    with failures(json_lines, lines=True):
        if root:
            as_root()
        manager = usable_hooks()
        view: RichView | JsonView = JsonView(sys.stdout) if json_lines else RichView(out)
        manager.register(view)
        workshop = Workshop(Paths.from_environment(), manager)
        shown = view.shown() if isinstance(view, RichView) else contextlib.nullcontext()
        with shown:
            yield Session(workshop, view)


def usable_hooks() -> pluggy.PluginManager:
    """The hooks of installed packages; those that cannot be used are named."""
    manager, broken = hook_manager()
    for plugin in broken:
        errors.print(f"the hooks {plugin.name} of {plugin.package} are not used: {plugin.note}", markup=False)
    return manager


def workshop() -> Workshop:
    """A workshop that nobody watches, for commands that only look."""
    return Workshop(Paths.from_environment(), hook_manager()[0])


@contextlib.contextmanager
def failures(json_wanted: bool = False, lines: bool = False) -> Iterator[None]:
    """Errors become a message with a remedy and an exit code, never a traceback."""
    try:
        yield
    except LabwrightError as error:
        _say(error, json_wanted, lines)
        raise typer.Exit(error.cause.exit_code) from error
    except KeyboardInterrupt as error:
        stopped = LabwrightError(
            "stopped",
            cause=Cause.INTERRUPTED,
            hint="everything was given back; finished steps are kept, and the same command goes on from there",
        )
        _say(stopped, json_wanted, lines)
        raise typer.Exit(stopped.cause.exit_code) from error
    except MemoryError as error:
        _say(out_of_memory("labwright"), json_wanted, lines)
        raise typer.Exit(Cause.MEMORY.exit_code) from error
    except BrokenPipeError as error:
        raise typer.Exit(Cause.INTERNAL.exit_code) from error
    except OSError as error:
        refused = os_error(error, "labwright")
        _say(refused, json_wanted, lines)
        raise typer.Exit(refused.cause.exit_code) from error
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        fault = LabwrightError(
            f"labwright itself failed: {type(error).__name__}: {error}",
            cause=Cause.INTERNAL,
            details=traceback.format_exc().splitlines()[-12:],
            hint="this is a bug of labwright or of a plugin: please report it with the lines above",
        )
        _say(fault, json_wanted, lines)
        raise typer.Exit(fault.cause.exit_code) from error


def _say(error: LabwrightError, json_wanted: bool, lines: bool) -> None:
    if json_wanted and lines:
        JsonView(sys.stdout).error(error)
    elif json_wanted:
        print_json({"error": error_facts(error)})
    else:
        show_error(error, errors)


def print_json(facts: object) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(facts, indent=1, sort_keys=True, default=str) + "\n")
