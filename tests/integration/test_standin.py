"""The stand-in for mirrors of the Enterprise Linux family is what it claims, by dnf and rpm alone.

What it proves is everything around the real packages, never these: no mirror of theirs can be reached from here.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.standin import faults, kernel_source
from support.standin.metalink import metalink
from support.standin.mirror import BINARY, SOURCE
from support.standin.plain import make_root

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts file systems in a root"),
    pytest.mark.timeout(900),
]

SET = (
    "NetworkManager", "bash", "ca-certificates", "chrony", "coreutils", "dnf", "e2fsprogs", "glibc-minimal-langpack",
    "hostname", "iproute", "iputils", "kmod", "openssh-clients", "openssh-server", "passwd", "procps-ng", "python3",
    "rpm", "sudo", "systemd", "systemd-udev", "util-linux",
)  # fmt: skip
SMALL = ("setup", "filesystem", "basesystem", "centos-stream-release")
RELEASES = {
    "9-stream": ("centos-stream-release", "centos", "9"), "10-stream": ("centos-stream-release", "centos", "10"),
    "almalinux-9": ("almalinux-release", "almalinux", "9.6"), "rocky-9": ("rocky-release", "rocky", "9.6"),
}  # fmt: skip
LEFT_BEHIND = ("rpmdb.sqlite-shm", "rpmdb.sqlite-wal", ".rpm.lock")


@pytest.fixture(scope="module")
def installed(standin, tmp_path_factory):
    """The whole set of 9-stream in a root, and what dnf said."""
    root = make_root(tmp_path_factory.mktemp("installed"), standin.flavour("9-stream"), standin.key)
    return root, root.dnf("install", *SET, "tcpdump", "nano", "centos-stream-release")


def test_the_set_is_installed_without_a_warning(installed):
    _, said = installed
    assert said.returncode == 0, said.stderr
    assert "warning" not in (said.stdout + said.stderr).lower()


def test_what_is_installed_is_what_the_packages_say(installed):
    root, _ = installed
    for answer in (root.rpm("-Va"), root.chroot("rpm", "-Va")):
        assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def test_the_programs_of_the_tree_answer_in_it(installed):
    root, _ = installed
    assert root.chroot("rpm", "-q", "sudo").stdout.startswith("sudo-")
    assert "tcpdump" in root.chroot("dnf", "--quiet", "list", "--installed").stdout
    repositories = root.chroot("dnf", "--quiet", "repolist").stdout.splitlines()
    assert [line.split()[0] for line in repositories[1:]] == ["appstream", "baseos"]
    assert root.chroot("python3", "-c", "import ssl, sqlite3, ctypes, dnf; print('good')").stdout == "good\n"
    assert root.chroot("visudo", "--check").returncode == 0
    assert root.chroot("getcap", "/usr/bin/ping").stdout == "/usr/bin/ping cap_net_raw=ep\n"
    keys = root.chroot("ssh-keygen", "-A")
    assert keys.returncode == 0, keys.stderr
    assert root.chroot("sh", "-c", "mkdir -p /run/sshd; sshd -t; rm /etc/ssh/ssh_host_*").stderr == ""


def test_its_services_are_those_of_the_family(installed):
    root, _ = installed
    for unit in ("sshd.service", "chronyd.service", "NetworkManager.service"):
        assert root.chroot("systemctl", "is-enabled", unit).stdout == "enabled\n", unit


def test_it_says_that_it_is_a_stand_in(installed):
    root, _ = installed
    assert 'PRETTY_NAME="CentOS Stream 9 (stand-in)"' in (root.tree / "etc/os-release").read_text()
    summaries = root.rpm("-qa", "--queryformat", "%{NAME}: %{SUMMARY}\n").stdout.splitlines()
    assert [line for line in summaries if "stand-in for" not in line and "gpg-pubkey" not in line] == []


def test_two_installations_have_the_same_database(standin, tmp_path):
    found = []
    for name in ("one", "two"):
        root = make_root(tmp_path / name, standin.flavour("9-stream"), standin.key)
        assert root.dnf("install", *SMALL, "openssh-server", "chrony").returncode == 0
        database = root.tree / "var/lib/rpm"
        found.append({
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in (*database.iterdir(), root.tree / "etc/shadow")
            if file.name not in LEFT_BEHIND
        })  # fmt: skip
    assert found[0] == found[1]
    assert "rpmdb.sqlite" in found[0]


@pytest.mark.parametrize("flavour", RELEASES)
def test_each_flavour_installs_and_has_its_name(standin, tmp_path, flavour):
    package, name, version = RELEASES[flavour]
    root = make_root(tmp_path, standin.flavour(flavour), standin.key, int(version.split(".")[0]))
    said = root.dnf("install", "@core")
    assert said.returncode == 0, said.stderr
    assert root.rpm("-q", package).returncode == 0
    text = (root.tree / "usr/lib/os-release").read_text()
    assert f'\nID="{name}"\n' in text
    assert f'\nVERSION_ID="{version}"\n' in text
    place = "usr/lib/sysimage/rpm" if flavour == "10-stream" else "var/lib/rpm"
    assert (root.tree / place / "rpmdb.sqlite").exists()
    assert root.chroot("rpm", "-q", package).returncode == 0
    lost = "user chrony does not exist - using root" in said.stdout + said.stderr
    assert lost == (flavour == "10-stream")


REFUSED = (
    faults.unsigned_package, faults.altered_package, faults.stale_checksum, faults.changed_metadata,
    faults.unsigned_metadata,
)  # fmt: skip
NOTICED = {
    faults.damaging_scriptlet: "%post(basesystem-12-1.standin.noarch) scriptlet failed",
    faults.unknown_user: "user nobodymakesit does not exist - using root",
}


@pytest.mark.parametrize("fault", REFUSED, ids=lambda fault: fault.__name__)
def test_a_spoilt_mirror_is_refused(standin, tmp_path, fault):
    root = make_root(tmp_path, fault(standin, tmp_path / "mirror"), standin.key)
    assert root.dnf("install", *SMALL).returncode != 0
    assert not (root.tree / "etc/passwd").exists()


@pytest.mark.parametrize("fault", NOTICED, ids=lambda fault: fault.__name__)
def test_what_only_a_warning_tells_of_is_installed(standin, tmp_path, fault):
    root = make_root(tmp_path, fault(standin, tmp_path / "mirror"), standin.key)
    said = root.dnf("install", *SMALL, "bash")
    assert said.returncode == 0
    assert NOTICED[fault] in said.stdout + said.stderr


def test_another_key_is_refused(standin, tmp_path):
    root = make_root(tmp_path, standin.flavour("9-stream"), faults.other_key(tmp_path / "key"))
    assert root.dnf("install", *SMALL).returncode != 0


def test_a_spoilt_copy_leaves_the_mirror_as_it_was(standin, tmp_path):
    def sums():
        files = sorted(standin.flavour("9-stream").rglob("*"))
        return {file: hashlib.sha256(file.read_bytes()).digest() for file in files if file.is_file()}

    before = sums()
    for fault in (*REFUSED, *NOTICED, faults.unsigned_kernel_source, faults.altered_kernel_source):
        fault(standin, tmp_path / fault.__name__)
    assert sums() == before


@pytest.mark.parametrize(
    ("make", "good"),
    [(faults.stub_kernel_source, True), (faults.unsigned_kernel_source, False), (faults.altered_kernel_source, False)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_rpmkeys_tells_a_good_kernel_source_from_a_spoilt_one(standin, tmp_path, make, good):
    mirror = make(standin, tmp_path / "mirror")
    source = next((mirror / "BaseOS" / SOURCE / "Packages").glob("kernel-*.src.rpm"))
    assert _signature(source, standin.key, tmp_path / "keys") == good


def _signature(package: Path, key: Path, database: Path) -> bool:
    database.mkdir()
    subprocess.run(["rpmkeys", "--root", database, "--import", key], check=True)
    words = ["rpmkeys", "--root", database, "--define", "_pkgverify_level signature", "--checksig", "-v", "-"]
    with package.open("rb") as stream:
        said = subprocess.run(words, stdin=stream, check=False, capture_output=True, text=True)
    return said.returncode == 0 and "Signature" in said.stdout and not any(
        word in said.stdout for word in ("NOKEY", "BAD", "NOT OK", "NOTFOUND")
    )  # fmt: skip


def test_the_stub_of_a_kernel_has_the_layout_of_the_real_one_and_its_patch_applies(standin, tmp_path):
    mirror = faults.stub_kernel_source(standin, tmp_path / "mirror")
    source = next((mirror / "BaseOS" / SOURCE / "Packages").glob("kernel-*.src.rpm"))
    assert source.name == "kernel-5.14.0-1.standin.el9.src.rpm"
    assert "(stand-in)" in _patched(source, tmp_path)
    assert (tmp_path / "patch-5.14-redhat.patch").stat().st_size == 0


def test_the_source_of_a_kernel_is_signed_and_listed_and_its_patch_applies(stand_in_with_kernel, tmp_path):
    source = kernel_source(stand_in_with_kernel)
    assert _signature(source, stand_in_with_kernel.key, tmp_path / "keys")
    root = make_root(tmp_path / "root", stand_in_with_kernel.flavour("9-stream"), stand_in_with_kernel.key)
    listed = root.dnf("--quiet", "repoquery", "--repo=source", "--queryformat=%{name}-%{evr}.%{arch}.rpm", "kernel")
    assert source.name in listed.stdout
    assert "(stand-in)" in _patched(source, tmp_path)


def _patched(source: Path, folder: Path) -> str:
    """Unpack a kernel's source RPM as its spec would: init/version.c with the patch that is not empty."""
    subprocess.run(f"rpm2cpio {source} | cpio --quiet -id", shell=True, check=True, cwd=folder)
    (archive,) = folder.glob("linux-*.tar.xz")
    top = archive.name.removesuffix(".tar.xz")
    subprocess.run(["tar", "-xf", archive, f"{top}/init/version.c"], check=True, cwd=folder)
    patch = folder / "1000-debrand-some-messages.patch"
    assert len(patch.read_text().splitlines()) > 9
    subprocess.run(["patch", "-p1", "--fuzz=0", "-i", patch], check=True, cwd=folder / top)
    return (folder / top / "init/version.c").read_text()


def test_a_metalink_says_what_the_list_of_packages_is(standin):
    repomd = standin.flavour("9-stream") / "BaseOS" / BINARY / "repodata/repomd.xml"
    urls = ["http://127.0.0.1:1/repodata/repomd.xml", "http://127.0.0.1:2/repodata/repomd.xml"]
    space = {"m": "http://www.metalinker.org/"}
    file = ElementTree.fromstring(metalink(repomd, urls)).find("m:files/m:file", space)
    assert file is not None
    assert file.get("name") == "repomd.xml"
    assert [url.text for url in file.findall("m:resources/m:url", space)] == urls
    found = {node.get("type"): node.text for node in file.findall("m:verification/m:hash", space)}
    assert found["sha256"] == hashlib.sha256(repomd.read_bytes()).hexdigest()
