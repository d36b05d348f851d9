"""A distribution's own kernel source, configured by our fragments, holds its review; one option less and it does not.

Sources come from the packages linux-source-6.1 and linux-source-6.12; LABWRIGHT_KERNEL_SOURCES names another folder.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from labwright.host.ledger import Ledger
from labwright.host.run import run
from labwright.interfaces import Workbench
from labwright.kernel.build import review_source
from labwright.kernel.config import ConfiguredSource, configure, unpack_configuration_only
from labwright.kernel.fragments import fragment_folder, load_fragments

SOURCES = Path(os.environ.get("LABWRIGHT_KERNEL_SOURCES", "/usr/src"))


@pytest.fixture(scope="module", params=["6.1", "6.12"])
def tree(request, tmp_path_factory):
    archive = SOURCES / f"linux-source-{request.param}.tar.xz"
    if not archive.is_file():
        pytest.skip(f"{archive} is not there: apt-get install linux-source-{request.param}")
    return unpack_configuration_only(archive, workbench(tmp_path_factory.mktemp("source")))


def workbench(folder: Path) -> Workbench:
    return Workbench(
        run=run, scratch=folder, downloads=folder, ledger=Ledger(folder / "ledger"), say=print,
        source_date_epoch=0, jobs=1,
    )  # fmt: skip


def configured(tree: Path, folder: Path) -> ConfiguredSource:
    return configure(tree, load_fragments(("debian",)), workbench(folder))


def test_our_fragments_hold_their_review(tree, tmp_path):
    result = review_source(configured(tree, tmp_path))
    assert result.findings == ()
    assert result.drivers_checked


def test_an_option_taken_out_of_a_fragment_is_noticed(tree, tmp_path, monkeypatch):
    copy = shutil.copytree(fragment_folder(), tmp_path / "configs")
    network = copy / "network.config"
    network.write_text(network.read_text().replace("CONFIG_NET_SCH_NETEM=m\n", ""))
    monkeypatch.setenv("LABWRIGHT_KERNEL_CONFIGS", str(copy))
    assert review_source(configured(tree, tmp_path)).findings == (
        "delay, loss and rate of links: CONFIG_NET_SCH_NETEM is off",
    )


def test_a_driver_put_into_a_fragment_is_noticed(tree, tmp_path, monkeypatch):
    copy = shutil.copytree(fragment_folder(), tmp_path / "configs")
    with (copy / "debian.config").open("a") as file:
        file.write("CONFIG_NLMON=m\n")
    monkeypatch.setenv("LABWRIGHT_KERNEL_CONFIGS", str(copy))
    assert review_source(configured(tree, tmp_path)).strangers == ("CONFIG_NLMON",)
