"""What a build left is checked before anything of it goes out, and its labels hold no more than they should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.registry_images import EPOCH, made_up_image

from labwright.disk.manifest import FILES
from labwright.errors import Cause, LabwrightError
from labwright.host.files import file_digest
from labwright.pipeline.deliver import KERNEL, Built, beside_disks
from labwright.pipeline.store import Stored
from labwright.publish.container import Member
from labwright.publish.containerdisk import pack as pack_containerdisk
from labwright.publish.delivered import beside_disk, check_visibility, read_delivered
from labwright.publish.kinds import KINDS, kind_named
from labwright.publish.labels import Origin, labels
from labwright.publish.platform.extents import Part, pack_layer
from labwright.trust.purl import Vendor
from labwright.trust.runtime import Runtime


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return made_up_image(tmp_path / "out")


def test_everything_beside_the_image_belongs_to_it(image):
    found = read_delivered(image)
    assert found.slug == "leaf"
    assert found.files == image.with_suffix(".mtree")
    assert [path.name for path in found.kernel] == ["bzImage", "config", "release"]
    assert (found.public, found.private, found.epoch) == (True, (), EPOCH)


def rewritten(built: Path, /, **changes: object) -> None:
    report = built.with_suffix(".json")
    facts = json.loads(report.read_text()) | changes
    report.write_text(json.dumps({name: value for name, value in facts.items() if value is not None}))


@pytest.mark.parametrize(
    "changes", [{"visibility": None}, {"private": None}, {"visibility": "everybody"}, {"private": "x"}]
)
def test_a_report_that_does_not_say_who_may_have_the_image_is_refused(image, changes):
    rewritten(image, **changes)
    with pytest.raises(LabwrightError, match="does not say who may have it") as caught:
        read_delivered(image)
    assert caught.value.cause == Cause.CONFIG
    assert "build it again" in caught.value.hint


@pytest.mark.parametrize("changes", [{"image": "other"}, {"sha256": None}, {"bytes": "many"}, {"disks": {"../x": {}}}])
def test_a_report_that_is_not_of_this_image_is_refused(image, changes):
    rewritten(image, **changes)
    with pytest.raises(LabwrightError) as caught:
        read_delivered(image)
    assert caught.value.cause == Cause.CONFIG


def test_an_image_that_was_changed_after_its_tests_is_refused(image):
    image.write_bytes(image.read_bytes()[:-1] + b"!")
    with pytest.raises(LabwrightError, match="not the file that was built and tested") as caught:
        read_delivered(image)
    assert caught.value.cause == Cause.SIGNATURE


def test_a_further_disk_that_was_changed_is_refused(tmp_path):
    image = made_up_image(tmp_path / "out", "router", disks=["config"])
    assert set(read_delivered(image).disks) == {"config"}
    (tmp_path / "out/router-config.qcow2").write_bytes(b"other")
    with pytest.raises(LabwrightError, match="not the file that was built and tested"):
        read_delivered(image)


def test_a_list_of_files_or_a_kernel_of_another_build_is_not_published_with_an_image(image):
    files = {path.relative_to(image.parent).as_posix(): file_digest(path) for path in kept_beside(image)}
    rewritten(image, files=files)
    assert len(read_delivered(image).kernel) == 3
    rewritten(image, files={"leaf-kernel/config": files["leaf-kernel/config"]})
    found = read_delivered(image)
    assert ([path.name for path in found.kernel], found.files) == (["config"], None)
    rewritten(image, files=files)
    for path in kept_beside(image):
        before = path.read_bytes()
        path.write_bytes(b"of an older build")
        with pytest.raises(LabwrightError, match=f"{path.name} is not the file that was built") as caught:
            read_delivered(image)
        assert caught.value.cause == Cause.SIGNATURE
        path.write_bytes(before)


def kept_beside(image: Path) -> list[Path]:
    return [image.with_suffix(".mtree"), *(image.parent / "leaf-kernel").iterdir()]


@pytest.mark.parametrize("files", ["x", ["leaf.mtree"], {"leaf.mtree": 5}])
def test_a_report_whose_files_are_not_understood_is_an_error_and_no_bug(files, image):
    rewritten(image, files=files)
    with pytest.raises(LabwrightError):
        read_delivered(image)


@pytest.mark.parametrize("epoch", [10**400, float("inf"), -1, 253_402_300_800, "1", 1.5])
def test_an_age_that_no_calendar_has_is_refused(epoch, image):
    rewritten(image, source_date_epoch=epoch)
    with pytest.raises(LabwrightError, match="does not say its age") as caught:
        read_delivered(image)
    assert caught.value.cause == Cause.CONFIG


def test_a_report_has_the_hash_of_the_list_of_files_and_of_each_file_of_the_kernel(tmp_path):
    def stored(*names: str) -> Stored:
        return Stored("x", "", tmp_path, "", {name: {"sha256": f"of {name}", "size": 1} for name in names}, {}, 0, 0)

    done = {"system": stored(FILES), "kernel": stored(*KERNEL, "more"), "kernel-package": stored("kernel.package")}
    whole = Built(tmp_path / "a.qcow2", tmp_path / "a.json", tmp_path / "a-kernel", tmp_path / "a.mtree")
    said = beside_disks(whole, done)["files"]
    assert said.keys() == set(beside_disk("a"))
    assert said["a-kernel/bzImage"] == "of bzImage"
    assert beside_disks(Built(whole.image, whole.report), done) == {"files": {}}


@pytest.mark.parametrize("name", ["leaf.img", "Leaf.qcow2", ".qcow2", "no-such.qcow2"])
def test_what_is_no_image_of_a_build_is_refused(name, tmp_path):
    with pytest.raises(LabwrightError, match="is no image that labwright build delivered"):
        read_delivered(tmp_path / name)


def test_a_missing_or_damaged_report_is_said_so(image):
    image.with_suffix(".json").write_text("[" * 100_000)
    with pytest.raises(LabwrightError, match="cannot be read"):
        read_delivered(image)
    image.with_suffix(".json").unlink()
    with pytest.raises(LabwrightError, match="not beside it"):
        read_delivered(image)


@pytest.mark.parametrize(
    ("visibility", "private", "refused"),
    [("public", [], False), ("private", [], False), ("private", ["/a"], False), ("public", ["/a"], True)],
)
def test_only_a_public_image_with_private_files_is_kept_back(visibility, private, refused, tmp_path):
    delivered = read_delivered(made_up_image(tmp_path / "out", visibility=visibility, private=private))
    if not refused:
        check_visibility(delivered)
        return
    with pytest.raises(LabwrightError, match="private") as caught:
        check_visibility(delivered)
    assert caught.value.details == ("private: /a",)


def test_labels_say_where_it_comes_from_and_nothing_that_drives_a_terminal(image):
    rewritten(image, pins={"asked": ["bash"]})
    origin = Origin("0123abc-dirty", "https://example.org/images", "a \x1b[31mleaf\u202e")
    found = labels(read_delivered(image), origin)
    assert found["org.opencontainers.image.title"] == found["org.labwright.image"] == "leaf"
    assert found["org.opencontainers.image.description"] == "a leaf"
    assert found["org.opencontainers.image.version"] == "bookworm"
    assert found["org.opencontainers.image.revision"] == "0123abc-dirty"
    assert found["org.opencontainers.image.source"] == "https://example.org/images"
    assert found["org.labwright.type"] == "debian"
    assert len(found["org.labwright.lock"]) == 64
    rewritten(image, pins={"asked": ["zsh"]})
    assert labels(read_delivered(image), Origin())["org.labwright.lock"] != found["org.labwright.lock"]


def test_no_label_is_empty(tmp_path):
    image = made_up_image(tmp_path / "out", release=None, source_date_epoch=None)
    found = labels(read_delivered(image), Origin())
    assert all(found.values())
    assert "org.opencontainers.image.created" not in found


def test_the_kinds_are_packed_the_same_each_time(image, bench, monkeypatch):
    # The real one is made of packages from a mirror, and would come from the store the second time.
    small = pack_layer([Member("etc", 0o755)], bench.scratch / "runtime.tar.gz", Part.RUNTIME)
    made = small, Runtime(Vendor("debian"), ())
    monkeypatch.setattr("labwright.publish.platform.kind.runtime_layer", lambda _: made)
    delivered = read_delivered(image)
    for kind in KINDS.values():
        first, second = (kind.pack(delivered, {"a": "b"}, bench) for _ in range(2))
        assert [layer.descriptor for layer in first.layers] == [layer.descriptor for layer in second.layers]
        assert first.config.blob.content() == second.config.blob.content()


def test_a_containerdisk_of_more_than_eight_gigabytes_is_still_an_archive(image, bench, tmp_path, monkeypatch):
    """The old form of tar has eleven octal digits for a size."""
    import tarfile

    from labwright.publish.container import tar_layer
    from labwright.registry.blob import Blob, Piece

    monkeypatch.setattr(Blob, "of", lambda *parts, digest="": Blob(parts, 0, "sha256:" + "0" * 64))
    layer = tar_layer([Member("disk/leaf.qcow2", 0o440, Piece(image, 0, 9 << 30), 107)])
    header = layer.blob.parts[0]
    assert isinstance(header, bytes)
    (tmp_path / "head.tar").write_bytes(header)
    with tarfile.open(tmp_path / "head.tar") as archive:
        assert archive.next().size == 9 << 30  # type: ignore[union-attr]


def test_a_kind_that_there_is_not_is_refused_with_those_there_are():
    with pytest.raises(LabwrightError, match="no kind of publication 'ova'") as caught:
        kind_named("ova")
    assert "containerdisk" in caught.value.hint


def test_the_disk_of_a_containerdisk_is_not_copied_for_it(image, bench):
    pack_containerdisk(read_delivered(image), {}, bench)
    assert list(bench.scratch.iterdir()) == []
