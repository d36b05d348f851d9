"""The platform's container: published, copied by skopeo, run by runc with what Kubernetes would allow, and used.

Two machines of one image, a cable between them. The first has its capability as Kubernetes gives it (by the file of the
program), the second as Podman does (ambient, and no new privileges).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import builds
from support.container import Container, cable, container, network, run
from support.oci import copied, unpacked
from support.registry import RealRegistry

from labwright.registry.client import Registry
from labwright.registry.reference import Reference
from labwright.registry.transport import Access

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes network namespaces and runs containers")
CONTRACT = {("tcp", 22), ("udp", 161), ("tcp", 830), ("tcp", 8080)}
SIZE = 9000
LISTEN = """
import socket, struct, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth1", 3))
s.setsockopt(263, 8, 1)
s.setsockopt(263, 1, struct.pack("iHH8s", socket.if_nametoindex("eth1"), 1, 0, b""))
print("listens", flush=True)
wanted, until = int(sys.argv[1]), time.monotonic() + 300
while wanted and time.monotonic() < until:
    s.settimeout(max(0.1, until - time.monotonic()))
    try:
        data, ancillary, _, address = s.recvmsg(70000, 64)
    except TimeoutError:
        break
    if b"labwright" not in data or address[2] == 4:
        continue
    status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", ancillary[0][2])
    if status & 0x10:
        data = data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
    print(len(data), data[:20].hex(), flush=True)
    wanted -= 1
"""
SEND = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth1", 0))
for words in sys.argv[1:]:
    head, _, size = words.partition(":")
    data = bytes.fromhex(head) + b"labwright"
    s.send(data.ljust(int(size or 64), b"-"))
"""
SOURCE = "020000000001"
FRAMES = {
    "LLDP": "0180c200000e" + SOURCE + "88cc:80",
    "LACP": "0180c2000002" + SOURCE + "8809:124",
    "spanning tree": "0180c2000000" + SOURCE + "002642:60",
    "a VLAN tag": "ffffffffffff" + SOURCE + "8100602a0800:200",
    "a jumbo frame": "ffffffffffff" + SOURCE + f"0800:{SIZE + 14}",
}


@dataclass(frozen=True)
class Lab:
    """client: the namespace of another pod; addresses: of the containers' pods, as it sees them."""

    client: str
    spaces: tuple[str, str]
    addresses: tuple[str, str]
    containers: tuple[Container, Container]
    entry: list[str]
    root: Path
    config: dict
    bill: dict

    def ssh(self, number: int, command: str, check: bool = True) -> str:
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=60"]
        words = ["ip", "netns", "exec", self.client, "sshpass", "-p", "antidotepassword", "ssh",
                 *(word for option in options for word in ("-o", option)),
                 f"antidote@{self.addresses[number]}", command]  # fmt: skip
        done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("platform")
    out, store = folder / "out", folder / "registry"
    store.mkdir()
    done = builds.command("build", builds.REPOSITORY / "images/debian", "--out", out, cache=builds.users_cache())
    assert done.returncode == 0, done.stdout + done.stderr
    registry = RealRegistry(store)
    with ExitStack() as stack:
        registry.start()
        stack.callback(registry.stop)
        reference = f"{registry.host}/labs/debian:platform"
        done = builds.command(
            "publish", out / "debian.qcow2", reference, "--as", "platform", cache=builds.users_cache()
        )
        assert done.returncode == 0, done.stdout + done.stderr
        bill = bill_of(registry.host, "labs/debian", "platform")
        root = folder / "root"
        config = unpacked(copied(reference, folder / "layout"), root)
        done = builds.command("pull", reference, "--out", folder / "back", cache=builds.users_cache())
        assert done.returncode == 0, done.stdout + done.stderr
        # The disk that came back is the one that was built.
        run("qemu-img", "compare", out / "debian.qcow2", folder / "back/debian.qcow2")
        client, a, b = (stack.enter_context(network()) for _ in range(3))
        for number, name in enumerate((a, b), start=1):
            cable((client, f"pod{number}"), (name, "eth0"))
            run("ip", "-n", client, "address", "replace", f"10.9.{number}.1/24", "dev", f"pod{number}")
            run("ip", "-n", name, "address", "add", f"10.9.{number}.2/24", "dev", "eth0")
        cable((a, "net1"), (b, "net1"), SIZE)
        lesson = folder / "lesson"
        lesson.mkdir()
        (lesson / "hello").write_text("from the lesson\n")
        # A machine without KVM on a busy host takes longer than the time that Kubernetes gives a container.
        patient = {"LABWRIGHT_STOP_SECONDS": "240"}
        first = stack.enter_context(container(root, config, a, folder / "a", patient, lesson=lesson))
        second = stack.enter_context(container(root, config, b, folder / "b", patient, ambient=True))
        for one in (first, second):
            one.wait_for("login:", 600)
            # The health check is what the platform waits for, too.
            until = time.monotonic() + 300
            while one.execute(*config["config"]["Entrypoint"], "health"):
                assert time.monotonic() < until, one.said[-2000:]
        yield Lab(
            client,
            (a, b),
            ("10.9.1.2", "10.9.2.2"),
            (first, second),
            config["config"]["Entrypoint"],
            root,
            config,
            bill,
        )


