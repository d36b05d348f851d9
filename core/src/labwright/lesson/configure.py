"""A stage of a lesson brought into its machines: every file is found first, then all endpoints at once, three tries."""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from labwright.errors import Cause, LabwrightError, os_error
from labwright.guest.job import mask_for
from labwright.host.clock import Deadline
from labwright.host.interrupts import undisturbed
from labwright.host.ledger import Ledger
from labwright.host.run import Completed, Stop
from labwright.host.teardown import remove_folder
from labwright.host.text import plain
from labwright.interfaces import ConfigurationJob, ConfigurationResult, Endpoint, LessonConfigurator, Workbench
from labwright.lesson.configure_copy import Survey, place_for_copies, survey_lesson
from labwright.lesson.configure_place import fit_memory, own_file_system
from labwright.lesson.configure_record import Voice
from labwright.lesson.outcome import EndpointOutcome
from labwright.lesson.select import candidates_of, file_for
from labwright.plugins import configurator
from labwright.spec.lesson import LessonSpec

TRIES = 3
"""As the platform has."""
SOON = 5.0
"""Seconds. Where a try took longer, and less is left, another would say that it had no time, and no more the reason."""
STOPPED = "it was stopped"
Run = Callable[..., Completed]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class StageWork:
    """What is to be done. lesson: its folder. endpoints: by their names. limit: seconds for an endpoint, all its tries
    together. dry_run: show what would change, change nothing.
    """

    lesson: Path
    spec: LessonSpec
    stage: int
    endpoints: Mapping[str, Endpoint]
    dry_run: bool = False
    limit: float = 600.0

    @property
    def addresses(self) -> dict[str, str]:
        """Of all endpoints, by their names."""
        return {name: endpoint.host for name, endpoint in self.endpoints.items()}


@dataclass(frozen=True)
class ConfigureContext:
    """What it works with. scratch: a folder that is ours, for copies of the lesson. say: for people, from any thread.
    logs: a folder that stays. run_for: gives the run() of jobs that work on a copy. seen_at: where jobs see their copy;
    None: where it is. alive: why an endpoint's machine is no more, None while it runs. driver: by configuration type.
    pause: seconds between two tries.
    """

    ledger: Ledger
    scratch: Path
    say: Callable[[str], None]
    logs: Path
    run_for: Callable[[Path], Run]
    seen_at: Path | None = None
    alive: Callable[[str], LabwrightError | None] = field(default=lambda _: None)
    driver: Callable[[str], LessonConfigurator] = configurator
    pause: float = 1.0


@dataclass(frozen=True)
class _Prepared:
    """An endpoint, its driver, and its file."""

    endpoint: Endpoint
    driver: LessonConfigurator
    file: Path


def configure_stage(work: StageWork, context: ConfigureContext) -> tuple[EndpointOutcome, ...]:
    """Configure every endpoint that has a configurationType, all at once. Outcomes in the order of the lesson.

    A failure of one endpoint is its outcome, and stops no other. Raises LabwrightError (config, plugin) before anything
    runs, where a file or a driver is not there; and KeyboardInterrupt once all jobs have ended and no copy is left.
    """
    prepared = find_files(work, context.driver)
    if not prepared:
        return ()
    with stage_copies(work, context, len(prepared)) as copies:
        return all_at_once(prepared, lambda one, stop: _configure(one, work, context, copies, stop), context.alive)


def find_files(work: StageWork, driver: Callable[[str], LessonConfigurator] = configurator) -> list[_Prepared]:
    """Find every driver and every file. Raises LabwrightError (config, plugin); with all missing files at once."""
    if not 0 <= work.stage < len(work.spec.stages):
        raise LabwrightError(
            f"the lesson {work.spec.slug} has no stage {work.stage}",
            cause=Cause.CONFIG,
            hint=f"its stages are 0 to {len(work.spec.stages) - 1}",
        )
    wanted = [spec for spec in work.spec.endpoints if spec.configuration_type]
    drivers = {kind: driver(kind) for kind in sorted({str(spec.configuration_type) for spec in wanted})}
    prepared, mistakes = [], []
    for spec in wanted:
        endpoint, chosen = _endpoint(work, spec.name), drivers[str(spec.configuration_type)]
        try:
            file = file_for(work.lesson, spec.name, candidates_of(chosen, endpoint), work.stage)
        except LabwrightError as error:
            mistakes.append(error)
        else:
            prepared.append(_Prepared(endpoint, chosen, file))
    if len(mistakes) > 1:
        raise LabwrightError(
            f"stage {work.stage}: {len(mistakes)} endpoints cannot be configured, so none was",
            cause=Cause.CONFIG,
            details=[line for error in mistakes for line in (error.what, *(f"    {each}" for each in error.details))],
            hint=mistakes[0].hint,
        )
    if mistakes:
        raise mistakes[0]
    return prepared


