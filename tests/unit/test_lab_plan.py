"""What a lab is before it runs: its plan, QEMU's command lines, its state on disk, what guests are sent."""

from __future__ import annotations

import io
import json
import shlex
import stat
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.errors import Cause, LabwrightError
from labwright.host.paths import Paths
from labwright.lesson import budget, files, parcel
from labwright.lesson.command import data_seats, management, names_of, orders, wire_of
from labwright.lesson.images import LabImage, find_image
from labwright.lesson.keeper.frames import Conditions
from labwright.lesson.lab import Lab, LabLink, LabMachine, all_labs, find_lab, folder_of, running_lab, write_lab
from labwright.lesson.plan import LabPlan, plan_lab
from labwright.spec.hardware import Hardware
from labwright.spec.lesson import LessonSpec

LINUX = Hardware.model_validate_json(
    '{"machines": [{"name": "machine", "memory": 256, "board": "q35"}], "shell": true}'
)
VQFX = Hardware.model_validate_json(json.dumps({
    "machines": [
        {"name": "re", "memory": 1024, "nics": ["management", "link:internal", "unused", "data"],
         "disks": [{"name": "system"}]},
        {"name": "pfe", "memory": 2048, "nics": ["unused", "link:internal"], "disks": [{"name": "pfe"}]},
    ],
}))  # fmt: skip


def image(slug: str = "frr", hardware: Hardware = LINUX, **changes: object) -> LabImage:
    made = LabImage(
        slug, {disk.name: Path(f"/out/{slug}-{disk.name}.qcow2") for disk in hardware.disks}, hardware,
        Path("/out/kernel/vmlinux"), ("eth1", "eth2"), "antidote", "one", "antidote", "two",
    )  # fmt: skip
    return replace(made, **changes)


def spec(connections: list[tuple[str, str]], names: str = "r1 r2 r3", ports: tuple[int, ...] = (22,)) -> LessonSpec:
    return LessonSpec.model_validate({
        "name": "x", "slug": "x", "category": "tools", "tier": "local", "description": "x", "shortDescription": "x",
        "endpoints": tuple({"name": name, "image": "frr", "additionalPorts": ports} for name in names.split()),
        "connections": tuple({"a": a, "b": b} for a, b in connections),
        "stages": ({"description": "x", "guideType": "markdown"},),
    })  # fmt: skip


def lab_plan(connections: list[tuple[str, str]], **options: object) -> LabPlan:
    return plan_lab(spec(connections, **options), {"frr": image()})  # type: ignore[arg-type]


def test_the_order_of_an_endpoints_interfaces_is_that_of_its_connections():
    plan = lab_plan([("r1", "r2"), ("r3", "r1"), ("r2", "r3")])
    ends = [[(end.endpoint, end.interface) for end in link.ends] for link in plan.links]
    assert ends == [[("r1", 1), ("r2", 1)], [("r3", 1), ("r1", 2)], [("r2", 2), ("r3", 2)]]


def test_two_identical_pairs_are_two_links():
    plan = lab_plan([("r1", "r2"), ("r1", "r2"), ("r2", "r1")])
    assert [link.name for link in plan.links] == ["r1--r2", "r1--r2-2", "r2--r1"]
    assert len({(end.endpoint, end.interface) for link in plan.links for end in link.ends}) == 6


@pytest.mark.parametrize(
    ("connections", "names"),
    [
        ([("a", "b"), ("a", "b"), ("a", "b-2")], ["a--b", "a--b-3", "a--b-2"]),
        ([("a", "b-2"), ("a", "b"), ("a", "b"), ("a", "b")], ["a--b-2", "a--b", "a--b-3", "a--b-4"]),
        ([("a", "b--c"), ("a--b", "c")], ["a--b--c", "a--b--c-2"]),
    ],
)
def test_no_two_links_have_one_name_whatever_endpoints_are_called(connections, names):
    """The keeper knows a cable by its name: of two it had one, and the other's frames went nowhere."""
    plan = lab_plan(connections, names="a b b-2 a--b b--c c")
    assert [link.name for link in plan.links] == names