def bill_of(host: str, repository: str, tag: str) -> dict:
    """The bill of materials that lies beside an image."""
    with Registry(host, Access()) as registry:
        image = registry.digest(Reference(host, repository, tag))
        papers = {one.artifact_type: one.digest for one in registry.referrers(repository, image)}
        manifest = registry.get(Reference(host, repository, digest=papers["application/vnd.cyclonedx+json"]))
        return json.loads(registry.small_blob(repository, manifest.layers[0]))


def test_the_bill_of_materials_names_what_starts_the_machine_and_what_is_in_it(lab):
    names = {(one["bom-ref"].startswith("runtime:"), one["name"]) for one in lab.bill["components"]}
    assert {(True, "qemu-system-x86"), (True, "python3-minimal"), (False, "systemd")} <= names


def test_a_learner_logs_in_from_another_pod_and_is_root_without_a_password(lab):
    assert lab.ssh(0, "sudo -n id -u; cat /antidote/hello").split("\n")[:2] == ["0", "from the lesson"]


@pytest.mark.parametrize("number", [0, 1])
def test_nothing_listens_but_the_ports_of_the_contract(lab, number):
    words = run("ip", "netns", "exec", lab.spaces[number], "ss", "-Hlntu").splitlines()
    found = {(fields[0], int(fields[4].rpartition(":")[2])) for fields in map(str.split, words)}
    assert found == CONTRACT


@pytest.mark.parametrize("number", [0, 1])
def test_the_machine_runs_with_no_capability_and_as_an_ordinary_user(lab, number):
    pids = run("runc", "--root", lab.containers[number].state, "ps", "--format", "json", lab.containers[number].name)
    statuses = [Path(f"/proc/{pid}/status").read_text() for pid in json.loads(pids)]
    assert len(statuses) == 2
    for status in statuses:
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert facts["Uid"].split() == ["107"] * 4
        assert int(facts["CapEff"], 16) == 0 and int(facts["CapPrm"], 16) == 0
        assert facts["NoNewPrivs"] == "1"
        # Ours filters nothing of its own: here runc gives it no filter, and Kubernetes gives its own.
        assert facts["Seccomp"] == ("2" if facts["Name"].startswith("qemu") else "0")


def test_two_starts_of_one_image_have_other_addresses(lab):
    found = [re.findall(r"link/ether (\S+)", lab.ssh(number, "ip link")) for number in (0, 1)]
    assert len(found[0]) == 3
    assert not set(found[0]) & set(found[1])
    assert len(set(found[0])) == 3


def test_an_interface_without_a_cable_has_no_carrier(lab):
    said = lab.ssh(0, "sudo ip link set eth1 up; sudo ip link set eth2 up; sleep 2; ip -br link")
    assert re.search(r"^eth1 +UP", said, re.MULTILINE), said
    assert re.search(r"^eth2 +DOWN.*NO-CARRIER", said, re.MULTILINE), said


def test_every_kind_of_frame_passes_from_one_machine_to_the_other(lab):
    listener = f"sudo python3 -c {shlex.quote(LISTEN)} {len(FRAMES)} > /tmp/frames 2>&1 < /dev/null &"
    listens = "timeout 300 sh -c 'until grep -q listens /tmp/frames; do sleep 0.2; done'"
    up = "sudo ip link set eth1 up; ip link show eth1"
    assert f"mtu {SIZE}" in lab.ssh(1, f"{up}; nohup sh -c {shlex.quote(listener)}; {listens}")
    assert f"mtu {SIZE}" in lab.ssh(0, f"{up}; sudo python3 -c {shlex.quote(SEND)} {' '.join(FRAMES.values())}")
    came = lab.ssh(1, f"timeout 300 sh -c 'until [ $(wc -l < /tmp/frames) -gt {len(FRAMES)} ]; do sleep 0.2; done';"
                      "cat /tmp/frames")  # fmt: skip
    for name, words in FRAMES.items():
        head, _, size = words.partition(":")
        assert re.search(rf"^{size} {head}", came, re.MULTILINE), f"{name} did not arrive:\n{came}"


def test_the_health_check_sees_the_ssh_server(lab):
    assert lab.containers[0].execute(*lab.entry, "health") == 0


def test_a_container_without_the_capability_says_so_and_boots_with_its_links_down(lab, tmp_path):
    with network() as space, network() as other:
        cable((space, "net1"), (other, "net1"))
        with container(lab.root, lab.config, space, tmp_path / "bare", capabilities=()) as bare:
            bare.wait_for("listening on", 180)
            assert "no raw sockets, so the links on net1 stay down" in bare.said
            # Its firmware starts; that a machine starts from there is seen above.
            assert bare.process.poll() is None


def test_sigterm_shuts_the_machines_down_in_order(lab):
    for one in lab.containers:
        one.signal("TERM")
    # One that is switched off, since it takes too long, ends with another code.
    assert [one.process.wait(300) for one in lab.containers] == [0, 0], lab.containers[0].said[-2000:]
    assert re.search(r"net1: [1-9][0-9]* frames to the machine", lab.containers[1].said)
