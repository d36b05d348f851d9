"""The lock: exact versions and hashes, snapshots by date, and a mirror that cannot give what was locked.

The archive is a stand-in (tests/support/archive.py): signed, with empty packages of real names.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from pathlib import Path

import pytest
from support.archive import DAY, end_agent, make_archive, make_key
from support.builds import last_event, leaks
from support.serve import served_folder

from labwright_debian.bootstrapper import BASE_PACKAGES

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images")
NAMES = dict.fromkeys((*BASE_PACKAGES, "apt", "base-files", "linux-source-6.1"), "1.0")


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    made = make_key(tmp_path_factory.mktemp("key"))
    yield made
    end_agent(made)


@pytest.fixture
def www(tmp_path: Path):
    """A folder that is served on loopback, and its URL."""
    place = tmp_path / "www"
    place.mkdir()

    with served_folder(place) as url:
        yield place, url


def image(tmp_path: Path, key, mirror: str, **build: object) -> Path:
    folder = tmp_path / "locked"
    folder.mkdir(exist_ok=True)
    facts = {"type": "debian", "mirror": mirror, "securityMirror": "none", "keyring": str(key.keyring), **build}
    (folder / "image.meta.yaml").write_text(json.dumps({"slug": "locked", "description": "x", "build": facts}))
    return folder


def lock(cli, folder: Path, *words: str) -> dict[str, object]:
    done = cli("lock", folder, "--json", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return last_event(done)


def locked(folder: Path) -> dict[str, dict[str, str]]:
    return {one["name"]: one for one in json.loads((folder / "image.lock.json").read_text())["packages"]}


def test_a_lock_holds_every_version_and_hash_and_says_what_changed(cli, tmp_path, key, www):
    place, url = www
    make_archive(place, key, NAMES)
    folder = image(tmp_path, key, url)
    assert lock(cli, folder)["changes"] == []
    first = locked(folder)
    assert first["sudo"]["version"] == "1.0"
    assert len(first["sudo"]["sha256"]) == 64
    assert first["sudo"]["path"] == "pool/sudo_1.0_amd64.deb"
    text = (folder / "image.lock.json").read_text()
    make_archive(place, key, NAMES)
    lock(cli, folder)
    make_archive(place, key, NAMES | {"sudo": "1.1", "linux-source-6.1": "1.2"})
    assert lock(cli, folder)["changes"] == ["linux-source-6.1 1.0 -> 1.2", "sudo 1.0 -> 1.1"]
    assert (folder / "image.lock.json").read_text() != text
    assert leaks(Path(os.environ["LABWRIGHT_CACHE"])) == []


def test_a_snapshot_mirror_gives_the_archive_of_a_date_even_if_that_has_expired(cli, tmp_path, key, www):
    place, url = www
    make_archive(place / "20260101T000000Z/debian", key, NAMES | {"sudo": "1.0"}, age=300 * DAY, valid=7 * DAY)
    make_archive(place / "20260601T000000Z/debian", key, NAMES | {"sudo": "2.0"}, age=100 * DAY, valid=7 * DAY)
    folder = image(tmp_path, key, f"{url}/@SNAPSHOTID@/debian")
    lock(cli, folder, "--snapshot", "2026-01-01")
    assert locked(folder)["sudo"]["version"] == "1.0"
    assert (
        json.loads((folder / "image.lock.json").read_text())["mirrors"]["archive"] == f"{url}/20260101T000000Z/debian"
    )
    lock(cli, folder, "--snapshot", "20260601T000000Z")
    assert locked(folder)["sudo"]["version"] == "2.0"
    image(tmp_path, key, f"{url}/@SNAPSHOTID@/debian", snapshot="2026-01-01")
    lock(cli, folder)
    assert locked(folder)["sudo"]["version"] == "1.0"


@pytest.mark.parametrize(
    ("mirror", "words", "said"),
    [
        ("/@SNAPSHOTID@/debian", (), "a snapshot is a date"),
        ("/@SNAPSHOTID@/debian", ("--snapshot", "yesterday"), "'yesterday' is not a date"),
        ("/debian", ("--snapshot", "2026-01-01"), "do not go together"),
    ],
)
def test_a_snapshot_and_a_mirror_that_do_not_go_together(cli, tmp_path, key, www, mirror, words, said):
    done = cli("lock", image(tmp_path, key, www[1] + mirror), *words)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr.replace("\n", " ")
    assert not (tmp_path / "locked/image.lock.json").exists()


def test_a_package_that_is_gone_from_the_mirror_is_named(cli, tmp_path, key, www, own_cache):
    place, url = www
    make_archive(place, key, NAMES)
    folder = image(tmp_path, key, url)
    lock(cli, folder)
    make_archive(place, key, NAMES | {"sudo": "1.1"})
    done = cli("build", folder, "--locked", "--until", "tree", "--out", tmp_path / "out")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "cannot give sudo 1.0" in done.stderr
    assert "pool/sudo_1.0_amd64.deb" in done.stderr
    assert "build.mirror" in done.stderr
    assert leaks(own_cache) == []


def test_another_file_of_the_same_version_is_refused_and_named(cli, tmp_path, key, www, own_cache):
    place, url = www
    make_archive(place, key, NAMES)
    folder = image(tmp_path, key, url)
    lock(cli, folder)
    deb = place / "pool/sudo_1.0_amd64.deb"
    data = bytearray(deb.read_bytes())
    data[-1] ^= 1
    deb.write_bytes(data)
    done = cli("build", folder, "--locked", "--until", "tree", "--out", tmp_path / "out")
    assert done.returncode == 5, done.stdout + done.stderr
    assert "sudo 1.0" in done.stderr
    assert leaks(own_cache) == []


def test_a_lock_of_another_image_is_refused_with_what_differs(cli, tmp_path, key, www):
    place, url = www
    make_archive(place, key, NAMES)
    folder = image(tmp_path, key, url)
    lock(cli, folder)
    image(tmp_path, key, url, packages=["tcpdump"])
    done = cli("build", folder, "--locked", "--until", "tree", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "tcpdump is not in the lock" in done.stderr
    assert "labwright lock" in done.stderr


def test_a_damaged_lock_is_refused_and_made_anew(cli, tmp_path, key, www):
    make_archive(www[0], key, NAMES)
    folder = image(tmp_path, key, www[1])
    (folder / "image.lock.json").write_text('{"lock": 1, "type":')
    done = cli("build", folder, "--locked", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "image.lock.json" in done.stderr
    assert "labwright lock" in done.stderr
    lock(cli, folder)
    assert locked(folder)["sudo"]["version"] == "1.0"


def test_no_lock_at_all(cli, tmp_path, key):
    done = cli("build", image(tmp_path, key, "http://127.0.0.1:9/debian"), "--locked", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "image.lock.json does not exist" in done.stderr.replace("\n", "")


@pytest.mark.parametrize(
    ("age", "valid", "said"),
    [(10 * DAY, 7 * DAY, "expired"), (-2 * DAY, None, "not valid yet")],
)
def test_a_release_file_of_another_time_is_a_matter_of_the_clock(cli, tmp_path, key, www, age, valid, said, own_cache):
    """What a wrong clock of this machine looks like, from the other side."""
    place, url = www
    make_archive(place, key, NAMES, age=age, valid=valid)
    done = cli("lock", image(tmp_path, key, url))
    assert done.returncode == 5, done.stdout + done.stderr
    assert said in done.stderr
    assert "clock" in done.stderr
    assert leaks(own_cache) == []


def test_an_archive_signed_by_somebody_else(cli, tmp_path, key, www, tmp_path_factory):
    place, url = www
    other = make_key(tmp_path_factory.mktemp("other"))
    with contextlib.ExitStack() as stack:
        stack.callback(end_agent, other)
        make_archive(place, other, NAMES)
        done = cli("lock", image(tmp_path, key, url))
    assert done.returncode == 5, done.stdout + done.stderr
    assert "build.keyring" in done.stderr


def test_two_locks_at_once_on_one_mirror(cli, tmp_path, key, www):
    place, url = www
    make_archive(place, key, NAMES)
    folder = image(tmp_path, key, url)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(cli("lock", folder))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [done.returncode for done in answers] == [0] * 4, [done.stderr for done in answers]
