"""The mirror: CentOS's folders, lists of packages made by createrepo_c, and their signatures."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from .keys import EPOCH, Signer
from .packages import APPSTREAM, CORE, FLAVOURS, Flavour

REPOSITORIES = ("BaseOS", "AppStream", "CRB")
BINARY, SOURCE = "x86_64/os", "source/tree"


def lay_out(root: Path, built: Mapping[str, list[Path]], signer: Signer) -> None:
    for flavour in FLAVOURS:
        _lay_out_flavour(root / flavour.name, flavour, built, signer)


def _lay_out_flavour(place: Path, flavour: Flavour, built: Mapping[str, list[Path]], signer: Signer) -> None:
    for name in REPOSITORIES:
        for part in (BINARY, SOURCE):
            (place / name / part / "Packages").mkdir(parents=True)
    for layer in flavour.layers:
        for file in built[layer]:
            name = file.name.rsplit("-", 2)[0]
            repository = "AppStream" if name in APPSTREAM else "BaseOS"
            os.link(file, place / repository / BINARY / "Packages" / file.name)
    for name in REPOSITORIES:
        for part in (BINARY, SOURCE):
            index(place / name / part, signer, _comps(flavour) if (name, part) == ("BaseOS", BINARY) else "")


def index(repository: Path, signer: Signer, groups: str = "", *, sign: bool = True) -> None:
    """Make its lists anew, reading only the packages that are not yet in them."""
    words: list[str | Path] = ["--update"] if (repository / "repodata").exists() else []
    if groups:
        (repository / "comps.xml").write_text(groups)
    if (repository / "comps.xml").exists():
        words += ["--groupfile", repository / "comps.xml"]
    subprocess.run(
        ["createrepo_c", "--quiet", "--no-database", "--workers", "2", "--revision", str(EPOCH),
         "--set-timestamp-to-revision", *words, repository],
        check=True, env=signer.environment,
    )  # fmt: skip
    if sign:
        signer.sign_list(repository / "repodata/repomd.xml")


def _comps(flavour: Flavour) -> str:
    required = "".join(
        f'<packagereq type="mandatory">{escape(name)}</packagereq>' for name in sorted({*CORE, flavour.release})
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">\n'
        "<comps><group><id>core</id><name>Core</name><description>Smallest possible installation (stand-in)"
        "</description><default>false</default><uservisible>false</uservisible>"
        f"<packagelist>{required}</packagelist></group>"
        "<environment><id>minimal-environment</id><name>Minimal Install</name><description>Basic functionality."
        "</description><display_order>3</display_order><grouplist><groupid>core</groupid></grouplist></environment>"
        "</comps>\n"
    )
