"""What a lab is planned to be, and the files that make it: faults that would show only in a machine."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import shlex
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labwright.errors import LabwrightError
from labwright.host.paths import Paths
from labwright.lesson.budget import check_budget
from labwright.lesson.command import orders, wire_of
from labwright.lesson.files import lesson_files
from labwright.lesson.images import LabImage, find_image
from labwright.lesson.keeper.consoles import KEPT, shorten
from labwright.lesson.lab import Lab, LabLink, LabMachine, all_labs, find_lab, folder_of, keeper_of, write_lab
from labwright.lesson.limits import LARGEST, MOST_INTERFACES
from labwright.lesson.parcel import SCRIPT, new_identity, parcel
from labwright.lesson.plan import LabPlan, plan_lab
from labwright.spec.hardware import Hardware
from labwright.spec.lesson import LessonSpec

MACHINE = {"name": "machine", "memory": 256, "board": "q35", "model": "host"}
HARDWARE = Hardware.model_validate_json(json.dumps({"machines": [MACHINE], "boot": 60, "shell": True}))


def image(folder: Path = Path("/images"), interfaces: tuple[str, ...] = ("eth1", "eth2")) -> LabImage:
    return LabImage("frr", {"system": folder / "frr.qcow2"}, HARDWARE, None, interfaces, "u", "p", "u", "p")


def spec(names: list[str], connections: list[tuple[str, str]] = (), ports: tuple[int, ...] = (22,)) -> LessonSpec:
    shown = [{"name": "cli", "port": 22, "type": "ssh"}]
    endpoints = [{"name": name, "image": "frr", "additionalPorts": ports, "presentations": shown} for name in names]
    facts = {
        "name": "L", "slug": "l", "category": "tools", "tier": "local", "description": "d", "shortDescription": "s",
        "endpoints": endpoints, "connections": [{"a": a, "b": b} for a, b in connections],
        "stages": [{"description": "d", "guideType": "markdown"}],
    }  # fmt: skip
    return LessonSpec.model_validate_json(json.dumps(facts))


def planned(names: list[str], connections: list[tuple[str, str]] = (), **more) -> LabPlan:
    return plan_lab(spec(names, connections, **more), {"frr": image()})


def lines(plan: LabPlan, number: int = 0, sockets: Path = Path("/s"), memory: Path | None = None) -> list[str]:
    machine = plan.machines[number]
    (made,) = orders(plan, machine, {"system": Path("/d")}, number + 1, sockets, Path("/f"), "tcg", memory)
    return list(made.argv)


def test_interfaces_are_in_the_order_of_connections():
    plan = planned(["a", "b", "c"], [("b", "a"), ("a", "c"), ("b", "a")])
    ends = [(link.a.endpoint, link.a.interface, link.b.endpoint, link.b.interface) for link in plan.links]
    assert ends == [("b", 1, "a", 1), ("a", 2, "c", 1), ("b", 2, "a", 3)]


def test_two_cables_between_the_same_machines_are_two():
    plan = planned(["a", "b"], [("a", "b"), ("a", "b")])
    assert [link.name for link in plan.links] == ["a--b", "a--b-2"]
    sockets = [wire_of(link, number, Path("/s")) for number, link in enumerate(plan.links)]
    assert len({place for wire in sockets for end in (wire.a, wire.b) for place in (end.ours, end.theirs)}) == 8


def test_an_interface_without_a_cable_is_there_and_leads_nowhere():
    netdevs = [word for word in lines(planned(["a", "b"], [("a", "b")])) if word.endswith((",id=n1", ",id=n2"))]
    assert netdevs[0].startswith("dgram,")
    assert netdevs[1].startswith("hubport,")


def test_no_two_interfaces_of_a_lab_have_one_address():
    macs = [mac for machine in planned([f"m{number}" for number in range(100)]).machines for mac in machine.macs]
    assert len(set(macs)) == len(macs) == 300
    assert all(int(mac[:2], 16) & 3 == 2 for mac in macs), "locally administered, not multicast"


def test_a_lab_of_more_machines_than_there_are_addresses_is_refused():
    with pytest.raises(LabwrightError, match="at most 100"):
        planned([f"m{number}" for number in range(101)])


def test_nothing_of_a_machine_listens_beyond_loopback():
    words = lines(planned(["a", "b"], [("a", "b")], ports=(22, 830, 8080)))
    forwards = re.findall(r"hostfwd=(\S+?)(?:,|$)", " ".join(words))
    assert len(forwards) == 4
    assert all(forward.startswith("tcp:127.0.1.1:") for forward in forwards)
    text = " ".join(words)
    assert not re.search(r"tcp:(?!127\.0\.1\.1:|10\.0\.0\.102:)", text), text
    assert not re.search(r"\b(vnc|telnet|tcp:0\.0\.0\.0|tcp::)", text)
    assert "restrict=on" in text
    assert "ipv6=off" in text


def test_a_comma_in_a_path_does_not_become_an_option():
    words = lines(planned(["a", "b"], [("a", "b")]), sockets=Path("/s,server=off"))
    for word in words:
        assert "/s,server=off" not in word.replace(",,", "\0"), word


def test_a_guest_s_way_to_another_is_one_command_of_whole_words():
    (option,) = [word for word in lines(planned(["a", "b"])) if "guestfwd" in word]
    (command,) = re.findall(r"guestfwd=tcp:10\.0\.0\.102:22-cmd:(.*?)(?:,id=)", option)
    words = shlex.split(command.replace(",,", ","))
    assert words[-3:] == ["127.0.1.2", "22", "/s/1f"]
    assert Path(words[-4]).name == "forward.py"


def test_a_resumed_machine_waits_for_its_memory():
    assert lines(planned(["a"]), memory=Path("/m"))[-2:] == ["-incoming", "@memory@"]
    assert "-incoming" not in lines(planned(["a"]))


def test_a_lab_that_does_not_fit_is_refused_unless_it_is_forced():
    large = HARDWARE.model_copy(update={"machines": (HARDWARE.machines[0].model_copy(update={"memory": 1 << 24}),)})
    plan = plan_lab(spec(["a"]), {"frr": dataclasses.replace(image(), hardware=large)})
    with pytest.raises(LabwrightError, match="MiB of memory, and this machine has"):
        check_budget(plan)
    (warning,) = check_budget(plan, forced=True)
    assert "started all the same" in warning
    assert check_budget(planned(["a"])) == ()


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
numbers = st.integers(0, 65535)


@settings(max_examples=30, deadline=None)
@given(name=texts, problem=texts, ports=st.dictionaries(numbers, numbers, max_size=4), stage=st.integers(0, 99))
def test_a_lab_is_read_as_it_was_written(tmp_path_factory, name, problem, ports, stage):
    paths = Paths(tmp_path_factory.mktemp("cache"))
    lesson = paths.root / "lesson"
    folder = folder_of(lesson, paths)
    folder.mkdir(parents=True)
    wire = wire_of(planned(["a", "b"], [("a", "b")]).links[0], 0, Path("/s"))
    machine = LabMachine(
        name, "frr", "u", "127.0.1.1", "10.0.0.101", ("52:0",), ("eth0",), ports, Path("/c"), Path("/s"), (Path("/q"),),
        Path("/q"), (1, 2), True,
    )  # fmt: skip
    link = LabLink("l", "a", 1, "b", 1, "", wire)
    lab = Lab(
        name, lesson, Path("/out"), folder, Path("/s"), "tcg", 1.5, (machine,), (link,),
        stage=stage, problem=problem,
    )  # fmt: skip
    assert find_lab(lesson, paths) is None
    write_lab(lab)
    assert find_lab(lesson, paths) == lab
    assert all_labs(paths) == ([lab], [])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}', "null", "\udcff"])
def test_a_damaged_state_is_an_error_that_says_what_to_do(tmp_path, text):
    paths = Paths(tmp_path)
    folder = folder_of(tmp_path / "lesson", paths)
    folder.mkdir(parents=True)
    (folder / "lab.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(LabwrightError, match="cannot be read"):
        find_lab(tmp_path / "lesson", paths)


def test_two_copies_of_a_lesson_have_two_labs(tmp_path):
    paths = Paths(tmp_path)
    assert folder_of(tmp_path / "a/lesson", paths) != folder_of(tmp_path / "b/lesson", paths)


def packed(lesson: Path) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(parcel({"r2": "10.0.0.102"}, lesson, None, {})))


def test_a_parcel_has_the_lesson_s_files_without_the_hidden_ones_at_its_top(tmp_path):
    for name in (".git/config", ".env", "stage0/configs/r1.py", "stage0/.hidden", "odd\udcff name"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "stage0/configs/r1.py").chmod(0o700)
    (tmp_path / "stage0/configs/link").symlink_to("r1.py")
    os.mkfifo(tmp_path / "pipe")
    members = {member.name: member for member in packed(tmp_path)}
    assert set(members) == {
        "hosts", "lesson", "lesson/stage0", "lesson/stage0/configs", "lesson/stage0/configs/r1.py",
        "lesson/stage0/configs/link", "lesson/stage0/.hidden", "lesson/odd\udcff name",
    }  # fmt: skip
    assert members["lesson/stage0/configs/r1.py"].mode & 0o777 == 0o744
    assert {(member.uid, member.uname) for member in members.values()} == {(0, "")}


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "a/../../outside"])
def test_a_link_that_leads_out_of_the_lesson_is_refused(tmp_path, target):
    lesson = tmp_path / "lesson"
    (lesson / "a").mkdir(parents=True)
    (lesson / "link").symlink_to(target)
    with pytest.raises(LabwrightError, match="leads out of the lesson"):
        packed(lesson)


def test_a_link_to_itself_is_carried_as_it_is(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    assert packed(tmp_path).getmember("lesson/loop").linkname == "loop"


def test_files_that_would_fill_every_machine_are_refused(tmp_path):
    with (tmp_path / "large").open("wb") as stream:
        stream.truncate(LARGEST + 1)
    with pytest.raises(LabwrightError, match="larger than 256 MiB"):
        list(lesson_files(tmp_path))


def test_no_key_of_an_identity_is_shown():
    identity = new_identity()
    assert "PRIVATE" not in repr(identity)
    assert new_identity().public != identity.public
    with tarfile.open(fileobj=io.BytesIO(parcel({}, None, identity, {"eth1": "52:0"}))) as archive:
        assert archive.extractfile("addresses").read() == b"eth1 52:0\n"
        assert {member.mode for member in archive if member.name.startswith("keys/")} == {0o600}


def test_the_script_for_a_guest_is_one_that_sh_can_read():
    subprocess.run(["sh", "-n", "-c", SCRIPT], check=True)


def test_the_script_puts_files_and_names_in_place_twice_over(tmp_path):
    """For real, as root of a namespace, with folders of ours in the places that it writes to."""
    for name in ("etc", "antidote", "run", "lesson/stage0"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (tmp_path / "antidote/old").write_text("of another lesson")
    (tmp_path / "lesson/stage0/guide.md").write_text("guide")
    mounts = " && ".join(f"mount --bind {tmp_path}/{name} /{name}" for name in ("etc", "run"))
    own = f"{mounts} && mount -t tmpfs none /mnt && mkdir /mnt/antidote"
    script = SCRIPT.replace("/antidote", "/mnt/antidote")
    shown = "find /mnt/antidote -type f; cat /etc/hosts"
    content = parcel({"r2": "10.0.0.102"}, tmp_path / "lesson", None, {})
    (tmp_path / "run/parcel").write_bytes(content)
    twice = f"for _ in 1 2; do sh -c {shlex.quote(script)} labwright root booted 0 eth0 x < /run/parcel; done"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", f"{own}; {twice}; {shown}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "/mnt/antidote/stage0/guide.md", "127.0.0.1 localhost", "10.0.0.102 r2 # lesson"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "facts", [{"memory": "much"}, {"memory": 10**30}, {"interfaces": "eth0"}, {"interfaces": ["a\nb"]}, {"user": "-o"}]
)
def test_a_report_that_says_nonsense_is_named(tmp_path, facts):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "x.qcow2", "1M"], check=True)
    (tmp_path / "x.json").write_text(json.dumps(facts))
    with pytest.raises(LabwrightError, match=f"describes no machine that labwright knows: {next(iter(facts))}"):
        find_image("x", tmp_path, [])


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
def test_a_report_that_is_broken_is_not_taken_for_none(tmp_path, text):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "x.qcow2", "1M"], check=True)
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(LabwrightError, match="is no report of a build"):
        find_image("x", tmp_path, [])


def test_an_image_without_a_report_is_a_pc_and_one_that_is_not_there_is_told(tmp_path):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "x.qcow2", "1M"], check=True)
    found = find_image("x", tmp_path, [])
    assert (found.shell, found.kernel, found.hardware.memory) == (True, None, 128)
    with pytest.raises(LabwrightError, match="there is no image y") as raised:
        find_image("y", tmp_path, [])
    assert "has: x" in raised.value.hint


def test_a_disk_that_names_another_file_is_refused(tmp_path):
    backed = tmp_path / "x.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "/etc/passwd", backed], check=True)
    with pytest.raises(LabwrightError):
        find_image("x", tmp_path, [])


def test_the_end_of_a_flooded_console_is_kept(tmp_path):
    console = tmp_path / "console"
    console.write_bytes(b"a" * KEPT + b"b" * KEPT)
    with console.open("ab") as machine:
        shorten(console)
        machine.write(b"then")
    assert console.read_bytes() == b"b" * KEPT + b"then"


def test_a_lab_of_another_version_is_told_apart_and_its_process_found(tmp_path):
    folder = tmp_path / "labs" / "old"
    folder.mkdir(parents=True)
    (folder / "lab.json").write_text(json.dumps({"format": 99, "keeper": 4711, "keeper_start": 12}))
    labs, failures = all_labs(Paths(tmp_path))
    assert labs == []
    assert "lesson down" in failures[0].hint
    assert keeper_of(folder) == (4711, 12)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"keeper": "x", "keeper_start": 1}', '{"keeper": null}'])
def test_a_damaged_record_names_no_process(tmp_path, text):
    (tmp_path / "lab.json").write_text(text)
    assert keeper_of(tmp_path) is None


def test_more_cables_than_a_bus_has_seats_are_refused_before_anything_starts():
    names = [f"r{number}" for number in range(MOST_INTERFACES + 2)]
    with pytest.raises(LabwrightError, match="r0 has 25 cables"):
        planned(names, [("r0", name) for name in names[1:]])
