"""Disks from outside: what is hostile is refused before QEMU sees it, what is sound is converted whole."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import formats, hostile
from typer.testing import CliRunner

from labwright.cli.app import app
from labwright.errors import Cause, LabwrightError
from labwright.foreign import Found, Limits, checked_tree, identify, qemu, to_qcow2, to_raw
from labwright.foreign.confine import OUT_OF_LIMITS, limited
from labwright.foreign.inspect import inspect_image
from labwright.interfaces import Workbench

REPOSITORY = Path(__file__).parents[2]
CAPABILITY = "security.capability"
CASES, TREES = hostile.load()


def nothing_left(cache: Path) -> None:
    for name in ("ledger", "scratch"):
        assert not (cache / name).exists() or list((cache / name).iterdir()) == []


def test_the_corpus_is_large():
    assert len(CASES) >= 40
    assert len({case.name for case in CASES + TREES}) == len(CASES) + len(TREES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_hostile_is_refused_with_a_remedy_and_leaves_nothing(case, tmp_path, own_cache, monkeypatch):
    source = case.build(hostile.place(tmp_path))
    if not case.opened:
        # QEMU would open other files before it could be stopped.
        monkeypatch.setattr(qemu, "_run", lambda *_: pytest.fail("qemu-img was started"))
    outside = tmp_path / "out"
    outside.mkdir()
    before = sorted(tmp_path.rglob("*"))
    started = time.monotonic()
    done = CliRunner().invoke(app, ["convert", "--", str(source), str(outside / "new.qcow2")])
    assert time.monotonic() - started < hostile.SECONDS
    assert done.exit_code == Cause.CONFIG.exit_code, done.output
    assert hostile.plain_name(source) in done.output
    assert "\nwhat to do: " in done.output
    assert "Traceback" not in done.output
    assert hostile.SECRET not in done.output
    assert list(outside.iterdir()) == []
    nothing_left(own_cache)
    assert [path for path in sorted(tmp_path.rglob("*")) if not path.is_relative_to(own_cache)] == before


@pytest.mark.parametrize("case", TREES, ids=lambda case: case.name)
def test_a_tree_that_would_leave_its_place_is_refused(case, tmp_path, bench):
    source = case.build(hostile.place(tmp_path))
    with pytest.raises(LabwrightError) as caught:
        checked_tree(source, tmp_path / "new.tar", bench)
    assert caught.value.cause == Cause.CONFIG
    assert source.name in caught.value.what
    assert caught.value.hint
    assert not list(tmp_path.glob("*new.tar*"))
    assert list(bench.scratch.iterdir()) == []


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    return formats.raw_disk(tmp_path_factory.mktemp("raw"))


def same_disk(raw: Path, made: Path, kind: str) -> None:
    """The same content; a vhd may be longer, by zeros up to a whole cylinder."""
    subprocess.run(["qemu-img", "compare", "-q", "-f", "raw", "-F", kind, raw, made], check=True)


def info(path: Path) -> dict[str, Any]:
    words = ["qemu-img", "info", "--output=json", path]
    return json.loads(subprocess.run(words, capture_output=True, check=True).stdout)


def both_ways(raw: Path, source: Path, folder: Path, bench: Workbench) -> Found:
    before = identify(source)
    found = to_qcow2(source, folder / "new.qcow2", bench)
    assert (before.format, before.wrapped, before.kind) == (found.format, found.wrapped, "disk")
    assert before.virtual_size in (0, found.virtual_size)
    same_disk(raw, folder / "new.qcow2", "qcow2")
    assert to_raw(source, folder / "new.raw", bench) == found
    same_disk(raw, folder / "new.raw", "raw")
    assert (folder / "new.raw").stat().st_size == found.virtual_size
    assert list(bench.ledger.folder.iterdir()) == []
    assert list(bench.scratch.iterdir()) == []
    return found


@pytest.mark.parametrize("name", formats.FORMATS)
def test_every_format_becomes_the_same_disk(name, raw, tmp_path, bench):
    found = both_ways(raw, formats.converted(raw, tmp_path, name), tmp_path, bench)
    assert found.wrapped == ()
    assert found.format == formats.FORMATS[name][0]


@pytest.mark.parametrize("wrapper", formats.WRAPPERS)
@pytest.mark.parametrize("name", ["raw", "qcow2-3", "vmdk-stream", "vmdk-split", "vdi-dynamic", "vhd-fixed",
                                  "vhd-dynamic", "vhdx-dynamic"])  # fmt: skip
def test_every_wrapper_is_taken_off(name, wrapper, raw, tmp_path, bench):
    inside = tmp_path / "in"
    inside.mkdir()
    path = shutil.copy(raw, inside) if name == "raw" else formats.converted(raw, inside, name)
    source = formats.WRAPPERS[wrapper](Path(path))
    if name == "vmdk-split" and wrapper != "zip":
        with pytest.raises(LabwrightError, match="a disk in several files"):
            to_qcow2(source, tmp_path / "new.qcow2", bench)
        return
    assert both_ways(raw, source, tmp_path, bench).wrapped == (wrapper.partition("-")[0],)


@pytest.mark.parametrize("way", formats.APPLIANCES)
def test_every_appliance_gives_its_disk(way, raw, tmp_path, bench):
    inside = tmp_path / "in"
    inside.mkdir()
    source = formats.APPLIANCES[way](formats.converted(raw, inside, "vmdk-stream"))
    assert "ova" in both_ways(raw, source, tmp_path, bench).wrapped


def test_what_comes_out_is_compressed_by_zstd_and_stands_alone(raw, tmp_path, bench):
    to_qcow2(raw, tmp_path / "new.qcow2", bench)
    facts = info(tmp_path / "new.qcow2")
    assert facts["format"] == "qcow2"
    assert facts["format-specific"]["data"]["compression-type"] == "zstd"
    assert facts["format-specific"]["data"]["compat"] == "1.1"
    assert "backing-filename" not in facts
    assert (tmp_path / "new.qcow2").stat().st_size < 3 << 20
    assert inspect_image(tmp_path / "new.qcow2").virtual_size == formats.SIZE


def test_a_raw_disk_has_holes_where_nothing_is(raw, tmp_path, bench):
    to_raw(formats.converted(raw, tmp_path, "qcow2-3"), tmp_path / "new.raw", bench)
    assert (tmp_path / "new.raw").stat().st_blocks * 512 < 4 << 20


def test_names_that_a_shell_or_qemu_would_take_apart_are_only_names(raw, tmp_path, bench):
    folder = tmp_path / "a,b=c: %2f"
    folder.mkdir()
    source = Path(shutil.copy(raw, folder / "-o x,file.filename=y;$(z)\udcff.img"))
    to_qcow2(source, folder / "nbd:new,x=y.qcow2", bench)
    same_disk(raw, Path(shutil.copy(folder / "nbd:new,x=y.qcow2", tmp_path / "new.qcow2")), "qcow2")


def test_a_link_to_a_split_disk_finds_the_pieces_where_they_are(raw, tmp_path, bench):
    inside = tmp_path / "in"
    inside.mkdir()
    (tmp_path / "link.vmdk").symlink_to(formats.converted(raw, inside, "vmdk-split"))
    to_qcow2(tmp_path / "link.vmdk", tmp_path / "new.qcow2", bench)
    same_disk(raw, tmp_path / "new.qcow2", "qcow2")


def test_a_source_that_changes_while_it_is_read_gives_no_result(raw, tmp_path, bench):
    source = Path(shutil.copy(raw, tmp_path))

    def touching(*words: Any, **options: Any) -> Any:
        source.touch()
        return bench.run(*words, **options)

    with pytest.raises(LabwrightError, match="it changed while it was read"):
        to_qcow2(source, tmp_path / "new.qcow2", replace(bench, run=touching))
    assert list(tmp_path.glob("*new.qcow2*")) == []


def test_the_source_is_never_the_destination(raw, tmp_path, bench):
    source = formats.converted(raw, tmp_path, "qcow2-3")
    before = source.read_bytes()
    with pytest.raises(LabwrightError, match="it is a file that is to be read"):
        to_qcow2(source, source, bench)
    assert source.read_bytes() == before


def test_a_full_disk_leaves_the_old_result(raw, tmp_path, bench):
    old = tmp_path / "new.qcow2"
    old.write_text("old")

    def full(words: list[Any], **options: Any) -> Any:
        return bench.run(["sh", "-c", "echo 'error while writing: No space left on device' >&2; exit 1"], **options)

    with pytest.raises(LabwrightError) as caught:
        to_qcow2(raw, old, replace(bench, run=full))
    assert caught.value.cause == Cause.DISK_FULL
    assert old.read_text() == "old"
    assert list(tmp_path.glob(".*partial")) == []


def test_a_time_limit_ends_it(raw, tmp_path, bench):
    with pytest.raises(LabwrightError, match="no end after") as caught:
        to_qcow2(raw, tmp_path / "new.qcow2", replace(bench, run=functools.partial(slowly, bench)), Limits(seconds=1))
    assert caught.value.cause == Cause.CONFIG


def slowly(bench: Workbench, words: list[Any], **options: Any) -> Any:
    return bench.run(["sleep", "60"], **options)


def test_qemu_is_told_what_the_file_is_and_is_kept_within_limits(raw, tmp_path, bench):
    seen: list[list[str]] = []

    def listening(words: list[Any], **options: Any) -> Any:
        seen.append([str(word) for word in words])
        return bench.run(words, **options)

    to_qcow2(formats.converted(raw, tmp_path, "qcow2-3"), tmp_path / "new.qcow2", replace(bench, run=listening))
    assert [words[words.index("qemu-img") + 1] for words in seen] == ["check", "convert"]
    for words in seen:
        assert words[0] == "prlimit"
        assert {"--core=0", "--no-new-privs"} <= set(words)
        assert "--image-opts" in words
        assert any(word.startswith("driver=qcow2,read-only=on,file.driver=file,") for word in words)


def test_a_program_that_writes_too_much_is_ended(tmp_path, bench):
    done = bench.run([*limited(1 << 20, 10), "dd", "if=/dev/zero", f"of={tmp_path / 'big'}", "bs=64k"],
                     accept=OUT_OF_LIMITS)  # fmt: skip
    assert done.code in OUT_OF_LIMITS
    assert (tmp_path / "big").stat().st_size <= 1 << 20


def test_a_tree_comes_out_as_it_went_in(tmp_path, bench):
    root = tmp_path / "root"
    for name in ("etc", "usr/bin", "var/lib/" + "long/" * 30):
        (root / name).mkdir(parents=True)
    (root / "etc/os-release").write_text("ID=debian\n")
    (root / "usr/bin/tool").write_bytes(bytes(range(256)) * 10)
    (root / "usr/bin/tool").chmod(0o4755)
    (root / "usr/bin/other").write_bytes(b"x" * 512)
    (root / "usr/bin/same").hardlink_to(root / "usr/bin/tool")
    (root / "bin").symlink_to("usr/bin")
    if os.geteuid() == 0:
        os.setxattr(root / "usr/bin/other", CAPABILITY, bytes.fromhex("0100000200200000000000000000000000000000"))
    (root / "etc/ünïcode").write_text("x")
    (root / os.fsdecode(b"etc/not-utf-8-\xff")).write_text("x")
    for form in ("gnu", "posix", "ustar"):
        attributes = ["--xattrs", f"--xattrs-include={CAPABILITY}"] if form == "posix" and os.geteuid() == 0 else []
        packed = tmp_path / f"{form}.tar.xz"
        subprocess.run(["tar", "-C", root, f"--format={form}", *attributes, "-cJf", packed, "."], check=True)
        assert identify(packed) == Found(packed, "tree", "tar", ("xz",), 0)
        checked_tree(packed, tmp_path / f"{form}.tar", bench)
        out = tmp_path / form
        out.mkdir()
        subprocess.run(["tar", "-C", out, *attributes, "-xpf", tmp_path / f"{form}.tar"], check=True)
        subprocess.run(["diff", "-r", "--no-dereference", root, out], check=True)
        assert (out / "usr/bin/tool").stat().st_mode == (root / "usr/bin/tool").stat().st_mode
        assert (out / "usr/bin/tool").samefile(out / "usr/bin/same")
        assert not attributes or CAPABILITY in os.listxattr(out / "usr/bin/other")
        assert int((out / "etc").stat().st_mtime) == int((root / "etc").stat().st_mtime)


def test_a_disk_that_is_in_use_is_not_called_damaged(raw, tmp_path, bench):
    source = formats.converted(raw, tmp_path, "qcow2-3")
    words = ["stdbuf", "-oL", "qemu-io", "-f", "qcow2", "-c", "read 0 512", "-c", "sleep 20000", source]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as using:
        using.stdout.readline()
        try:
            with pytest.raises(LabwrightError, match="another program writes to it"):
                to_qcow2(source, tmp_path / "new.qcow2", bench)
        finally:
            using.kill()


def test_a_place_that_cannot_be_written_is_not_called_a_damaged_image(raw, bench):
    # Where not even root makes files.
    with pytest.raises(LabwrightError, match="cannot be written"):
        to_qcow2(raw, Path("/proc/new.qcow2"), bench)


def test_a_folder_that_is_not_there_is_not_called_a_damaged_image(raw, tmp_path, bench):
    with pytest.raises(LabwrightError, match="cannot be written"):
        to_qcow2(raw, tmp_path / "nowhere" / "new.qcow2", bench)


def test_a_tree_that_begins_with_a_large_file_is_still_a_tree(tmp_path):
    members = [("boot/vmlinuz", os.urandom(6 << 20)), ("etc/os-release", b"ID=debian\n")]
    path = hostile.tar_of(tmp_path / "root.tar", *members)
    subprocess.run(["gzip", path], check=True)
    assert identify(tmp_path / "root.tar.gz").kind == "tree"


def test_a_command_makes_a_disk_and_says_what_it_was(cli, raw, tmp_path, own_cache):
    source = formats.WRAPPERS["gz"](formats.converted(raw, tmp_path, "vdi-dynamic"))
    done = cli("convert", source, tmp_path / "new.qcow2")
    assert done.returncode == 0, done.stderr
    assert "from" in done.stdout
    assert "(vdi in gz)" in done.stdout
    same_disk(raw, tmp_path / "new.qcow2", "qcow2")
    nothing_left(own_cache)


@pytest.mark.parametrize("words", [("--max-ratio", "inf"), ("--max-ratio", "nan"), ("--max-minutes", "inf"),
                                   ("--max-size", "0"), ("--max-ratio", "x")])  # fmt: skip
def test_a_limit_that_is_no_number_is_refused(words, raw, tmp_path):
    done = CliRunner().invoke(app, ["convert", *words, str(raw), str(tmp_path / "new.qcow2")])
    assert done.exit_code == Cause.CONFIG.exit_code
    assert not (tmp_path / "new.qcow2").exists()


def test_a_command_for_programs_ends_with_the_facts(cli, raw, tmp_path):
    done = cli("convert", "--json", raw, tmp_path / "new.qcow2")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["kind"] == "result"
    assert (lines[-1]["format"], lines[-1]["virtual_size"]) == ("raw", formats.SIZE)
    assert any(line["kind"] == "progress" and "%" in line["text"] for line in lines)


@pytest.mark.parametrize("there", ["file", "folder", "link", "name", "nowhere"])
def test_a_destination_that_would_be_lost_is_refused(cli, raw, tmp_path, there):
    place = tmp_path / "new.qcow2"
    if there == "file":
        place.write_text("precious")
    elif there == "folder":
        place.mkdir()
    elif there == "link":
        place.symlink_to("elsewhere")
    elif there == "name":
        place = tmp_path / "new.img"
    else:
        place = tmp_path / "nowhere" / "new.qcow2"
    done = cli("convert", raw, place)
    assert done.returncode == Cause.CONFIG.exit_code
    assert "is not written" in done.stderr
    assert there != "file" or place.read_text() == "precious"
    assert there != "file" or cli("convert", "--force", raw, place).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_conversion_that_is_stopped_leaves_nothing(cli, tmp_path, own_cache, number):
    source = tmp_path / "disk.img"
    with source.open("wb") as stream:
        for _ in range(64):
            stream.write(os.urandom(8 << 20))
        stream.seek(510)
        stream.write(b"\x55\xaa")
    words = [sys.executable, "-m", "labwright", "convert", "--json", source, tmp_path / "new.qcow2"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        for line in running.stdout:
            if "10 %" in line:
                break
        running.send_signal(number)
        running.communicate(timeout=120)
    assert running.returncode != 0, "it was over before it was stopped"
    if number == signal.SIGKILL:
        assert "partial" in cli("clean").stdout
    assert list(tmp_path.glob("*new.qcow2*")) == []
    nothing_left(own_cache)


def test_the_page_shows_the_corpus_as_it_is():
    page = (REPOSITORY / "docs/convert.md").read_text()
    listed = re.findall(r"^\| ([a-z0-9-]+) \| (.+) \| 2 \| .+ \|$", page, re.MULTILINE)
    assert sorted(listed) == sorted((case.name, case.tries) for case in CASES)
