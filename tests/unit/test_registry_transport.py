"""Which server may know who we are."""

from __future__ import annotations

import pytest

from labwright.errors import Cause, LabwrightError
from labwright.registry.transport import Access, Transport, origin


@pytest.mark.parametrize("url", ["https://r.example/v2/", "https://r.example:443/x", "HTTPS://R.EXAMPLE"])
def test_the_same_server_by_another_spelling_is_the_same(url):
    assert origin(url) == origin("https://r.example")


@pytest.mark.parametrize(
    "url",
    ["http://r.example", "https://r.example:444", "https://r.example.evil", "https://r.example@evil.example/",
     "https://evil.example/r.example", "https://r.example:x/", "https://[::1/", "//r.example", "r.example", ""],
)  # fmt: skip
def test_another_server_is_not_taken_for_it(url):
    assert origin(url) != origin("https://r.example")


def test_a_file_that_holds_no_authority_is_refused_before_anything_is_asked(tmp_path):
    (tmp_path / "text").write_text("no certificate")
    for place in (tmp_path / "no", tmp_path / "text"):
        with pytest.raises(LabwrightError, match="holds no certificate of an authority") as caught:
            Transport("r.example", Access(authorities=place))
        assert caught.value.cause == Cause.CONFIG


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_is_asked_where_its_registry_is(host):
    assert Transport(host, Access(environ={})).base == "https://registry-1.docker.io"
    assert Transport("docker.io.example", Access(environ={})).base == "https://docker.io.example"
