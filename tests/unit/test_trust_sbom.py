"""A bill of materials names what is in an image as scanners know it, and the same every time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL
from support import reports

from labwright.errors import Cause, LabwrightError
from labwright.trust.purl import Vendor, package_url
from labwright.trust.runtime import Runtime, RuntimePackage
from labwright.trust.sbom import bill_of_materials

RUNTIME = Runtime(
    Vendor("debian", "bookworm"),
    (
        RuntimePackage("bsdutils", "1:2.38.1-5+deb12u3", "ef" * 32),
        RuntimePackage("qemu-system-x86", "1:7.2", "fe" * 32),
    ),
)
VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


def by_name(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {str(one["name"]): one for one in bill_of_materials(report)["components"]}


@pytest.mark.parametrize(
    "report",
    [
        reports.debian(),
        reports.customized(),
        reports.foreign("Rocky Linux 9.4 (Blue Onyx)", ("bash", "5.1.8-9.el9")),
        reports.foreign("Junos"),
        reports.foreign("Debian with FRR"),
    ],
    ids=["from nothing", "customized", "a vendor's disk", "a device", "a device of Debian"],
)
def test_the_schema_of_cyclonedx_takes_it(report):
    error = VALIDATOR.validate_str(json.dumps(bill_of_materials(report)))
    assert error is None, error


def test_the_validator_of_this_test_refuses_what_is_wrong():
    bill = bill_of_materials(reports.debian())
    bill["components"][0]["type"] = "no such type"
    assert VALIDATOR.validate_str(json.dumps(bill)) is not None


def test_the_same_report_gives_the_same_bytes_and_another_image_another_number():
    first, second = (json.dumps(bill_of_materials(reports.debian())) for _ in range(2))
    assert first == second
    other = bill_of_materials(reports.debian(sha256="cd" * 32))
    assert other["serialNumber"] != json.loads(first)["serialNumber"]
    assert json.loads(first)["metadata"]["timestamp"] == "2026-11-02T12:55:59Z"


def test_versions_with_epoch_tilde_and_plus_keep_their_meaning():
    parts = by_name(reports.debian())
    assert parts["bsdutils"]["purl"] == "pkg:deb/debian/bsdutils@1:2.38.1-5%2Bdeb12u3?arch=amd64&distro=bookworm"
    assert (
        parts["ca-certificates"]["purl"] == "pkg:deb/debian/ca-certificates@20250419~deb12u2?arch=all&distro=bookworm"
    )
    assert PackageURL.from_string(parts["libstdc++6"]["purl"]).name == "libstdc++6"
    assert parts["bsdutils"]["hashes"] == [{"alg": "SHA-256", "content": reports.pin("bsdutils", "1")["sha256"]}]


def test_an_epoch_of_rpm_is_a_qualifier():
    url = package_url(Vendor("centos", "9"), "openssl-libs", "1:3.0.7-27.el9", "x86_64")
    assert url == "pkg:rpm/centos/openssl-libs@3.0.7-27.el9?arch=x86_64&distro=centos-9&epoch=1"


def test_what_is_installed_at_the_end_counts_and_not_what_was_there_before():
    parts = by_name(reports.customized())
    assert "gone" not in parts
    assert "hashes" not in parts["frr"], "its file was never pinned"
    assert parts["bsdutils"]["hashes"]
    assert "linux-image-labwright" not in parts, "no distribution has a package of this name"
    assert parts["linux"]["version"] == "6.1.192-labwright"


def test_a_list_without_epochs_finds_the_hashes_of_an_rpm_system_s_pins():
    pins = reports.debian()["pins"] | {"type": "centos", "packages": [reports.pin("zlib", "2:1.2-3.el9", "x86_64")]}
    listed = reports.debian(type="centos", release="9-stream", pins=pins, packages=[["zlib", "1.2-3.el9"]])
    (part,) = (one for one in bill_of_materials(listed)["components"] if one["name"] == "zlib")
    assert part["purl"] == "pkg:rpm/centos/zlib@1.2-3.el9?arch=x86_64&distro=centos-9&epoch=2"
    assert part["hashes"]


def test_the_kernel_names_the_source_that_it_was_compiled_from():
    kernel = by_name(reports.debian())["linux"]
    (source,) = kernel["pedigree"]["ancestors"]
    assert source["purl"] == "pkg:deb/debian/linux-source-6.1@6.1.192-2?arch=all&distro=bookworm"
    assert source["hashes"]
    assert kernel["properties"] == [{"name": "labwright:kernel-configuration", "value": "7c" * 32}]


@pytest.mark.parametrize(
    ("system", "prefix"),
    [
        ("Debian GNU/Linux 12 (bookworm)", "pkg:deb/debian/x@1?distro=bookworm"),
        ("Ubuntu 24.04.1 LTS", "pkg:deb/ubuntu/x@1?distro=24.04.1"),
        ("Red Hat Enterprise Linux 9.4 (Plow)", "pkg:rpm/rhel/x@1?distro=rhel-9.4"),
        ("Rocky Linux 9.4 (Blue Onyx)", "pkg:rpm/rocky/x@1?distro=rocky-9.4"),
        ("Alpine Linux v3.20", "pkg:apk/alpine/x@1?distro=alpine-3.20"),
        ("SONiC 4", ""),
        ("", ""),
    ],
)
def test_packages_of_a_foreign_disk_are_named_by_its_vendor_or_not_at_all(system, prefix):
    assert by_name(reports.foreign(system, ("x", "1")))["x"].get("purl", "") == prefix


WORDS = st.text(st.characters(min_codepoint=33, exclude_categories=["C", "Z"]), min_size=1)


@given(st.sampled_from(["debian", "centos", "alpine"]), WORDS, WORDS, WORDS)
def test_a_package_url_is_read_back_as_what_it_was_made_of(vendor, name, version, architecture):
    found = PackageURL.from_string(package_url(Vendor(vendor, "9"), name, version, architecture))
    qualifiers = dict(found.qualifiers)
    epoch = qualifiers.pop("epoch", None)
    if vendor == "centos" and ":" in version:
        assert f"{epoch or ''}:{found.version or ''}" == version
    else:
        assert found.version == version
    assert found.namespace == vendor
    assert qualifiers.get("arch", "") == architecture


@pytest.mark.parametrize(
    "report",
    [{}, {"image": 3}, reports.debian(sha256="x"), reports.debian(image="../x"), reports.debian(packages=[["a"]]),
     reports.debian(packages=[["a\x1b[2J", "1"]]), reports.debian(pins={"type": "debian"}), {"x": float("nan")},
     reports.debian(source_date_epoch=1 << 60)],
)  # fmt: skip
def test_what_is_no_report_is_an_error_with_a_remedy(report):
    with pytest.raises(LabwrightError, match="not the report of a build") as caught:
        bill_of_materials(report)
    assert caught.value.cause is Cause.CONFIG
    assert caught.value.hint


def test_what_starts_the_image_is_in_the_bill_beside_the_same_package_of_the_image():
    bill = bill_of_materials(reports.debian(), RUNTIME)
    assert VALIDATOR.validate_str(json.dumps(bill)) is None
    named = {one["bom-ref"]: one for one in bill["components"]}
    assert len(named) == len(bill["components"])
    ((reference, qemu),) = ((ref, one) for ref, one in named.items() if one["name"] == "qemu-system-x86")
    assert qemu["purl"] == "pkg:deb/debian/qemu-system-x86@1:7.2?distro=bookworm"
    assert qemu["hashes"][0]["content"] == "fe" * 32
    assert sum(one["name"] == "bsdutils" for one in named.values()) == 2
    depends = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    assert reference in depends["runtime"]
    assert reference not in depends[f"sha256:{reports.SHA}"]


def test_another_runtime_makes_another_bill_and_none_makes_the_one_of_the_image_alone():
    numbers = {
        bill_of_materials(reports.debian(), runtime)["serialNumber"]
        for runtime in (None, RUNTIME, Runtime(RUNTIME.vendor, RUNTIME.packages[:1]))
    }
    assert len(numbers) == 3
