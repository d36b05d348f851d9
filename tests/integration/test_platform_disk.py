"""A disk in pieces: QEMU reads it as it was, it comes back as it was, and hostile pieces are refused."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import os
import random
import shutil
import subprocess
import tarfile
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labwright.errors import Cause, LabwrightError
from labwright.host.ledger import Ledger
from labwright.host.paths import Paths
from labwright.interfaces import Workbench
from labwright.pipeline.runner import Runner
from labwright.pipeline.store import Store
from labwright.publish.container import Member
from labwright.publish.kind import Pulled
from labwright.publish.platform import blocks
from labwright.publish.platform.blocks import Cut
from labwright.publish.platform.disk import disk_from_layers
from labwright.publish.platform.extents import DISKS, PART, Packed, Part, pack_cuts, pack_disks, pack_layer
from labwright.publish.platform.start import run as start
from labwright.registry.blob import digest_of
from labwright.registry.manifest import Descriptor, make_manifest

MEGABYTE = 1 << 20
REPORT = {"image": "made-up", "sha256": "0" * 64, "bytes": 1}


def workbench(folder: Path) -> Workbench:
    paths = Paths(folder)
    ledger = Ledger(paths.ledger)
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    runner = Runner("made-up", paths, Store(paths.store, ledger), ledger, lambda _: None, 1, 0)
    return runner.workbench(scratch, lambda _: None, folder / "log")


def disk(folder: Path, more: dict[str, bytes]) -> Path:
    """An ext4 file system of 40 MB in a sparse disk of 300, as qcow2."""
    tree, raw, image = folder / "tree", folder / "raw", folder / "made-up.qcow2"
    for number in range(200):
        place = tree / f"folder{number % 40:02}" / f"file{number:03}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((f"{number} " * 40_000).encode())
    for name, data in more.items():
        (tree / name).write_bytes(data)
    command = ["mke2fs", "-q", "-F", "-t", "ext4", "-O", "metadata_csum,^resize_inode", "-b", "4096", "-d", tree, raw]
    subprocess.run([*command, "300M"], check=True, env=os.environ | {"E2FSPROGS_FAKE_TIME": "1"})
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", "-c", raw, image], check=True)
    raw.unlink()
    return image


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    return disk(tmp_path_factory.mktemp("disk"), {})


@pytest.fixture(scope="module")
def made(image, tmp_path_factory) -> tuple[Shelf, dict[str, bytes], str]:
    """The layers of the disk, the small files of the last one, and the descriptor for QEMU."""
    return packed(image, workbench(tmp_path_factory.mktemp("made")))


@dataclasses.dataclass(frozen=True)
class Shelf:
    """Layers as a registry would give them."""

    layers: list[Packed]

    def more(self, layer: Packed) -> Shelf:
        return Shelf([*self.layers, layer])

    def pulled(self) -> Pulled:
        described, files = [], {}
        for layer in self.layers:
            data = layer.file.read_bytes()
            files[digest_of(data)] = layer.file
            described.append(Descriptor("x", digest_of(data), len(data), {PART: layer.part}))
        manifest = make_manifest(Descriptor("x", digest_of(b""), 0), tuple(described), {})
        return Pulled(manifest, lambda blob, place: shutil.copyfile(files[blob.digest], place), "a test")


def packed(image: Path, bench: Workbench) -> tuple[Shelf, dict[str, bytes], str]:
    layouts, layers = pack_disks({"system": image}, bench)
    layout = layouts["system"]
    texts = {"disk/made-up.json": json.dumps(REPORT).encode(), "disk/system.layout.json": layout.text().encode()}
    return Shelf(layers), texts, layout.descriptor()


def with_texts(shelf: Shelf, texts: dict[str, bytes], bench: Workbench) -> Shelf:
    members = [DISKS, *(Member(name, 0o444, data) for name, data in texts.items())]
    return Shelf([*shelf.layers, pack_layer(members, bench.scratch / "last.layer", Part.DEVICE)])


def test_the_disk_comes_back_to_the_last_bit_and_its_report_speaks_of_the_new_file(image, made, bench, tmp_path):
    shelf, texts, _ = made
    folder = tmp_path / "back"
    folder.mkdir()
    disk_from_layers(with_texts(shelf, texts, bench).pulled(), folder, bench)
    subprocess.run(["qemu-img", "compare", image, folder / "made-up.qcow2"], check=True)
    said = json.loads((folder / "made-up.json").read_text())
    assert said["bytes"] == (folder / "made-up.qcow2").stat().st_size
    assert said["sha256"] != REPORT["sha256"]


def test_qemu_reads_the_pieces_where_they_lie(image, made, tmp_path, monkeypatch):
    shelf, _, descriptor = made
    for layer in shelf.layers:
        subprocess.run(["tar", "-xzf", layer.file, "-C", tmp_path], check=True)
    (tmp_path / "disk/zeros").write_bytes(bytes(512))
    (tmp_path / "disk/system.vmdk").write_text(descriptor)
    monkeypatch.setattr(start, "DISKS", tmp_path / "disk")
    chain = f"json:{json.dumps(start.chain('system'))}"
    subprocess.run(["qemu-img", "compare", chain, image], check=True)
    lower = subprocess.run(["qemu-img", "compare", tmp_path / "disk/system.vmdk", image], check=False)
    assert lower.returncode == 1, "directories are expected to lie apart, or this test shows nothing of that"


def test_the_same_disk_gives_the_same_layers(image, made, tmp_path):
    again = workbench(tmp_path / "again")
    first, second = made[0], packed(image, again)[0]
    assert [one.file.read_bytes() for one in first.layers] == [one.file.read_bytes() for one in second.layers]


def test_a_second_disk_makes_pieces_larger_and_not_twice_as_many_layers(tmp_path, monkeypatch):
    disks = {
        name: disk(
            tmp_path / name,
            {f"more{number}": random.Random(f"{name}{number}").randbytes(MEGABYTE) for number in range(30)},
        )
        for name in ("system", "data")
    }
    monkeypatch.setattr(blocks, "MOST_PIECES", 16)
    monkeypatch.setattr(blocks, "SMALLEST", MEGABYTE)
    layouts, _ = pack_disks(disks, workbench(tmp_path / "both"))
    used = sum(extent.size for layout in layouts.values() for extent in layout.extents if extent.file)
    for layout in layouts.values():
        sizes = {file: sum(one.size for one in layout.extents if one.file == file) for file in layout.pieces}
        whole = sorted(sizes.values())[1:]
        assert whole, "one piece shows nothing"
        assert all(size >= blocks.target(used) // 2 for size in whole)


def test_pieces_are_cut_no_faster_than_they_are_packed(bench):
    alive, most = weakref.WeakSet[Cut](), 0

    def cuts() -> Iterator[Cut]:
        for number in range(40):
            piece = Cut((blocks.Span(number * MEGABYTE, MEGABYTE),), os.urandom(MEGABYTE))
            alive.add(piece)
            nonlocal most
            most = max(most, len(alive))
            yield piece
            del piece

    placed, layers = pack_cuts(cuts(), bench)
    assert len(placed) == len(layers) == 40
    assert most <= 3, "two that are packed and one that is cut"


def changed(texts: dict[str, bytes], change: Callable[[dict], object]) -> dict[str, bytes]:
    facts = json.loads(texts["disk/system.layout.json"])
    change(facts)
    return texts | {"disk/system.layout.json": json.dumps(facts).encode()}


def first_file(facts: dict) -> list:
    return next(extent for extent in facts["extents"] if extent[1])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda facts: facts.update(size=1 << 60), "is not understood"),
        (lambda facts: facts.update(size=facts["size"] - 512), "not as long as the disk"),
        (lambda facts: facts.update(directories="../../etc/passwd"), "is not understood"),
        (lambda facts: facts.update(directories="other.qcow2"), "other.qcow2 of its disk is not there"),
        (lambda facts: first_file(facts).__setitem__(1, "/etc/shadow"), "is not understood"),
        (lambda facts: first_file(facts).__setitem__(1, "0" * 24), "0000 of its disk is not there"),
        (lambda facts: first_file(facts).__setitem__(2, 1 << 40), "too short"),
        (lambda facts: first_file(facts).__setitem__(2, -4096), "is not understood"),
        (lambda facts: facts.update(extents=[]), "is not understood"),
        (lambda facts: facts.update(extents=[[512, "", 0]] * 200_000), "is not understood"),
    ],
)
def test_a_layout_that_lies_is_refused(made, bench, tmp_path, change, why):
    shelf, texts, _ = made
    with pytest.raises(LabwrightError, match=why):
        disk_from_layers(with_texts(shelf, changed(texts, change), bench).pulled(), tmp_path, bench)


def layer_of(name: str, data: bytes, bench: Workbench, kind: bytes = tarfile.REGTYPE, link: str = "") -> Packed:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname, entry.size = kind, link, len(data)
        archive.addfile(entry, io.BytesIO(data))
    place = bench.scratch / "hostile.layer"
    place.write_bytes(gzip.compress(stream.getvalue()))
    return Packed(place, "", Part.DISK)


@pytest.mark.parametrize(
    ("name", "data"),
    [("disk/../../climbs", b"x"), ("/disk/" + "a" * 24, b"x"), ("disk/made-up.json", b"{}"), ("etc/passwd", b"x")],
)
def test_a_layer_with_something_else_than_pieces_is_refused(made, bench, tmp_path, name, data):
    shelf, texts, _ = made
    shelf = shelf.more(layer_of(name, data, bench))
    with pytest.raises(LabwrightError, match="something else than pieces"):
        disk_from_layers(with_texts(shelf, texts, bench).pulled(), tmp_path, bench)
    assert not (tmp_path.parent / "climbs").exists()


def test_a_layer_that_is_no_archive_is_refused(made, bench, tmp_path):
    shelf, texts, _ = made
    place = bench.scratch / "hostile.layer"
    place.write_bytes(b"\x1f\x8b" + b"no gzip" * 100)
    shelf = shelf.more(Packed(place, "", Part.DISK))
    with pytest.raises(LabwrightError, match="no tar archive that can be unpacked"):
        disk_from_layers(with_texts(shelf, texts, bench).pulled(), tmp_path, bench)


def test_a_layer_with_a_link_is_refused(made, bench, tmp_path):
    shelf, texts, _ = made
    shelf = shelf.more(layer_of("disk/" + "a" * 24, b"", bench, tarfile.SYMTYPE, "/etc/passwd"))
    with pytest.raises(LabwrightError, match="something else than folders and plain files"):
        disk_from_layers(with_texts(shelf, texts, bench).pulled(), tmp_path, bench)


def test_a_header_of_many_megabytes_is_refused_before_it_is_in_memory(made, bench, tmp_path):
    shelf, texts, _ = made
    shelf = shelf.more(layer_of("disk/" + "a" * 24, bytes(60 * MEGABYTE), bench, tarfile.XHDTYPE))
    hostile = with_texts(shelf, texts, bench).pulled()
    tracemalloc.start()
    try:
        with pytest.raises(LabwrightError, match="extended header"):
            disk_from_layers(hostile, tmp_path, bench)
        assert tracemalloc.get_traced_memory()[1] < 32 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_layers_that_unpack_to_little_each_and_to_much_together_are_refused(made, bench, tmp_path):
    _, texts, _ = made
    shelf = Shelf([])
    for name in "abc":
        layer = layer_of("disk/" + name * 24, bytes(50 * MEGABYTE), bench)
        shelf = shelf.more(dataclasses.replace(layer, file=layer.file.rename(bench.scratch / name)))
    with pytest.raises(LabwrightError, match="much more comes out of its layers than went in"):
        disk_from_layers(with_texts(shelf, texts, bench).pulled(), tmp_path, bench)


def test_directories_that_lie_on_a_file_of_this_machine_are_refused(made, bench, tmp_path):
    shelf, texts, _ = made
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret" * 1000)
    hostile = tmp_path / "hostile.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret, hostile], check=True)
    shelf = Shelf(shelf.layers[:-1]).more(layer_of("disk/system.qcow2", hostile.read_bytes(), bench))
    with pytest.raises(LabwrightError) as error:
        disk_from_layers(with_texts(shelf, texts, bench).pulled(), tmp_path, bench)
    assert "backing" in str(error.value) or "other file" in str(error.value) or "another" in str(error.value)


def test_a_piece_that_is_in_its_disk_again_and_again_is_no_terabyte(made, bench, tmp_path):
    shelf, texts, _ = made

    def repeat(facts: dict) -> None:
        size, file, _ = max(facts["extents"], key=lambda extent: extent[0] if extent[1] else 0)
        facts.update(size=50_000 * size, extents=[[size, file, 0]] * 50_000)

    with pytest.raises(LabwrightError, match="much more comes out of its layers than went in"):
        disk_from_layers(with_texts(shelf, changed(texts, repeat), bench).pulled(), tmp_path, bench)
    assert not list(bench.scratch.glob("*.raw"))


def test_directories_that_map_a_whole_disk_to_one_cluster_are_refused(made, bench, tmp_path):
    shelf, texts, _ = made
    size, cluster, hostile = 1 << 40, 1 << 21, tmp_path / "hostile.qcow2"
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"cluster_size={cluster}", hostile, str(size)]
    subprocess.run(command, check=True)
    with hostile.open("r+b") as stream:
        # All entries of the first table lead to one second table, all entries of that to one full cluster.
        first = int.from_bytes(stream.read(48)[40:48], "big")
        second = 16 * cluster
        stream.seek(first)
        stream.write((second | 1 << 63).to_bytes(8, "big") * (size // (cluster * (cluster // 8))))
        stream.seek(second)
        stream.write((second + cluster | 1 << 63).to_bytes(8, "big") * (cluster // 8))
        stream.seek(second + cluster)
        stream.write(b"x" * cluster)
    layer = layer_of("disk/system.qcow2", hostile.read_bytes(), bench)
    shelf = Shelf(shelf.layers[:-1]).more(layer)

    def whole(facts: dict) -> None:
        facts["extents"].append([size - facts["size"], "", 0])
        facts.update(size=size)

    with pytest.raises(LabwrightError, match="much more comes out of its layers than went in"):
        disk_from_layers(with_texts(shelf, changed(texts, whole), bench).pulled(), tmp_path, bench)
    assert not list(bench.scratch.glob("*.raw"))


def test_a_disk_that_does_not_fit_is_refused_before_it_is_written(made, bench, tmp_path, monkeypatch):
    shelf, texts, _ = made
    monkeypatch.setattr("labwright.publish.platform.disk.free_space", lambda _: 1000)
    with pytest.raises(LabwrightError, match="unpacks to more than is free") as error:
        disk_from_layers(with_texts(shelf, texts, bench).pulled(), tmp_path, bench)
    assert error.value.cause is Cause.DISK_FULL


def test_an_image_without_a_disk_is_refused(bench, tmp_path):
    with pytest.raises(LabwrightError, match="no layers"):
        disk_from_layers(Shelf([]).pulled(), tmp_path, bench)
