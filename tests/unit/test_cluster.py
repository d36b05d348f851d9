"""What is decided about a cluster without one: who may reach it, what travels, where a job fits."""

from __future__ import annotations

import io
import stat
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builds import REPOSITORY
from support.certificates import certificate

from labwright.cli.cluster_options import check_effect
from labwright.errors import Cause, LabwrightError
from labwright.nightly.cluster_link import Link, check_link, soon
from labwright.nightly.cluster_parcel import LARGEST, Parcel, pack, unpack
from labwright.nightly.cluster_room import Needs, Room, lacking, rooms_of
from labwright.pipeline.stage2 import folder_digest

GIB = 1 << 30


# Who may reach it.


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "tcp://localhost:8786", "tcp://[::1]:8786"])
def test_this_machine_s_scheduler_needs_no_tls(address):
    assert check_link(Link(address)).address == address


@pytest.mark.parametrize("address", ["tcp://10.0.0.7:8786", "tcp://0.0.0.0:8786", "tcp://lab.example.org:8786",
                                     "tcp://127.0.0.1.example.org:8786"])  # fmt: skip
def test_a_scheduler_in_the_network_without_tls_is_refused(address):
    with pytest.raises(LabwrightError, match="everybody in that network could run programs") as caught:
        check_link(Link(address))
    assert "tls://" in caught.value.hint


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1:8786", "ws://127.0.0.1:1", "inproc://x", "tcp://127.0.0.1", "tcp://127.0.0.1:0",
                "tcp://127.0.0.1:99999", "tcp://127.0.0.1:1/path", "tcp://user@127.0.0.1:1", "tcp://127.0.0.1:1\n"]
)  # fmt: skip
def test_what_is_no_address_is_refused(address):
    with pytest.raises(LabwrightError, match="is no address of a scheduler"):
        check_link(Link(address))


def test_tls_needs_all_three_files_and_a_key_that_nobody_else_may_use(tmp_path):
    files = [tmp_path / name for name in ("ca", "cert", "key")]
    for number, option in enumerate(("--tls-ca", "--tls-cert", "--tls-key")):
        with pytest.raises(LabwrightError, match=f"needs {option}"):
            check_link(Link("tls://lab:8786", *files[:number]))
        with pytest.raises(LabwrightError, match=f"{option}: there is no file"):
            check_link(Link("tls://lab:8786", *files))
        if option == "--tls-key":
            files[number].touch(0o600)
        else:
            files[number].write_bytes(certificate())
    assert check_link(Link("tls://lab:8786", *files)).tls
    files[2].chmod(0o644)
    with pytest.raises(LabwrightError, match="others than its owner may use"):
        check_link(Link("tls://lab:8786", *files))


def secure_link(folder: Path, **days: tuple[float, float]) -> Link:
    """days: from when until when each certificate holds, from today."""
    for name in ("ca", "cert"):
        (folder / name).write_bytes(certificate(*days.get(name, (-1, 365))))
    (folder / "key").touch(0o600)
    return Link("tls://lab:8786", folder / "ca", folder / "cert", folder / "key")


@pytest.mark.parametrize(
    ("name", "days", "said"),
    [
        ("cert", (-366, -1), r"/cert \(--tls-cert\) expired on \d{4}-\d\d-\d\d$"),
        ("ca", (-3651, -0.01), r"/ca \(--tls-ca\) expired on "),
        ("cert", (1, 365), r"/cert \(--tls-cert\) holds from \S+ on, and this machine's clock says "),
    ],
)
def test_a_certificate_that_does_not_hold_is_said_before_anything_is_reached(tmp_path, name, days, said):
    with pytest.raises(LabwrightError, match=said) as caught:
        check_link(secure_link(tmp_path, **{name: days}))
    assert caught.value.cause is Cause.CONFIG
    assert "docs/cluster.md" in caught.value.hint
    assert f"## {caught.value.hint.partition(', ')[2]}" in (REPOSITORY / "docs/cluster.md").read_text()


@pytest.mark.parametrize(("left", "named"), [(29.9, True), (30.1, False)])
def test_a_certificate_that_will_soon_expire_is_said_a_month_before(tmp_path, left, named):
    link = secure_link(tmp_path, cert=(-300, left))
    assert check_link(link) is link
    assert ["/cert (--tls-cert) expires on " in words for words in soon(link)] == [True] * named


def test_a_file_without_a_certificate_is_no_certificate(tmp_path):
    link = secure_link(tmp_path)
    for content in (b"", b"not PEM", (tmp_path / "cert").read_bytes()[:200]):
        (tmp_path / "cert").write_bytes(content)
        with pytest.raises(LabwrightError, match=r"--tls-cert: .* there is no certificate in it"):
            check_link(link)