def _endpoint(work: StageWork, name: str) -> Endpoint:
    endpoint = work.endpoints.get(name)
    if endpoint is None:
        raise LabwrightError(
            f"the endpoint {name} has no machine", cause=Cause.CONFIG, hint="launch the whole lesson again"
        )
    return endpoint


def fresh_log(context: ConfigureContext, name: str) -> Path:
    """An empty log file. Raises LabwrightError (disk full, host)."""
    log = context.logs / f"{name}.log"
    try:
        context.logs.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        log.touch(mode=0o600)
    except OSError as error:
        raise os_error(error, "the log of a job cannot be made") from error
    return log


@dataclass(frozen=True)
class Copies:
    """Where the copies of a stage's jobs are made, and what a copy has. in_memory: each in a file system of its own."""

    folder: Path
    survey: Survey
    in_memory: bool


@contextlib.contextmanager
def stage_copies(work: StageWork, context: ConfigureContext, count: int) -> Iterator[Copies]:
    """A folder for the copies of one stage, one entry of the ledger for all of them; gone at the end. count: of jobs.

    Raises LabwrightError (config, disk full, host).
    """
    survey = survey_lesson(work.lesson, context.seen_at)
    place = place_for_copies(survey, count, context.scratch)
    folder = place / f"labwright-stage-{uuid.uuid4().hex[:12]}"
    with context.ledger.hold("folder", folder):
        folder.mkdir(mode=0o700, parents=True)
        yield Copies(folder, survey, fit_memory(survey, count))


def all_at_once(
    items: Sequence[Item],
    work: Callable[[Item, Callable[[str], Stop]], Result],
    alive: Callable[[str], LabwrightError | None],
) -> tuple[Result, ...]:
    """Do the work for every item in a thread of its own; results in the order of the items.

    The work is given what makes, for the name of an endpoint, the question whether to stop. On Ctrl-C every job is told
    to stop, and KeyboardInterrupt is raised after the last has ended. Raises what a work raises.
    """
    interrupted = threading.Event()
    ended = [threading.Event() for _ in items]
    results: dict[int, Result] = {}
    raised: list[BaseException] = []

    def stop_for(name: str) -> Stop:
        def stop() -> LabwrightError | None:
            if interrupted.is_set():
                return LabwrightError(STOPPED, cause=Cause.INTERRUPTED, hint="run the stage again")
            return alive(name) if name else None

        return stop

    def body(number: int) -> None:
        try:
            results[number] = work(items[number], stop_for)
        except BaseException as error:
            raised.append(error)
        finally:
            ended[number].set()

    threads = [threading.Thread(target=body, args=(number,), daemon=True) for number in range(len(items))]
    try:
        for thread in threads:
            # One that was begun is known to have been, or nobody would wait for it.
            with undisturbed():
                thread.start()
        for each in ended:
            each.wait()
    except BaseException:
        interrupted.set()
        with undisturbed():
            for thread, each in zip(threads, ended, strict=True):
                if thread.ident is not None:
                    # Not join(): before Python 3.13, one that Ctrl-C has interrupted takes the thread for ended.
                    each.wait()
        raise
    if raised:
        raise raised[0]
    return tuple(results[number] for number in range(len(items)))


def _configure(
    one: _Prepared, work: StageWork, context: ConfigureContext, copies: Copies, stop_for: Callable[[str], Stop]
) -> EndpointOutcome:
    name, clock = one.endpoint.name, Deadline(work.limit)
    log = fresh_log(context, f"stage{work.stage}-{name}")
    voice = Voice(name, context.say, log)
    stop = stop_for(name)
    tries = 0
    result, cause = ConfigurationResult(False, ""), Cause.GUEST
    while tries < TRIES:
        tries += 1
        note(log, f"--- {one.file}, try {tries} of {TRIES} ---")
        # The first has what was asked for: what a log's making takes is in no sentence about it.
        begun, limit = clock.passed, work.limit if tries == 1 else clock.left
        result, cause = _try(one, work, context, copies, f"{name}-{tries}", voice, log, stop, limit)
        if result.ok or not result.again or clock.left <= context.pause + min(clock.passed - begun, SOON):
            break
        if tries < TRIES:
            voice.say(f"{result.reason}; trying again")
            time.sleep(context.pause)
    voice.end()
    _note_output(log, result)
    note(log, f"--- {'ok' if result.ok else result.reason}, {clock.passed:.1f} s ---")
    return EndpointOutcome(name, result.ok, tries, clock.passed, result, log, one.file, cause)


