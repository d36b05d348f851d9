"""image.meta.yaml: each kind of mistake is named with its line and a remedy."""

from __future__ import annotations

import json
import os
import time
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
        ("swp1, swp2", "../../etc", "image.meta.yaml:3: networkInterfaces: '../../etc' is not an interface name, such "
         "as eth1 or ge-0/0/0"),
        ("description: A router\n", "", "image.meta.yaml:1: description: this key is missing"),
        ("slug: router", "slug: router\nslug: other", "image.meta.yaml:2: the key 'slug' is there twice: remove one of "
         "them"),
        ("[tcpdump]", "[-o]", "image.meta.yaml:6: build.packages: '-o' is not a package name"),
        ("[tcpdump]", "tcpdump", "image.meta.yaml:6: build.packages: a list is wanted, not text"),
        ("slug: router", "slug: switch",
         "image.meta.yaml:1: slug: it is 'switch', but the folder is called 'router'"),
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


NO_PASSWORD_IN_A_MIRROR = (
    "image.meta.yaml:6: build.mirror: a mirror with a password would end up in the image: put it in apt's auth.conf "
    "instead"
)
NO_MIRROR = "image.meta.yaml:6: build.mirror: a mirror is an http://, https:// or file:/ URL"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http:/me:hunter2@mirror.example/debian", NO_PASSWORD_IN_A_MIRROR),
        ("http:////me:hunter2@mirror.example/debian", NO_PASSWORD_IN_A_MIRROR),
        ("https://hunter2@mirror.example", NO_PASSWORD_IN_A_MIRROR),
        ("file://me:hunter2@mirror.example/x", NO_PASSWORD_IN_A_MIRROR),
        ("http://[hunter2/debian", NO_MIRROR),
        ("http:/mirror.example/debian", NO_MIRROR),
        ("http://", NO_MIRROR),
        ("ftp://mirror.example/debian", NO_MIRROR),
        ("file:x", NO_MIRROR),
        ("mirror.example", NO_MIRROR),
        ("http://mirror.example/debian?x=1", NO_MIRROR),
        ("http://mirror.example/a b", NO_MIRROR),
        ("http://mirror.example/#x", NO_MIRROR),
        ("http://mirror.example/x [trusted=yes]", NO_MIRROR),
    ],
)
def test_a_mirror_that_apt_should_not_see_is_refused(tmp_path, url, message):
    found = messages(write(tmp_path, GOOD.replace("type: debian", f"type: debian\n  mirror: {json.dumps(url)}")))
    assert found == [message]


@pytest.mark.parametrize("url", ["http://mirror.example/debian/", "file:/srv/debian",
                                 "file:///srv/debian", "copy:/srv/debian", "http://mirror.example/a@b"])  # fmt: skip
def test_a_mirror_that_apt_can_read_is_taken(tmp_path, url):
    spec = load_image(write(tmp_path, GOOD.replace("type: debian", f"type: debian\n  mirror: {json.dumps(url)}")))
    assert spec.build.mirror == url.rstrip("/")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[tcpdump]", '["tcpdump\\n"]', "image.meta.yaml:6: build.packages: 'tcpdump\\n' is not a package name"),
        ("swp1, swp2", '"swp1\\n"', "image.meta.yaml:3: networkInterfaces: 'swp1\\n' is not an interface name, such "
         "as eth1 or ge-0/0/0"),
        ("slug: router", 'slug: "router\\n"', "image.meta.yaml:1: slug: String should match pattern "
         "'^[a-z0-9]([a-z0-9-]*[a-z0-9])?$'"),
        ("type: debian", "type: debian\n  keyring: /a]b", "image.meta.yaml:6: build.keyring: a keyring is the path of "
         "a file, without blanks, quotes and brackets"),
        ("type: debian", "type: !!bool x", "image.meta.yaml:5: tags (words after an exclamation mark) are not allowed"),
        ("A router", "!!python/object/apply:os.system [x]",
         "image.meta.yaml:2: tags (words after an exclamation mark) are not allowed"),
        ("[tcpdump]", "[" * 30 + "]" * 30, "image.meta.yaml:6: nested more than 16 levels deep"),
        ("A router", "2001-12-01", "image.meta.yaml:2: description: text is wanted, not a date or time; put it in "
         "quotes"),
    ],
)  # fmt: skip
def test_what_would_slip_through_or_crash_is_named(tmp_path, old, new, message):
    assert old in GOOD
    found = messages(write(tmp_path, GOOD.replace(old, new, 1)))
    assert found[0] == message


