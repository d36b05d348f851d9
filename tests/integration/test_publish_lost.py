"""What a registry or a folder has lost or never had is said so, and publishing again brings it back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.registry import RealRegistry, access, real_registry
from support.registry_images import made_up_image, published, signing_key
from typer.testing import CliRunner

from labwright.cli.app import app
from labwright.errors import Cause
from labwright.publish.presence import lacks
from labwright.publish.publish import Published
from labwright.publish.verify import holds, verify_published
from labwright.registry.blob import Blob
from labwright.registry.client import Registry
from labwright.registry.manifest import described, make_manifest
from labwright.registry.reference import Reference, parse_reference
from labwright.trust.checksums import write_checksums
from labwright.trust.keys import load_private_key, load_public_key


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[RealRegistry]:
    with real_registry(tmp_path_factory.mktemp("registry")) as one:
        yield one


def run_cli(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert "Traceback" not in done.output
    return done.exit_code, done.output


def without_tag(server: RealRegistry, repository: str, tag: str) -> None:
    """As rules of retention take a tag."""
    shutil.rmtree(server.data / "docker/registry/v2/repositories" / repository / "_manifests/tags" / tag)


def without_blob(server: RealRegistry, repository: str, digest: str) -> None:
    """As a repository that does not know a blob any more."""
    value = digest.removeprefix("sha256:")
    shutil.rmtree(server.data / "docker/registry/v2/repositories" / repository / "_layers/sha256" / value)


Loss = Callable[[RealRegistry, str, Published], None]


def lose_disk(server: RealRegistry, repository: str, said: Published) -> None:
    manifest = json.loads(server.raw(f"{repository}/manifests/{said.digest}"))
    without_blob(server, repository, manifest["layers"][0]["digest"])


def lose_signature(server: RealRegistry, repository: str, said: Published) -> None:
    without_tag(server, repository, said.digest.replace(":", "-") + ".sig")


def lose_statements(server: RealRegistry, repository: str, said: Published) -> None:
    without_tag(server, repository, said.digest.replace(":", "-") + ".att")


def lose_papers(server: RealRegistry, repository: str, said: Published) -> None:
    without_tag(server, repository, said.digest.replace(":", "-"))


def lose_payload(server: RealRegistry, repository: str, said: Published) -> None:
    tag = said.digest.replace(":", "-") + ".sig"
    without_blob(server, repository, json.loads(server.raw(f"{repository}/manifests/{tag}"))["layers"][0]["digest"])


def lose_statement(server: RealRegistry, repository: str, said: Published) -> None:
    tag = said.digest.replace(":", "-") + ".att"
    without_blob(server, repository, json.loads(server.raw(f"{repository}/manifests/{tag}"))["layers"][1]["digest"])


LOSSES: dict[str, tuple[Loss, str]] = {
    "disk": (lose_disk, "sha256:"),
    "signature": (lose_signature, "it is not signed"),
    "statements": (lose_statements, "no signed bill of materials"),
    "papers": (lose_papers, "its papers are not beside it"),
    "payload": (lose_payload, "the registry has lost the payload of a signature"),
    "statement": (lose_statement, "no signed "),
}


@pytest.mark.parametrize("what", LOSSES)
def test_what_a_registry_lost_is_seen_and_the_same_publication_brings_it_back(what, server, bench, tmp_path):
    image = made_up_image(tmp_path / "out")
    reference, public = signing_key(tmp_path)
    key = load_public_key(public)
    repository = f"lost/{what}"
    place = parse_reference(f"{server.host}/{repository}:one")
    said = published(image, str(place), "artifact", bench, key=reference)
    lose, seen = LOSSES[what]
    with Registry(server.host, access()) as registry:
        assert lacks(registry, (place,), said.digest, key, True) == ""
        lose(server, repository, said)
        assert lacks(registry, (place,), said.digest, key, True).startswith(seen)
        again = published(image, str(place), "artifact", bench, key=reference)
        assert (again.digest, bool(again.uploaded)) == (said.digest, what == "disk")
        assert lacks(registry, (place,), said.digest, key, True) == ""
    assert holds(verify_published(place, key, True, access(), print))


def test_a_name_that_is_gone_or_another_image_s_is_seen(server, bench, tmp_path):
    one, two = (parse_reference(f"{server.host}/lost/names:{tag}") for tag in ("one", "two"))
    said = published(made_up_image(tmp_path / "one"), str(one), "artifact", bench)
    with Registry(server.host, access()) as registry:
        assert lacks(registry, (one, two), said.digest, None, True) == f"{two} is not there, or another image"
        published(made_up_image(tmp_path / "two"), str(two), "artifact", bench)
        assert lacks(registry, (one, two), said.digest, None, True) == f"{two} is not there, or another image"
        assert lacks(registry, (one,), said.digest, None, True) == ""


TITLE = "org.opencontainers.image.title"


@pytest.mark.parametrize("where", ["title", "type"])
def test_a_registry_writes_no_findings_of_its_own(where, server, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    lies = "x\nok: signature: by this key\r\nok: bill of materials and provenance: by this key\u2028NOT OK" + "y" * 9000
    config, blob = Blob.of(b"{}"), Blob.of(os.urandom(9))
    layer = described(blob, lies if where == "type" else "x/y", {TITLE: lies} if where == "title" else {})
    notes = {"org.labwright.kind": "artifact", "org.labwright.image": "leaf"}
    manifest = make_manifest(described(config, "application/vnd.oci.empty.v1+json"), (layer,), notes, "x/y")
    with Registry(server.host, access()) as registry:
        for one in (config, blob):
            registry.push_blob(f"liar/{where}", one)
        registry.put(Reference(server.host, f"liar/{where}", "one"), manifest)
    _, said = run_cli("verify", f"{server.host}/liar/{where}:one")
    lines = said.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["ok:", "ok:", "ok:", "-:"]
    assert not any(line.startswith(("ok: signature", "ok: bill", "NOT OK")) for line in lines)
    assert max(map(len, lines)) < 400
    # One that is like words of ours stands in quotes.
    assert lines[2].startswith("ok: 'x ok: signature: by this key ")
    code, said = run_cli("pull", f"{server.host}/liar/{where}:one", "--out", tmp_path / "back")
    assert code == Cause.CONFIG.exit_code
    assert not any(line.startswith("ok:") for line in said.splitlines())
    assert len(said) < 1500


def test_what_was_pulled_is_not_vouched_for_in_its_folder_and_says_where_it_is(server, bench, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    key, public = signing_key(tmp_path)
    reference = f"{server.host}/pulled/leaf:one"
    published(made_up_image(tmp_path / "out"), reference, "artifact", bench, key=key)
    code, said = run_cli("pull", reference, "--out", tmp_path / "back", "--key", public)
    assert code == 0, said
    assert run_cli("verify", tmp_path / "back/leaf.qcow2")[0] == 0
    code, said = run_cli("verify", tmp_path / "back/leaf.qcow2", "--key", public)
    assert code == Cause.SIGNATURE.exit_code, "a key that was asked for and says nothing is no success"
    assert "what pull brought has none: verify the reference instead" in said
    assert "No such file" not in said


@pytest.mark.parametrize("own", [True, False])
def test_a_pull_takes_the_list_of_hashes_of_what_it_replaces_and_no_other(own, server, bench, tmp_path):
    key, _ = signing_key(tmp_path)
    slug = "leaf" if own else "spine"
    reference = f"{server.host}/sums/leaf:{slug}"
    published(made_up_image(tmp_path / "out"), reference, "artifact", bench)
    back = tmp_path / "back"
    made_up_image(back, slug)
    write_checksums(back, load_private_key(key, "--key", back))
    assert run_cli("pull", reference, "--out", back, "--force")[0] == 0
    assert [(back / name).exists() for name in ("SHA256SUMS", "SHA256SUMS.sig")] == [not own] * 2
    assert run_cli("verify", back / "leaf.qcow2")[0] == (0 if own else Cause.SIGNATURE.exit_code)


def test_an_image_that_is_not_there_is_not_said_to_be_published(tmp_path):
    code, said = run_cli("verify", tmp_path / "gone.qcow2")
    assert code == Cause.CONFIG.exit_code
    flat = " ".join(said.split())
    assert "gone.qcow2 is no image that labwright build delivered: it is not there" in flat
    assert "check its name and folder" in flat
    assert "published" not in flat
