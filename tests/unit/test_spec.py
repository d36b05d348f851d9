"""image.meta.yaml: each kind of mistake is named with its line and a remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.errors import Cause, LabwrightError
from labwright.spec.load import load_image
from labwright.spec.schema import image_schema

GOOD = """\
slug: router
description: A router
networkInterfaces: [swp1, swp2]
build:
  type: debian
  packages: [tcpdump]
"""


def write(tmp_path: Path, text: str, name: str = "router") -> Path:
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    (folder / "image.meta.yaml").write_text(text)
    return folder


def messages(folder: Path) -> list[str]:
    with pytest.raises(LabwrightError) as caught:
        load_image(folder)
    assert caught.value.cause is Cause.CONFIG
    assert caught.value.hint
    return [
        caught.value.what.replace(f"{folder}/", ""),
        *(line.replace(f"{folder}/", "") for line in caught.value.details),
    ]


def test_a_good_file_has_the_contract_as_its_defaults(tmp_path):
    spec = load_image(write(tmp_path, GOOD))
    assert spec.ssh_user == "antidote"
    assert spec.ssh_password.get_secret_value() == "antidotepassword"
    assert spec.network_interfaces == ("swp1", "swp2")
    assert "antidotepassword" not in repr(spec)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("packages:", "packges:", "image.meta.yaml:6: build.packges: unknown key; did you mean 'packages'?"),
        ("description: A router", "packages: [x]\ndescription: A router",
         "image.meta.yaml:2: packages: unknown key; it belongs under build:"),
        ("type: debian", "type: debian\n  release: 12",
         "image.meta.yaml:6: build.release: text is wanted, not a number; put it in quotes"),
        ("type: debian", "type: debian\n  diskSize: '20'",
         "image.meta.yaml:6: build.diskSize: a number is wanted, not text"),
        ("type: debian", "type: debian\n  diskSize: true",
         "image.meta.yaml:6: build.diskSize: a number is wanted, not true or false"),
        ("swp1, swp2", "eth0", "image.meta.yaml:3: networkInterfaces: eth0 is the management interface; list only the "
         "interfaces after it"),
        ("swp1, swp2", "swp1, swp1", "image.meta.yaml:3: networkInterfaces: an interface is listed twice"),
        ("swp1, swp2", "../../etc", "image.meta.yaml:3: networkInterfaces: '../../etc' is not an interface name of at "
         "most 15 characters"),
        ("description: A router\n", "", "image.meta.yaml:1: description: this key is missing"),
        ("slug: router", "slug: router\nslug: other", "image.meta.yaml:2: the key 'slug' is there twice"),
        ("[tcpdump]", "[-o]", "image.meta.yaml:6: build.packages: '-o' is not a package name"),
        ("[tcpdump]", "tcpdump", "image.meta.yaml:6: build.packages: a list is wanted, not text"),
        ("slug: router", "slug: switch",
         "image.meta.yaml:1: slug is 'switch', but the folder is called 'router'"),
        ("A router", "*other", "image.meta.yaml:2: not YAML: found undefined alias"),
        ("A router", "&a x", "image.meta.yaml:2: anchors and aliases are not allowed"),
        ("slug: router", "slug: [", "image.meta.yaml:3: not YAML: did not find expected ',' or ']'"),
        ("type: debian", "type: debian\n  mirror: http://me:secret@mirror.example/debian",
         "image.meta.yaml:6: build.mirror: a mirror with a password would end up in the image: put it in apt's "
         "auth.conf instead"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_its_line(tmp_path, old, new, message):
    assert old in GOOD
    found = messages(write(tmp_path, GOOD.replace(old, new, 1)))[0]
    if "not YAML" in message or "anchors" in message:
        assert found.startswith(message.partition(": ")[0])
    else:
        assert found == message


def test_all_mistakes_are_reported_at_once(tmp_path):
    text = GOOD.replace("slug:", "slgu:").replace("type: debian", "tpye: debian")
    assert len(messages(write(tmp_path, text))) == 4


def test_a_password_is_never_in_a_message(tmp_path):
    found = messages(write(tmp_path, GOOD + "sshPassword: [hunter2]\n"))
    assert found[0].startswith("image.meta.yaml:7: sshPassword")
    assert "hunter2" not in "".join(found)


@pytest.mark.parametrize("text", ["", "[]", "just text", "\x00", "a: b: c"])
def test_what_is_no_description_is_refused(tmp_path, text):
    assert messages(write(tmp_path, text))


def test_a_missing_file_a_binary_and_a_huge_one(tmp_path):
    assert "there is no" in messages(tmp_path / "nowhere")[0]
    folder = write(tmp_path, "")
    (folder / "image.meta.yaml").write_bytes(b"\xff\xfe")
    assert "not UTF-8" in messages(folder)[0]
    (folder / "image.meta.yaml").write_text("a" * 300_000)
    assert "larger than" in messages(folder)[0]


@given(st.text())
def test_no_text_brings_a_traceback(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "image.meta.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(LabwrightError):
        load_image(folder)


def test_the_schema_for_editors_is_the_committed_one():
    committed = Path(__file__).parents[2] / "docs/image.schema.json"
    assert json.loads(committed.read_text()) == json.loads(json.dumps(image_schema()))


def test_our_own_images_are_good():
    for path in (Path(__file__).parents[2] / "images").glob("*/image.meta.yaml"):
        assert load_image(path).slug == path.parent.name
