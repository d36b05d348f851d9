"""Built images to Debian's docker-registry and back; skopeo and openssl read what labwright wrote."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.registry import RealRegistry, access, real_registry
from support.registry_images import EPOCH, made_up_image, published, said_of, signing_key
from support.registry_odd import cutting_proxy
from typer.testing import CliRunner

from labwright.cli.app import app
from labwright.errors import Cause, LabwrightError
from labwright.interfaces import Workbench
from labwright.publish.attest import signed_by, stated_by
from labwright.publish.delivered import read_delivered
from labwright.publish.pull import PullOptions, pull
from labwright.publish.verify import holds, verify_delivered, verify_published
from labwright.registry.blob import Blob
from labwright.registry.client import Registry
from labwright.registry.manifest import Descriptor, described, make_manifest
from labwright.registry.reference import Reference, parse_reference
from labwright.trust.checksums import write_checksums
from labwright.trust.keys import load_private_key, load_public_key

KINDS = ("containerdisk", "artifact")


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[RealRegistry]:
    with real_registry(tmp_path_factory.mktemp("registry")) as one:
        yield one


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """An image for all tests that do not change it."""
    return made_up_image(tmp_path_factory.mktemp("out"))


def brought(reference: str, folder: Path, bench: Workbench, key: Path | None = None, force: bool = False) -> list[str]:
    found = pull(parse_reference(reference), folder, PullOptions(access(), key, force), bench)
    return sorted(path.relative_to(folder).as_posix() for path in found.files)


def skopeo(*words: str | Path) -> str:
    done = subprocess.run(["skopeo", *map(str, words)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_artifact_comes_back_as_the_build_delivered_it(server, built, bench, tmp_path):
    reference = f"{server.host}/artifact/leaf:one"
    said = published(built, reference, "artifact", bench)
    assert said.uploaded == said.total > built.stat().st_size
    names = brought(reference, tmp_path / "back", bench)
    assert names == ["leaf-kernel/bzImage", "leaf-kernel/config", "leaf-kernel/release", "leaf.json", "leaf.mtree",
                     "leaf.qcow2"]  # fmt: skip
    for name in names:
        assert (tmp_path / "back" / name).read_bytes() == (built.parent / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == ["leaf-kernel", "leaf.json", "leaf.mtree",
                                                                          "leaf.qcow2"]  # fmt: skip


def test_the_disk_of_a_containerdisk_comes_back(server, built, bench, tmp_path):
    reference = f"{server.host}/disk/leaf:one"
    published(built, reference, "containerdisk", bench)
    assert brought(reference, tmp_path / "back", bench) == ["leaf.qcow2"]
    assert (tmp_path / "back/leaf.qcow2").read_bytes() == built.read_bytes()


def test_a_device_with_more_disks_is_published_whole_or_not_at_all(server, bench, tmp_path):
    image = made_up_image(tmp_path / "out", "router", disks=["config"])
    reference = f"{server.host}/disks/router:one"
    published(image, reference, "artifact", bench)
    assert "router-config.qcow2" in brought(reference, tmp_path / "back", bench)
    with pytest.raises(LabwrightError, match="has 2 disks"):
        published(image, reference, "containerdisk", bench)


def test_a_containerdisk_is_what_kubevirt_asks_for(server, built, bench, tmp_path):
    reference = f"{server.host}/kubevirt/leaf:one"
    said = published(built, reference, "containerdisk", bench)
    found = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{reference}"))
    assert (found["Architecture"], found["Os"], found["Digest"]) == ("amd64", "linux", said.digest)
    assert found["Labels"]["org.opencontainers.image.title"] == "leaf"
    assert found["Labels"]["org.labwright.visibility"] == "public"
    # Without the option skopeo would pack the layer.
    skopeo("copy", "--preserve-digests", "--src-tls-verify=false", f"docker://{reference}", f"oci:{tmp_path}/copy:one")
    layer = found["Layers"][0].replace(":", "/")
    with tarfile.open(tmp_path / "copy/blobs" / layer) as archive:
        members = {member.name: member for member in archive}
        assert set(members) == {"disk", "disk/leaf.qcow2"}
        disk = members["disk/leaf.qcow2"]
        assert (disk.uid, disk.gid, disk.mode, disk.mtime) == (107, 107, 0o440, 0)
        stream = archive.extractfile(disk)
        assert stream is not None
        assert stream.read() == built.read_bytes()


def test_a_copy_that_skopeo_made_can_be_pulled(server, built, bench, tmp_path):
    published(built, f"{server.host}/copied/leaf:one", "containerdisk", bench)
    # To another registry skopeo packs the layer.
    skopeo("copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--dest-compress-format=gzip",
           f"docker://{server.host}/copied/leaf:one", f"docker://{server.host}/copy/leaf:one")  # fmt: skip
    assert brought(f"{server.host}/copy/leaf:one", tmp_path / "back", bench) == ["leaf.qcow2"]
    assert (tmp_path / "back/leaf.qcow2").read_bytes() == built.read_bytes()


def test_skopeo_copies_an_artifact_file_by_file(server, built, bench, tmp_path):
    reference = f"{server.host}/skopeo/leaf:one"
    published(built, reference, "artifact", bench)
    manifest = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{reference}"))
    assert manifest["artifactType"] == "application/vnd.labwright.image.v1"
    assert manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
    skopeo("copy", "--src-tls-verify=false", f"docker://{reference}", f"oci:{tmp_path}/copy:one")
    layers = {layer["annotations"]["org.opencontainers.image.title"]: layer["digest"] for layer in manifest["layers"]}
    copy = tmp_path / "copy/blobs" / layers["leaf.qcow2"].replace(":", "/")
    assert copy.read_bytes() == built.read_bytes()
    assert manifest["annotations"]["org.opencontainers.image.created"] == "2026-09-21T14:13:20Z"
    assert EPOCH == 1_790_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_image_again_sends_nothing_and_has_the_same_digest(kind, server, built, bench):
    reference = f"{server.host}/again/{kind}:one"
    first = published(built, reference, kind, bench)
    assert first.uploaded == first.total
    second = published(built, reference, kind, bench, tags=("two",))
    assert (second.uploaded, second.digest) == (0, first.digest)
    with Registry(server.host, access()) as registry:
        assert {"one", "two"} <= set(registry.tags(f"again/{kind}"))


def test_what_changed_is_sent_and_the_rest_is_not(server, bench, tmp_path):
    image = made_up_image(tmp_path / "out")
    first = published(image, f"{server.host}/changed:one", "artifact", bench)
    image.with_suffix(".mtree").write_text("#mtree\n./etc type=dir\n./new type=file\n")
    second = published(image, f"{server.host}/changed:two", "artifact", bench)
    assert second.digest != first.digest
    assert second.uploaded == image.with_suffix(".mtree").stat().st_size


def test_a_tag_that_names_another_image_is_replaced_only_by_force(server, bench, tmp_path):
    reference = f"{server.host}/forced:one"
    first = published(made_up_image(tmp_path / "one"), reference, "artifact", bench)
    other = made_up_image(tmp_path / "two")
    with pytest.raises(LabwrightError, match="names another image already") as caught:
        published(other, reference, "artifact", bench)
    assert caught.value.details[0] == f"there: {first.digest}"
    assert caught.value.details[1].startswith("this: sha256:")
    with Registry(server.host, access()) as registry:
        assert registry.digest(parse_reference(reference)) == first.digest
        second = published(other, reference, "artifact", bench, force=True)
        assert registry.digest(parse_reference(reference)) == second.digest != first.digest


def test_private_files_never_leave_in_a_public_image(server, bench, tmp_path):
    places = ["/root/licence.key", "/etc/vendor/token"]
    image = made_up_image(tmp_path / "out", private=places)
    with pytest.raises(LabwrightError, match="2 private file") as caught:
        published(image, f"{server.host}/private/leaf:one", "artifact", bench)
    assert caught.value.cause == Cause.CONFIG
    assert caught.value.details == tuple(f"private: {place}" for place in places)
    with Registry(server.host, access()) as registry:
        assert registry.tags("private/leaf") == ()
    private = made_up_image(tmp_path / "mine", private=places, visibility="private")
    published(private, f"{server.host}/private/leaf:one", "artifact", bench)


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_is_what_openssl_verifies_and_an_attestation_is_about_the_manifest(
    kind, server, built, bench, tmp_path
):
    key, public = signing_key(tmp_path)
    repository = f"signed/{kind}"
    said = published(built, f"{server.host}/{repository}:one", kind, bench, key=key)
    assert said.signed
    tag = said.digest.replace(":", "-")
    layer = json.loads(server.raw(f"{repository}/manifests/{tag}.sig"))["layers"][0]
    payload = server.raw(f"{repository}/blobs/{layer['digest']}")
    openssl_holds(public, base64.b64decode(layer["annotations"]["dev.cosignproject.cosign/signature"]), payload)
    assert json.loads(payload)["critical"]["image"]["docker-manifest-digest"] == said.digest
    predicates = set()
    for layer in json.loads(server.raw(f"{repository}/manifests/{tag}.att"))["layers"]:
        envelope = json.loads(server.raw(f"{repository}/blobs/{layer['digest']}"))
        body = base64.b64decode(envelope["payload"])
        kind_bytes = envelope["payloadType"].encode()
        signed = b"DSSEv1 %d %b %d %b" % (len(kind_bytes), kind_bytes, len(body), body)
        openssl_holds(public, base64.b64decode(envelope["signatures"][0]["sig"]), signed)
        subject = json.loads(body)["subject"][0]
        assert f"sha256:{subject['digest']['sha256']}" == said.digest
        predicates.add(layer["annotations"]["predicateType"])
    assert predicates == {"https://cyclonedx.org/bom", "https://slsa.dev/provenance/v1"}


def openssl_holds(public: Path, signature: bytes, data: bytes) -> None:
    (public.parent / "sig").write_bytes(signature)
    (public.parent / "data").write_bytes(data)
    words = ["openssl", "dgst", "-sha256", "-verify", public, "-signature", public.parent / "sig",
             public.parent / "data"]  # fmt: skip
    assert subprocess.run(words, capture_output=True, text=True, check=False).stdout == "Verified OK\n"


def test_papers_are_found_from_the_image_signed_or_not(server, built, bench):
    said = published(built, f"{server.host}/papers:one", "artifact", bench)
    published(built, f"{server.host}/papers:two", "artifact", bench)
    with Registry(server.host, access()) as registry:
        listed = {one.artifact_type: one for one in registry.referrers("papers", said.digest)}
        assert set(listed) == {"application/vnd.cyclonedx+json", "application/vnd.in-toto+json"}
        manifest = registry.get(
            Reference(server.host, "papers", digest=listed["application/vnd.cyclonedx+json"].digest)
        )
        bill = json.loads(registry.small_blob("papers", manifest.layers[0]))
    assert bill["bomFormat"] == "CycloneDX"
    assert manifest.subject is not None
    assert manifest.subject.digest == said.digest


def test_signing_twice_adds_nothing_and_another_key_is_added(server, built, bench, tmp_path):
    ours, our_public = signing_key(tmp_path)
    others, other_public = signing_key(tmp_path, "others")
    reference = f"{server.host}/keys:one"
    for key in (others, ours, ours):
        said = published(built, reference, "artifact", bench, key=key)
    tag = said.digest.replace(":", "-")
    assert len(json.loads(server.raw(f"keys/manifests/{tag}.sig"))["layers"]) == 2
    with Registry(server.host, access()) as registry:
        for public in (our_public, other_public):
            assert signed_by(registry, "keys", said.digest, load_public_key(public)) == ()
            assert stated_by(registry, "keys", said.digest, load_public_key(public)) == ()


def test_with_a_key_what_is_not_signed_by_it_is_refused(server, bench, tmp_path):
    key, public = signing_key(tmp_path)
    _, stranger = signing_key(tmp_path, "stranger")
    image = made_up_image(tmp_path / "out")
    unsigned, signed = f"{server.host}/refused:unsigned", f"{server.host}/refused:signed"
    published(image, unsigned, "artifact", bench)
    with pytest.raises(LabwrightError, match="is not signed") as caught:
        brought(unsigned, tmp_path / "back", bench, public)
    assert caught.value.cause == Cause.SIGNATURE
    published(made_up_image(tmp_path / "other"), signed, "artifact", bench, key=key)
    with pytest.raises(LabwrightError, match="not of this key") as caught:
        brought(signed, tmp_path / "back", bench, stranger)
    assert caught.value.cause == Cause.SIGNATURE
    assert not (tmp_path / "back").exists() or list((tmp_path / "back").iterdir()) == []
    assert "leaf.qcow2" in brought(signed, tmp_path / "back", bench, public)


def test_a_signature_that_was_moved_to_another_image_does_not_hold(server, bench, tmp_path):
    key, public = signing_key(tmp_path)
    good = published(made_up_image(tmp_path / "good"), f"{server.host}/moved:good", "artifact", bench, key=key)
    evil = published(made_up_image(tmp_path / "evil"), f"{server.host}/moved:evil", "artifact", bench)
    with Registry(server.host, access()) as registry:
        for suffix in (".sig", ".att"):
            there = registry.get(Reference(server.host, "moved", good.digest.replace(":", "-") + suffix))
            registry.put(Reference(server.host, "moved", evil.digest.replace(":", "-") + suffix), there)
    with pytest.raises(LabwrightError, match="signature is of another manifest"):
        brought(f"{server.host}/moved:evil", tmp_path / "back", bench, public)
    found = verify_published(
        parse_reference(f"{server.host}/moved:evil"), load_public_key(public), False, access(), print
    )
    assert {one.subject for one in found if one.holds is False} == {"signature", "bill of materials and provenance"}


def test_a_signed_image_under_the_name_of_another_is_told(server, bench, tmp_path):
    key, public = signing_key(tmp_path)
    image = made_up_image(tmp_path / "out")
    for repository, told in (("names/leaf", False), ("names/spine", True)):
        reference = f"{server.host}/{repository}:one"
        published(image, reference, "artifact", bench, key=key)
        found = pull(parse_reference(reference), tmp_path / "back", PullOptions(access(), public), bench)
        assert ("is called spine, the signed image in it 'leaf'" in found.warning) == told
        seen = verify_published(parse_reference(reference), load_public_key(public), False, access(), print)
        assert [one.holds for one in seen if one.subject == "name"] == ([None] if told else [])
        code, said = run_cli("pull", reference, "--out", tmp_path / "back", "--key", public)
        assert (code, "warning: the repository is called spine" in said) == (0, told)


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_the_registry_damaged_is_not_put_in_place(kind, server, bench, tmp_path):
    image = made_up_image(tmp_path / "out")
    reference = f"{server.host}/damaged/{kind}:one"
    published(image, reference, kind, bench)
    with Registry(server.host, access()) as registry:
        layer = registry.get(parse_reference(reference)).layers[0]
    place = server.blob(layer.digest)
    data = bytearray(place.read_bytes())
    data[len(data) // 2] ^= 1
    place.write_bytes(data)
    (tmp_path / "back").mkdir()
    (tmp_path / "back/leaf.qcow2").write_bytes(b"the old one")
    with pytest.raises(LabwrightError, match="its hash is another") as caught:
        brought(reference, tmp_path / "back", bench)
    assert caught.value.cause == Cause.SIGNATURE
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["leaf.qcow2"]
    assert (tmp_path / "back/leaf.qcow2").read_bytes() == b"the old one"
    shallow = verify_published(parse_reference(reference), None, False, access(), print)
    deep = verify_published(parse_reference(reference), None, True, access(), print)
    assert holds(shallow)
    assert [one.holds for one in deep].count(False) == 1
    place.unlink()
    gone = verify_published(parse_reference(reference), None, False, access(), print)
    assert [one.said for one in gone if one.holds is False] == ["the registry does not have it"]


def hostile(server: RealRegistry, layers: list[tuple[bytes, dict[str, str]]], kind: str, slug: str = "leaf") -> str:
    """An image that no publish made: these layers, under annotations that say one did."""
    repository = f"hostile/{os.urandom(6).hex()}"
    config = Blob.of(b"{}")
    blobs = [Blob.of(data) for data, _ in layers]
    notes = {"org.labwright.kind": kind, "org.labwright.image": slug}
    with Registry(server.host, access()) as registry:
        for blob in (config, *blobs):
            registry.push_blob(repository, blob)
        described_layers = tuple(described(blob, "x/y", said) for blob, (_, said) in zip(blobs, layers, strict=True))
        manifest = make_manifest(described(config, "application/vnd.oci.empty.v1+json"), described_layers, notes, "x/y")
        registry.put(Reference(server.host, repository, "one"), manifest)
    return f"{server.host}/{repository}:one"


TITLE = "org.opencontainers.image.title"


@pytest.mark.parametrize(
    "title",
    ["../leaf.qcow2", "/etc/passwd", "leaf-kernel/../../x", "leaf-kernel", "other.qcow2", ".bashrc", "", "leaf.qcow2\n",
     "leaf-kernel/evil", "leaf.QCOW2", "leaf-kernel/bzImage/x", "leaf.json/x"],
)  # fmt: skip
def test_names_that_no_build_gives_are_refused(title, server, bench, tmp_path):
    reference = hostile(server, [(b"data", {TITLE: title})], "artifact")
    with pytest.raises(LabwrightError, match="no build gives a file the name") as caught:
        brought(reference, tmp_path / "back", bench)
    assert caught.value.cause == Cause.CONFIG
    assert list((tmp_path / "back").iterdir()) == []


def test_a_name_that_comes_twice_or_a_slug_that_is_a_pattern_is_refused(server, bench, tmp_path):
    twice = hostile(server, [(b"one", {TITLE: "leaf.qcow2"}), (b"two", {TITLE: "leaf.qcow2"})], "artifact")
    pattern = hostile(server, [(b"one", {TITLE: "../x.qcow2"})], "artifact", slug="../x")
    for reference in (twice, pattern):
        with pytest.raises(LabwrightError, match="no build gives"):
            brought(reference, tmp_path / "back", bench)


def archive_of(*members: tuple[str, bytes, dict[str, Any]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data, changes in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            for attribute, value in changes.items():
                setattr(entry, attribute, value)
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


@pytest.mark.parametrize(
    "members",
    [
        [],
        [("disk/../../leaf.qcow2", b"x", {})],
        [("/disk/leaf.qcow2", b"x", {})],
        [("disk/leaf.qcow2", b"", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"})],
        [("disk/leaf.qcow2", b"", {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"})],
        [("disk/leaf.qcow2", b"", {"type": tarfile.FIFOTYPE})],
        [("disk/leaf.qcow2", b"x", {}), ("disk/other.qcow2", b"x", {})],
        [("disk/leaf.qcow2", b"x", {}), ("etc/passwd", b"x", {})],
    ],
    ids=["empty", "climbs", "absolute", "link", "hard link", "pipe", "two disks", "more"],
)
def test_a_layer_that_is_not_one_disk_is_refused(members, server, bench, tmp_path):
    reference = hostile(server, [(archive_of(*members), {})], "containerdisk")
    with pytest.raises(LabwrightError, match="its layer holds") as caught:
        brought(reference, tmp_path / "back", bench)
    assert caught.value.cause == Cause.CONFIG
    assert list((tmp_path / "back").iterdir()) == []
    assert list(bench.scratch.iterdir()) == []


def test_a_layer_that_is_no_archive_or_a_bomb_is_refused(server, bench, tmp_path):
    import gzip

    bomb = gzip.compress(archive_of(("disk/leaf.qcow2", bytes(96 << 20), {})), 9)
    for data, why in ((b"no archive", "is no tar archive"), (b"\x1f\x8b broken", "is no tar"), (bomb, "much more")):
        reference = hostile(server, [(data, {})], "containerdisk")
        with pytest.raises(LabwrightError, match=why):
            brought(reference, tmp_path / "back", bench)
        assert list((tmp_path / "back").iterdir()) == []


def test_a_layer_whose_extended_header_lies_is_an_error_and_no_bug(server, bench, tmp_path):
    member = ("disk/leaf.qcow2", b"x", {"pax_headers": {"GNU.sparse.size": "abc"}})
    reference = hostile(server, [(archive_of(member), {})], "containerdisk")
    with pytest.raises(LabwrightError, match="a file with holes") as caught:
        brought(reference, tmp_path / "back", bench)
    assert caught.value.cause == Cause.CONFIG


def test_a_disk_that_reaches_for_a_file_of_this_machine_is_refused(server, bench, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret" * 1000)
    words = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret, tmp_path / "leaf.qcow2", "1M"]
    subprocess.run(words, check=True)
    data = (tmp_path / "leaf.qcow2").read_bytes()
    for layers, kind in (
        ([(data, {TITLE: "leaf.qcow2"})], "artifact"),
        ([(archive_of(("disk/leaf.qcow2", data, {})), {})], "containerdisk"),
    ):
        with pytest.raises(LabwrightError) as caught:
            brought(hostile(server, layers, kind), tmp_path / "back", bench)
        assert caught.value.cause == Cause.CONFIG
        assert list((tmp_path / "back").iterdir()) == []


def test_a_report_of_another_disk_is_refused(server, built, bench, tmp_path):
    report = json.dumps({**said_of(built), "sha256": hashlib.sha256(b"other").hexdigest()}).encode()
    reference = hostile(
        server, [(built.read_bytes(), {TITLE: "leaf.qcow2"}), (report, {TITLE: "leaf.json"})], "artifact"
    )
    with pytest.raises(LabwrightError, match="its report is of another disk"):
        brought(reference, tmp_path / "back", bench)
    assert list((tmp_path / "back").iterdir()) == []


def test_an_image_of_somebody_else_is_not_taken_for_ours(server, bench, tmp_path):
    reference = hostile(server, [(b"x", {})], "something")
    with pytest.raises(LabwrightError, match="no image that labwright published"):
        brought(reference, tmp_path / "back", bench)


def test_a_manifest_that_lies_about_sizes_is_found_out(server, built, bench, tmp_path):
    blob = Blob.of(built.read_bytes())
    with Registry(server.host, access()) as registry:
        registry.push_blob("lies/leaf", blob)
        registry.push_blob("lies/leaf", Blob.of(b"{}"))
        lie = Descriptor("x/y", blob.digest, blob.size - 1, {TITLE: "leaf.qcow2"})
        notes = {"org.labwright.kind": "artifact", "org.labwright.image": "leaf"}
        manifest = make_manifest(described(Blob.of(b"{}"), "x/y"), (lie,), notes)
        registry.put(Reference(server.host, "lies/leaf", "one"), manifest)
    reference = parse_reference(f"{server.host}/lies/leaf:one")
    found = verify_published(reference, None, False, access(), print)
    assert [one.holds for one in found if one.subject.startswith("leaf.qcow2")] == [False]
    with pytest.raises(LabwrightError, match="it has more than") as caught:
        brought(str(reference), tmp_path / "back", bench)
    assert caught.value.cause == Cause.SIGNATURE


def test_two_builds_of_the_same_bits_are_one_image(server, bench, tmp_path):
    said = []
    for name in ("one", "two"):
        image = made_up_image(tmp_path / name, content=b"the same" * 1000)
        os.utime(image, (1, 1) if name == "one" else None)
        for kind in KINDS:
            said.append(published(image, f"{server.host}/same/{name}:{kind}", kind, bench))
    assert [one.digest for one in said[:2]] == [one.digest for one in said[2:]]


def test_an_image_that_is_pulled_over_another_has_its_own_report(server, bench, tmp_path):
    for name in ("one", "two"):
        published(made_up_image(tmp_path / name), f"{server.host}/replaced:{name}", "artifact", bench)
        brought(f"{server.host}/replaced:{name}", tmp_path / "back", bench, force=True)
    facts = json.loads((tmp_path / "back/leaf.json").read_text())
    assert (
        facts["sha256"]
        == said_of(tmp_path / "two/leaf.qcow2")["sha256"]
        == said_of(tmp_path / "back/leaf.qcow2")["sha256"]
    )


def test_a_pulled_image_is_not_published_with_the_kernel_and_disks_of_an_older_one(server, bench, tmp_path):
    published(made_up_image(tmp_path / "new"), f"{server.host}/older:one", "containerdisk", bench)
    back = tmp_path / "back"
    made_up_image(back, disks=["config"])
    for name in ("leaf.cdx.json", "leaf.intoto.json"):
        (back / name).write_text("{}")
    neighbour = made_up_image(back, "leaf-two")
    report = back / "leaf.json"
    # An older report, from wherever it came, that calls the neighbour a disk of its own.
    facts = json.loads(report.read_text())
    report.write_text(json.dumps(facts | {"disks": {"config": {}, "two": {}, "../x": {}}}))
    brought(f"{server.host}/older:one", back, bench, force=True)
    assert sorted(path.name for path in back.iterdir() if not path.name.startswith("leaf-two")) == ["leaf.qcow2"]
    assert read_delivered(neighbour).kernel


def test_a_pull_never_replaces_another_disk_of_the_name_unasked(server, bench, tmp_path):
    published(made_up_image(tmp_path / "evil"), f"{server.host}/evil/frr:x", "artifact", bench)
    mine = made_up_image(tmp_path / "back")
    before = mine.read_bytes()
    with pytest.raises(LabwrightError, match=r"leaf\.qcow2 is there, and another disk") as caught:
        brought(f"{server.host}/evil/frr:x", tmp_path / "back", bench)
    assert (caught.value.cause, mine.read_bytes()) == (Cause.CONFIG, before)
    assert read_delivered(mine).kernel
    code, said = run_cli("pull", f"{server.host}/evil/frr:x", "--out", tmp_path / "back")
    assert code == Cause.CONFIG.exit_code
    assert "--force" in said
    assert run_cli("pull", f"{server.host}/evil/frr:x", "--out", tmp_path / "back", "--force")[0] == 0
    # The same again is no other disk.
    assert run_cli("pull", f"{server.host}/evil/frr:x", "--out", tmp_path / "back")[0] == 0
    assert mine.read_bytes() == (tmp_path / "evil/leaf.qcow2").read_bytes()


def test_an_image_that_says_it_is_another_is_refused(server, built, bench, tmp_path):
    layers = [(archive_of(("disk/debian.qcow2", built.read_bytes(), {})), {})]
    with pytest.raises(LabwrightError, match="there is no disk of 'leaf'"):
        brought(hostile(server, layers, "containerdisk"), tmp_path / "back", bench)
    assert list((tmp_path / "back").iterdir()) == []


@pytest.mark.parametrize("size", ["1e999", "-1e999", "NaN", "true", '"5"', "9" * 400])
def test_a_report_with_a_size_that_is_no_number_of_bytes_is_refused(size, server, built, bench, tmp_path):
    report = json.dumps({**said_of(built), "bytes": 0}).replace('"bytes": 0', f'"bytes": {size}').encode()
    reference = hostile(
        server, [(built.read_bytes(), {TITLE: "leaf.qcow2"}), (report, {TITLE: "leaf.json"})], "artifact"
    )
    with pytest.raises(LabwrightError, match="its report") as caught:
        brought(reference, tmp_path / "back", bench)
    assert caught.value.cause == Cause.CONFIG
    assert list((tmp_path / "back").iterdir()) == []


def test_a_private_image_comes_back_for_its_owners_eyes_alone(server, bench, tmp_path):
    for visibility, mode in (("private", 0o600), ("public", 0o644)):
        image = made_up_image(tmp_path / visibility, visibility=visibility)
        for kind in KINDS:
            reference = f"{server.host}/eyes/{visibility}:{kind}"
            published(image, reference, kind, bench)
            brought(reference, tmp_path / "back", bench, force=True)
            assert (tmp_path / "back/leaf.qcow2").stat().st_mode & 0o777 == mode


def test_an_image_that_cannot_fit_is_not_begun(server, bench, tmp_path):
    blob = Blob.of(b"x")
    with Registry(server.host, access()) as registry:
        registry.push_blob("vast", blob)
        with pytest.raises(LabwrightError, match="no room for so many") as caught:
            registry.pull_blob("vast", Descriptor("x", blob.digest, 1 << 43), tmp_path / "back")
    assert caught.value.cause == Cause.DISK_FULL


def test_a_folder_is_verified_by_its_list_of_hashes_and_who_signed_it(tmp_path):
    image = made_up_image(tmp_path / "out")
    reference, public = signing_key(tmp_path)
    _, stranger = signing_key(tmp_path, "stranger")
    write_checksums(image.parent, load_private_key(reference, "--key", image.parent))
    assert all(one.holds for one in verify_delivered(image, load_public_key(public)))
    assert [one.subject for one in verify_delivered(image, load_public_key(stranger)) if one.holds is False] == [
        "SHA256SUMS"
    ]
    (image.parent / "leaf-kernel/bzImage").write_bytes(b"another kernel")
    found = [one for one in verify_delivered(image, None) if one.holds is False]
    assert [str(one) for one in found] == ["NOT OK: SHA256SUMS: leaf-kernel/bzImage was altered"]


def test_without_a_list_of_hashes_a_key_proves_nothing(tmp_path):
    image = made_up_image(tmp_path / "out")
    _, public = signing_key(tmp_path)
    assert all(one.holds for one in verify_delivered(image, None))
    assert not all(one.holds for one in verify_delivered(image, load_public_key(public)))


def killed(words: list[str | Path], seen: Callable[[], bool]) -> None:
    """Start a command, and kill it as soon as something is seen."""
    process = subprocess.Popen([sys.executable, "-m", "labwright", *map(str, words)], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not seen() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_an_upload_that_died_with_its_process_is_begun_anew_and_no_tag_names_half_of_it(server, bench, tmp_path):
    image = made_up_image(tmp_path / "out")
    with cutting_proxy(server.port, delay=0.2) as proxy:
        reference = f"{proxy.host}/died/leaf:one"
        killed(["publish", image, reference], lambda: proxy.up > 500_000)
        with Registry(server.host, access()) as registry:
            assert registry.tags("died/leaf") == ()
    said = published(image, f"{server.host}/died/leaf:one", "artifact", bench)
    assert said.uploaded == said.total


def test_a_pull_that_died_leaves_no_image_and_clean_takes_the_rest(server, bench, tmp_path, own_cache):
    published(made_up_image(tmp_path / "out"), f"{server.host}/half:one", "artifact", bench)
    with cutting_proxy(server.port, delay=0.2) as proxy:
        killed(["pull", f"{proxy.host}/half:one", "--out", tmp_path / "back"], lambda: proxy.down > 500_000)
    left = [path.name for path in (tmp_path / "back").iterdir()]
    assert len(left) == 1
    assert left[0].startswith(".pull-")
    assert run_cli("clean")[0] == 0
    assert list((tmp_path / "back").iterdir()) == []


def run_cli(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert "Traceback" not in done.output
    return done.exit_code, done.output


def test_the_commands_publish_pull_and_verify(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    image = made_up_image(tmp_path / "out")
    key, public = signing_key(tmp_path)
    _, stranger = signing_key(tmp_path, "stranger")
    reference = f"{server.host}/cli/leaf:one"
    code, said = run_cli("publish", image, reference, "--as", "containerdisk", "--key", key, "--tag", "two", "--json")
    assert code == 0, said
    result = json.loads(said.splitlines()[-1])
    assert (result["kind"], result["as"], result["reference"]) == ("result", "containerdisk", reference)
    assert result["signed"]
    assert run_cli("verify", reference, "--key", public)[0] == 0
    code, said = run_cli("verify", reference, "--key", stranger, "--deep")
    assert code == Cause.SIGNATURE.exit_code
    assert "NOT OK: signature: " in said
    code, said = run_cli("verify", reference, "--json")
    assert (code, json.loads(said)["holds"]) == (0, True)
    # Nobody looked at the signature: it does not hold, and it is no fault.
    states = {one["subject"]: one["holds"] for one in json.loads(said)["findings"]}
    assert (states["manifest"], states["signature"]) == (True, None)
    assert "\n-: signature: not asked: no --key" in run_cli("verify", reference)[1]
    exact = f"{server.host}/cli/leaf@{result['digest']}"
    code, said = run_cli("pull", exact, "--out", tmp_path / "back", "--key", public, "--json")
    result = json.loads(said.splitlines()[-1])
    assert (code, result["kind"], result["as"]) == (0, "result", "containerdisk")
    assert result["files"] == [str(tmp_path / "back/leaf.qcow2")]
    assert (tmp_path / "back/leaf.qcow2").read_bytes() == image.read_bytes()
    assert run_cli("verify", image)[0] == 0
    image.write_bytes(image.read_bytes() + b"more")
    code, said = run_cli("verify", image)
    assert code == Cause.SIGNATURE.exit_code
    assert "NOT OK: leaf.qcow2: " in said
    code, said = run_cli("publish", image, reference)
    assert code == Cause.SIGNATURE.exit_code
    assert "\nwhat to do: " in said
