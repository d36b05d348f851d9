"""The fork server: one interpreter with the libraries of scripts loaded, from which every job is forked.

Process 1 of a process namespace: the kernel ends all rooms with it. It never sees what a job is given.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import sys

from labwright.lesson.room import interpreter, job, kernel, root
from labwright.lesson.room.wire import Layout, receive, receive_descriptors, reply, send_descriptors

JOB_DESCRIPTORS = 5
"""Standard input, output and error, the channel to the caller, and the lesson's folder."""


def main(ending: interpreter.Ending) -> interpreter.Script | None:
    """Serve until the caller closes the channel or dies. Returns in a job's own process, or at the end with None."""
    control, owner = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    try:
        layout = Layout(**receive(control))
        root.prepare(layout)
    except EOFError:
        return None
    except OSError as error:
        reply(control, refused=f"{error.filename or 'mount'}: {error.strerror}", number=error.errno)
        return None
    threaded = [name for name in layout.warm if _warm(name)]
    ending.keep_modules()
    gc.collect()
    # Collections in a job would write to, and so copy, the pages of every object that was loaded here.
    gc.freeze()
    reply(control, ready=True, threaded=threaded)
    return _serve(control, owner, layout)


def _warm(name: str) -> bool:
    """Load a module, if it is there; whether it started a thread: a fork would be without it."""
    try:
        importlib.import_module(name)
    except Exception as error:
        # The script that wants it sees the same, and says it to its author.
        sys.stderr.write(f"{name}: {error}\n")
    return len(os.listdir("/proc/self/task")) > 1  # noqa: PTH208


def _serve(control: socket.socket, owner: int, layout: Layout) -> interpreter.Script | None:
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    events = select.poll()
    events.register(control, select.POLLIN)
    events.register(owner, select.POLLIN)
    rooms: dict[int, int] = {}
    while True:
        for ready, _ in events.poll():
            if ready in rooms:
                os.waitpid(rooms.pop(ready), 0)
                events.unregister(ready)
                os.close(ready)
                continue
            try:
                descriptors = _next_job(control) if ready == control.fileno() else None
            except (EOFError, ConnectionError):
                descriptors = None
            if descriptors is None:
                return None
            process = _fork(own) if descriptors else -1
            if process == 0:
                control.detach()
                return job.start(layout, descriptors)
            if process > 0 and (watched := _hand_over(descriptors[job.STATUS], process)) is not None:
                rooms[watched] = process
                events.register(watched, select.POLLIN)
            for descriptor in descriptors:
                os.close(descriptor)


def _next_job(control: socket.socket) -> list[int]:
    """The descriptors of a job; none where we may not open so many, which its caller sees by its channel's end."""
    descriptors = receive_descriptors(control, JOB_DESCRIPTORS)
    if len(descriptors) == JOB_DESCRIPTORS:
        return descriptors
    sys.stderr.write("too many open files\n")
    for descriptor in descriptors:
        os.close(descriptor)
    return []


def _fork(own: int) -> int:
    """Fork process 1 of a new process namespace; -1 where the host has no room for it."""
    try:
        kernel.unshare(kernel.CLONE_NEWPID)
        process = os.fork()
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        process = -1
    if process != 0:
        # Or the next one would be made in the one that was just made.
        kernel.join(own)
    return process


def _hand_over(status: int, process: int) -> int | None:
    """Give the caller a pidfd of the room's process 1, and return it; None where that cannot be: the room is ended."""
    try:
        watched = os.pidfd_open(process)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        return None
    channel = socket.socket(fileno=status)
    # One that has given up meanwhile sends no request, and without one the room ends by itself.
    with contextlib.suppress(OSError):
        send_descriptors(channel, [watched])
    channel.detach()
    return watched


if __name__ == "__main__":
    # The folder where we were started. Not -P: scripts would see it in sys.flags and pass it on to their children.
    del sys.path[0]
    ending = interpreter.Ending()
    if script := main(ending):
        interpreter.run(script, ending)
