"""Provenance says what an image was made of, and nothing of the machine that made it."""

from __future__ import annotations

import json
from dataclasses import replace

from jsonschema import Draft202012Validator
from support import reports

from labwright.trust.provenance import Invocation, provenance
from labwright.trust.purl import Vendor
from labwright.trust.runtime import Runtime, RuntimePackage

DESCRIPTOR = {
    "type": "object",
    "anyOf": [{"required": ["uri"]}, {"required": ["digest"]}, {"required": ["content"]}],
    "properties": {
        "name": {"type": "string"}, "uri": {"type": "string", "pattern": "^[a-z][a-z0-9+.-]*:"},
        "downloadLocation": {"type": "string", "pattern": "^https?://"},
        "digest": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object"},
    },
    "additionalProperties": False,
}  # fmt: skip
"""in-toto/attestation, spec/v1/resource_descriptor.md."""
SCHEMA = {
    "type": "object",
    "required": ["_type", "subject", "predicateType", "predicate"],
    "additionalProperties": False,
    "properties": {
        "_type": {"const": "https://in-toto.io/Statement/v1"},
        "predicateType": {"const": "https://slsa.dev/provenance/v1"},
        "subject": {"type": "array", "minItems": 1, "items": {**DESCRIPTOR, "required": ["name", "digest"]}},
        "predicate": {
            "type": "object",
            "required": ["buildDefinition", "runDetails"],
            "properties": {
                "buildDefinition": {
                    "type": "object",
                    "required": ["buildType", "externalParameters"],
                    "properties": {"resolvedDependencies": {"type": "array", "items": DESCRIPTOR}},
                },
                "runDetails": {
                    "type": "object",
                    "required": ["builder"],
                    "properties": {
                        "builder": {"type": "object", "required": ["id"]},
                        "byproducts": {"type": "array", "items": DESCRIPTOR},
                        "metadata": {
                            "type": "object",
                            "patternProperties": {"On$": {"pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}},
                        },
                    },
                },
            },
        },
    },
}
"""As slsa.dev/spec/v1.0/provenance writes the fields that are required, and their types."""
NIGHT = Invocation("https://lab.example.org/nightly", "ab" * 20, 1793624159.7, 1793624999, "night 7")


def test_it_has_the_shape_that_slsa_asks_for():
    for report in (reports.debian(), reports.customized(), reports.foreign("Junos")):
        for run in (None, NIGHT, replace(NIGHT, revision=f"{NIGHT.revision}-dirty")):
            Draft202012Validator(SCHEMA).validate(provenance(report, run))


def test_every_pin_and_the_kernel_s_source_and_the_revision_are_dependencies():
    found = provenance(reports.debian(), NIGHT)["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert found[0] == {"name": "images", "digest": {"gitCommit": "ab" * 20}}
    assert {one["name"] for one in found} == {
        "images", "linux-source-6.1", "bsdutils", "ca-certificates", "libstdc++6", "gone"
    }  # fmt: skip
    (one,) = (one for one in found if one["name"] == "bsdutils")
    assert one["digest"] == {"sha256": reports.pin("bsdutils", "1")["sha256"]}
    assert one["downloadLocation"] == "http://mirror.example/debian/pool/main/b/bsdutils/bsdutils.deb"


def test_the_disk_that_an_image_starts_from_is_a_dependency():
    found = provenance(reports.foreign("Junos"))["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert found == [{"name": "build.from", "digest": {"sha256": "c0" * 32}}]


def test_all_disks_of_a_device_are_subjects():
    subjects = provenance(reports.foreign("Junos", disks={"pfe": {"sha256": "ee" * 32, "bytes": 1}}))["subject"]
    assert subjects == [
        {"name": "leaf-pfe.qcow2", "digest": {"sha256": "ee" * 32}},
        {"name": "leaf.qcow2", "digest": {"sha256": reports.SHA}},
    ]


def test_no_secret_and_nothing_of_the_builder_s_network_is_in_it():
    for mirror in ("file:/srv/secret-place/debian", "http://cache/debian", "http://10.0.0.7/debian"):
        report = reports.debian()
        report["pins"]["mirrors"]["security"] = mirror
        report["steps"]["base"] = reports.step("base", **reports.PRIVATE_INPUTS)
        text = json.dumps(provenance(report, NIGHT))
        for leak in (mirror, "secret-place", "71ca78", "school.internal", "password", "antidote"):
            assert leak not in text


def test_times_and_revisions_that_are_not_known_are_left_out():
    found = provenance(reports.debian(), Invocation(revision="not a commit"))
    assert "metadata" not in found["predicate"]["runDetails"]
    assert "not a commit" not in json.dumps(found)


def test_steps_are_byproducts_by_key_and_digest():
    (kernel, tree) = provenance(reports.debian())["predicate"]["runDetails"]["byproducts"]
    assert kernel == {
        "name": "step kernel", "uri": "urn:labwright:step:kernel:key-of-kernel",
        "digest": {"labwright-step-v1": "d1" * 32},
    }  # fmt: skip
    assert tree["name"] == "step tree"


def test_what_starts_the_image_is_a_dependency_where_it_is_published_with_it():
    runtime = Runtime(Vendor("debian", "bookworm"), (RuntimePackage("qemu-system-x86", "1:7.2", "fe" * 32),))
    statement = provenance(reports.debian(), NIGHT, runtime)
    Draft202012Validator(SCHEMA).validate(statement)
    *_, last = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert last["uri"] == "pkg:deb/debian/qemu-system-x86@1:7.2?distro=bookworm"
    assert last["digest"] == {"sha256": "fe" * 32}
