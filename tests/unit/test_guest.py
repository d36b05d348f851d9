"""What a disk says of itself, which way in is taken, and what Ansible is handed."""

from __future__ import annotations

import os
import shlex
import socket
import stat
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.errors import Cause, LabwrightError
from labwright.guest import way
from labwright.guest.bridge import bridge
from labwright.guest.content import Content, Part, Release, more_mounts, parse_release
from labwright.guest.guest import Answer, Guest, failure
from labwright.host.ledger import Ledger
from labwright.provision.family import ALPINE, DEBIAN, ENTERPRISE, LINUX, SUSE, family_of
from labwright.provision.playbook import plays, quoted
from labwright.provision.script import SCRIPTS, base_script, seal_script
from labwright.spec.image import ImageSpec


def image(**build: object) -> ImageSpec:
    return ImageSpec.model_validate({"slug": "x", "description": "x", "build": {"type": "linux", **build}})


class LocalGuest(Guest):
    """Commands run where the test runs: the real interface without a disk."""

    method = "local"

    def _execute(self, argv: Sequence[str], stdin: bytes | Path, seconds: float) -> Answer:
        data = stdin.read_bytes() if isinstance(stdin, Path) else stdin
        done = subprocess.run(argv, input=data, capture_output=True, check=False)
        return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ('ID=debian\nVERSION_ID="12"\n', DEBIAN),
        ("ID=ubuntu\nID_LIKE=debian\n", DEBIAN),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', ENTERPRISE),
        ('ID="centos"\nID_LIKE="rhel fedora"\n', ENTERPRISE),
        ("ID=alpine\n", ALPINE),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', SUSE),
        ("ID='cumulus-linux'\nID_LIKE=debian\n", DEBIAN),
    ],
)
def test_a_system_has_the_family_that_it_names_or_is_like(text, family):
    assert family_of(parse_release(text), LINUX) is family


def test_a_system_of_no_family_is_refused_with_those_that_there_are():
    with pytest.raises(LabwrightError, match="Plan 9") as caught:
        family_of(Release("plan9", (), "4", "Plan 9"), LINUX)
    assert "debian, enterprise, suse, alpine" in caught.value.hint


@given(st.text(max_size=500))
def test_whatever_an_os_release_holds_it_is_read_and_fit_to_be_shown(text):
    release = parse_release(text)
    assert release.title.isprintable()
    assert len(release.title) <= 80


ROOT = Part(1, 1, 1, "ext4", frozenset({"UUID=R"}))
BOOT = Part(2, 2, 1, "ext4", frozenset({"UUID=B", "LABEL=BOOT"}))
VAR = Part(3, 3, 1, "xfs", frozenset({"PARTUUID=V"}))
ESP = Part(4, 4, 1, "vfat", frozenset({"UUID=E"}))
DISK = Content(Path("/x"), 9, (ROOT, BOOT, VAR, ESP))


def test_other_partitions_are_mounted_where_fstab_has_them_outer_ones_first():
    table = "# x\nUUID=r / ext4\nPARTUUID=v /var/lib xfs x 0 0\nLABEL=boot /boot ext4\nUUID=e /boot/efi vfat\n"
    assert more_mounts(DISK, ROOT, table) == [(BOOT, "/boot"), (VAR, "/var/lib")]


@pytest.mark.parametrize("place", ["/../etc", "/boot/../../etc", "relative", "/a\\040b", "/$(id)", "swap", "none"])
def test_a_place_that_leads_out_of_the_tree_is_not_mounted_on(place):
    assert more_mounts(DISK, ROOT, f"UUID=b {place} ext4 defaults\n") == []


@pytest.fixture
def capable(monkeypatch):
    """A host that can do everything."""
    monkeypatch.setattr(way, "lacks_mounting", lambda: "")
    monkeypatch.setattr(way, "lacks_appliance", lambda: "")
    monkeypatch.setattr(way, "lacks_virt_customize", lambda: "")
    return monkeypatch


WAYS = ("mounted", "appliance", "booted")


def test_a_disk_that_is_vouched_for_is_mounted(capable):
    assert way.choose_way("auto", WAYS, vouched=True).method == "mounted"


def test_a_disk_from_anywhere_is_not_run_on_this_host_unless_asked_for(capable):
    chosen = way.choose_way("auto", WAYS, vouched=False)
    assert chosen.method == "appliance"
    assert "build.sha256" in chosen.why
    assert way.choose_way("mounted", WAYS, vouched=False).method == "mounted"


