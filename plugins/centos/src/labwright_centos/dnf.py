"""dnf in folders of our own: the host's repositories, keys and plugins play no part."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from labwright.errors import Cause, LabwrightError
from labwright.host.environment import find_tool, has_tool, version_of
from labwright.host.files import write_whole
from labwright.host.locks import IN_USE, exclusive
from labwright.host.text import plain
from labwright.interfaces import Package, Workbench
from labwright_centos import mirror
from labwright_centos.mirror import SOURCE, Mirror
from labwright_centos.releases import Enterprise

TOOLS = ("dnf", "dnf4", "yum")
OLDEST_RPM = (4, 18)
SOLVER = Path(__file__).with_name("solve.py")
NOT_INSTALLED = (
    "kernel", "kernel-core", "kernel-modules*", "kernel-uki-virt", "dracut*", "grub2*", "shim*", "linux-firmware*",
)  # fmt: skip
"""The kernel is ours, and with it what starts it."""
NO_ANSWER = 3
"""solve.py's exit code where the packages do not go together."""
PACKAGES = TypeAdapter(tuple[Package, ...])


def program() -> str:
    """The path of dnf 4, or of the yum that is the same program. Raises LabwrightError (host) for any other.

    And for an rpm before 4.18, which sets owners (rpm --restore) by a script that runs outside of the root.
    """
    rpm = re.search(r"(\d+)\.(\d+)", version_of("rpm"))
    if rpm is not None and (int(rpm[1]), int(rpm[2])) < OLDEST_RPM:
        raise LabwrightError(
            f"this host has rpm {rpm[0]}, and 4.18 is wanted: older ones work on the host's files where they should on "
            "the tree's",
            cause=Cause.HOST,
            hint="build it on a newer host, such as Debian 12 or Fedora",
        )
    versions = {tool: version_of(tool) for tool in TOOLS if has_tool(tool)}
    for tool, version in versions.items():
        if version.startswith("4."):
            return find_tool(tool)
    if not versions:
        return find_tool(TOOLS[0])
    raise LabwrightError(
        f"this host has {', '.join(f'{tool} {version}' for tool, version in versions.items())}, and not dnf 4",
        cause=Cause.HOST,
        hint="install it: apt-get install dnf on Debian and Ubuntu, dnf install dnf4 on Fedora",
    )


def interpreter(tool: str) -> list[str]:
    """The Python that dnf runs on, as its first line says: only that one has its modules."""
    with Path(tool).resolve().open("rb") as stream:
        first = stream.readline(256).decode(errors="replace").strip()
    words = first.removeprefix("#!").split()
    return words if first.startswith("#!") and words else ["/usr/bin/python3"]


def rpm_home(release: Enterprise, bench: Workbench) -> Path:
    """A home folder whose .rpmmacros say where the release's rpm has its database.

    Debian's rpm would use ~/.rpmdb, and a wrong place shows no packages at all instead of failing.
    """
    home = bench.scratch / f"rpm-{release.major}"
    home.mkdir(exist_ok=True)
    (home / ".rpmmacros").write_text(
        f"%_dbpath {release.database}\n%_install_langs C.utf8\n%_pkgverify_level none\n"
        # Mounted while packages are installed, and in a user namespace nobody there may set its owner.
        "%_netsharedpath /proc\n"
    )
    return home


def environment(release: Enterprise, bench: Workbench) -> dict[str, str]:
    """What dnf, rpm and the scripts of packages see."""
    return {
        "HOME": str(rpm_home(release, bench)),
        "SOURCE_DATE_EPOCH": str(bench.source_date_epoch),
        "SYSTEMD_OFFLINE": "1",
    }


def configuration(release: Enterprise, folder: Path, repositories: Mapping[str, str]) -> str:
    """The text of a dnf.conf with these repositories (dnf.conf(5)). folder: where it keeps everything."""
    authorities = [f"sslcacert={os.environ['SSL_CERT_FILE']}"] if "SSL_CERT_FILE" in os.environ else []
    lines = [
        "[main]", "best=1", "skip_if_unavailable=0", "install_weak_deps=0", "tsflags=nodocs", "plugins=0",
        f"module_platform_id=platform:el{release.major}", "check_config_file_age=0", "countme=0", "retries=3",
        "timeout=30", "zchunk=0", "deltarpm=0", "gpgcheck=0", "localpkg_gpgcheck=0", "keepcache=1",
        f"reposdir={folder}/none", f"varsdir={folder}/none", "cachedir=/cache", "logdir=/log", "persistdir=/persist",
        *authorities,
    ]  # fmt: skip
    for role, url in repositories.items():
        # Sources are not installed, and the kernel's is named like what must not be.
        excluded = [] if role == SOURCE else [f"excludepkgs={','.join(NOT_INSTALLED)}"]
        lines += [f"[{role}]", f"name={role}", f"baseurl={url}", "enabled=1", *excluded]
    return "\n".join(lines) + "\n"


