"""`python FILE` and `python -m MODULE` in a process that has been forked off a warm interpreter.

A script must not be able to tell. Where it could, because a file beside it has the name of a module that is loaded
already, or a variable that Python reads at its start is another, a new interpreter is started instead. What is left:
frames of this module are below the script's in a stack and count for the limit of recursion; `/proc/self` shows the
server's arguments and environment; all scripts share one seed of string hashes; filters of warnings are as the modules
loaded beforehand left them, and warnings of those modules are not printed.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import ctypes
import importlib
import io
import os
import signal
import sys
import types
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any

from labwright.lesson.room.wire import Request

NAMES = ("python", "python3", sys.executable)
READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "GLIBC_", "OPENSSL_", "TZ", "HOME")
"""Beginnings of variables that Python, or a library under it, reads once."""
SUFFIXES = (*SOURCE_SUFFIXES, *BYTECODE_SUFFIXES, *EXTENSION_SUFFIXES)


@dataclass(frozen=True)
class Script:
    """What is to run in place. code: the compiled file, None for a module; arguments: sys.argv."""

    name: str
    code: CodeType | None
    arguments: tuple[str, ...]
    request: Request


def parse(argv: tuple[str, ...]) -> tuple[str, bool, tuple[str, ...]] | None:
    """The file or module, whether it is a module, and sys.argv; None for what is no such call of this interpreter."""
    if argv[0] not in NAMES:
        return None
    rest = argv[1:]
    while rest[:1] == ("-u",):
        rest = rest[1:]
    if rest[:1] == ("-m",) and len(rest) > 1 and rest[1]:
        return rest[1], True, ("-m", *rest[2:])
    if rest and rest[0] and not rest[0].startswith("-"):
        return rest[0], False, rest
    return None


def script_of(request: Request) -> Script | None:
    """What can run in place, in the current directory and with this interpreter's environment; None for all else."""
    call = parse(request.argv)
    if call is None or _of_start(request.env) != _of_start(os.environ):
        return None
    name, is_module, arguments = call
    folder = os.getcwd() if is_module else os.path.dirname(os.path.realpath(name))  # noqa: PTH109, PTH120
    try:
        if _shadows(Path(folder)):
            return None
        if is_module:
            return None if name.partition(".")[0] in _loaded() else Script(name, None, arguments, request)
        name = _absolute(name)
        code = _compile(name)
    except (OSError, SyntaxError, ValueError, MemoryError, RecursionError):
        # A new interpreter says it in its own words.
        return None
    return Script(name, code, arguments, request) if code else None


def _of_start(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith(READ_AT_START)}


def _loaded() -> set[str]:
    return {name.partition(".")[0] for name in sys.modules}


def _shadows(folder: Path) -> bool:
    """Whether a script in this folder would import something there where we have loaded something else."""
    loaded = _loaded()
    for entry in folder.iterdir():
        name = entry.name.partition(".")[0]
        if name in loaded and (entry.name.endswith(SUFFIXES) or _is_package(entry)):
            return True
    return False


def _is_package(folder: Path) -> bool:
    return any((folder / f"__init__{suffix}").exists() for suffix in SUFFIXES)


def _absolute(name: str) -> str:
    """A file's name as scripts see it in __file__: _Py_abspath() of CPython's fileutils.c, which tidies nothing."""
    return name if name.startswith("/") else f"{os.getcwd()}/{name.removeprefix('./')}"  # noqa: PTH109


def _compile(name: str) -> CodeType | None:
    if not Path(name).is_file():
        return None
    with io.open_code(name) as file:
        source = file.read()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        code: CodeType = compile(source, name, "exec", dont_inherit=True)
    return None if said else code


def run(script: Script, ending: Ending) -> None:
    """Be the interpreter of this script. To be called from the outermost frame: Python itself then ends the process.

    Raises what the script raises, SystemExit among it.
    """
    namespace = _begin(script)
    try:
        if script.code is None:
            importlib.import_module("runpy")._run_module_as_main(script.name)
        else:
            exec(script.code, namespace)  # noqa: S102
    except SystemExit:
        raise
    except BaseException as error:
        _show_without_us(namespace)
        if isinstance(error, KeyboardInterrupt) and script.code is not None:
            ending.interrupted = True
        raise
    _forget_file(namespace)


