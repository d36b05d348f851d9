"""Credentials: which file says who we are, and that nothing repeats a password."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.errors import Cause, LabwrightError
from labwright.registry.challenge import Challenge, parse_challenges, read_token, token_url
from labwright.registry.credentials import Credentials, find_credentials

SECRET = "a-secret-that-nobody-prints"


def written(path: Path, facts: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(facts if isinstance(facts, str) else json.dumps(facts))
    return path


def entry(user: str, password: str = SECRET) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def user_of(host: str, repository: str, **how: object) -> str:
    found = find_credentials(host, repository, **how).found  # type: ignore[arg-type]
    return found.user if found else ""


def test_the_first_file_that_knows_the_host_counts(tmp_path):
    home = {"HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    written(tmp_path / "run/containers/auth.json", {"auths": {"r.example": entry("podman"), "s.example": entry("s")}})
    assert user_of("r.example", "a", environ=home) == "podman"
    written(tmp_path / "home/.docker/config.json", {"auths": {"r.example": entry("docker")}})
    assert user_of("r.example", "a", environ=home) == "docker"
    assert user_of("s.example", "a", environ=home) == "s"
    written(tmp_path / "other/config.json", {"auths": {"r.example": entry("elsewhere")}})
    home["DOCKER_CONFIG"] = str(tmp_path / "other")
    assert user_of("r.example", "a", environ=home) == "elsewhere"
    home["REGISTRY_AUTH_FILE"] = str(written(tmp_path / "named", {"auths": {}}))
    assert user_of("r.example", "a", environ=home) == ""
    given = written(tmp_path / "given", {"auths": {"r.example": {"username": "u", "password": "p"}}})
    assert user_of("r.example", "a", auth_file=given, environ=home) == "u"


def test_the_entry_that_says_most_of_a_repository_counts_and_no_other_host_gets_it(tmp_path):
    file = written(tmp_path / "auth", {"auths": {
        "r.example": entry("all"), "r.example/team": entry("team"), "r.example/team/frr": entry("frr"),
        "https://old.example/v1/": entry("old"), "r.example.evil": entry("evil")}})  # fmt: skip
    asked = {"team/frr": "frr", "team/other": "team", "teams": "all", "x/team/frr": "all"}
    assert {name: user_of("r.example", name, auth_file=file) for name in asked} == asked
    assert user_of("old.example", "a", auth_file=file) == "old"
    assert user_of("example", "a", auth_file=file) == ""
    assert user_of("r.example:443", "a", auth_file=file) == ""


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_is_known_by_each_of_its_names(host, tmp_path):
    # What `docker login` writes; then podman and skopeo; then one by the name of a repository.
    for name in ("https://index.docker.io/v1/", "docker.io", "docker.io/team", "docker.io/team/frr"):
        file = written(tmp_path / name.replace("/", "-"), {"auths": {name: entry("hub"), "evil.io": entry("evil")}})
        assert user_of(host, "team/frr", auth_file=file) == "hub"
        for other in ("evil-docker.io", "docker.io.evil", "hub.docker.io"):
            assert user_of(other, "team/frr", auth_file=file) == ""
    both = {"auths": {"docker.io": entry("all"), "docker.io/team": entry("team"), host: entry("own")}}
    assert user_of(host, "other/frr", auth_file=written(tmp_path / "both", both)) == "own"
    assert user_of(host, "team/frr", auth_file=tmp_path / "both") == "team"
    helper = written(tmp_path / "helper", {"credHelpers": {"https://index.docker.io/v1/": "pass"}})
    assert "credential helper" in find_credentials(host, "team/frr", auth_file=helper).in_words


def test_a_helper_is_named_since_it_is_not_run(tmp_path):
    written(tmp_path / ".docker/config.json", {"credsStore": "desktop", "auths": {"r.example": {}}})
    found = find_credentials("r.example", "a", environ={"HOME": str(tmp_path)})
    assert found.found is None
    assert "credential helper, which labwright does not run" in found.in_words


DAMAGED = {
    "text": f"no json {SECRET}",
    "list": "[]",
    "no hosts": '{"auths": []}',
    "no base64": json.dumps({"auths": {"r.example": {"auth": f"{SECRET}!"}}}),
    "deep": "[" * 5000,
    "token": json.dumps({"auths": {"r.example": {"identitytoken": SECRET}}}),
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_refused_without_being_repeated(text, tmp_path):
    with pytest.raises(LabwrightError, match="cannot be used") as caught:
        find_credentials("r.example", "a", auth_file=written(tmp_path / "auth", text))
    assert caught.value.cause == Cause.CONFIG
    assert SECRET not in f"{caught.value.what} {caught.value.hint} {caught.value.__cause__}"


def test_a_file_that_was_named_must_be_there(tmp_path):
    with pytest.raises(LabwrightError, match="it is not there"):
        find_credentials("r.example", "a", auth_file=tmp_path / "no", environ={})


def test_no_repr_shows_a_password():
    assert SECRET not in repr(Credentials("u", SECRET, "file"))


def test_what_registries_ask_for_is_understood():
    header = 'Bearer realm="https://auth.example/t?a=b",service="r",scope="repository:a:pull,push", Basic realm="x\\"y"'
    assert parse_challenges(header) == (
        Challenge("bearer", {"realm": "https://auth.example/t?a=b", "service": "r", "scope": "repository:a:pull,push"}),
        Challenge("basic", {"realm": 'x"y'}),
    )
    assert parse_challenges("Negotiate, Basic realm=plain") == (
        Challenge("negotiate"),
        Challenge("basic", {"realm": "plain"}),
    )


@given(st.text(max_size=200) | st.from_regex(r'[A-Za-z ="\\,]{0,60}', fullmatch=True))
def test_any_header_is_read_to_its_end(header):
    for challenge in parse_challenges(header):
        assert challenge.scheme == challenge.scheme.lower() != ""


NAME = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@given(st.lists(st.tuples(NAME, st.dictionaries(NAME, VALUE, min_size=1, max_size=4)), max_size=3))
def test_every_list_of_challenges_comes_back(given_challenges):
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    header = ", ".join(
        f"{scheme} " + ", ".join(f"{name}={quoted(value)}" for name, value in parameters.items())
        for scheme, parameters in given_challenges
    )
    assert parse_challenges(header) == tuple(Challenge(scheme, parameters) for scheme, parameters in given_challenges)


@pytest.mark.parametrize(
    ("realm", "registry"),
    [
        ("http://auth.example/token", "r.example"), ("http://127.0.0.1/token", "r.example"), ("", "r.example"),
        ("ftp://auth.example", "r.example"), ("https://u:p@auth.example/", "r.example"), ("https://", "r.example"),
        ("http://auth.example/token", "localhost:5000"), ("//auth.example", "r.example"), ("https://[::1", "r.example"),
    ],
)  # fmt: skip
def test_a_password_goes_to_no_realm_that_others_can_listen_to(realm, registry):
    with pytest.raises(LabwrightError, match="gets no password") as caught:
        token_url(Challenge("bearer", {"realm": realm}), (), registry)
    assert caught.value.cause == Cause.CONFIG


def test_a_token_is_asked_for_by_service_and_scopes():
    url = token_url(Challenge("bearer", {"realm": "https://a.example/t", "service": "s&x"}), ("b:c:d", "e:f:g"), "r")
    assert url == "https://a.example/t?service=s%26x&scope=b%3Ac%3Ad&scope=e%3Af%3Ag"
    assert token_url(Challenge("bearer", {"realm": "http://localhost:1/t"}), (), "127.0.0.1:5000").startswith(
        "http://l"
    )


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"token": 1}', b'{"token": "a\\r\\nX: y"}', b"[" * 9999, b"\xff"]
)
def test_an_answer_without_a_token_is_refused(data):
    with pytest.raises(LabwrightError, match="answers without a token"):
        read_token(data, "r.example")


def test_either_name_of_a_token_is_taken():
    assert read_token(b'{"token": "a"}', "r") == read_token(b'{"access_token": "a"}', "r") == "a"
