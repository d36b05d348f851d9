"""Registries that take only types of a list of theirs, as GitLab and Quay, or tell no sizes, by a fake."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from support.registry import access
from support.registry_images import made_up_image, published, signing_key
from support.registry_odd import FakeRegistry, serving

from labwright.errors import LabwrightError
from labwright.publish.pull import PullOptions, pull
from labwright.publish.verify import verify_published
from labwright.registry.reference import parse_reference
from labwright.trust.keys import load_public_key

IMAGE = "application/vnd.oci.image.config.v1+json"
OURS = "application/vnd.labwright.image.v1"
EMPTY = "application/vnd.oci.empty.v1+json"


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with serving(FakeRegistry()) as server:
        yield server


@pytest.mark.parametrize("kind", ["containerdisk", "artifact"])
def test_an_image_gets_its_tag_and_signature_from_a_registry_that_takes_containers_alone(kind, fake, bench, tmp_path):
    fake.known = frozenset({IMAGE})
    key, public = signing_key(tmp_path)
    image = made_up_image(tmp_path / "out")
    reference = f"{fake.host}/images/leaf:one"
    said = published(image, reference, kind, bench, key=key)
    assert [word for one in said.warnings for word in ("cyclonedx", "in-toto") if word in one] == [
        "cyclonedx", "in-toto"
    ]  # fmt: skip
    assert all("MANIFEST_INVALID: manifest invalid" in one for one in said.warnings)
    found = verify_published(parse_reference(reference), load_public_key(public), True, access(), print)
    assert [one for one in found if not one.holds] == []
    pull(parse_reference(reference), tmp_path / "back", PullOptions(access(), public), bench)
    assert (tmp_path / "back/leaf.qcow2").read_bytes() == image.read_bytes()
    assert (tmp_path / "back/leaf-kernel/bzImage").exists() == (kind == "artifact")


def test_an_artefact_that_a_registry_refused_is_there_the_second_time(fake, bench, tmp_path):
    fake.known = frozenset({IMAGE})
    image = made_up_image(tmp_path / "out")
    first = published(image, f"{fake.host}/a:one", "artifact", bench)
    manifest = json.loads(fake.manifests["/v2/a/manifests/one"][0])
    assert (manifest["config"]["mediaType"], "artifactType" in manifest) == (IMAGE, False)
    # A registry that has learnt the type since does not make another image of it.
    fake.known = frozenset()
    second = published(image, f"{fake.host}/a:one", "artifact", bench, tags=("two",))
    assert (second.digest, second.uploaded, second.warnings) == (first.digest, 0, ())
    assert fake.manifests["/v2/a/manifests/two"] == fake.manifests["/v2/a/manifests/one"]


def test_a_registry_that_takes_artefacts_gets_one(fake, bench, tmp_path):
    fake.known = frozenset({OURS, EMPTY})
    said = published(made_up_image(tmp_path / "out"), f"{fake.host}/a:one", "artifact", bench)
    assert json.loads(fake.manifests["/v2/a/manifests/one"][0])["artifactType"] == OURS
    assert len(said.warnings) == 2


@pytest.mark.parametrize("code", [403, 413])
def test_papers_that_may_not_be_written_are_an_error_still(code, fake, bench, tmp_path):
    def odd(request) -> bool:
        manifests = [one for one in fake.requests if one[0] == "PUT" and "/manifests/" in one[1]]
        refused = request.command == "PUT" and "/manifests/" in request.path and len(manifests) > 1
        if refused:
            request.rfile.read(int(request.headers["Content-Length"]))
            request.answer(code)
        return refused

    fake.odd = odd
    with pytest.raises(LabwrightError, match=f"answers {code}"):
        published(made_up_image(tmp_path / "out"), f"{fake.host}/a:one", "containerdisk", bench)
    assert "/v2/a/manifests/one" not in fake.manifests


def test_a_registry_that_takes_nothing_is_an_error_with_its_words(fake, bench, tmp_path):
    fake.known = frozenset({"application/vnd.docker.container.image.v1+json"})
    with pytest.raises(LabwrightError, match="answers 400") as caught:
        published(made_up_image(tmp_path / "out"), f"{fake.host}/a:one", "artifact", bench)
    assert caught.value.details == ("MANIFEST_INVALID: manifest invalid",)
    assert fake.manifests == {}


def test_a_registry_that_tells_no_sizes_is_not_said_to_have_bytes_less_than_none(fake, bench, tmp_path):
    reference = f"{fake.host}/a:one"
    published(made_up_image(tmp_path / "out"), reference, "containerdisk", bench)

    def odd(request) -> bool:
        about_a_blob = request.command == "HEAD" and "/blobs/" in request.path
        if about_a_blob:
            request.send_response(200)
            request.end_headers()
        return about_a_blob

    fake.odd = odd
    found = verify_published(parse_reference(reference), None, False, access(), print)
    blobs = [one for one in found if one.subject not in {"manifest", "signature"}]
    assert [(one.holds, one.said) for one in blobs] == [
        (None, "the registry does not tell its size; --deep reads it")
    ] * 2
    assert str(blobs[0]).startswith("-: ")
    found = verify_published(parse_reference(reference), None, True, access(), print)
    assert [one.holds for one in found] == [True, True, True, None]
