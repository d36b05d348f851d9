"""The commands of docs/cluster.md: certificates by openssl, a scheduler and a worker that speak TLS, strangers outside.

Ports of the page are replaced by free ones.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import clusters
from support.builds import REPOSITORY
from support.certificates import Authority, certificate
from support.clusters import Cluster, cluster
from support.registry import RealRegistry, access, real_registry
from support.registry_images import made_up_image

from labwright.errors import Cause, LabwrightError
from labwright.host.paths import Paths
from labwright.nightly import worker
from labwright.nightly.cluster import ClusterExecutor, Rules
from labwright.nightly.cluster_link import Link
from labwright.nightly.cluster_staging import Staging
from labwright.nightly.executor import Job
from labwright.pipeline.workshop import Workshop
from labwright.plugins import hook_manager
from labwright.registry.client import Registry
from labwright.registry.reference import parse_reference

PAGE = (REPOSITORY / "docs/cluster.md").read_text()
COMMANDS = [line[4:] for line in PAGE.splitlines() if line.startswith("    ") and not line.startswith("     ")]


def commands(beginning: str) -> list[str]:
    return [line for line in COMMANDS if line.startswith(beginning)]


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    folder.mkdir()
    for command in [*commands("openssl"), *commands("chmod")]:
        done = subprocess.run(["bash", "-euc", command], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, command + done.stderr
    return folder / "ca.pem", folder / "node.pem", folder / "node.key"


def options(command: str, folder: Path) -> list[str]:
    """Of a command of the page what is about TLS, with the files of a folder."""
    words = shlex.split(command)
    return [
        str(folder / word) if word in {"ca.pem", "node.pem", "node.key"} else word
        for at, word in enumerate(words) if word.startswith("--tls") or words[at - 1].startswith("--tls")
    ]  # fmt: skip


@pytest.fixture
def registry(tmp_path) -> Iterator[RealRegistry]:
    with real_registry(tmp_path / "registry") as server:
        yield server


@pytest.fixture
def secure(tmp_path) -> Iterator[Cluster]:
    certificates(tmp_path / "tls")
    scheduler = commands(".venv/bin/dask scheduler --host tls")[0]
    with cluster(tmp_path / "cluster", *options(scheduler, tmp_path / "tls")) as made:
        made.worker_options = tuple(
            options(commands(".venv/bin/labwright worker --scheduler tls")[0], tmp_path / "tls")
        )
        yield made


def executor(made: Cluster, files: tuple[Path, Path, Path], registry: RealRegistry, root: Path) -> ClusterExecutor:
    workshop = Workshop(Paths(root / "coordinator"), hook_manager()[0])
    staging = Staging(f"{registry.host}/staging", workshop, access())
    return ClusterExecutor(Link(made.address, *files), staging, Rules(program=clusters.FAKE))


def test_an_image_is_built_by_tls_with_the_page_s_certificates_and_strangers_are_refused(secure, registry, tmp_path):
    tls = tmp_path / "tls"
    ours = (tls / "ca.pem", tls / "node.pem", tls / "node.key")
    secure.start_worker("one", "--slots", "1")
    folder, output = tmp_path / "images/leaf", tmp_path / "out"
    folder.mkdir(parents=True)
    output.mkdir()
    (folder / "image.meta.yaml").write_text("slug: leaf\ndescription: x\nbuild:\n  type: debian\n")
    (folder / "behaviour").touch()
    with executor(secure, ours, registry, tmp_path) as running:
        running.start(Job("leaf", folder, output), lambda _: None)
        (result,) = running.wait(180)
    assert result.failure is None
    assert json.loads((output / "leaf.json").read_text())["worker"] == "one"
    theirs = certificates(tmp_path / "strangers")
    for files in (theirs, (ours[0], *theirs[1:])):
        with pytest.raises(LabwrightError, match="there is no scheduler at") as caught:
            executor(secure, files, registry, tmp_path).__enter__()
        assert caught.value.cause is Cause.NETWORK
    listening = subprocess.run(["ss", "--listening", "--tcp", "--numeric", "--processes"],
                               capture_output=True, text=True, check=True).stdout  # fmt: skip
    ids = [one.pid for one in [*secure.workers, secure.scheduler]]
    mine = [line for line in listening.splitlines() if any(f"pid={number}," in line for number in ids)]
    assert mine
    assert not [line for line in mine if not re.search(r"\s(127\.[0-9.]+|\[::1\]):\d+\s", line)]


def test_a_scheduler_whose_certificate_has_expired_is_not_just_no_scheduler(registry, tmp_path):
    authority = Authority.new()
    ours = authority.files(tmp_path / "ours")
    theirs = authority.files(tmp_path / "theirs", begins=-365, ends=-1)
    words = [word for option, place in zip(("ca-file", "cert", "key"), theirs, strict=True)
             for word in (f"--tls-{option}", str(place))]  # fmt: skip
    with cluster(tmp_path / "cluster", *words) as made:
        with pytest.raises(LabwrightError, match="certificate has expired") as caught:
            executor(made, ours, registry, tmp_path).__enter__()
        assert caught.value.what.startswith(f"there is no scheduler at {made.address}: its certificate does not hold")
        said: list[str] = []

        def hear(text: str) -> None:
            said.append(text)
            os.kill(os.getpid(), signal.SIGTERM)

        worker.serve(Link(made.address, *ours), worker.Offer(1, 1, root=True, kvm=False), access(), tmp_path, hear)
        assert "certificate has expired (docs/cluster.md, When a certificate ends)" in said[0]


def test_our_certificate_that_expired_while_we_worked_is_named(secure, registry, tmp_path):
    """It held when it was checked, and a year later there is "no scheduler"."""
    tls = tmp_path / "tls"
    mine = (tls / "ca.pem", tls / "node.pem", tls / "node.key")
    running = executor(secure, mine, registry, tmp_path)
    (tls / "node.pem").write_bytes(certificate(-365, -1))
    with pytest.raises(LabwrightError, match=r"node.pem \(--tls-cert\) expired on ") as caught:
        raise running._unreachable(OSError("Timed out"))
    assert caught.value.cause is Cause.NETWORK


def test_the_page_s_command_takes_replaced_images_out_of_the_staging_registry(registry, tmp_path):
    staging = Staging(f"{registry.host}/staging", Workshop(Paths(tmp_path / "cache"), hook_manager()[0]), access())
    first, second = (
        staging.push(made_up_image(tmp_path / name).parent, "leaf", lambda _: None) for name in ("first", "second")
    )
    before = sum(path.stat().st_size for path in registry.data.rglob("data"))
    (line,) = commands("docker-registry")
    for command, left in ((line.replace(" --delete-untagged", ""), True), (line, False)):
        registry.stop()
        words = shlex.split(command)
        subprocess.run([*words[:-1], registry.folder / "config.yml"], check=True, capture_output=True)
        registry.start()
        with Registry(registry.host, access()) as asked:
            assert (asked.digest(parse_reference(first)) is not None) is left, command
            assert asked.digest(parse_reference(second)), "what has a tag stays"
    assert sum(path.stat().st_size for path in registry.data.rglob("data")) < before * 0.6
    staging.fetch("leaf", second.partition("@")[2], tmp_path / "fetched", lambda _: None)


def test_the_page_s_commands_for_one_machine_work_together(registry, tmp_path, cli):
    """A night of an image whose description is wrong: it reaches the cluster, and nothing is built."""
    with cluster(tmp_path / "cluster") as made:
        worker = made.start_worker("one", "--slots", "1")
        (tmp_path / "images/leaf").mkdir(parents=True)
        (tmp_path / "images/leaf/image.meta.yaml").write_text("slug: leaf\n")
        (line,) = commands(".venv/bin/labwright nightly images --out nightly --scheduler tcp")
        words = [
            line.replace("tcp://127.0.0.1:8786", made.address).replace("127.0.0.1:5000", registry.host)
            .replace(" images ", f" {tmp_path / 'images'} ").replace("--out nightly", f"--out {tmp_path / 'nightly'}")
        ]  # fmt: skip
        done = cli(*shlex.split(words[0])[1:], timeout=300)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "description" in done.stdout
        for line in (line for line in COMMANDS if "--scheduler" in line or "dask scheduler" in line):
            assert known(line), line
        worker.send_signal(signal.SIGINT)
        assert worker.wait(90) == 0


def known(line: str) -> bool:
    """Whether the program of a line has all options in it."""
    words = shlex.split(line)
    program = [str(REPOSITORY / words[0]), words[1]]
    said = subprocess.run([*program, "--help"], capture_output=True, text=True, check=True,
                          env={"COLUMNS": "300", "PATH": "/usr/bin:/bin", "HOME": "/root"}).stdout  # fmt: skip
    return all(word in said for word in words if word.startswith("--"))


def test_show_says_what_a_machine_offers_and_ends(tmp_path, cli, own_cache):
    clusters.remember_kvm(own_cache)
    done = cli("worker", "--scheduler", "tcp://127.0.0.1:8786", "--slots", "3", "--memory", "2G", "--show", timeout=300)
    assert done.returncode == 0, done.stderr
    assert "3 builds at once, 2000 MB of memory" in done.stdout
    told = json.loads(cli("worker", "--scheduler", "tcp://127.0.0.1:1", "--show", "--json", timeout=300).stdout)
    assert told["resources"]["SLOT"] >= 1
