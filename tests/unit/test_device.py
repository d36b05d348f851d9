"""A device of one or several machines: what QEMU is told, and what is refused before anything boots."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from labwright.errors import Cause, LabwrightError
from labwright.host.clock import Deadline
from labwright.host.ledger import Ledger
from labwright.host.paths import Paths
from labwright.pipeline.base import Privacy, base_of, inherited_privacy
from labwright.pipeline.build import Wish, check_linux, course_of
from labwright.pipeline.device import check_device
from labwright.pipeline.workshop import Workshop
from labwright.plugins import hook_manager
from labwright.spec.hardware import Hardware
from labwright.spec.load import load_image
from labwright.vm.device import Device, DeviceSpec, Place, command_line, launch_device, wait_for_power_off
from labwright.vm.device_test import wait_for_login
from labwright.vm.machine import Running
from labwright.vm.ports import reserved_ports
from labwright.vm.qmp import monitor
from labwright.vm.ssh import Login

GREETING = b'{"QMP": {"version": {"qemu": {"micro": 0, "minor": 0, "major": 7}, "package": ""}, "capabilities": []}}\n'
RE = {"name": "re", "memory": 256, "disks": [{"bus": "ide"}], "nic": "e1000",
      "nics": ["management", "link:internal", "unused", "data"]}  # fmt: skip
PFE = {"name": "pfe", "memory": 128, "disks": [{"name": "pfe", "bus": "ide"}], "nics": ["link:internal"]}


def hardware(*machines: dict, **facts: object) -> Hardware:
    return Hardware.model_validate_json(json.dumps({"machines": machines, **facts}))


def words(machine: dict, accelerator: str = "tcg", **facts: object) -> str:
    wanted = hardware(machine, **facts)
    spec = DeviceSpec("x", wanted, {}, accelerator, 2)
    disks = {disk.name: Path(f"/d/{disk.name}.raw") for disk in wanted.disks}
    return " ".join(command_line(spec, wanted.machines[0], Place(Path("/s"), Path("/f"), "m"), disks))


@pytest.mark.parametrize(
    ("bus", "said"),
    [
        ("virtio", "virtio-blk-pci,drive=disk0,bootindex=1"),
        ("ide", "ide-hd,drive=disk0,bootindex=1"),
        ("sata", "ich9-ahci,id=sata -drive if=none,id=disk0"),
        ("scsi", "virtio-scsi-pci,id=scsi"),
    ],
)
def test_a_disk_hangs_on_the_bus_that_the_system_has_a_driver_for(bus, said):
    assert said in words({"name": "m", "memory": 64, "disks": [{"bus": bus}]})


def test_what_only_kvm_has_is_not_asked_of_emulation():
    machine = {"name": "m", "memory": 64, "model": "host"}
    assert "-cpu max -" in words(machine)
    assert "-cpu max,+vmx -" in words(machine | {"model": "host,+vmx"})
    assert "-cpu host" in words(machine, "kvm")


def test_smbios_and_processors_reach_qemu():
    said = words({"name": "m", "memory": 64, "processors": 4, "smbios": ["type=1,product=VM-VEX"]})
    assert "-smp 4" in said
    assert "-smbios type=1,product=VM-VEX" in said


@pytest.mark.parametrize(
    ("machines", "what"),
    [
        ([{**RE, "nics": ["management", "link:a"]}], "link:a has 1 ends"),
        ([{**RE, "nics": ["data"]}], "no machine has a management interface"),
        ([RE, {**PFE, "name": "re"}], "two of a machine are called 're'"),
        ([RE, {**PFE, "disks": [{"bus": "ide"}]}], "two of a disk are called 'system'"),
        ([{**RE, "nics": ["management", "management"]}], "each stand once"),
        ([{**RE, "disks": [{"name": "main"}]}, PFE], "the first disk of the first machine is called system"),
        ([{**RE, "smbios": ["type=1\n-drive"]}], "smbios"),
        ([{**RE, "model": "host,x -drive y"}], "model"),
        ([{**RE, "smbios": ["type=11,path=/etc/hostname"]}], "names a file of the host"),
        ([{**RE, "smbios": ["type=1,file=/etc/hostname"]}], "names a file of the host"),
        (
            [
                {
                    **RE,
                    "board": "q35",
                    "disks": [{"name": name} | {"bus": "sata"} for name in ("system", "b", "c", "d", "e", "f", "g")],
                }
            ],
            "more disks than the board has places for",
        ),
    ],
)
def test_hardware_that_cannot_be_is_refused(machines, what):
    with pytest.raises(ValidationError, match=what):
        hardware(*machines)


def test_a_path_cannot_climb_out_of_a_disk_with_configuration():
    for path in ("../x", "/etc/x", "a//b", ""):
        with pytest.raises(ValidationError, match="path"):
            hardware({**RE, "nics": ["management"], "config": {"format": "iso", "files": {path: "x"}}})


def image(folder: Path, text: str, slug: str = "leaf"):
    place = folder / slug
    place.mkdir(parents=True, exist_ok=True)
    (place / "image.meta.yaml").write_text(f"slug: {slug}\ndescription: A router\nbuild:\n{text}")
    return place


def test_a_device_wants_all_its_disks_and_no_others(tmp_path):
    (tmp_path / "disk").write_bytes(b"x" * 512)
    two = hardware(RE, PFE)
    for disks, named in (("", "none"), ("  disks: {wrong: ../disk}\n", "wrong")):
        spec = load_image(image(tmp_path, f"  type: vqfx\n  from: ../disk\n{disks}"))
        with pytest.raises(LabwrightError, match=f"has these disks: pfe; build.disks names {named}") as caught:
            check_device(spec, two)
        assert caught.value.cause is Cause.CONFIG
    check_device(load_image(image(tmp_path, "  type: vqfx\n  from: ../disk\n  disks: {pfe: ../disk}\n")), two)


def test_what_is_for_linux_is_refused_for_a_device(tmp_path):
    (tmp_path / "disk").write_bytes(b"x" * 512)
    for key, value in (("packages", "[vim]"), ("diskSize", "4")):
        spec = load_image(image(tmp_path, f"  type: frr\n  from: ../disk\n  {key}: {value}\n"))
        with pytest.raises(LabwrightError, match=rf"build\.{key} is for Linux images"):
            check_device(spec, hardware({**RE, "nics": ["management"]}))


def test_a_snapshot_that_qemu_cannot_take_is_refused_before_anything_boots(tmp_path):
    (tmp_path / "disk").write_bytes(b"x" * 512)
    spec = load_image(image(tmp_path, "  type: nxosv9k\n  from: ../disk\n  quickLaunch: true\n"))
    with pytest.raises(LabwrightError, match="QEMU saves no machine that starts by UEFI"):
        check_device(spec, hardware({**RE, "nics": ["management"], "firmware": "uefi"}))
    check_device(spec, hardware({**RE, "nics": ["management"]}))


@pytest.mark.parametrize("key", ["quickLaunch: true", "disks: {pfe: ../disk}"])
def test_what_is_for_devices_is_refused_for_linux(tmp_path, key):
    (tmp_path / "disk").write_bytes(b"x" * 512)
    spec = load_image(image(tmp_path, f"  type: debian\n  from: ../disk\n  {key}\n"))
    with pytest.raises(LabwrightError, match=f"build.{key.partition(':')[0]} is for network operating systems"):
        check_linux(spec)


def test_a_name_that_linux_gives_no_interface_is_refused_for_linux(tmp_path):
    place = image(tmp_path, "  type: debian\n")
    meta = place / "image.meta.yaml"
    meta.write_text(meta.read_text().replace("build:", "networkInterfaces: [ge-0/0/0]\nbuild:"))
    with pytest.raises(LabwrightError, match="'ge-0/0/0' is no name of a Linux interface"):
        check_linux(load_image(place))


def test_a_disk_that_is_not_there_is_named_with_its_line(tmp_path):
    (tmp_path / "disk").write_bytes(b"x" * 512)
    place = image(tmp_path, "  type: vqfx\n  from: ../disk\n  disks:\n    pfe: ../gone\n")
    with pytest.raises(LabwrightError, match=r"image.meta.yaml:7: build.disks.pfe: there is no file"):
        load_image(place)


def test_a_folder_that_is_no_image_is_named_as_one(tmp_path):
    (tmp_path / "empty").mkdir()
    place = image(tmp_path, "  type: frr\n  from: ../empty\n")
    with pytest.raises(LabwrightError, match=r"image.meta.yaml:5: build.from: the folder .*empty has no image"):
        load_image(place)


def test_images_that_start_from_each_other_are_refused(tmp_path):
    image(tmp_path, "  type: frr\n  from: ../two\n", "one")
    image(tmp_path, "  type: frr\n  from: ../one\n", "two")
    with pytest.raises(LabwrightError, match="one starts from itself: one <- two <- one"):
        base_of(load_image(tmp_path / "one"))


def test_an_image_that_starts_from_itself_is_refused(tmp_path):
    with pytest.raises(LabwrightError, match="one starts from itself: one <- one"):
        base_of(load_image(image(tmp_path, "  type: frr\n  from: .\n", "one")))


def test_a_hash_for_an_image_that_is_made_first_is_refused(tmp_path):
    image(tmp_path, "  type: debian\n", "one")
    spec = load_image(image(tmp_path, f"  type: frr\n  from: ../one\n  sha256: {'a' * 64}\n", "two"))
    with pytest.raises(LabwrightError, match=r"build\.sha256 vouches for a file"):
        base_of(spec)


def test_an_image_holds_the_secrets_of_those_that_it_starts_from(tmp_path, monkeypatch):
    secret = '  privateFiles:\n    - {from: "env:LAB_LICENCE", path: /etc/key}\n'
    image(tmp_path, f"  type: debian\n{secret}", "one")
    image(tmp_path, "  type: frr\n  from: ../one\n", "two")
    image(tmp_path, "  type: debian\n", "three")
    monkeypatch.setenv("LAB_LICENCE", "x")
    workshop = Workshop(Paths(tmp_path / "cache"), hook_manager()[0])
    inherited = inherited_privacy(load_image(tmp_path / "two"), workshop)
    assert inherited == Privacy(("/etc/key",))
    assert inherited_privacy(load_image(tmp_path / "three"), workshop) == Privacy()
    wish = Wish(load_image(tmp_path / "two"), tmp_path / "two", inherited=inherited)
    assert {step.name: step.private for step in course_of(wish, None, workshop).steps} == {
        "device": True,
        "test": False,
    }


def empty_device() -> Hardware:
    """A machine that boots nothing: its firmware looks for a disk for ever."""
    return hardware({"name": "m", "memory": 64, "disks": [{}], "nics": ["management"]})


@pytest.fixture
def disk(tmp_path) -> Path:
    path = tmp_path / "disk.raw"
    with path.open("wb") as stream:
        stream.truncate(1 << 20)
    return path


@pytest.mark.parametrize("board", ["pc", "q35"])
@pytest.mark.parametrize("bus", ["ide", "sata", "scsi", "virtio"])
def test_qemu_takes_two_disks_and_a_disc_with_configuration_on_every_bus_and_board(tmp_path, disk, board, bus):
    second, disc = tmp_path / "second.raw", tmp_path / "config.iso"
    for path in (second, disc):
        path.write_bytes(disk.read_bytes())
    disks = [{"name": "system", "bus": bus}, {"name": "second", "bus": bus}]
    config = {"format": "iso", "files": {"a": "b"}}
    machine = {"name": "m", "memory": 64, "board": board, "disks": disks, "nics": ["management"], "config": config}
    spec = DeviceSpec("x", hardware(machine), {"system": disk, "second": second}, "tcg", written=True,
                      config={"m": disc})  # fmt: skip
    with launch_device(spec, tmp_path / "run", Ledger(tmp_path / "ledger")) as device:
        listed = str(device.monitors["m"].execute("human-monitor-command", {"command-line": "info block"}))
        assert all(str(path) in listed for path in (disk, second, disc))


def test_a_machine_that_dies_is_not_waited_for(tmp_path, disk):
    spec = DeviceSpec("x", empty_device(), {"system": disk}, "tcg", written=True)
    with launch_device(spec, tmp_path / "run", Ledger(tmp_path / "ledger")) as device:
        device.first.process.kill()
        started = time.monotonic()
        assert wait_for_power_off(device, 60) is False
        assert time.monotonic() - started < 10


def test_what_has_happened_is_known_without_waiting(tmp_path, disk):
    spec = DeviceSpec("x", empty_device(), {"system": disk}, "tcg", written=True)
    with launch_device(spec, tmp_path / "run", Ledger(tmp_path / "ledger")) as device:
        control = device.monitors["m"]
        control.execute("stop")
        time.sleep(0.5)
        assert control.wait_for("STOP", 0)


def test_a_monitor_that_accepts_and_says_nothing_is_given_up(tmp_path):
    place = tmp_path / "q"
    with socket.socket(socket.AF_UNIX) as server, subprocess.Popen(["sleep", "60"]) as process:
        server.bind(str(place))
        server.listen()
        started = time.monotonic()
        try:
            with pytest.raises(LabwrightError, match="monitor cannot be reached"), monitor(place, process, 1.0):
                pass
        finally:
            process.kill()
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("command", ["query-status", ""])
def test_ctrl_c_while_a_monitor_is_waited_for_is_not_lost(tmp_path, command):
    """asyncio in the main thread took the handler's place, and 2 of 100 were lost where the library ended a task."""
    place, silent = tmp_path / "q", threading.Event()
    handlers = []

    def qemu_that_says_nothing_more(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            if command:
                connection.sendall(GREETING)
                connection.recv(4096)
                connection.sendall(b'{"return": {}}\n')
            time.sleep(0.3)
            handlers.append(signal.getsignal(signal.SIGINT))
            os.kill(os.getpid(), signal.SIGINT)
            silent.wait(80)

    with socket.socket(socket.AF_UNIX) as server, subprocess.Popen(["sleep", "60"]) as process:
        server.bind(str(place))
        server.listen()
        threading.Thread(target=qemu_that_says_nothing_more, args=(server,), daemon=True).start()
        before = signal.getsignal(signal.SIGINT)
        try:
            with pytest.raises(KeyboardInterrupt), monitor(place, process) as control:
                control.execute(command)
        finally:
            silent.set()
            process.kill()
    assert handlers == [before]
    assert not [each for each in threading.enumerate() if each.name == "monitor"]


def test_a_folder_for_temporary_files_with_a_long_name_is_no_obstacle(tmp_path, disk, monkeypatch):
    place = tmp_path / ("x" * 90)
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    spec = DeviceSpec("x,y", empty_device(), {"system": disk}, "tcg", written=True)
    with launch_device(spec, tmp_path / "run", Ledger(tmp_path / "ledger")) as device:
        assert device.running


def test_two_machines_are_linked_and_nothing_is_left_of_them(tmp_path, disk):
    pfe = tmp_path / "pfe.raw"
    pfe.write_bytes(disk.read_bytes())
    spec = DeviceSpec("two", hardware(RE, PFE), {"system": disk, "pfe": pfe}, "tcg", 2, written=True)
    with launch_device(spec, tmp_path / "run", Ledger(tmp_path / "ledger")) as device:
        assert list(device.machines) == ["re", "pfe"]
        assert device.running
        folder = device.socket.parent
        assert folder.stat().st_mode & 0o077 == 0
        listed = str(device.monitors["re"].execute("human-monitor-command", {"command-line": "info network"}))
        assert listed.count("model=e1000") == 5
        assert "type=stream" in listed
        assert wait_for_power_off(device, 0.2) is False
        device.monitors["re"].execute("quit")
        assert device.machines["re"].process.wait(20) == 0
    assert not folder.exists()
    assert Ledger(tmp_path / "ledger").entries() == []


def test_hardware_that_qemu_does_not_know_is_an_error_with_its_words(tmp_path, disk):
    wanted = hardware({"name": "m", "memory": 64, "model": "no-such-processor", "nics": ["management"]})
    spec = DeviceSpec("x", wanted, {"system": disk}, "tcg", written=True)
    started = time.monotonic()
    with (
        pytest.raises(LabwrightError, match="QEMU does not start the machine m") as caught,
        launch_device(spec, tmp_path / "run", Ledger(tmp_path / "ledger")),
    ):
        pass
    assert any("no-such-processor" in line for line in caught.value.details)
    assert time.monotonic() - started < 20
    assert Ledger(tmp_path / "ledger").entries() == []


def test_ssh_that_never_comes_is_given_up_with_the_last_words_of_the_console(tmp_path):
    console, complaints = tmp_path / "console", tmp_path / "qemu"
    console.write_text("Booting\nleaf login: ")
    complaints.touch()
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(subprocess.Popen(["sleep", "60"]))
        stack.callback(process.kill)
        (port,) = stack.enter_context(reserved_ports(1))
        machine = Running(process, console, complaints, time.monotonic())
        device = Device({"m": machine}, {}, {"ssh": port}, tmp_path / "socket")
        with pytest.raises(LabwrightError, match="no login as antidote") as caught:
            wait_for_login(device, Login(port, "antidote", "x"), Deadline(1.0), lambda _: None)
    assert "leaf login:" in caught.value.details[-1]