def test_every_interface_of_a_lab_has_an_address_of_its_own_that_is_locally_administered():
    plan = lab_plan([("r1", "r2")])
    macs = [mac for machine in plan.machines for mac in machine.macs]
    assert len(set(macs)) == len(macs) == 9
    assert all(int(mac[:2], 16) & 3 == 2 for mac in macs)
    assert macs != [mac for machine in lab_plan([("r1", "r2")]).machines for mac in machine.macs]


def test_an_endpoint_has_its_images_interfaces_and_more_where_the_lesson_has_more_cables():
    plan = lab_plan([("r1", "r2"), ("r1", "r2"), ("r1", "r3")])
    assert [machine.data for machine in plan.machines] == [3, 2, 2]
    assert names_of(plan.machines[0]) == ["eth0", "eth1", "eth2", "eth3"]


def test_more_endpoints_than_there_are_addresses_are_refused():
    with pytest.raises(LabwrightError, match="at most 100"):
        lab_plan([], names=" ".join(f"r{number}" for number in range(101)))


def lines(plan: LabPlan, hardware_image: LabImage | None = None, memory: Path | None = None) -> list[list[str]]:
    machine = plan.machines[0]
    machine = replace(machine, image=hardware_image) if hardware_image else machine
    disks = {name: Path(f"/lab/{name},1.qcow2") for name in machine.image.disks}
    made = orders(plan, machine, disks, 1, Path("/tmp/so,ck"), Path("/lab"), "tcg", memory)
    return [list(order.argv) for order in made]


def after(words: list[str], option: str) -> list[str]:
    return [words[index + 1] for index, word in enumerate(words) if word == option]


def test_nothing_listens_but_on_the_labs_loopback_and_on_sockets_in_a_private_folder():
    (words,) = lines(lab_plan([("r1", "r2")], ports=(22, 3000)))
    for option in after(words, "-netdev"):
        for part in option.replace(",,", "\0").split(","):
            if part.startswith("hostfwd="):
                assert part.startswith("hostfwd=tcp:127.0.1.1:")
    assert after(words, "-qmp") == ["unix:/tmp/so,,ck/1a.q,server=on,wait=off"]
    assert all(each.startswith("socket,id=console,path=/tmp/so,,ck/") for each in after(words, "-chardev"))
    assert not {"-vnc", "-spice", "-gdb", "-s", "-monitor"} & set(words)


def test_the_management_network_leads_to_the_other_endpoints_and_nowhere_else():
    plan = lab_plan([], ports=(22, 3000))
    options = list(management(plan, plan.machines[0], Path("/s/1f")))
    assert options[0] == "dhcpstart=10.0.0.15"
    forwards = [option for option in options if option.startswith("guestfwd=")]
    assert [option.partition("-cmd:")[0] for option in forwards] == [
        f"guestfwd=tcp:10.0.0.{host}:{port}" for host in (102, 103) for port in (22, 3000)
    ]
    assert shlex.split(forwards[0].partition("-cmd:")[2])[-3:] == ["127.0.1.2", "22", "/s/1f"]
    (words,) = lines(plan)
    assert "restart" not in words[0]
    assert all("restrict=on" in option for option in after(words, "-netdev") if option.startswith("user"))


def test_a_copy_of_a_snapshot_keeps_its_address_although_its_mac_is_another():
    plan = lab_plan([])
    assert next(management(plan, plan.machines[0], Path("/s/1f"), resumed=True)) == "dhcpstart=10.0.0.14"


def test_interfaces_are_on_the_bus_in_their_order_and_cables_end_at_the_right_ones():
    (words,) = lines(lab_plan([("r1", "r2"), ("r1", "r3")]))
    seats = [option for option in after(words, "-device") if ",netdev=n" in option]
    assert [option.split(",netdev=")[1][:2] for option in seats] == ["n0", "n1", "n2"]
    cables = [option for option in after(words, "-netdev") if option.startswith("dgram")]
    assert ["0a.t" in cables[0], "1a.t" in cables[1]] == [True, True]


