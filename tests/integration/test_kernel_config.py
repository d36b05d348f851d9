"""A distribution's own kernel source, configured by our fragments, holds its review; with an option less it fails."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from labwright.host.ledger import Ledger, copy_whole
from labwright.host.run import run
from labwright.interfaces import KernelSource, Workbench
from labwright.kernel.build import review_source
from labwright.kernel.config import ConfiguredSource, configure
from labwright.kernel.fragments import fragment_folder, load_fragments
from labwright.kernel.source import pack_configuration, unpack_configuration
from labwright.spec.load import load_image
from labwright_debian import DebianBootstrapper

CACHE = Path(os.environ.get("LABWRIGHT_CACHE", str(Path.home() / ".cache/labwright")))
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: apt works in folders of ours")


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def tree(request, tmp_path_factory):
    """Fetched as a build would, and kept in the user's cache between runs."""
    folder = tmp_path_factory.mktemp("source")
    bench = workbench(folder)
    spec = load_image(Path(__file__).parents[2] / "images/debian")
    spec = spec.model_copy(update={"build": spec.build.model_copy(update={"release": request.param})})
    driver = DebianBootstrapper()
    pins = driver.resolve(spec, bench)
    source = CACHE / "tests" / pins.kernel_source.sha256
    if not (source / KernelSource.ARCHIVE).is_file():
        source.mkdir(parents=True, exist_ok=True)
        fetched = folder / "fetched"
        fetched.mkdir()
        driver.fetch_kernel_source(spec, pins, fetched, bench)
        copy_whole(fetched / KernelSource.ARCHIVE, source / KernelSource.ARCHIVE, bench.ledger)
    pack_configuration(source, folder / "configuration.tar", bench)
    shutil.rmtree(folder / "kconfig")
    return unpack_configuration(folder / "configuration.tar", bench)


def workbench(folder: Path) -> Workbench:
    return Workbench(
        run=run, scratch=folder, downloads=folder, ledger=Ledger(folder / "ledger"), say=print,
        source_date_epoch=0, jobs=1,
    )  # fmt: skip


def configured(tree: Path, folder: Path, fragment: str = "debian") -> ConfiguredSource:
    return configure(tree, load_fragments((fragment,)), workbench(folder))


@pytest.mark.parametrize("fragment", ["debian", "centos"])
def test_our_fragments_hold_their_review(tree, tmp_path, fragment):
    result = review_source(configured(tree, tmp_path, fragment))
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
