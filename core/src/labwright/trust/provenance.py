"""Where an image comes from: an in-toto statement (v1) with SLSA's provenance (v1) as its predicate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from labwright.spec.pins import Package, Pins
from labwright.trust.purl import Vendor, generic_url, package_url, vendor_of
from labwright.trust.report import Report, read_report
from labwright.trust.revision import REVISION
from labwright.trust.runtime import Runtime
from labwright.trust.sbom import timestamp

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:labwright:build:1"
"""Names the meaning of the parameters below; docs/trust.md explains them."""
BUILDER = "urn:labwright:builder"
SHA256 = re.compile(r"[0-9a-f]{64}")
STEP_DIGEST = "labwright-step-v1"
"""The algorithm of a step's digest: SHA-256 over names and hashes of its files, so that it is no file's hash."""


@dataclass(frozen=True)
class Invocation:
    """What a report does not say of its build. builder: a URI for who builds, as those who check are to know it.

    revision: of the images' folder, as trust.revision says it. started, finished: seconds since 1970, 0 where they are
    not known. identifier: of the run, such as the number of a night.
    """

    builder: str = BUILDER
    revision: str = ""
    started: float = 0.0
    finished: float = 0.0
    identifier: str = ""


def provenance(
    report: Mapping[str, Any], invocation: Invocation | None = None, runtime: Runtime | None = None
) -> dict[str, Any]:
    """The statement about an image's disks. No secret, no name of a machine and no path of one is in it.

    runtime: what it is published with. Raises LabwrightError (config) for what is no report.
    """
    found, run = read_report(report), invocation or Invocation()
    details: dict[str, Any] = {
        "builder": {"id": run.builder, "version": {"labwright": found.labwright}},
        "byproducts": [
            {
                "name": f"step {name}",
                "uri": f"urn:labwright:step:{name}:{step.key}",
                "digest": {STEP_DIGEST: step.digest},
            }
            for name, step in sorted(found.steps.items())
        ],
    }
    metadata = {
        "invocationId": run.identifier,
        "startedOn": timestamp(run.started) if run.started else "",
        "finishedOn": timestamp(run.finished) if run.finished else "",
    }
    if any(metadata.values()):
        details["metadata"] = {name: value for name, value in metadata.items() if value}
    return {
        "_type": STATEMENT,
        "subject": subjects(found),
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "image": found.image,
                    "type": found.type,
                    "release": found.release,
                    "locked": found.locked,
                    "snapshot": found.pins.snapshot if found.pins else "",
                    "packages": list(found.pins.asked) if found.pins else [],
                },
                "internalParameters": {"architecture": found.host, "sourceDateEpoch": found.source_date_epoch},
                "resolvedDependencies": [*_dependencies(found, run), *_around(runtime)],
            },
            "runDetails": details,
        },
    }


def subjects(report: Report) -> list[dict[str, Any]]:
    """The disks of an image, by the names that they are delivered under."""
    disks = {f"{report.image}.qcow2": report.sha256}
    disks |= {f"{report.image}-{name}.qcow2": disk.sha256 for name, disk in report.disks.items()}
    return [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in sorted(disks.items())]


def _dependencies(report: Report, run: Invocation) -> Iterator[dict[str, Any]]:
    if known := REVISION.fullmatch(run.revision):
        images: dict[str, Any] = {"name": "images", "digest": {"gitCommit": known["commit"]}}
        yield images | ({"annotations": {"dirty": True}} if known["changed"] else {})
    for name in ("tree", "base", "device"):
        digest = report.steps[name].inputs.get("source", "") if name in report.steps else ""
        # An image that starts from nothing has no source; one of a folder has words there until that is made.
        if SHA256.fullmatch(digest):
            yield {"name": "build.from", "digest": {"sha256": digest}}
    if report.pins is not None:
        vendor = vendor_of(report.type, report.release, report.system)
        for pin in (report.pins.kernel_source, *report.pins.packages):
            yield _dependency(pin, vendor, report.pins)


def _around(runtime: Runtime | None) -> Iterator[dict[str, Any]]:
    if runtime is not None:
        for one in runtime.packages:
            yield {"name": one.name, "uri": runtime.url(one), "digest": {"sha256": one.sha256}}


def _dependency(pin: Package, vendor: Vendor, pins: Pins) -> dict[str, Any]:
    uri = package_url(vendor, pin.name, pin.version, pin.architecture) or generic_url(pin.name, pin.version)
    found: dict[str, Any] = {"name": pin.name, "uri": uri, "digest": {"sha256": pin.sha256}}
    mirror = pins.mirrors.get(pin.mirror, "")
    if _is_public(mirror):
        found["downloadLocation"] = f"{mirror.rstrip('/')}/{pin.path}"
    return found


def _is_public(mirror: str) -> bool:
    """Whether others may find it there: not a folder of this machine, nor a server on it or of a bare host name."""
    parts = urlsplit(mirror)
    host = parts.hostname or ""
    return parts.scheme in {"http", "https"} and "." in host and not re.fullmatch(r"[0-9.]+", host)