def test_a_device_of_two_machines_is_two_qemus_with_a_cable_between_them():
    first, second = lines(lab_plan([("r1", "r2")]), image(hardware=VQFX, kernel=None, shell=False))
    plugs = [option for words in (first, second) for option in after(words, "-netdev") if option.startswith("stream")]
    assert len(plugs) == 2
    assert ["server=on" in plugs[0], "server=off" in plugs[1]] == [True, True]
    machine = replace(lab_plan([]).machines[0], image=image(hardware=VQFX))
    disks = {name: Path(f"/lab/{name}.qcow2") for name in machine.image.disks}
    made = orders(lab_plan([]), machine, disks, 1, Path("/s"), Path("/lab"), "tcg", None)
    assert [len(order.opens) for order in made] == [1, 0]
    assert f"addr.path={made[0].opens[0]}," in plugs[0].replace("/tmp/so,,ck", "/s")
    assert data_seats(machine) == (3, 4)


def test_a_snapshot_is_read_from_a_file_that_the_keeper_opens():
    (words,) = lines(lab_plan([]), memory=Path("/snapshots/memory"))
    assert after(words, "-incoming") == ["@memory@"]


def a_lab(folder: Path) -> Lab:
    machine = LabMachine(
        "r1", "frr", "antidote", "127.0.1.1", "10.0.0.101", ("52:00:00:00:00:00",), ("eth0",), {22: 40000},
        folder / "console", folder / "serial", (folder / "q",), folder / "q", (1, 2), shell=True,
    )  # fmt: skip
    return Lab("x", folder / "lesson", folder / "out", folder / "lab", folder / "s", "tcg", 1.5, (machine,), ())


def test_a_lab_on_disk_is_read_as_it_was_written_and_holds_no_password(tmp_path):
    paths = Paths(tmp_path)
    lab = replace(a_lab(tmp_path), folder=folder_of(tmp_path / "lesson", paths), phase="ready", stage=1)
    lab.folder.mkdir(parents=True)
    write_lab(lab)
    assert find_lab(tmp_path / "lesson", paths) == lab
    assert all_labs(paths) == ([lab], [])
    assert "password" not in (lab.folder / "lab.json").read_text()
    with pytest.raises(LabwrightError, match="has died") as caught:
        running_lab(tmp_path / "lesson", paths)
    assert caught.value.cause is Cause.HOST


def test_a_link_is_found_by_its_own_name_before_it_is_found_the_other_way_round(tmp_path):
    """The same two ends may have a cable each way round: the second was never found."""
    plan = lab_plan([("r1", "r2"), ("r2", "r1"), ("r1", "r3")])
    links = tuple(
        LabLink(link.name, link.a.endpoint, link.a.interface, link.b.endpoint, link.b.interface, "",
                wire_of(link, number, tmp_path)) for number, link in enumerate(plan.links)
    )  # fmt: skip
    lab = replace(a_lab(tmp_path), links=links)
    assert [lab.link(name) for name in ("r1--r2", "r2--r1", "r3--r1")] == list(links)


@given(st.binary(max_size=200))
def test_a_damaged_state_is_an_error_that_names_its_file(damage):
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        paths = Paths(Path(place))
        folder = folder_of(Path(place, "lesson"), paths)
        folder.mkdir(parents=True)
        (folder / "lab.json").write_bytes(damage)
        with pytest.raises(LabwrightError) as caught:
            find_lab(Path(place, "lesson"), paths)
        assert str(folder / "lab.json") in caught.value.what


def test_two_copies_of_a_lesson_have_two_labs(tmp_path):
    paths = Paths(tmp_path)
    assert folder_of(tmp_path / "a/lesson", paths) != folder_of(tmp_path / "b/lesson", paths)
    assert folder_of(Path("lesson"), paths) == folder_of(Path.cwd() / "lesson", paths)


def test_a_lab_that_does_not_fit_is_refused_with_numbers_and_forced_with_a_warning(monkeypatch):
    plan = lab_plan([])
    monkeypatch.setattr(budget, "available_memory", lambda: 512 << 20)
    with pytest.raises(LabwrightError, match=r"needs \d+ MiB of memory, and this machine has 512 MiB free") as caught:
        budget.check_budget(plan)
    assert "r1 256" in caught.value.details[0]
    assert budget.check_budget(plan, forced=True)
    monkeypatch.setattr(budget, "available_memory", lambda: 64 << 30)
    assert budget.check_budget(plan) == ()


