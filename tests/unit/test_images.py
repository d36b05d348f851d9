"""The images of this repository, as a contributor changes them: one folder, one line a package."""

from __future__ import annotations

import re
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

IMAGES = Path(__file__).parents[2] / "images"
FOLDERS = sorted(path for path in IMAGES.iterdir() if path.is_dir())
LISTED = [folder for folder in FOLDERS if "packages:" in (folder / "image.meta.yaml").read_text()]
"""Images that have packages beside the base set."""
SECRETS = re.compile(r"(BEGIN [A-Z ]*PRIVATE KEY|index-url|://[^/\s]*@)")

every_image = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
every_listed_image = pytest.mark.parametrize("folder", LISTED, ids=lambda folder: folder.name)


def meta(folder: Path) -> dict:
    return yaml.safe_load((folder / "image.meta.yaml").read_text())


def groups(folder: Path) -> list[list[str]]:
    """The packages as they stand in the file: a group after each comment."""
    found: list[list[str]] = []
    inside = False
    for line in (folder / "image.meta.yaml").read_text().splitlines():
        if line == "  packages:":
            inside = True
        elif inside and line.startswith("    # "):
            if not found or found[-1]:
                found.append([])
        elif inside and line.startswith("    - "):
            found[-1].append(line.removeprefix("    - "))
        elif inside:
            break
    return found


def playbooks(folder: Path) -> list[Path]:
    name = meta(folder)["build"].get("playbook")
    return [folder / name] if name else []


def scripts(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh\n"))


def tasks(folder: Path) -> list[dict]:
    return [task for path in playbooks(folder) for play in yaml.safe_load(path.read_text()) for task in play["tasks"]]


@every_image
def test_the_slug_is_the_folders_name(folder):
    assert meta(folder)["slug"] == folder.name


@every_image
def test_the_scripts_that_an_image_names_are_there(folder):
    build = meta(folder)["build"]
    for name in [*build.get("pre", []), *build.get("post", []), *([build["playbook"]] if "playbook" in build else [])]:
        assert (folder / name).is_file(), f"{name} is not in {folder.name}"


@every_listed_image
def test_an_image_says_what_is_in_it_and_tests_it(folder):
    assert (folder / "README.md").is_file()
    assert (folder / "test.sh").is_file()


@every_image
def test_the_page_on_images_lists_it(folder):
    assert f"images/{folder.name}" in (IMAGES.parent / "docs/images.md").read_text()


@every_listed_image
def test_packages_stand_one_a_line_in_sorted_groups_and_once(folder):
    listed = groups(folder)
    names = [name for group in listed for name in group]
    assert names == meta(folder)["build"]["packages"], "every package has a line of its own, below a comment"
    assert len(names) == len(set(names))
    for group in listed:
        assert group == sorted(group)


@every_image
def test_shell_scripts_are_executable_and_the_shell_can_read_them(folder):
    for script in scripts(folder):
        assert script.stat().st_mode & stat.S_IXUSR, f"{script} is not executable"
        subprocess.run(["sh", "-n", script], check=True)


@every_image
def test_a_playbook_needs_ansible_core_alone_and_no_running_system(folder):
    for task in tasks(folder):
        (module,) = [key for key in task if "." in key]
        assert module.startswith("ansible.builtin."), task["name"]
        starts = module.endswith(("systemd", "systemd_service", "service")) and "state" in task[module]
        assert not starts, task["name"]


@every_image
def test_the_files_that_a_playbook_copies_are_there(folder):
    for task in tasks(folder):
        source = task.get("ansible.builtin.copy", {}).get("src", "")
        for item in task.get("loop", [""]):
            name = source.replace("{{ item }}", str(item))
            assert not name or (folder / name).is_file(), f"{task['name']}: {name}"


@every_image
def test_no_secret_and_no_registry_stands_in_an_images_files(folder):
    for path in folder.rglob("*"):
        if path.is_file():
            assert not SECRETS.search(path.read_text()), path


def test_the_lock_of_the_utility_machine_has_a_hash_for_everything():
    """pip refuses a lock without hashes only when it is asked to, and the playbook does: this says it sooner."""
    lock = (IMAGES / "utility/requirements.lock").read_text()
    wanted = [
        re.split(r"[<>=~\s]", line)[0].lower()
        for line in (IMAGES / "utility/requirements.in").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    pinned = re.findall(r"^([a-z0-9._-]+)==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", lock, re.MULTILINE)
    assert len(pinned) == len(re.findall(r"^[a-z0-9]", lock, re.MULTILINE))
    assert set(wanted) <= set(pinned)


MODULES = Path("usr/lib/x86_64-linux-gnu/frr/modules")


@pytest.mark.parametrize(
    ("given", "left"),
    [
        # The public lesson's line, other ways to write it, and a module that is there under either kind of name.
        ("-M sysrepo -A 127.0.0.1 -s 90000000", "-A 127.0.0.1 -s 90000000"),
        ("-d -Msysrepo", "-d"),
        ("--module=sysrepo --module snmp -d", "-d"),
        ("-M irdp -M fpm:192.0.2.1 -A ::1", "-M irdp -M fpm:192.0.2.1 -A ::1"),
        ("-M dplane_fpm_nl", "-M dplane_fpm_nl"),
        ("", ""),
    ],
)
def test_zebra_starts_without_modules_that_are_not_installed(tmp_path, given, left):
    (tmp_path / MODULES).mkdir(parents=True)
    for name in ("zebra_irdp.so", "zebra_fpm.so", "dplane_fpm_nl.so"):
        (tmp_path / MODULES / name).touch()
    (tmp_path / "bin").mkdir()
    for name, text in {"logger": "exit 1", "uname": "echo x86_64", "zebra": 'echo "$@"'}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    script = tmp_path / "script"
    script.write_text((IMAGES / "frr/files/zebra-modules").read_text().replace("/usr/lib/", f"{tmp_path}/usr/lib/"))
    done = subprocess.run(
        ["sh", script, "zebra", *given.split()],
        check=True, capture_output=True, text=True, env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"},
    )  # fmt: skip
    assert done.stdout.strip() == left


@pytest.mark.parametrize(
    ("link", "event", "runs"),
    [
        # networkd has the management interface, whichever of its names ifupdown knows.
        ("2: eth0: <UP> mtu 1500", "bound", []),
        ("2: eth0@if9: <UP> mtu 1500", "deconfig", ["ip link set dev eth0 up"]),
        ("3: enp0s3f1: <UP> mtu 1500", "bound", ["debian bound"]),
    ],
)
def test_udhcpc_leaves_the_management_interface_alone(tmp_path, link, event, runs):
    log = tmp_path / "log"
    log.touch()
    (tmp_path / "ip").write_text(f'#!/bin/sh\ncase "$*" in *show*) echo "{link}" ;; *) echo "ip $*" >> {log} ;; esac\n')
    (tmp_path / "default.script.distrib").write_text(f'#!/bin/sh\necho "debian $*" >> {log}\n')
    for name in ("ip", "default.script.distrib"):
        (tmp_path / name).chmod(0o755)
    script = tmp_path / "script"
    script.write_text((IMAGES / "frr/files/udhcpc.script").read_text().replace("/etc/udhcpc", str(tmp_path)))
    subprocess.run(
        ["sh", script, event], check=True, env={"interface": "enp0s3f0", "PATH": f"{tmp_path}:/usr/bin:/bin"}
    )
    assert log.read_text().splitlines() == runs
