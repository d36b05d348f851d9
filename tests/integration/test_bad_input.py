"""What goes wrong outside has its own message, its own exit code, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.serve import served_folder

from labwright_debian.archive import host_mirror

REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images")


def image(tmp_path: Path, **build: object) -> Path:
    folder = tmp_path / "broken"
    folder.mkdir()
    facts = {"slug": "broken", "description": "x", "build": {"type": "debian", **build}}
    (folder / "image.meta.yaml").write_text(json.dumps(facts))
    return folder


def build(cli, folder: Path, *words: str | Path):
    return cli("build", folder, "--out", folder.parent / "out", *words)


def nothing_left(cache: Path) -> None:
    for name in ("ledger", "scratch"):
        assert not (cache / name).exists() or list((cache / name).iterdir()) == []
    assert not list(cache.glob("store/.incoming*"))
    mounted = Path("/proc/self/mountinfo").read_text()
    assert str(cache) not in mounted


@contextlib.contextmanager
def mirror(folder: Path):
    """A web server on loopback that serves a folder."""
    with served_folder(folder) as url:
        yield f"{url}/debian"


def test_a_release_that_does_not_exist(cli, tmp_path, own_cache):
    done = build(cli, image(tmp_path, release="buzz"))
    assert done.returncode == 2
    assert "no release 'buzz'" in done.stderr
    assert "bookworm, trixie" in done.stderr
    nothing_left(own_cache)


def test_a_misspelt_key(cli, tmp_path, own_cache):
    done = build(cli, image(tmp_path, relase="bookworm"))
    assert done.returncode == 2
    assert "image.meta.yaml:1: build.relase: unknown key; did you mean 'release'?" in done.stderr.replace("\n", "")


def test_a_mirror_that_is_not_there(cli, tmp_path, own_cache):
    done = build(cli, image(tmp_path, mirror="http://127.0.0.1:9/debian"))
    assert done.returncode == 4, done.stderr
    assert "error (network)" in done.stderr
    assert "http://127.0.0.1:9/debian" in done.stderr
    assert "Traceback" not in done.stderr
    nothing_left(own_cache)


def test_a_mirror_without_the_suite(cli, tmp_path, own_cache):
    (tmp_path / "www/debian").mkdir(parents=True)
    with mirror(tmp_path / "www") as url:
        done = build(cli, image(tmp_path, mirror=url))
    assert done.returncode == 4, done.stderr
    assert "error (network)" in done.stderr
    nothing_left(own_cache)


def test_a_release_file_that_was_tampered_with(cli, tmp_path, own_cache, bench):
    import urllib.request

    with urllib.request.urlopen(f"{host_mirror(bench, security=False)}/dists/bookworm/InRelease") as got:
        text = got.read()
    suite = tmp_path / "www/debian/dists/bookworm"
    suite.mkdir(parents=True)
    (suite / "InRelease").write_bytes(text.replace(b"Origin: Debian", b"Origin: Debiam", 1))
    with mirror(tmp_path / "www") as url:
        done = build(cli, image(tmp_path, mirror=url))
    assert done.returncode == 5, done.stderr
    assert "error (signature)" in done.stderr
    nothing_left(own_cache)


def test_an_output_folder_that_cannot_be_written(cli, tmp_path, own_cache):
    folder = image(tmp_path)
    (tmp_path / "file").touch()
    done = cli("build", folder, "--out", tmp_path / "file" / "out")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


def test_an_error_as_json_is_one_object_with_cause_and_remedy(cli, tmp_path, own_cache):
    done = build(cli, image(tmp_path, mirror="http://127.0.0.1:9/debian"), "--json")
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["kind"], last["cause"], last["exit_code"]) == ("error", "network", 4)
    assert last["hint"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_a_build_that_is_stopped_leaves_nothing(cli, tmp_path, own_cache, number, code):
    """Stopped while mmdebstrap or the compiler runs: whichever comes first, it is a real child with real mounts."""
    with subprocess.Popen(
        # A shell starts what it puts in the background with Ctrl-C ignored, and a runner of CI may be started so.
        ["env", "--default-signal=INT", sys.executable, "-m", "labwright", "build", image(tmp_path), "--out",
         tmp_path / "out", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY,
    ) as building:  # fmt: skip
        for line in building.stdout:
            if json.loads(line).get("step") == "kernel":
                break
        time.sleep(4)
        building.send_signal(number)
        building.communicate(timeout=240)
    assert building.returncode == code
    if number == signal.SIGKILL:
        time.sleep(1)
        done = cli("clean")
        assert "undone: folder" in done.stdout
    nothing_left(own_cache)
    held = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(own_cache) not in held