def test_what_a_host_lacks_is_said(capable):
    capable.setattr(way, "lacks_mounting", lambda: "only root may mount a disk")
    assert "only root may mount a disk" in way.choose_way("auto", WAYS, vouched=True).why
    with pytest.raises(LabwrightError, match="only root may mount a disk"):
        way.choose_way("mounted", WAYS, vouched=True)
    capable.setattr(way, "lacks_appliance", lambda: "no module guestfs")
    assert way.choose_way("auto", WAYS, vouched=True).method == "booted"


def test_a_way_that_a_driver_does_not_have_is_a_mistake_of_the_user():
    with pytest.raises(LabwrightError, match="no way in called 'console'") as caught:
        way.choose_way("console", WAYS, vouched=True)
    assert caught.value.cause is Cause.CONFIG


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.sh")), ids=lambda path: path.name)
def test_a_script_is_posix_shell(script):
    subprocess.run(["sh", "-n", script], check=True)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1, max_size=30))
def test_no_password_is_read_as_shell(password):
    spec = image().model_copy(update={"ssh_password": image().ssh_password.__class__(password)})
    text = base_script(spec, DEBIAN).splitlines()
    line = next(line for line in text if line.startswith("password="))
    assert shlex.split(line) == [f"password={password}"]


@pytest.mark.parametrize("family", LINUX, ids=lambda family: family.name)
def test_the_scripts_of_every_family_are_posix_shell(family):
    for text in (base_script(image(packages=("tcpdump",)), family), seal_script(family, live=True)):
        subprocess.run(["sh", "-n"], input=text.encode(), check=True)


def test_scripts_and_playbook_are_one_run_in_their_order(tmp_path):
    folder = tmp_path / "it's here"
    wanted = plays(image(pre=("a.sh",), playbook="p.yml", post=("b.sh",)), folder)
    assert [next(iter(play)) for play in wanted] == ["name", "ansible.builtin.import_playbook", "name"]
    assert shlex.split(wanted[0]["tasks"][0]["ansible.builtin.script"]["cmd"]) == [str(folder / "a.sh")]
    assert plays(image(), folder) == []


@given(st.text(st.characters(exclude_characters="\x00/"), min_size=1))
def test_a_path_stays_one_word_for_ansible(name):
    assert shlex.split(quoted(Path("/") / name)) == [str(Path("/") / name)]


def ask(place: Path, head: bytes, data: bytes = b"") -> bytes:
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(str(place))
        stream.sendall(struct.pack(">II", len(head), len(data)) + head + data)
        stream.shutdown(socket.SHUT_WR)
        answer = b""
        while part := stream.recv(65536):
            answer += part
        return answer


def test_the_bridge_runs_what_it_is_asked_and_only_we_can_ask(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    with bridge(LocalGuest(), ledger) as place:
        assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(os.lstat(place).st_mode) == 0o600
        assert b"hello" in ask(place, b'{"do": "run", "argv": ["cat"]}', b"hello")
        # Nonsense ends its own connection and nothing else.
        ask(place, b"[]")
        ask(place, b"{")
        assert b"hello" in ask(place, b'{"do": "run", "argv": ["cat"]}', b"hello")
    assert not place.parent.exists()
    assert ledger.entries() == []


def test_files_go_both_ways_unchanged(tmp_path):
    data = bytes(range(256)) * 100
    (tmp_path / "one").write_bytes(data)
    guest = LocalGuest()
    guest.put(tmp_path / "one", str(tmp_path / "it's two"))
    guest.get(str(tmp_path / "it's two"), tmp_path / "three")
    assert (tmp_path / "three").read_bytes() == data
    assert stat.S_IMODE((tmp_path / "it's two").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("said", "cause", "hint"),
    [
        ("cp: No space left on device", Cause.GUEST, "build.diskSize"),
        ("touch: Read-only file system", Cause.GUEST, "read-only"),
        ("E: Failed to fetch http://x 404  Not Found", Cause.NETWORK, "network"),
        ("sh: exec: Exec format error", Cause.GUEST, "another processor"),
    ],
)
def test_the_cause_of_a_failure_in_a_guest_is_recognised(said, cause, hint):
    error = failure(Answer(1, "", said), "preparing failed")
    assert error.cause is cause
    assert hint in error.hint
