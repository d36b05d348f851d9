"""rpmbuild: from the staged packages of a layer to signed RPM files."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .keys import Signer
from .packages import LAYERS, Layer
from .spec import make_spec
from .stage import Package

GENERATORS = Path("/usr/lib/rpm/fileattrs")


def build(layers: Mapping[str, list[Package]], signer: Signer, folder: Path) -> dict[str, list[Path]]:
    """The signed packages of each layer."""
    built = {layer.name: _build_layer(layer, layers[layer.name], signer, folder / layer.name) for layer in LAYERS}
    signer.sign_packages([file for files in built.values() for file in files])
    return built


def _build_layer(layer: Layer, packages: list[Package], signer: Signer, folder: Path) -> list[Path]:
    lists = folder / "lists"
    lists.mkdir(parents=True)
    spec = folder / "standin.spec"
    spec.write_text(make_spec(layer, packages, lists))
    rpmbuild("-bb", spec, layer.dist, signer)
    return sorted((folder / "RPMS").rglob("*.rpm"))


def rpmbuild(what: str, spec: Path, dist: str, signer: Signer) -> None:
    """Build beside the spec. Of Debian's generators only that for ELF is used: the others know Debian's paths only."""
    folder = spec.parent
    generators = folder / "fileattrs"
    generators.mkdir(exist_ok=True)
    shutil.copy(GENERATORS / "elf.attr", generators)
    macros = {
        "_topdir": folder, "_dbpath": folder / "db", "_buildshell": "/bin/bash", "dist": dist,
        "_buildhost": "stand-in.invalid", "vendor": "stand-in", "_fileattrsdir": generators,
        "use_source_date_epoch_as_buildtime": 1, "clamp_mtime_to_source_date_epoch": 1,
        "_binary_payload": "w1.zstdio", "_source_payload": "w1.zstdio",
    }  # fmt: skip
    defined = [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]
    done = subprocess.run(
        ["rpmbuild", what, "--nodeps", "--target", "x86_64", *defined, spec],
        check=False, capture_output=True, text=True, env=signer.environment,
    )  # fmt: skip
    (folder / "rpmbuild.log").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, "\n".join(done.stderr.splitlines()[-25:])
