"""The bill of materials of an image: CycloneDX 1.6 (ECMA-424), as JSON. The same report gives the same bytes."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from labwright.spec.pins import Package
from labwright.trust.purl import Vendor, generic_url, package_url, vendor_of
from labwright.trust.report import Report, read_report
from labwright.trust.runtime import Runtime

Component = dict[str, Any]
OUR_KERNELS = {"linux-image-labwright", "kernel-labwright"}
"""Our kernel's package in each format, which no distribution has: it stands in the list as the kernel that it is."""
NAMESPACE = uuid.UUID("7f2e1c52-6d3a-5b0e-9d2f-1b4c8a90e6d7")
"""Of the serial numbers (RFC 9562, version 5); the name in it is the image's sha256."""


def bill_of_materials(report: Mapping[str, Any], runtime: Runtime | None = None) -> dict[str, Any]:
    """What is in an image: its packages, its kernel with the source that it was compiled from, and the image itself.

    report: as labwright build writes it. Where it says what is installed at the end, that is the list, and the pins
    bring hashes to it; else the pins are. runtime: what the image is published with. Raises LabwrightError (config) for
    what is no report.
    """
    found = read_report(report)
    vendor = vendor_of(found.type, found.release, found.system)
    parts = {str(one["bom-ref"]): one for one in _components(found, vendor)}
    around = list(_runtime(runtime)) if runtime else []
    image: Component = {
        "type": "file",
        "bom-ref": f"sha256:{found.sha256}",
        "name": f"{found.image}.qcow2",
        "version": f"sha256:{found.sha256}",
        "hashes": _hashes(found.sha256),
    }
    dependencies = [{"ref": image["bom-ref"], "dependsOn": sorted(parts)}]
    if around:
        container, *packages = (one["bom-ref"] for one in around)
        dependencies.append({"ref": container, "dependsOn": packages})
    metadata: dict[str, Any] = {
        "tools": {"components": [{"type": "application", "name": "labwright", "version": found.labwright}]},
        "component": image,
    }
    if found.source_date_epoch:
        metadata["timestamp"] = timestamp(found.source_date_epoch)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, found.sha256 + (runtime.digest if runtime else ''))}",
        "version": 1,
        "metadata": metadata,
        "components": [*(parts[reference] for reference in sorted(parts)), *around],
        "dependencies": dependencies,
    }


def timestamp(seconds: float) -> str:
    """A time as RFC 3339 has it. seconds: since 1970."""
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _components(report: Report, vendor: Vendor) -> Iterator[Component]:
    if vendor.name:
        system: Component = {"type": "operating-system", "bom-ref": f"os:{vendor.name}", "name": vendor.name}
        yield system | ({"version": vendor.release} if vendor.release else {})
    if report.kernel:
        yield _kernel(report, vendor)
    pins = report.pins.packages if report.pins else ()
    if not report.packages:
        for pin in pins:
            yield _package(vendor, pin.name, pin.version, pin)
        return
    # The list of an rpm system leaves the epoch out, and no list says the architecture.
    known = {(pin.name, version): pin for pin in pins for version in (pin.version, pin.version.partition(":")[2])}
    for name, version in report.packages:
        if report.kernel and name in OUR_KERNELS:
            continue
        pin_or_none = known.get((name, version))
        yield _package(vendor, name, pin_or_none.version if pin_or_none else version, pin_or_none)


def _package(vendor: Vendor, name: str, version: str, pin: Package | None) -> Component:
    """pin: what is known of its file, where it came from one of a mirror that we asked."""
    url = package_url(vendor, name, version, pin.architecture if pin else "")
    part: Component = {"type": "library", "bom-ref": url or f"{name}@{version}", "name": name, "version": version}
    return part | ({"purl": url} if url else {}) | ({"hashes": _hashes(pin.sha256)} if pin else {})


def _kernel(report: Report, vendor: Vendor) -> Component:
    """Compiled here: its ancestor is the source that the distribution publishes, patched as that is."""
    url = generic_url("linux", report.kernel)
    kernel: Component = {"type": "platform", "bom-ref": url, "name": "linux", "version": report.kernel, "purl": url}
    if report.pins is not None:
        source = report.pins.kernel_source
        kernel["pedigree"] = {
            "ancestors": [_package(vendor, source.name, source.version, source)],
            "notes": "compiled from the distribution's source package with labwright's kernel configuration",
        }
    step = report.steps.get("kernel")
    if step is not None and "kernel configuration" in step.inputs:
        kernel["properties"] = [
            {"name": "labwright:kernel-configuration", "value": step.inputs["kernel configuration"]}
        ]
    return kernel


def _runtime(runtime: Runtime) -> Iterator[Component]:
    """The container, and its packages by references of their own: the image may have the same ones."""
    yield {"type": "container", "bom-ref": "runtime", "name": "runtime", "version": f"sha256:{runtime.digest}"}
    for one in runtime.packages:
        url = runtime.url(one)
        yield {"type": "library", "bom-ref": f"runtime:{url}", "name": one.name, "version": one.version, "purl": url,
               "hashes": _hashes(one.sha256)}  # fmt: skip


def _hashes(sha256: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": sha256}]