def _try(
    one: _Prepared,
    work: StageWork,
    context: ConfigureContext,
    copies: Copies,
    name: str,
    voice: Voice,
    log: Path,
    stop: Stop,
    limit: float,
) -> tuple[ConfigurationResult, Cause]:
    """One run of a job on a copy of its own. Whatever goes wrong is a result."""
    try:
        if error := stop():
            raise error
        with bench_for(copies, name, context, voice, log, stop) as (copy, bench):
            job = ConfigurationJob(
                one.endpoint, copy, work.stage, one.file, work.dry_run, context.seen_at, limit, work.addresses
            )
            return _examined(one, one.driver.configure(job, bench)), Cause.GUEST
    except LabwrightError as error:
        said = "\n".join([*error.details, error.what])
        return ConfigurationResult(False, said, reason=error.what, where=str(one.file), again=False), error.cause
    except Exception as error:
        # A plugin's mistake is no reason to leave the other endpoints alone; its authors want to see all of it.
        mask = mask_for(one.endpoint)
        note(log, mask(traceback.format_exc()))
        reason = mask(f"the plugin {type(one.driver).__name__} raises {type(error).__name__}: {error}")
        return ConfigurationResult(False, reason, reason=reason, where=str(one.file), again=False), Cause.PLUGIN


def _examined(one: _Prepared, result: object) -> ConfigurationResult:
    """What a driver gave, without the password. Raises TypeError where that is no result."""
    if not isinstance(result, ConfigurationResult):
        raise TypeError(f"configure() gives {type(result).__name__}, and no ConfigurationResult")
    mask = mask_for(one.endpoint)
    return replace(
        result,
        output=mask(result.output),
        difference=mask(result.difference),
        reason=mask(result.reason),
        where=mask(result.where),
    )


@contextlib.contextmanager
def bench_for(
    copies: Copies, name: str, context: ConfigureContext, voice: Voice, log: Path, stop: Stop
) -> Iterator[tuple[Path, Workbench]]:
    """A fresh copy of the lesson, and the workbench of the job of this name that works on it; both gone at the end."""
    folder = copies.folder / name
    own, scratch, downloads = folder / "own", folder / "scratch", folder / "downloads"
    copy = own / "lesson"
    try:
        with contextlib.ExitStack() as stack:
            try:
                for place in (folder, own, scratch, downloads):
                    place.mkdir(mode=0o700)
                if copies.in_memory:
                    stack.enter_context(own_file_system(own, copies.survey))
            except OSError as error:
                raise os_error(error, "the job's folder cannot be made") from error
            copies.survey.copy_to(copy)
            for path in copies.survey.left_out:
                note(log, f"not copied: {path}")
            run = stoppable(context.run_for(copy), stop)
            yield copy, Workbench(run, scratch, downloads, context.ledger, voice.say, 0, 1, log)
    finally:
        remove_folder(folder)


def _note_output(log: Path, result: ConfigurationResult) -> None:
    """What a driver says that runs no commands is not in the log by itself."""
    with log.open(encoding="utf-8", errors="replace") as stream:
        alone = all(line.startswith("--- ") for line in stream)
    if alone and result.output:
        note(log, plain(result.output))


def stoppable(run: Run, stop: Stop) -> Run:
    """The run() that asks now and then whether to stop, where it can."""
    takes = inspect.signature(run).parameters
    able = "stop" in takes or any(each.kind is inspect.Parameter.VAR_KEYWORD for each in takes.values())
    return functools.partial(run, stop=stop) if able else run


def note(log: Path, text: str) -> None:
    """Add a line to a log. Raises LabwrightError (disk full, host)."""
    try:
        with log.open("a", encoding="utf-8") as stream:
            stream.write(f"{text}\n")
    except OSError as error:
        raise os_error(error, "the log of a job cannot be written") from error
