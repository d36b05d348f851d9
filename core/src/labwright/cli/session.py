"""What every command does first and last: the workshop, the view that was asked for, errors and exit codes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
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
from labwright.host import interrupts, namespace
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
    except (typer.Exit, typer.Abort):
        raise
    except (Exception, KeyboardInterrupt) as error:
        found = _failure_of(error)
        # A reader that has gone, as `head` does, is no news for whoever sent it.
        if not isinstance(error, BrokenPipeError) or found.cause is Cause.INTERRUPTED:
            _say(found, json_wanted, lines)
        _forget_the_deaf()
        raise typer.Exit(found.cause.exit_code) from error


def _failure_of(error: BaseException) -> LabwrightError:
    if _interrupted(error):
        return _stopped()
    if isinstance(error, LabwrightError):
        return error
    if isinstance(error, MemoryError):
        return out_of_memory("labwright")
    if isinstance(error, BrokenPipeError):
        return LabwrightError("nobody reads what labwright says", cause=Cause.INTERNAL)
    if isinstance(error, OSError):
        return os_error(error, "labwright")
    return LabwrightError(
        f"labwright itself failed: {type(error).__name__}: {error}",
        cause=Cause.INTERNAL,
        details="".join(traceback.format_exception(error)).splitlines()[-12:],
        hint="this is a bug of labwright or of a plugin: please report it with the lines above",
    )


def _interrupted(error: BaseException) -> bool:
    """Whether somebody wanted it to stop; what then could not be said either is no reason of its own.

    Ctrl-C ends all of `labwright ... | tee`, and a terminal that is gone takes no words.
    """
    if isinstance(error, KeyboardInterrupt):
        return True
    deaf = isinstance(error, OSError) and error.errno in {errno.EPIPE, errno.EIO}
    return deaf and error.__context__ is not None and _interrupted(error.__context__)


def _stopped() -> LabwrightError:
    hint = "everything was given back; finished steps are kept, and the same command goes on from there"
    if interrupts.forced():
        hint = "not everything was given back: run labwright clean; finished steps are kept"
    return LabwrightError("stopped", cause=Cause.INTERRUPTED, hint=hint)


def _say(error: LabwrightError, json_wanted: bool, lines: bool) -> None:
    with contextlib.suppress(OSError):
        if json_wanted and lines:
            JsonView(sys.stdout).error(error)
        elif json_wanted:
            print_json({"error": error_facts(error)})
        else:
            show_error(error, errors)


def _forget_the_deaf() -> None:
    """What is still in the buffer of a stream that nobody reads would be a failure of its own when Python ends."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def print_json(facts: object) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(facts, indent=1, sort_keys=True, default=str) + "\n")
