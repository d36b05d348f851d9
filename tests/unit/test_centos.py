"""What the CentOS driver reads from outside: metalinks, verdicts of rpm, spec files; and what it writes for dnf."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.errors import Cause, LabwrightError
from labwright.host.processor import processor_level
from labwright.interfaces import Release
from labwright.pipeline.preflight import check_processor
from labwright.pipeline.stage1 import choose_release
from labwright.spec.image import BuildSpec, ImageSpec
from labwright.spec.surroundings import from_environment
from labwright_centos import CentosBootstrapper
from labwright_centos.dnf import NOT_INSTALLED, configuration, interpreter
from labwright_centos.finish import switched_off
from labwright_centos.kernel_package import rpm_version, spec
from labwright_centos.kernel_source import extra_version, patches_of
from labwright_centos.keys import refusal, signed_by, verdicts
from labwright_centos.mirror import at_snapshot, is_metalink, read_metalink
from labwright_centos.releases import RELEASES
from labwright_centos.tree import DAMAGE, NOBODY_OF_THAT_NAME

OK = "    Header V4 RSA/SHA256 Signature, key ID 05b555b38483c65d: OK"
DIGEST = "    Payload SHA256 digest: OK"


def image(**build) -> ImageSpec:
    return ImageSpec(slug="centos", description="x", build=BuildSpec(type="centos", **build))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([OK, DIGEST], ""),
        ([DIGEST], "is not signed"),
        ([], "is not signed"),
        (["    Header V4 RSA/SHA256 Signature, key ID 8483c65d: NOKEY", DIGEST], "is signed by another key"),
        ([OK, "    Payload SHA256 digest: BAD (Expected a != b)"], "was altered: it is not what was signed"),
        (["    Header V4 RSA/SHA256 Signature, key ID 8483c65d: BAD", DIGEST],
         "was altered: it is not what was signed"),
        ([OK, "    V4 RSA/SHA256 Signature, key ID 8483c65d: NOTTRUSTED"],
         "has a signature or a digest that does not hold"),
        ([OK, "    MD5 digest: NOT OK"], "has a signature or a digest that does not hold"),
    ],
)  # fmt: skip
def test_a_package_is_taken_only_with_a_signature_that_holds(lines, said):
    assert refusal(lines) == said


def test_a_file_that_rpmkeys_says_nothing_of_is_not_signed():
    said = verdicts(["/p/a.rpm:", OK, "error: /p/b.rpm: not an rpm package", DIGEST], ["/p/a.rpm", "/p/b.rpm"])
    assert said == {"/p/a.rpm": [OK]}
    assert refusal(said.get("/p/b.rpm", [])) == "is not signed"


def test_a_package_s_name_cannot_pass_for_another_s_verdict():
    hostile = "/p/x.rpm:\n" + OK
    assert verdicts(["/p/x.rpm:", OK], [hostile]) == {}


KEY = "99DB70FAE1D7CE227FB6488205B555B38483C65D"
VALID = f"[GNUPG:] VALIDSIG {KEY} 2026-11-01 1 0 4 0 1 8 00 {KEY}\n"


@pytest.mark.parametrize(("status", "taken"), [
    (f"[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 05B5 CentOS\n{VALID}", True),
    (f"[GNUPG:] REVKEYSIG 05B5 CentOS\n{VALID}", False),
    (f"[GNUPG:] EXPKEYSIG 05B5 CentOS\n{VALID}", False),
    (f"[GNUPG:] EXPSIG 05B5 CentOS\n{VALID}", False),
    ("[GNUPG:] BADSIG 05B5 CentOS\n", False),
    (VALID, False),
    (f"[GNUPG:] GOODSIG 05B5 x\n{VALID.replace(KEY, KEY[::-1])}", False),
    (f"[GNUPG:] ERRSIG 1234 1 8 00 1 9\n[GNUPG:] NO_PUBKEY 1234\n[GNUPG:] GOODSIG 05B5 x\n{VALID}", True),
    (f"[GNUPG:] GOODSIG 05B5 x\n[GNUPG:] ERRSIG 1234 1 8 00 1 9\n{VALID}", False),
])  # fmt: skip
def test_only_a_good_signature_of_a_key_that_holds_is_taken(status, taken):
    assert signed_by(status, frozenset({KEY})) is taken


def test_every_repository_of_a_file_is_switched_off_also_one_that_does_not_say_that_it_is_on():
    text = "# x\n[a]\nname=a\nenabled = 1\n\n[b]\nbaseurl=http://m/$releasever\n[c]\nenabled=0\n"
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(switched_off(text))
    assert {name: parser[name]["enabled"] for name in parser.sections()} == {"a": "0", "b": "0", "c": "0"}
    assert parser["b"]["baseurl"] == "http://m/$releasever"


METALINK = """<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" xmlns:mm0="http://fedorahosted.org/mirrormanager">
 <files><file name="repomd.xml">
  <mm0:alternates><mm0:alternate><verification><hash type="sha256">OLD</hash></verification></mm0:alternate>
  </mm0:alternates>
  <verification><hash type="md5">x</hash><hash type="sha256">NEW</hash></verification>
  <resources>
   <url protocol="rsync" preference="100">rsync://a/repodata/repomd.xml</url>
   <url protocol="http" preference="90">http://second/BaseOS/repodata/repomd.xml</url>
   <url protocol="https" preference="100">https://first/BaseOS/repodata/repomd.xml</url>
   <url protocol="https" preference="99">https://user:word@evil/repodata/repomd.xml</url>
  </resources></file></files></metalink>
