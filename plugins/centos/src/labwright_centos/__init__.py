"""CentOS for labwright. The bootstrapper is planned: it is listed and says that it does nothing yet."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, NoReturn

from labwright.errors import Cause, LabwrightError
from labwright.interfaces import Bootstrapper, Distribution, KernelFiles, Pins, Workbench
from labwright.spec.image import ImageSpec
from labwright_centos.provisioner import CentosProvisioner

__all__ = ["CentosBootstrapper", "CentosProvisioner"]

NOT_YET = "it makes no image yet; CentOS Stream 9 and 10 from scratch are the next to come"


class CentosBootstrapper(Bootstrapper):
    """CentOS Stream, once it is there; until then every method says that it is not."""

    distribution: ClassVar[Distribution] = Distribution(title="CentOS Stream", status="planned", limits=NOT_YET)

    def resolve(self, image: ImageSpec, bench: Workbench, snapshot: str = "") -> Pins:
        """Not there yet."""
        return self._refuse()

    def fetch_kernel_source(self, pins: Pins, destination: Path, bench: Workbench) -> int:
        """Not there yet."""
        return self._refuse()

    def make_tree(self, image: ImageSpec, pins: Pins, destination: Path, bench: Workbench) -> int:
        """Not there yet."""
        return self._refuse()

    def package_kernel(self, kernel: KernelFiles, destination: Path, bench: Workbench) -> None:
        """Not there yet."""
        self._refuse()

    def finish_tree(self, image: ImageSpec, tree: Path, kernel_package: Path, bench: Workbench) -> None:
        """Not there yet."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise LabwrightError("the CentOS driver is planned", cause=Cause.PLUGIN, hint=NOT_YET)