class Dnf:
    """dnf with the repositories of one mirror, and a cache that stays between builds; nothing in it is trusted."""

    def __init__(self, source: Mirror, repositories: Mapping[str, str], bench: Workbench) -> None:
        self._release, self._repositories, self._bench = source.release, repositories, bench
        self._tool = program()
        # By the address: a metalink leads to another mirror each time.
        name = hashlib.sha256(json.dumps([source.release.title, source.address]).encode()).hexdigest()[:16]
        self._folder = bench.downloads / f"dnf-{name}"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold our folder: a second build from the same mirror waits."""
        waiting = "waiting for another build that reads the same mirror"
        with exclusive(self._folder / IN_USE, lambda: self._bench.say(waiting)):
            yield

    def answer(self, packages: Sequence[str], kernel: str) -> tuple[Package, ...]:
        """The kernel's source and every package of a system with these, remembered for this state of the mirror.

        Raises LabwrightError: config, network, signature.
        """
        digest = hashlib.sha256(
            "\0".join([mirror.state(list(self._repositories), self._bench), kernel, *packages, SOLVER.read_text(),
                       version_of(self._tool), configuration(self._release, Path(), {"": ""})]).encode()
        ).hexdigest()  # fmt: skip
        known = self._folder / "answers" / f"{digest[:32]}.json"
        try:
            return PACKAGES.validate_json(known.read_text())
        except (OSError, ValidationError):
            pass
        self._read_metadata()
        found = self._solve(packages, kernel)
        known.parent.mkdir(exist_ok=True)
        write_whole(known, json.dumps([package.model_dump() for package in found]))
        return found

    @property
    def _root(self) -> Path:
        """An installroot of nothing, in which dnf keeps its cache."""
        return self._folder / "root"

    def _read_metadata(self) -> None:
        (self._folder / "none").mkdir(parents=True, exist_ok=True)
        self._root.mkdir(exist_ok=True)
        settings, place = configuration(self._release, self._folder, self._repositories), self._folder / "dnf.conf"
        if not place.is_file() or place.read_text() != settings:
            # The lists of a mirror that is not asked any more.
            shutil.rmtree(self._root / "cache", ignore_errors=True)
            place.write_text(settings)
        what = f"the repositories of {self._release.title} cannot be read"
        self._bench.say("reading what the mirror has")
        self._bench.run(
            [self._tool, "--assumeyes", "--config", self._folder / "dnf.conf", f"--installroot={self._root}",
             f"--releasever={self._release.major}", "--refresh", "makecache"],
            env=environment(self._release, self._bench),
            what=what,
            cause=Cause.NETWORK,
            hint="check build.mirror and this machine's network; then run the same command again",
            timeout=1800,
        )  # fmt: skip
        for role, url in self._repositories.items():
            copies = sorted((self._root / "cache").glob(f"{role}-*/repodata/repomd.xml"))
            checked = mirror.lists(role, self._bench).read_bytes()
            if not any(copy.read_bytes() == checked for copy in copies):
                raise LabwrightError(
                    f"the mirror changed while it was read: {url} has other lists than a moment ago",
                    cause=Cause.NETWORK,
                    hint="run it again; mirrors are updated a few times a day",
                )

    def _solve(self, packages: Sequence[str], kernel: str) -> tuple[Package, ...]:
        self._bench.say(f"resolving {len(packages)} packages")
        answer = self._bench.scratch / "answer.json"
        request = {
            "configuration": str(self._folder / "dnf.conf"), "root": str(self._root),
            "release": str(self._release.major), "packages": list(packages),
            "source": SOURCE, "kernel": kernel, "answer": str(answer),
        }  # fmt: skip
        done = self._bench.run(
            # Without a network: what is in the cache is what was checked.
            ["unshare", "--net", "--", *interpreter(self._tool), "-I", SOLVER],
            stdin=json.dumps(request),
            env=environment(self._release, self._bench),
            accept=(0, NO_ANSWER),
            what=f"dnf cannot resolve the packages of {self._release.title}",
            cause=Cause.HOST,
            timeout=600,
        )
        if done.code == NO_ANSWER:
            words = [plain(line) for line in answer.read_text(errors="replace").splitlines() if line.strip()]
            raise LabwrightError(
                f"no system of these packages can be made of {self._release.title}: {words[0] if words else '?'}",
                cause=Cause.CONFIG,
                details=words[1:12],
                hint="check build.packages, and that build.mirror is a full mirror of build.release",
            )
        try:
            return PACKAGES.validate_json(answer.read_bytes())
        except ValidationError as error:
            raise LabwrightError(
                "dnf's answer names packages in a way that no lock can hold",
                cause=Cause.NETWORK,
                details=[str(one["msg"]) for one in error.errors(include_input=False, include_url=False)][:6],
                hint="does the mirror give strange names? check build.mirror",
            ) from error