"""


def test_a_metalink_gives_its_mirrors_best_first_and_the_hashes_that_are_right():
    hashes, mirrors = read_metalink(METALINK.encode(), "https://x/metalink")
    assert mirrors == ["https://first/BaseOS", "http://second/BaseOS"]
    assert "NEW" in hashes


@pytest.mark.parametrize("text", [
    "", "<html>Log in</html>", "<metalink", METALINK.replace("https://", "gopher://").replace("http://", "ftp://"),
    '<!DOCTYPE x [<!ENTITY a "aaaa">]>' + METALINK, METALINK.replace('"sha256"', '"sha1"'),
    METALINK.replace("https://first", "http://[::1").replace("http://second", "file:/"),
])  # fmt: skip
def test_what_is_no_metalink_is_said_to_be_none(text):
    with pytest.raises(LabwrightError, match="no list of mirrors"):
        read_metalink(text.encode(), "https://x/metalink")


@pytest.mark.parametrize("preference", ["²", "9" * 5000, "-1", "", "x"])
def test_a_preference_that_is_none_comes_last(preference):
    text = METALINK.replace('preference="100">https', f'preference="{preference}">https')
    assert read_metalink(text.encode(), "https://x/metalink")[1] == ["http://second/BaseOS", "https://first/BaseOS"]


def test_a_metalink_in_another_encoding_is_none():
    with pytest.raises(LabwrightError, match="no list of mirrors"):
        read_metalink(METALINK.replace("utf-8", "utf-16").encode("utf-16"), "https://x/metalink")


def test_the_metalink_of_one_repository_is_not_one_for_all():
    with pytest.raises(LabwrightError, match="metalink of one repository"):
        is_metalink("https://mirrors.centos.org/metalink?repo=centos-baseos-9-stream&arch=x86_64")


@given(st.binary(max_size=400))
def test_any_answer_is_a_metalink_or_a_reason(data):
    for text in (data, METALINK.encode().replace(b"NEW", data.replace(b"<", b"").replace(b"&", b""))):
        try:
            _, mirrors = read_metalink(text, "https://x/metalink")
        except LabwrightError as error:
            assert error.cause is Cause.NETWORK
        else:
            assert all(re.match(r"https?://[^@\s]+$", one) for one in mirrors)


SPEC = """%define patchversion 5.14
%global tarfile_release 5.14.0-570.el9
Patch1000000: 1000-debrand-some-messages.patch
Patch1: patch-%{patchversion}-redhat.patch
Patch999999: linux-kernel-test.patch
# Patch2: not-this.patch
"""


def test_patches_are_in_the_order_of_their_numbers_with_the_spec_file_s_own_macros():
    assert [patch.name for patch in patches_of(SPEC)] == [
        "patch-5.14-redhat.patch", "linux-kernel-test.patch", "1000-debrand-some-messages.patch",
    ]  # fmt: skip


@given(st.text(max_size=300))
def test_any_spec_file_has_a_list_of_patches(text):
    assert all(patch.name for patch in patches_of(f"{text}\nPatch1: a.patch\n"))


@pytest.mark.parametrize(("version", "extra"), [
    ("5.14.0-570.el9", "-570.el9.x86_64"), ("1:6.12.0-55.9.1.el10_0", "-55.9.1.el10_0.x86_64"),
])  # fmt: skip
def test_uname_names_the_source_package(version, extra):
    assert extra_version(version) == extra


def test_a_kernel_s_release_fits_an_rpm():
    version, release = rpm_version("5.14.0-570.el9.x86_64-labwright")
    assert (version, release) == ("5.14.0", "570.el9.x86_64.labwright")
    assert "Provides: kernel = 5.14.0-570.el9.x86_64.labwright\n" in spec(
        "5.14.0-570.el9.x86_64-labwright", Path("/scratch")
    )


def test_dnf_s_configuration_leaves_kernels_out_of_what_is_installed_and_not_of_the_sources(tmp_path):
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(configuration(RELEASES["9-stream"], tmp_path, {"baseos": "http://m/b", "source": "http://m/s"}))
    assert parser["baseos"]["excludepkgs"].split(",") == list(NOT_INSTALLED)
    assert "excludepkgs" not in parser["source"]
    assert parser["main"]["plugins"] == "0"


def test_dnf_s_own_python_is_found_in_its_first_line(tmp_path):
    script = tmp_path / "dnf"
    script.write_text("#!/usr/bin/python3.9 -s\nimport dnf\n")
    assert interpreter(str(script)) == ["/usr/bin/python3.9", "-s"]


@pytest.mark.parametrize("release", ["7", "8", "8-stream", "rocky-8"])
def test_a_release_that_cannot_be_made_is_refused_with_the_reason(release):
    with pytest.raises(LabwrightError, match=r"cannot be made: it") as caught:
        choose_release(image(release=release), CentosBootstrapper())
    assert "9-stream" in caught.value.hint


def test_an_unknown_release_is_told_from_one_that_is_too_old():
    with pytest.raises(LabwrightError, match="has no release '9'"):
        choose_release(image(release="9"), CentosBootstrapper())


FLAGS = "flags\t\t: fpu cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"
LEVEL_3 = f"{FLAGS} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"


@pytest.mark.parametrize(("text", "level"), [
    ("", 1), ("flags : fpu sse4_2", 1), (FLAGS, 2), (LEVEL_3, 3),
    (f"{LEVEL_3} avx512f avx512bw avx512cd avx512dq avx512vl", 4),
])  # fmt: skip
def test_the_level_of_a_processor(text, level):
    assert processor_level(f"processor : 0\n{text}\n") == level


def test_a_release_for_newer_processors_is_refused_before_anything_crashes():
    with pytest.raises(LabwrightError, match="x86-64-v3, and this host's is x86-64-v2") as caught:
        check_processor(Release("10-stream", "kernel", processor=3), 2)
    assert caught.value.cause is Cause.HOST
    check_processor(Release("9-stream", "kernel", processor=2), 2)


@pytest.mark.parametrize("line", [
    "error: unpacking of archive failed on file /x: cpio: write", "Error: Transaction failed",
    "  warning: %post(setup-2.13.7-1.el9.noarch) scriptlet failed, exit status 1",
    "  error: lsetfilecon: something",
])  # fmt: skip
def test_words_of_damage_are_seen(line):
    assert DAMAGE.search(line)


@pytest.mark.parametrize("line", [
    "  Installing       : libgpg-error0-1.46-1.el9.x86_64   68/135", "Complete!", " perl-Error  noarch  1:0.17029",
    "warning: /etc/shadow created as /etc/shadow.rpmnew",
])  # fmt: skip
def test_ordinary_words_are_no_damage(line):
    assert not DAMAGE.search(line)


def test_a_file_of_nobody_is_seen():
    assert NOBODY_OF_THAT_NAME.search("warning: user chrony does not exist - using root")["name"] == "chrony"


def test_a_snapshot_is_the_number_of_a_compose():
    address = RELEASES["9-stream"].composes
    assert at_snapshot(address, "20261101.0").endswith("/CentOS-Stream-9-20261101.0/compose")
    for wrong in ((address, ""), ("http://m/9-stream", "20261101.0")):
        with pytest.raises(LabwrightError, match="do not go together"):
            at_snapshot(*wrong)


def test_the_defaults_of_stream_are_metalinks_and_those_of_the_others_mirrors():
    assert {name for name, release in RELEASES.items() if is_metalink(release.mirror)} == {"9-stream", "10-stream"}
    for release in RELEASES.values():
        assert re.fullmatch(r"[0-9A-F]{40}", release.key.fingerprint)


def test_the_environment_names_a_mirror_and_its_keys_for_every_image_of_a_type(monkeypatch, tmp_path):
    key = tmp_path / "key"
    key.write_text("x")
    monkeypatch.setenv("LABWRIGHT_CENTOS_MIRROR", "http://m/9-stream/")
    monkeypatch.setenv("LABWRIGHT_CENTOS_KEYRING", str(key))
    build = from_environment(BuildSpec(type="centos"))
    assert (build.mirror, build.keyring) == ("http://m/9-stream", str(key))
    assert from_environment(BuildSpec(type="debian")).mirror is None


@pytest.mark.parametrize(("name", "value"), [
    ("MIRROR", "ftp://m"), ("MIRROR", "http://user:s3cret@m/"), ("KEYRING", "/nothing/there"),
])  # fmt: skip
def test_a_variable_that_does_not_fit_is_named_and_its_value_is_not(monkeypatch, name, value):
    monkeypatch.setenv(f"LABWRIGHT_CENTOS_{name}", value)
    with pytest.raises(LabwrightError, match=f"LABWRIGHT_CENTOS_{name} does not fit") as caught:
        from_environment(BuildSpec(type="centos"))
    assert "s3cret" not in str(caught.value)
