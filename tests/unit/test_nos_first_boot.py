"""What a first boot needs to know, and refuses before it boots."""

from __future__ import annotations

import json

import pytest

from labwright.errors import Cause, LabwrightError
from labwright.spec.image import ImageSpec
from labwright_nos.image import check_image, values_of
from labwright_nos.profile.values import rendered
from labwright_nos.systems import frr, veos


def image(**facts: object) -> ImageSpec:
    known = {"slug": "leaf", "description": "x", "build": {"type": "frr", "from": "disk"}} | facts
    return ImageSpec.model_validate_json(json.dumps(known))


def test_templates_get_the_names_that_the_system_gives_its_interfaces(bench):
    values = values_of(frr.profile, image(networkInterfaces=["a", "b"]), bench)
    assert values["interfaces"] == ["eth1", "eth2"]
    assert str(values["ssh_password_hash"]).startswith("$6$")
    assert rendered("{{ management }} {{ hostname }}", values) == "eth0 leaf"


def test_more_interfaces_than_the_device_can_have_are_refused(bench):
    names = [f"eth{number}" for number in range(1, 10)]
    with pytest.raises(LabwrightError, match="at most 8 data interfaces") as caught:
        values_of(frr.profile, image(networkInterfaces=names), bench)
    assert caught.value.cause is Cause.CONFIG


@pytest.mark.parametrize("password", ["what?", "two words", "it's", 'a"b', "$HOME", "a;b", "a\\b", "`id`"])
def test_a_password_that_a_command_line_takes_for_something_else_is_refused(bench, password):
    with pytest.raises(LabwrightError, match="cannot be typed on a console") as caught:
        values_of(frr.profile, image(sshPassword=password), bench)
    assert password not in str(caught.value) + caught.value.hint


def test_a_path_with_quotes_is_one_word_of_a_shell():
    assert rendered("install {{ path | quote }}", {"path": "/etc/it's here"}) == "install '/etc/it'\"'\"'s here'"


def test_what_cannot_be_done_is_said_before_anything_boots(tmp_path, monkeypatch):
    (tmp_path / "base.conf").write_bytes(b"caf\xe9\n")
    build = {"type": "veos", "from": "disk"}
    for facts, what in (
        ({"networkInterfaces": [f"eth{number}" for number in range(1, 80)]}, "at most"),
        ({"configPassword": "two words"}, "configPassword cannot be typed"),
        ({"build": build | {"configuration": "base.conf"}}, "base.conf is no text that can be read"),
        ({"build": build | {"login": {"user": "admin", "password": "env:NOT_THERE"}}}, "NOT_THERE is not set"),
    ):
        monkeypatch.delenv("NOT_THERE", raising=False)
        with pytest.raises(LabwrightError, match=what) as caught:
            check_image(veos.profile, image(**facts), tmp_path)
        assert caught.value.cause is Cause.CONFIG


def test_what_a_profile_has_no_way_for_is_refused(tmp_path):
    profile = veos.profile.model_copy(update={"napalm": None, "files": None})
    private = {"from": "env:LAB_LICENCE", "path": "/mnt/flash/key"}
    for more, what in (
        ({"configuration": "x"}, "NAPALM, which has no driver"),
        ({"privateFiles": [private]}, "how files"),
    ):
        with pytest.raises(LabwrightError, match=what):
            check_image(profile, image(build={"type": "veos", "from": "disk"} | more), tmp_path)