def test_certificates_without_tls_are_a_mistake_that_is_said(tmp_path):
    with pytest.raises(LabwrightError, match="certificates are for tls://"):
        check_link(Link("tcp://127.0.0.1:8786", tmp_path))


# Options.


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"staging": "registry/x"}, "--staging"),
        ({"tls_ca": Path("ca"), "tls_cert": Path("cert"), "tls_key": Path("key")}, "--tls-ca, --tls-cert, --tls-key"),
        ({"scheduler": "tcp://127.0.0.1:1", "jobs": 2}, "--jobs"),
        ({"scheduler": "tcp://127.0.0.1:1", "memory": "8G", "disk": "9G"}, "--memory, --disk"),
        ({"kinds": ["artifact"]}, "--as"),
    ],
)
def test_an_option_that_would_do_nothing_is_said_and_not_passed_over(given, named):
    with pytest.raises(LabwrightError, match=f"^{named}: without effect here") as caught:
        check_effect(**{"scheduler": "", "publish": ""} | given)
    assert caught.value.cause is Cause.CONFIG
    assert caught.value.hint


def test_options_that_do_something_pass():
    check_effect("tcp://127.0.0.1:1", "registry/x", staging="s", tls_ca=Path("ca"), kinds=["artifact"], jobs=None)
    check_effect("", "", staging="", tls_ca=None, jobs=2, memory="8G", disk="9G", kinds=None)


# What travels.


def image(root: Path, slug: str, build: str = "  type: debian\n") -> Path:
    folder = root / slug
    folder.mkdir(parents=True)
    (folder / "image.meta.yaml").write_text(f"slug: {slug}\ndescription: x\nbuild:\n{build}")
    return folder


def there(parcel: Parcel, root: Path) -> Path:
    root.mkdir()
    return unpack(parcel, root)


def test_a_folder_arrives_as_it_is_and_private_files_stay_at_home(tmp_path):
    (tmp_path / "licence").write_text("the licence itself")
    private = f'  privateFiles:\n    - {{from: "file:{tmp_path}/licence", path: /etc/x}}\n'
    (tmp_path / "images").mkdir()
    (tmp_path / "images/disk").write_bytes(b"disk")
    folder = image(tmp_path / "images", "leaf", f"  type: linux\n  from: ../disk\n{private}")
    (folder / "files/deep").mkdir(parents=True)
    (folder / "files/deep/run.sh").write_text("#!/bin/sh\n")
    (folder / "files/deep/run.sh").chmod(0o755)
    (folder / "files/link").symlink_to("deep/run.sh")
    (folder / "files/empty").mkdir()
    (folder / ".git").mkdir()
    (folder / ".git/config").write_text("x")
    (folder / ".hidden").write_text("x")
    parcel = pack(folder)
    assert b"the licence itself" not in parcel.archive
    assert "licence itself" not in repr(parcel)
    found = there(parcel, tmp_path / "there")
    assert found == tmp_path / "there/leaf"
    assert sorted(path.relative_to(found).as_posix() for path in found.rglob("*")) == [
        ".hidden", "files", "files/deep", "files/deep/run.sh", "files/empty", "files/link", "image.meta.yaml"
    ]  # fmt: skip
    assert stat.S_IMODE((found / "files/deep/run.sh").stat().st_mode) == 0o755
    assert (found / "files/link").readlink() == Path("deep/run.sh")
    assert (found / "image.meta.yaml").read_text() == (folder / "image.meta.yaml").read_text()


@pytest.mark.parametrize("mode", [0o644, 0o664, 0o775, 0o600, 0o666])
def test_a_mode_by_another_umask_does_not_rebuild_the_image_on_a_worker(tmp_path, mode):
    folder = image(tmp_path / "images", "leaf")
    (folder / "playbook.yml").write_text("[]\n")
    (folder / "playbook.yml").chmod(mode)
    assert folder_digest(there(pack(folder), tmp_path / "there")) == folder_digest(folder)


def test_the_images_that_it_starts_from_lie_beside_it_as_they_did(tmp_path):
    image(tmp_path / "images/os", "debian")
    image(tmp_path / "images", "router", "  type: debian\n  from: ../images/os/debian\n")
    (tmp_path / "images/router/image.meta.yaml").write_text(
        "slug: router\ndescription: x\nbuild:\n  type: linux\n  from: ../os/debian\n"
    )
    leaf = image(tmp_path / "images", "leaf", "  type: linux\n  from: ../router\n")
    parcel = pack(leaf)
    assert parcel.bases == ("router", "debian")
    found = there(parcel, tmp_path / "there")
    assert (found / "../os/debian/image.meta.yaml").is_file()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret", "files/../../../secret"])
