"""The configurator `ansible`: a playbook of the lesson, run as the platform runs it."""

from __future__ import annotations

import contextlib
import importlib
import sys
import sysconfig
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from labwright.guest.job import mask_for, run_job
from labwright.guest.script import script_environment
from labwright.interfaces import (
    ConfigurationJob,
    ConfigurationResult,
    DriverFacts,
    Endpoint,
    LessonConfigurator,
    Workbench,
)
from labwright_configurators.playbook import Reader
from labwright_configurators.reach import silence


class AnsibleConfigurator(LessonConfigurator):
    """`ansible-playbook -vvvv -i "<host>," FILE`. The password reaches it on its standard input."""

    interface_version: ClassVar[int] = 5
    facts: ClassVar[DriverFacts] = DriverFacts("Ansible playbooks")

    def candidates(self, endpoint: Endpoint) -> tuple[str, ...]:
        """`<endpoint>.yml`."""
        return (f"{endpoint.name}.yml",)

    def configure(self, job: ConfigurationJob, bench: Workbench) -> ConfigurationResult:
        """Run it. Raises LabwrightError for what is no fault of the playbook's."""
        endpoint = job.endpoint
        reader = Reader(job.folder)
        with _temporary(job, bench) as temporary:
            ran = run_job(
                arguments(job),
                bench,
                mask_for(endpoint),
                job.limit,
                cwd=job.folder,
                env=script_environment(job.folder, job.stage, job.addresses, endpoint)
                | kit_environment()
                | settings(endpoint, temporary),
                stdin=endpoint.password,
                shown=reader.see,
            )
        if ran.code is None:
            reason = f"no end after {round(job.limit, 1):g} s" + (f", in task '{reader.task}'" if reader.task else "")
        else:
            reason = reader.reason(ran.code)
        if not reason:
            return ConfigurationResult(True, ran.text, reader.difference)
        if quiet := silence(endpoint):
            reason = f"{quiet}: {reason}"
        where = reader.place or str(job.file)
        return ConfigurationResult(False, ran.text or reason, reader.difference, reason, where, again=reader.began)


def arguments(job: ConfigurationJob) -> list[str | Path]:
    """The platform's command, and what a dry run and a password add. No secret is in it."""
    more = [*(["--check", "--diff"] if job.dry_run else []),
            *(["--connection-password-file", "-"] if job.endpoint.password else [])]  # fmt: skip
    return [*program(), "-vvvv", "-i", f"{job.endpoint.host},", *more, job.script]


def program() -> list[str | Path]:
    """ansible-playbook of this Python. For a password ssh runs the program `ansible` that lies beside it."""
    script = Path(sysconfig.get_path("scripts")) / "ansible-playbook"
    return [sys.executable, script] if script.is_file() else [sys.executable, "-P", "-m", "ansible", "playbook"]


def settings(endpoint: Endpoint, temporary: Path) -> dict[str, str]:
    """Ansible's own, where the playbook or its ansible.cfg must not say otherwise. temporary: as Ansible sees it."""
    return {
        # A default: what the playbook says comes first.
        "ANSIBLE_REMOTE_USER": endpoint.user,
        "ANSIBLE_REMOTE_PORT": str(endpoint.port),
        # With sshpass, all that 2.18 knows, a failing task is taken for a host that cannot be reached: its exit status
        # is one that sshpass has for itself.
        "ANSIBLE_SSH_PASSWORD_MECHANISM": "ssh_askpass",
        # What is read afterwards has to look as it is expected to.
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "ANSIBLE_DISPLAY_FAILED_STDERR": "False",
        "ANSIBLE_NOCOWS": "True",
        "ANSIBLE_NOCOLOR": "True",
        "ANSIBLE_FORCE_COLOR": "False",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_PYTHON_INTERPRETER": "auto_silent",
        "ANSIBLE_HOME": str(temporary / "home"),
        "ANSIBLE_LOCAL_TEMP": str(temporary / "local"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(temporary / "ssh"),
        # The key of an earlier machine at this address would forbid passwords.
        "ANSIBLE_SSH_COMMON_ARGS": "-o UserKnownHostsFile=/dev/null",
        "TMPDIR": str(temporary),
    }


def kit_environment() -> dict[str, str]:
    """Where Ansible finds the roles of the kit."""
    try:
        # Here, not above: the kit is looked for only where a playbook runs.
        return dict(importlib.import_module("labwright.kit").ansible_environment())
    except (ImportError, AttributeError):
        return {}


@contextlib.contextmanager
def _temporary(job: ConfigurationJob, bench: Workbench) -> Iterator[Path]:
    """A folder as Ansible sees it, with a short path: a socket of ssh's may have 107 bytes (unix(7))."""
    if job.seen_at is not None:
        yield Path("/tmp")  # noqa: S108 - in a room the job has one of its own
        return
    folder = Path(tempfile.gettempdir()) / f"labwright-{uuid.uuid4().hex[:12]}"
    with bench.ledger.hold("folder", folder):
        folder.mkdir(mode=0o700)
        yield folder
