"""What dnf would install into an empty root, as JSON. Run by the Python that dnf itself runs on.

Standard input: a JSON object with configuration (a dnf.conf), root (with dnf's cache in it), release, packages (their
names), source (the id of the repository with source packages), kernel (the name of the source package), answer (the
file to write). Reads nothing from the network: the metadata is in the cache already.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import dnf
import dnf.exceptions
import hawkey


def main() -> None:
    """Write down the packages, the kernel's source first; exit code 3, and words for people, where there are none."""
    request = json.load(sys.stdin)
    base = dnf.Base()
    base.conf.read(request["configuration"])
    base.conf.installroot = request["root"]
    for name in ("cache", "log", "persist"):
        setattr(base.conf, f"{name}dir", f"{request['root']}/{name}")
    base.conf.substitutions["releasever"] = request["release"]
    base.read_all_repos()
    for repository in base.repos.iter_enabled():
        # What is there is what was checked; nothing is asked for again.
        repository.metadata_expire = -1
    try:
        base.fill_sack(load_system_repo=False)
        base.install_specs(request["packages"])
        base.resolve()
    except dnf.exceptions.MarkingErrors as error:
        refuse(request, "there is no package " + " ".join(sorted(error.no_match_pkg_specs or error.error_pkg_specs)))
    except dnf.exceptions.Error as error:
        refuse(request, str(error).strip())
    sources = base.sack.query().filterm(name=request["kernel"], arch="src", reponame=request["source"]).latest().run()
    if not sources:
        refuse(request, f"there is no source package {request['kernel']}")
    found = [facts(request, package) for package in (sources[-1], *base.transaction.install_set)]
    Path(request["answer"]).write_text(json.dumps(found))


def facts(request: dict[str, Any], package: Any) -> dict[str, Any]:
    """What a lock says of a package."""
    kind, digest = package.chksum
    if kind != hawkey.CHKSUM_SHA256:
        refuse(request, f"the repository {package.reponame} has no SHA-256 sums")
    return {
        "name": package.name,
        "version": package.evr,
        "architecture": package.arch,
        "sha256": digest.hex(),
        "size": package.downloadsize,
        "mirror": package.reponame,
        # As it stands in the lists, where nothing is escaped.
        "path": quote(package.location, safe="/+,=~._-"),
    }


def refuse(request: dict[str, Any], reason: str) -> NoReturn:
    """End with the reason as the answer; dnf itself has things to say on standard error."""
    Path(request["answer"]).write_text(reason)
    raise SystemExit(3)


if __name__ == "__main__":
    main()
