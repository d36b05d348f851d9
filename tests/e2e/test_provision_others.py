"""Systems that labwright did not make, and the images of this repository: from anybody's disk to a tested machine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.builds import users_cache
from support.disks import image_folder, make_foreign_debian, make_ova

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: builds images")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory) -> Path:
    """A Debian made without labwright, as a vmdk in an ova; it is kept between runs, since it takes minutes."""
    place = users_cache() / "tests/foreign-debian-1"
    if not (place / "foreign.ova").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        make_foreign_debian(place / "foreign-disk1.vmdk")
        make_ova(place / "foreign-disk1.vmdk", place / "partial.ova")
        (place / "partial.ova").rename(place / "foreign.ova")
    return place / "foreign.ova"


@pytest.mark.timeout(2400)
def test_a_foreign_debian_in_an_ova_is_provisioned_and_boots(cli, foreign, tmp_path):
    """Its sshd lets nobody in with a password, it has no sudo and no Python; afterwards it is a machine of a lab."""
    folder = image_folder(tmp_path, "foreign", foreign, type="linux")
    (folder / "test.sh").write_text("set -e\nsudo -n true\npython3 -c 'import apt'\nuname -r | grep cloud\n")
    done = cli("build", folder, "--method", "mounted", "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    report = json.loads((tmp_path / "out/foreign.json").read_text())
    assert report["tests"]["boots"]["bios"]["script"] is True
    assert report["tests"]["clones"]["first"]["host_keys"] != report["tests"]["clones"]["second"]["host_keys"]


def test_a_container_s_root_file_system_becomes_a_machine(cli, tmp_path):
    """No init, no kernel, no sshd in it, as `docker export` gives it."""
    archive = tmp_path / "container.tar.xz"
    subprocess.run(["mmdebstrap", "--variant=minbase", "--quiet", "bookworm", archive], check=True)
    folder = image_folder(tmp_path, "container", archive, release="bookworm")
    refused = cli("build", folder, "--out", tmp_path / "out")
    assert refused.returncode == 2
    assert "nobody vouches for them" in refused.stderr
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    image_folder(tmp_path, "container", archive, release="bookworm", sha256=digest)
    (folder / "test.sh").write_text("set -e\nsudo -n true\nuname -r | grep labwright\n")
    done = cli("build", folder, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    report = json.loads((tmp_path / "out/container.json").read_text())
    assert set(report["tests"]["boots"]) == {"bios", "uefi", "direct"}
    assert report["tests"]["boots"]["bios"]["script"] is True


def test_the_router_of_this_repository_is_built_and_passes_its_own_test(cli, tmp_path):
    """images/frr from nothing: the daemons, the lesson's way of configuring them, the interfaces' names."""
    done = cli("build", "images/frr", "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    report = json.loads((tmp_path / "out/frr.json").read_text())
    assert report["tests"]["boots"]["bios"]["script"] is True
    assert report["tests"]["boots"]["uefi"]["interfaces"] == ["eth0", "enp0s3f1", "enp0s3f2"]
    assert "frr" in dict(report["packages"])