def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path, target):
    folder = image(tmp_path / "images", "leaf")
    (folder / "link").symlink_to(target)
    with pytest.raises(LabwrightError, match=r"leads to .*, out of the image's folder") as caught:
        pack(folder)
    assert caught.value.cause is Cause.CONFIG


def test_pipes_and_too_much_are_refused(tmp_path):
    import os

    folder = image(tmp_path / "images", "leaf")
    os.mkfifo(folder / "pipe")
    with pytest.raises(LabwrightError, match="it is no file, link or folder"):
        pack(folder)
    (folder / "pipe").unlink()
    for number in range(3):
        (folder / f"large{number}").write_bytes(bytes(LARGEST // 2))
    with pytest.raises(LabwrightError, match="it has more than 16 MiB"):
        pack(folder)
    (folder / "large0").write_bytes(bytes(LARGEST + 1))
    with pytest.raises(LabwrightError, match="large0 cannot be sent"):
        pack(folder)


def hostile(*members: tuple[str, bytes, str]) -> Parcel:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            member.size = 1 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"x"))
    return Parcel("leaf", (), stream.getvalue())


@pytest.mark.parametrize(
    "parcel",
    [
        hostile(("../outside", tarfile.REGTYPE, "")),
        hostile(("/tmp/outside", tarfile.REGTYPE, "")),
        hostile(("leaf/link", tarfile.SYMTYPE, "../..")),
        hostile(("leaf/link", tarfile.SYMTYPE, "/etc")),
        hostile(("leaf/device", tarfile.CHRTYPE, "")),
        hostile(("leaf/hard", tarfile.LNKTYPE, "/etc/passwd")),
        Parcel("../leaf", (), hostile(("leaf/x", tarfile.REGTYPE, "")).archive),
        Parcel("leaf", (), b"no archive at all"),
    ],
)
def test_a_hostile_archive_writes_nothing_outside(tmp_path, parcel):
    with pytest.raises(LabwrightError, match="cannot be sent to a worker"):
        there(parcel, tmp_path / "there")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there"]


def test_nothing_is_written_by_way_of_a_link_in_the_archive(tmp_path):
    parcel = hostile(("leaf/link", tarfile.SYMTYPE, "other"), ("leaf/link/file", tarfile.REGTYPE, ""))
    with pytest.raises((LabwrightError, OSError)):
        there(parcel, tmp_path / "there")
    assert not (tmp_path / "there/leaf/other").exists()


# Where a job fits.

WORKER = {"name": "one", "resources": {"SLOT": 2.0, "MEMORY": 4.0 * GIB, "ROOT": 2.0}}


def test_what_a_worker_announces_is_read_and_others_are_not_ours():
    workers = {"tcp://a:1": WORKER, "tcp://b:1": {"name": "somebody's", "resources": {}}, "tcp://c:1": {}}
    assert rooms_of({"workers": workers}) == (Room("tcp://a:1", "one", 2, 4 * GIB, root=True),)
    assert rooms_of({}) == ()


def test_a_job_fits_where_slot_memory_and_rights_are_left():
    room = Room("a", "one", 2, 4 * GIB, root=True)
    assert room.takes(Needs(4 * GIB))
    assert not room.takes(Needs(4 * GIB + 1))
    assert not room.takes(Needs(kvm=True))
    assert not room.less([Needs(3 * GIB)]).takes(Needs(2 * GIB))
    assert not room.less([Needs(), Needs()]).takes(Needs())
    assert not Room("a", "one", 2, 4 * GIB).takes(Needs())


@given(st.lists(st.builds(Room, st.just("a"), st.just("one"), st.integers(0, 3), st.integers(0, 9), st.booleans(),
                          st.booleans()), max_size=3), st.builds(Needs, st.integers(0, 9), st.booleans()))  # fmt: skip
def test_what_is_lacking_has_words_whenever_nothing_fits(rooms, needs):
    if not any(room.takes(needs) for room in rooms):
        assert lacking(needs, rooms)


@pytest.mark.parametrize(
    ("rooms", "said"),
    [
        ((), "there is none"),
        ((Room("a", "one", 1, GIB),), "ROOT: none of one is root or may make user namespaces"),
        ((Room("a", "one", 1, GIB, root=True),), "KVM: it runs on none of one"),
        ((Room("a", "one", 1, GIB, True, True), Room("b", "two", 1, 2 * GIB)),
         "MEMORY: it takes 3221 MB, and 1073 MB are the most that one of one, two has"),
    ],
)  # fmt: skip
def test_what_no_worker_has_is_named(rooms, said):
    assert lacking(Needs(3 * GIB, kvm=True), rooms) == said
