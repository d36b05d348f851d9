"""What dnf would install into an empty root, as JSON. Run by the Python that dnf itself runs on.

Standard input: a JSON object with configuration (a dnf.conf), root (with dnf's cache in it), release, packages (their
names), source (the id of the repository with source packages), kernel (the name of the source package), answer (the
file to write). Reads nothing from the network: the metadata is in the cache already.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import dnf
import dnf.exceptions
import hawkey


def main() -> None:
    """Write down the packages, the kernel's source first; exit code 3 with words for people where there is no answer."""
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
        refuse("there is no package " + " ".join(sorted(error.no_match_pkg_specs or error.error_pkg_specs)))
    except dnf.exceptions.Error as error:
        refuse(str(error).strip())
    sources = base.sack.query().filterm(name=request["kernel"], arch="src", reponame=request["source"]).latest().run()
    if not sources:
        refuse(f"there is no source package {request['kernel']}")
    found = [facts(package) for package in (sources[-1], *base.transaction.install_set)]
    Path(request["answer"]).write_text(json.dumps(found))


def facts(package: Any) -> dict[str, Any]:
    """What a lock says of a package."""
    kind, digest = package.chksum
    if kind != hawkey.CHKSUM_SHA256:
        refuse(f"the repository {package.reponame} has no SHA-256 sums")
    return {
        "name": package.name,
        "version": package.evr,
        "architecture": package.arch,
        "sha256": digest.hex(),
        "size": package.downloadsize,
        "mirror": package.reponame,
        "path": package.location,
    }


def refuse(reason: str) -> None:
    """End with the reason on standard error."""
    print(reason, file=sys.stderr)
    raise SystemExit(3)


if __name__ == "__main__":
    main()