def _begin(script: Script) -> dict[str, Any]:
    """Make of this process what Python's start would have made, and return the namespace of __main__."""
    os.environ.clear()
    os.environ.update(script.request.env)
    called = script.request.argv[0]
    if "/" not in called and Path(beside := os.path.join(os.path.dirname(sys.executable), called)).exists():  # noqa: PTH118, PTH120
        sys.executable = beside
    sys.orig_argv[:] = script.request.argv
    sys.argv[:] = script.arguments
    folder = os.getcwd() if script.code is None else os.path.dirname(os.path.realpath(script.name))  # noqa: PTH109, PTH120
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    _bind_streams()
    _renew_modules()
    main = types.ModuleType("__main__")
    namespace: dict[str, Any] = main.__dict__
    namespace.update(__annotations__={}, __builtins__=builtins)
    if script.code is not None:
        namespace.update(__loader__=SourceFileLoader("__main__", script.name), __file__=script.name, __cached__=None)
    sys.modules["__main__"] = main
    return namespace


def _bind_streams() -> None:
    """As create_stdio() of CPython's pylifecycle.c does for -u."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        file: Any = open(number, "wb" if number else "rb", buffering=0 if number else -1, closefd=False)  # noqa: SIM115
        (file if number else file.raw).name = f"<{name}>"
        stream: Any = io.TextIOWrapper(file, encoding=old.encoding, errors=old.errors, newline="\n",
                                       write_through=True)  # fmt: skip
        stream.mode = "w" if number else "r"
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _renew_modules() -> None:
    """What modules loaded beforehand found out about their process; random has seeded itself anew at the fork."""
    if process := sys.modules.get("multiprocessing.process"):
        process.ORIGINAL_DIR = os.getcwd()  # type: ignore[attr-defined]  # noqa: PTH109
        process.current_process()._config["authkey"] = process.AuthenticationString(os.urandom(32))
    if tempfile := sys.modules.get("tempfile"):
        tempfile.tempdir = None  # type: ignore[attr-defined]
    if ssl := sys.modules.get("ssl"):
        ssl.RAND_add(os.urandom(32), 32.0)


def _show_without_us(namespace: dict[str, Any]) -> None:
    """Have Python print the error that is on its way up as it would if the script were outermost."""
    hook = sys.excepthook

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        ours = trace
        while ours is not None:
            if ours.tb_frame.f_code.co_filename == __file__:
                trace = ours.tb_next
            ours = ours.tb_next
        error.__traceback__ = trace
        sys.last_traceback = trace
        sys.excepthook = hook
        hook(kind, error, trace)
        _forget_file(namespace)

    sys.excepthook = show


def _forget_file(namespace: dict[str, Any]) -> None:
    """As Python does between the end of a file and the functions of atexit."""
    namespace.pop("__file__", None)
    namespace.pop("__cached__", None)


class Ending:
    """The last thing that a script's process does before the interpreter takes itself down."""

    def __init__(self) -> None:
        """Before anything else of atexit is registered, so that it comes last: before modules are warmed."""
        self.interrupted = False
        self._kept: list[ModuleType] = []
        atexit.register(self._end)

    def keep_modules(self) -> None:
        """All modules are loaded that a script may find."""
        self._kept = [module for name, module in sys.modules.items() if name not in {"__main__", "builtins", "sys"}]

    def _end(self) -> None:
        if self.interrupted:
            # A new interpreter ends by the signal too, so that who waits sees why.
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        # Taking down the modules that were warm costs 20 ms and touches memory that all jobs share.
        kept = {id(module) for module in self._kept}
        for name in [name for name, module in sys.modules.items() if id(module) in kept]:
            del sys.modules[name]
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._kept))