def files_of(content: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {member.name.rstrip("/"): member for member in archive.getmembers()}


def test_guests_get_the_lessons_files_without_hidden_ones_and_readable_by_learners(tmp_path):
    (tmp_path / "stage0/configs").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/config").write_text("secret")
    (tmp_path / "stage0/.keep").write_text("")
    script = tmp_path / "stage0/configs/setup.sh"
    script.write_text("true")
    script.chmod(0o700)
    (tmp_path / "stage0/configs/link").symlink_to("setup.sh")
    found = files_of(parcel.parcel({"r2": "10.0.0.102"}, tmp_path, None, {}))
    assert ".git" not in "".join(found)
    assert found["lesson/stage0/configs/setup.sh"].mode & 0o777 == 0o744
    assert found["lesson/stage0/configs/link"].issym()
    assert "lesson/stage0/.keep" in found
    assert {member.uid for member in found.values()} == {0}


def test_a_link_out_of_the_lesson_and_a_lesson_that_is_too_large_are_refused(tmp_path, monkeypatch):
    (tmp_path / "stage0").symlink_to("/etc/shadow")
    with pytest.raises(LabwrightError, match="leads out of the lesson"):
        parcel.parcel({}, tmp_path, None, {})
    (tmp_path / "stage0").unlink()
    (tmp_path / "large").write_bytes(bytes(2000))
    monkeypatch.setattr(files, "LARGEST", 1000)
    with pytest.raises(LabwrightError, match="are larger than"):
        parcel.parcel({}, tmp_path, None, {})


def test_a_copy_gets_an_identity_that_no_other_has(tmp_path):
    one, two = parcel.new_identity(), parcel.new_identity()
    assert one.machine_id != two.machine_id
    assert not set(one.public) & set(two.public)
    assert "PRIVATE" not in repr(one)
    found = files_of(parcel.parcel({}, None, one, {"eth1": "52:00:00:00:00:01"}))
    assert {"machine-id", "seed", "addresses", "keys/ssh_host_ed25519_key", "keys/ssh_host_ecdsa_key"} <= set(found)
    key = tmp_path / "key"
    key.write_bytes(one.keys["ssh_host_ed25519_key"])
    key.chmod(0o600)
    said = subprocess.run(["ssh-keygen", "-y", "-f", key], capture_output=True, text=True, check=True).stdout
    assert " ".join(said.split()[:2]) in one.public


def test_what_runs_in_guests_is_posix_shell():
    subprocess.run(["dash", "-n", "-c", parcel.SCRIPT], check=True)


def test_an_image_that_was_not_built_is_named_with_the_command_that_builds_it(tmp_path):
    (tmp_path / "images/frr").mkdir(parents=True)
    (tmp_path / "images/frr/image.meta.yaml").write_text("slug: frr\n")
    with pytest.raises(LabwrightError, match="there is no image frr") as caught:
        find_image("frr", tmp_path / "out", [tmp_path / "images"])
    assert f"labwright build {tmp_path}/images/frr" in caught.value.hint


def test_a_disk_with_a_backing_file_is_no_image(tmp_path):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "base.qcow2", "1M"], check=True)
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", tmp_path / "frr.qcow2"],
        check=True,
    )
    with pytest.raises(LabwrightError, match="backing file"):
        find_image("frr", tmp_path, [])


def test_logins_come_from_the_lessons_own_curriculum(tmp_path):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "frr.qcow2", "1M"], check=True)
    for place, user in (("curriculum", "first"), ("here", "second")):
        (tmp_path / place / "frr").mkdir(parents=True)
        (tmp_path / place / "frr/image.meta.yaml").write_text(
            f"slug: frr\nconfigUser: {user}\nconfigPassword: secret\n"
        )
    found = find_image("frr", tmp_path, [tmp_path / "curriculum", tmp_path / "here"])
    assert (found.config_user, found.config_password) == ("first", "secret")
    assert "secret" not in repr(found)
    assert find_image("frr", tmp_path, []).config_user == "antidote"


def test_conditions_that_do_nothing_are_plain():
    assert Conditions().plain
    assert not Conditions(delay=1).plain


def test_the_program_that_ssh_asks_for_a_password_can_be_run():
    import labwright.cli.lesson.reach as reach

    assert stat.S_IMODE(Path(reach.__file__).with_name("askpass").stat().st_mode) & 0o111