@pytest.mark.parametrize("text", ["[" * 60_000, "{" * 60_000, "- " * 30_000, "? " * 30_000, "a: " + "[x," * 20_000])
def test_nesting_without_end_is_refused_at_once(tmp_path, text):
    started = time.monotonic()
    assert messages(write(tmp_path, text))
    assert time.monotonic() - started < 5


SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    "value",
    [f"*{SECRET}", f"&{SECRET} x", f"!{SECRET}!x y", f"!<{SECRET}> y", f'"{SECRET}\\q"', f'"{SECRET}', f"[{SECRET}",
     f"{{{SECRET}: x}}", f'"a:{SECRET}"', "''", f"|\n  {SECRET}\n", f"%{SECRET}", f"@{SECRET}", f"a: {SECRET}",
     f"'{SECRET}' {SECRET}", f"? {SECRET}", f"\n  *{SECRET}"],
)  # fmt: skip
def test_no_part_of_a_password_is_in_a_message(tmp_path, value):
    found = messages(write(tmp_path, GOOD + f"sshPassword: {value}\n"))
    assert "hunter" not in "".join(found)
    assert int(found[0].split(":")[1]) >= 7


def test_a_mistake_in_a_password_has_its_own_line(tmp_path):
    found = messages(write(tmp_path, GOOD + 'sshUser: x\nconfigPassword: "a:b"\n'))
    assert found[0].startswith("image.meta.yaml:8: configPassword: not a password that can be used")


def test_a_key_that_is_there_twice_hides_no_other_mistake(tmp_path):
    text = GOOD.replace("type: debian", "type: debian\n  type: debian\n  packges: []")
    assert [line.split(": ")[0] for line in messages(write(tmp_path, text))] == [
        "image.meta.yaml:6",
        "image.meta.yaml:7",
    ]


def test_a_keyring_is_found_beside_the_file_that_names_it(tmp_path, monkeypatch):
    folder = write(tmp_path, GOOD.replace("type: debian", "type: debian\n  keyring: keys.gpg"))
    monkeypatch.chdir(tmp_path)
    assert load_image(Path("router")).build.keyring == str(folder / "keys.gpg")
    folder = write(tmp_path, GOOD.replace("type: debian", "type: debian\n  keyring: /etc/keys.gpg"))
    assert load_image(folder).build.keyring == "/etc/keys.gpg"


def test_a_keyring_whose_whole_path_apt_cannot_read_is_refused(tmp_path):
    place = tmp_path / "my images"
    place.mkdir()
    found = messages(write(place, GOOD.replace("type: debian", "type: debian\n  keyring: keys.gpg")))
    assert found[0].startswith("image.meta.yaml:6: build.keyring: apt cannot read the path")


def test_a_pipe_does_not_keep_us_waiting(tmp_path):
    folder = tmp_path / "router"
    folder.mkdir()
    os.mkfifo(folder / "image.meta.yaml")
    assert "is not a file" in messages(folder)[0]


def test_the_folder_s_name_is_known_however_it_is_written(tmp_path, monkeypatch):
    folder = write(tmp_path, GOOD)
    (folder / "inside").mkdir()
    (tmp_path / "link").symlink_to("router")
    monkeypatch.chdir(folder)
    for place in (Path(), folder / "inside" / "..", tmp_path / "link", Path("../router"), folder / "image.meta.yaml"):
        assert load_image(place).slug == "router"


@given(st.text())
def test_no_text_brings_a_traceback(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "image.meta.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(LabwrightError):
        load_image(folder)


def test_the_schema_for_editors_is_the_committed_one():
    committed = Path(__file__).parents[2] / "docs/image.schema.json"
    assert json.loads(committed.read_text()) == json.loads(json.dumps(image_schema()))


def test_the_schema_has_the_contract_s_password_as_default():
    assert image_schema()["properties"]["sshPassword"]["default"] == "antidotepassword"


def test_our_own_images_are_good():
    for path in (Path(__file__).parents[2] / "images").glob("*/image.meta.yaml"):
        assert load_image(path).slug == path.parent.name
