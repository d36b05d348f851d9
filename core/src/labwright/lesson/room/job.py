"""The processes of one job: process 1 of its room, and the job itself."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import socket
import time
from dataclasses import asdict

from labwright.lesson.room import kernel, root, watch
from labwright.lesson.room.interpreter import Script, script_of
from labwright.lesson.room.root import LESSON
from labwright.lesson.room.wire import Layout, Request, receive, reply

STATUS, TREE = 3, 4
"""The descriptors of the channel to the caller, after the three streams, and of the lesson's folder."""
LIMITS = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 2 << 30, resource.RLIMIT_DATA: 2 << 30}
"""Of each process. Not of its addresses: they cost nothing, and some runtimes reserve a great many."""
LOOKING = 0.5
"""Seconds between two looks at what a room holds."""
CAPABILITIES = sum(1 << number for number in (0, 1, 3, 4, 5, 6, 7, 10, 13))
"""chown, dac_override, fowner, fsetid, kill, setgid, setuid, net_bind_service, net_raw: what root had in the platform's
pods, but for those that reach beyond a room (linux/capability.h)."""
REFUSED = 125
"""Exit code of a process that never became the job; the reason went to the caller."""


def start(layout: Layout, descriptors: list[int]) -> Script | None:
    """In process 1 of a new process namespace: make the room, start the job, and end with it.

    Returns in the job alone, with the script that is to run in place; None where the caller is gone.
    """
    status = socket.socket(fileno=descriptors[STATUS])
    try:
        status = _take_streams(descriptors, status)
        request = Request(**receive(status))
        root.enter(layout, request.lesson, TREE)
        os.close(TREE)
        start = watch.beginning(LESSON)
        child = os.fork()
    except EOFError:
        os._exit(REFUSED)
    except OSError as error:
        reply(status, refused=f"{error.filename or 'a process'}: {error.strerror}", number=error.errno)
        os._exit(REFUSED)
    if child == 0:
        return _become(request, status)
    _be_first(child, status, start)
    return None


def _take_streams(descriptors: list[int], status: socket.socket) -> socket.socket:
    """Make the descriptors 0 to 4, and close all others: they are the server's."""
    # Out of the way first: one of them may be another's new number.
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, TREE + 1) for descriptor in descriptors]
    for number, descriptor in enumerate(high):
        os.dup2(descriptor, number, inheritable=number < STATUS)
    # One by one: where Python was built without close_range(2), os.closerange() tries each up to the limit.
    for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208
        if descriptor > TREE:
            with contextlib.suppress(OSError):
                os.close(descriptor)
    status.detach()
    return socket.socket(fileno=STATUS)


def _be_first(child: int, status: socket.socket, start: watch.Start) -> None:
    """Process 1: reap orphans until the job ends. What is left of it then, the kernel ends with this process.

    It keeps its capabilities: a job, which has fewer, cannot look into it (ptrace(2), access mode checking).
    """
    # Process 1 does not see signals from inside for which it has no handler (pid_namespaces(7)).
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A child that ends before we wait must end the wait that comes then.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    os.closerange(0, STATUS)
    look = time.monotonic() + LOOKING
    try:
        while (outcome := _reaped(child)) is None:
            signal.sigtimedwait([signal.SIGCHLD], max(0.0, look - time.monotonic()))
            # By the clock: orphans that end one after the other would put it off for ever.
            if time.monotonic() >= look:
                if found := watch.excess(LESSON, start):
                    reply(status, **asdict(found))
                    return
                look = time.monotonic() + LOOKING
        reply(status, code=os.waitstatus_to_exitcode(outcome))
    finally:
        os._exit(0)


def _reaped(child: int) -> int | None:
    """How the job ended; None while it runs. Orphans that have ended are gone afterwards."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            if ended[0] == child:
                found = ended[1]
    return found


def _become(request: Request, status: socket.socket) -> Script:
    """The job: give up what it must not have, then be the program; returns a script to run in place."""
    try:
        # We may have been started in the background of a shell, with Ctrl-C ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.setsid()
        os.umask(0o022)
        for kind, most in LIMITS.items():
            hard = resource.getrlimit(kind)[1]
            least = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (least, least))
        # What a group may reach on the host is no job's. In a user namespace none can be given up (user_namespaces(7)).
        with contextlib.suppress(PermissionError):
            os.setgroups([])
        kernel.forbid_new_privileges()
        # Without new privileges no program has more than this one: the bounding set need not be touched.
        kernel.keep_capabilities(CAPABILITIES)
        os.chdir(request.cwd)
        script = script_of(request)
        if script is None:
            _execute(request)
    except OSError as error:
        reply(status, missing=f"{error.filename or request.argv[0]}: {error.strerror}")
        os._exit(REFUSED)
    status.close()
    assert script is not None
    return script


def _execute(request: Request) -> None:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        # Python ignores them, and what is ignored stays so for a new program.
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(request.argv[0], request.argv, request.env)  # noqa: S606
    except OSError as error:
        error.filename = request.argv[0]
        raise
