"""CentOS's driver against a stand-in for its mirror: what it takes, what it refuses, and what it leaves.

The stand-in (tests/support/standin) has real RPMs, signatures and lists; the programs in its packages are Debian's, and
its kernel source here is a stub. These builds stop at the tree.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest
from support import builds
from support.mirror import FaultyMirror, served
from support.serve import Quiet, served_folder
from support.standin import faults
from support.standin.metalink import metalink

from labwright.errors import LabwrightError
from labwright.fetch.curl import Transfer, download
from labwright.spec.load import load_image
from labwright_centos import CentosBootstrapper, finish, keys
from labwright_centos.releases import RELEASES

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images")
TREE = ("--until", "tree", "--json")


def image(tmp_path: Path, standin, mirror: Path | str, **build: object) -> Path:
    folder = tmp_path / "faulty"
    folder.mkdir(exist_ok=True)
    url = mirror if isinstance(mirror, str) else f"file://{mirror}"
    facts = {"type": "centos", "mirror": url, "keyring": str(standin.key), **build}
    (folder / "image.meta.yaml").write_text(json.dumps({"slug": "faulty", "description": "x", "build": facts}))
    return folder


def run(folder: Path, tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    cache = tmp_path / "cache"
    done = builds.command("build", folder, "--out", tmp_path / "out", *(words or TREE), cache=cache)
    assert "Traceback" not in done.stdout + done.stderr
    assert builds.leaks(cache) == []
    return done


def tree(tmp_path: Path) -> tarfile.TarFile:
    (archive,) = (tmp_path / "cache/store/tree").glob("*/tree.tar")
    return tarfile.open(archive)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (faults.unsigned_package, "is not signed"),
        (faults.altered_package, "was altered: it is not what was signed"),
        (faults.stale_checksum, "gives, for its hash, another file as setup "),
        (faults.changed_metadata, "are not what was signed"),
        (faults.unsigned_metadata, "are not signed: there is no repodata/repomd.xml.asc"),
    ],
)
def test_a_mirror_that_cannot_be_trusted_is_refused(standin, tmp_path, fault, said):
    done = run(image(tmp_path, standin, fault(standin, tmp_path / "mirror")), tmp_path)
    last = builds.last_event(done)
    assert said in last["what"], done.stdout
    assert (last["cause"], last["exit_code"]) == ("signature", done.returncode)
    assert last["hint"]
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (faults.unsigned_kernel_source, "is not signed"),
        (faults.altered_kernel_source, "was altered: it is not what was signed"),
    ],
)
def test_a_kernel_source_that_cannot_be_trusted_is_refused(standin, tmp_path, fault, said):
    folder = image(tmp_path, standin, fault(standin, tmp_path / "mirror"))
    last = builds.last_event(run(folder, tmp_path, "--until", "kernel-source", "--json"))
    assert said in last["what"]
    assert last["what"].startswith("kernel-5.14.0-")
    assert last["cause"] == "signature"


def test_a_key_that_signed_nothing_here_is_refused(standin, tmp_path):
    (tmp_path / "key").mkdir()
    other = faults.other_key(tmp_path / "key")
    last = builds.last_event(run(image(tmp_path, standin, standin.flavour("9-stream"), keyring=str(other)), tmp_path))
    assert "are signed by another key" in last["what"]
    assert last["cause"] == "signature"


@pytest.mark.parametrize(("content", "said"), [
    (None, "does not exist"), ("", "there is no OpenPGP key in"), ("<html>log in</html>", "there is no OpenPGP key in"),
])  # fmt: skip
def test_a_keyring_that_is_none_is_named(standin, tmp_path, content, said):
    key = tmp_path / "no-key"
    if content is not None:
        key.write_text(content)
    done = run(image(tmp_path, standin, standin.flavour("9-stream"), keyring=str(key)), tmp_path)
    last = builds.last_event(done)
    assert said in last["what"]
    assert str(key) in last["what"]
    assert done.returncode == 2


def test_unsigned_lists_are_taken_where_the_image_says_so(standin, tmp_path):
    mirror = faults.unsigned_metadata(standin, tmp_path / "mirror")
    done = run(image(tmp_path, standin, mirror, unsignedLists=True), tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (faults.damaging_scriptlet, "left damage, though dnf went on"),
        (faults.unknown_user, "belong to nobodymakesit, and no package makes that user or group"),
    ],
)
def test_what_dnf_only_warns_of_ends_the_build(standin, tmp_path, fault, said):
    done = run(image(tmp_path, standin, fault(standin, tmp_path / "mirror")), tmp_path)
    assert said in builds.last_event(done)["what"]
    assert done.returncode != 0


def test_ten_s_users_are_made_and_have_their_files(standin, tmp_path):
    """rpm before 4.19 makes no users from sysusers.d, which release 10 relies on."""
    done = run(image(tmp_path, standin, standin.flavour("10-stream"), release="10-stream"), tmp_path)
    assert done.returncode == 0, done.stdout
    with tree(tmp_path) as tar:
        passwd = tar.extractfile("./etc/passwd").read().decode().splitlines()
        uid = next(int(line.split(":")[2]) for line in passwd if line.startswith("chrony:"))
        assert tar.getmember("./var/lib/chrony").uid == uid
        assert "./usr/lib/sysimage/rpm/rpmdb.sqlite" in tar.getnames()


@pytest.mark.parametrize(("release", "title"), [
    ("almalinux-9", "AlmaLinux 9"), ("rocky-9", "Rocky Linux 9"),
])  # fmt: skip
def test_the_kin_are_made_too(standin, tmp_path, release, title):
    done = run(image(tmp_path, standin, standin.flavour(release), release=release), tmp_path)
    assert done.returncode == 0, done.stdout
    with tree(tmp_path) as tar:
        assert title in tar.extractfile("./usr/lib/os-release").read().decode()


def test_another_distribution_s_mirror_is_told_by_the_package_that_lacks(standin, tmp_path):
    done = run(image(tmp_path, standin, standin.flavour("rocky-9"), release="9-stream"), tmp_path)
    last = builds.last_event(done)
    assert "there is no package centos-stream-release" in last["what"]
    assert "build.mirror" in last["hint"]
    assert done.returncode == 2


def test_a_package_that_does_not_exist_is_named(standin, tmp_path):
    mirror = standin.flavour("9-stream")
    last = builds.last_event(run(image(tmp_path, standin, mirror, packages=["no-such-package"]), tmp_path))
    assert "there is no package no-such-package" in last["what"]


@pytest.mark.parametrize("release", ["7", "8"])
def test_releases_that_are_too_old_are_refused_with_the_reason(standin, tmp_path, release):
    done = run(image(tmp_path, standin, standin.flavour("9-stream"), release=release), tmp_path)
    assert "cannot be made: it" in builds.last_event(done)["what"]
    assert done.returncode == 2


def metalinks(folder: Path, standin, mirrors: list[str]) -> None:
    """A metalink for each repository, as mirrors.centos.org gives them."""
    paths = {"baseos": "BaseOS/x86_64/os", "appstream": "AppStream/x86_64/os", "crb": "CRB/x86_64/os",
             "baseos-source": "BaseOS/source/tree"}  # fmt: skip
    for name, path in paths.items():
        lists = standin.flavour("9-stream") / path / "repodata/repomd.xml"
        # As the real server, which has no sources for x86_64.
        place = folder / name / ("source" if name.endswith("-source") else "x86_64")
        place.mkdir(parents=True)
        text = metalink(lists, [f"{mirror}/{path}/repodata/repomd.xml" for mirror in mirrors])
        (place / "metalink").write_text(text)


def test_a_metalink_with_a_dead_mirror_and_one_that_is_behind_leads_to_the_third(standin, tmp_path):
    old = faults.copied(standin, tmp_path / "old")
    for lists in old.rglob("repomd.xml"):
        text = lists.read_text()
        lists.unlink()
        lists.write_text(text.replace("</repomd>", "<!-- yesterday's --></repomd>"))
        lists.with_name("repomd.xml.asc").unlink()
    with served_folder(old) as behind, served_folder(standin.flavour("9-stream")) as right:
        place = tmp_path / "metalinks"
        metalinks(place, standin, ["http://127.0.0.1:9/dead", behind, right])
        with served_folder(place) as url:
            folder = image(tmp_path, standin, f"{url}/@REPOSITORY@/@ARCH@/metalink", unsignedLists=True)
            done = run(folder, tmp_path)
    assert done.returncode == 0, done.stdout
    (pins,) = (tmp_path / "cache/pins").glob("*.json")
    assert json.loads(pins.read_text())["mirrors"]["baseos"] == f"{right}/BaseOS/x86_64/os"


def test_a_metalink_of_dead_mirrors_says_what_each_answered(standin, tmp_path):
    metalinks(tmp_path / "metalinks", standin, ["http://127.0.0.1:9/a", "http://127.0.0.1:9/b"])
    with served_folder(tmp_path / "metalinks") as url:
        done = run(image(tmp_path, standin, f"{url}/@REPOSITORY@/@ARCH@/metalink"), tmp_path)
    last = builds.last_event(done)
    assert "none of the 2 mirrors" in last["what"]
    assert len(last["details"]) == 2
    assert last["cause"] == "network"


def test_a_mirror_that_fails_one_request_in_eight_is_got_through(standin, tmp_path):
    faulty = FaultyMirror({"centos": f"file://{standin.flavour('9-stream')}"}, tmp_path / "kept",
                          {"503": 0.06, "drop": 0.06})  # fmt: skip
    with served(faulty):
        done = run(image(tmp_path, standin, faulty.url("centos")), tmp_path)
        assert done.returncode == 0, done.stdout
        assert sum(faulty.spoilt.values()) > 0


def test_a_mirror_that_dies_in_the_middle_is_named_and_the_next_build_goes_on(standin, tmp_path):
    faulty = FaultyMirror({"centos": f"file://{standin.flavour('9-stream')}"}, tmp_path / "kept")
    with served(faulty):
        folder = image(tmp_path, standin, faulty.url("centos"))
        assert run(folder, tmp_path, "--until", "kernel-source", "--json").returncode == 0
        faulty.rates = {"404": 0.9}
        done = run(folder, tmp_path, "--offline", *TREE)
        last = builds.last_event(done)
        assert "cannot give" in last["what"]
        assert last["cause"] == "network"
        before = len(list((tmp_path / "cache/downloads/packages").iterdir()))
        assert before > 5, "what came is kept"
        faulty.rates = {}
        assert run(folder, tmp_path, "--offline", *TREE).returncode == 0


def test_names_and_epochs_as_real_packages_have_them(standin, tmp_path):
    mirror = faults.odd_names(standin, tmp_path / "mirror")
    done = run(image(tmp_path, standin, mirror, packages=["caret", "epoch-zero"]), tmp_path)
    assert done.returncode == 0, done.stdout
    (pins,) = (tmp_path / "cache/pins").glob("*.json")
    packages = {one["name"]: one for one in json.loads(pins.read_text())["packages"]}
    assert packages["caret"]["version"] == "0^20231120.g1-1.standin"
    assert packages["epoch-zero"]["version"] == "1-1.standin"


def test_an_old_package_under_a_new_name_is_refused(standin, tmp_path, bench):
    """As lists that nobody signed could have it: the hash is right, and so is the signature."""
    driver = CentosBootstrapper()
    spec = load_image(image(tmp_path, standin, standin.flavour("9-stream")))
    pins = driver.resolve(spec, bench)
    forged = pins.kernel_source.model_copy(update={"version": "5.14.0-999.el9"})
    (tmp_path / "source").mkdir()
    with pytest.raises(LabwrightError, match=r"kernel 5.14.0-999.el9 is kernel 5.14.0-1.standin.el9 in its own"):
        driver.fetch_kernel_source(spec, pins.model_copy(update={"kernel_source": forged}), tmp_path / "source", bench)


def test_a_server_that_cannot_say_whether_there_is_a_signature_is_no_unsigned_mirror(standin, tmp_path):
    class Refusing(Quiet):
        def do_GET(self) -> None:
            if self.path.endswith(".asc"):
                self.send_error(503)
            else:
                super().do_GET()

    with served_folder(standin.flavour("9-stream"), Refusing) as url:
        last = builds.last_event(run(image(tmp_path, standin, url), tmp_path))
    assert last["cause"] == "network", last
    assert any("503" in line for line in last["details"])


def test_an_answer_without_an_end_fills_no_disk(tmp_path, bench):
    class Endless(Quiet):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with contextlib.suppress(OSError):
                for _ in range(400):
                    self.wfile.write(b"10000\r\n" + bytes(65536) + b"\r\n")

    place = tmp_path / "file"
    with served_folder(tmp_path, Endless) as url, pytest.raises(LabwrightError, match="a file"):
        download([Transfer(f"{url}/x", place, 1 << 20)], "a file", "", bench)
    assert not place.exists() or place.stat().st_size <= (1 << 20) + 1


def test_a_tree_s_links_lead_neither_rpm_nor_us_to_the_host_s_files(standin, tmp_path, bench):
    host = tmp_path / "host"
    host.mkdir()
    (host / "secret").write_text("[s]\nname=the host's\n")
    tree = tmp_path / "tree"
    (tree / "etc/yum.repos.d").mkdir(parents=True)
    (tree / "etc/pki/rpm-gpg").mkdir(parents=True)
    (tree / "etc/yum.repos.d/a.repo").symlink_to(host / "secret")
    release = RELEASES["9-stream"]
    finish.set_repositories("http://m/9-stream", keys.keyring(release, str(standin.key), bench), tree)
    assert (tree / "etc/yum.repos.d/a.repo").is_symlink()
    (tree / "var/lib").mkdir(parents=True)
    (tree / "var/lib/rpm").symlink_to(host)
    with pytest.raises(LabwrightError, match="leads out of it"):
        finish.install_kernel(release, tree, host / "secret", bench)
    assert [path.name for path in host.iterdir()] == ["secret"]


def hidden(folder: Path, tmp_path: Path, tool: str) -> subprocess.CompletedProcess[str]:
    """A build on a host where a tool is not there: a file that nobody may run is mounted over it."""
    (tmp_path / "nothing").touch()
    words = ["build", folder, "--out", tmp_path / "out", *TREE]
    script = 'mount --bind "$0" "$1" && shift && exec "$@"'
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, tmp_path / "nothing", f"/usr/bin/{tool}", *builds.COMMAND,
         *map(str, words)],
        capture_output=True, text=True, check=False, cwd=builds.REPOSITORY,
        env=os.environ | {"LABWRIGHT_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip


@pytest.mark.parametrize("tool", ["dnf", "rpm2cpio", "curl"])
def test_a_host_without_a_tool_is_told_which_package_brings_it(standin, tmp_path, tool):
    done = hidden(image(tmp_path, standin, standin.flavour("9-stream")), tmp_path, tool)
    last = builds.last_event(done)
    assert last["what"] == f"the tool {tool} is not installed"
    assert f"apt-get install {tool}" in last["hint"]
    assert done.returncode == 3


def test_a_disk_that_is_full(standin, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=260m,mode=755", "none", small], check=True)
    try:
        folder = image(tmp_path, standin, standin.flavour("9-stream"))
        done = run(folder, small, "--force", *TREE)
        last = builds.last_event(done)
        assert (last["cause"], done.returncode) == ("disk full", 6), done.stdout[-2000:]
        subprocess.run(["mount", "-o", "remount,size=2g", small], check=True)
        assert run(folder, small).returncode == 0
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_build_that_is_stopped_leaves_nothing_and_goes_on(standin, tmp_path, number):
    cache = tmp_path / "cache"
    words = ("build", image(tmp_path, standin, standin.flavour("9-stream")), "--out", tmp_path / "out", *TREE)
    with builds.start(*words, cache=cache) as running:
        for line in running.stdout:
            # In the middle of dnf's transaction.
            if '"dnf: ' in line:
                break
        running.send_signal(number)
        out, _ = running.communicate()
    assert running.returncode in {130, -signal.SIGKILL}, out
    if number == signal.SIGKILL:
        assert builds.command("clean", cache=cache).returncode == 0
    assert builds.leaks(cache) == []
    assert builds.loop_devices(tmp_path) == set()
    assert builds.command(*words, cache=cache).returncode == 0


def test_two_trees_are_the_same_bit_for_bit(standin, tmp_path):
    folder = image(tmp_path, standin, standin.flavour("9-stream"))
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        done = run(folder, tmp_path / name)
        assert done.returncode == 0, done.stdout
        (archive,) = (tmp_path / name / "cache/store/tree").glob("*/tree.tar")
        digests.append(archive.read_bytes())
    assert digests[0] == digests[1]
