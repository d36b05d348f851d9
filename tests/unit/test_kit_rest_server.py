"""kit.rest against a real HTTP server on loopback: an object is there once, whatever the server does meanwhile."""

from __future__ import annotations

import functools
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from support.kit.rest import Service, server
from support.registry import free_port

from labwright.errors import Cause
from labwright.kit import KitError, rest

JANE = {"name": "jane", "mail": "jane@example.net", "password": "a-secret-of-hers"}


@pytest.fixture
def service() -> Iterator[Service]:
    with server() as made:
        yield made


def ensure(service: Service, body: dict = JANE, **more) -> rest.Ensured:
    more = {"auth": ("admin", service.password), "timeout": 10.0} | more
    return rest.ensure(f"{service.url}/users", body, **more)


def test_an_object_is_made_once_compared_and_updated_where_it_differs(service):
    first, second = ensure(service), ensure(service)
    assert (first.created, first.changed) == (True, True)
    assert (second.created, second.changed) == (False, False), "a password that nobody shows is no difference"
    third = ensure(service, JANE | {"mail": "j@example.net"})
    assert (third.created, third.changed) == (False, True)
    assert service.objects["/users"] == [
        {"name": "jane", "mail": "j@example.net", "id": 1, "password": JANE["password"]}
    ]
    assert [each for each in service.seen if not each.startswith("GET")] == ["POST /users", "PATCH /users/1"]


def test_an_update_that_was_not_asked_for_is_an_error_that_names_the_keys(service):
    ensure(service)
    with pytest.raises(KitError, match="other values of mail"):
        ensure(service, JANE | {"mail": "x"}, update="")
    assert service.objects["/users"][0]["mail"] == JANE["mail"]


def test_an_object_that_has_a_url_of_its_own_needs_no_list(service):
    service.hidden.add("/users")
    at = f"{service.url}/users/jane"
    assert ensure(service, at=at).created
    assert not ensure(service, at=at).changed
    assert ensure(service, JANE | {"mail": "y"}, at=at).changed


def test_a_token_is_a_way_in_and_the_wrong_one_an_error_with_status_and_words_and_no_secret(service):
    assert ensure(service, auth=service.password).created
    with pytest.raises(KitError, match=r"(?s)GET http://127.*/users: status 401.*who are you") as caught:
        ensure(service, auth=("admin", "the-wrong-one"))
    assert "the-wrong-one" not in str(caught.value)


def test_a_server_that_is_not_ready_is_asked_again(service):
    service.faults += [(503, b"starting"), (502, b"starting")]
    assert ensure(service).created
    assert len(service.seen) == 4


def test_a_server_that_never_is_ready_costs_the_time_limit_and_is_told_with_its_words(service):
    service.faults += [(503, b"still starting")] * 100
    started = time.monotonic()
    with pytest.raises(KitError, match=r"(?s)status 503.*still starting") as caught:
        ensure(service, timeout=1.0)
    assert caught.value.cause is Cause.NETWORK
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("ask", [rest.wait, functools.partial(rest.request, "GET")], ids=["wait", "request"])
def test_an_answer_is_told_though_the_last_attempt_had_no_time_for_one(ask):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_once() -> None:
            with listener.accept()[0] as first:
                first.recv(4096)
                first.sendall(b"HTTP/1.1 503 x\r\nContent-Length: 14\r\nConnection: close\r\n\r\nstill starting")

        thread = threading.Thread(target=answer_once)
        thread.start()
        with pytest.raises(KitError, match=r"(?s)status 503.*still starting"):
            ask(f"http://127.0.0.1:{listener.getsockname()[1]}/health", timeout=1.0)
        thread.join(20)


def test_a_server_that_starts_later_is_waited_for():
    port, made = free_port(), threading.Event()

    def later() -> None:
        time.sleep(0.6)
        with server(port) as service:
            service.password = "known-beforehand"
            made.wait(20)

    thread = threading.Thread(target=later)
    thread.start()
    try:
        done = rest.ensure(f"http://127.0.0.1:{port}/users", JANE, auth="known-beforehand", timeout=15)
        assert done.created
    finally:
        made.set()
        thread.join(20)


def test_nobody_there_is_an_error_without_the_password_that_the_url_has():
    with pytest.raises(KitError, match=r"no answer in 0\.3 s: .*refused") as caught:
        rest.request("GET", f"http://admin:in-the-url@127.0.0.1:{free_port()}/x?token=in-the-query", timeout=0.3)
    assert "in-the-" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "users", "ftp://127.0.0.1/x", "http://[::1", "http://127.0.0.1:99999/x", "http://"]
)
def test_what_is_no_url_of_http_is_an_error_at_once(url):
    started = time.monotonic()
    with pytest.raises(KitError):
        rest.request("GET", url, timeout=20)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("answer", [b"<html>", b"[" * 100_000, b"\xff\xfe", b'{"a": '])
def test_an_answer_that_is_no_json_is_an_error_that_shows_its_beginning(service, answer):
    service.faults.append((200, answer))
    with pytest.raises(KitError, match="is not JSON") as caught:
        ensure(service)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("answer", [b"1", b"null", b'["a", 1, null]', b'{"data": 5}', b'[{"name": ["x"]}]'])
def test_a_list_of_other_things_has_no_such_object(service, answer):
    service.faults.append((200, answer))
    assert ensure(service).created


def test_an_answer_without_an_end_is_cut_off(service):
    service.faults.append((200, b" " * (5 << 20)))
    with pytest.raises(KitError, match="larger than 4 MiB"):
        ensure(service)


def test_the_password_goes_to_no_other_server_that_an_answer_leads_to(service):
    with server() as other:
        service.faults.append((200, f'[{{"name": "jane", "id": 7, "url": "{other.url}/users/7"}}]'.encode()))
        with pytest.raises(KitError, match=f"PATCH {service.url}/users/7: status 404"):
            ensure(service, {"name": "jane", "id": 8})
        assert other.seen == []


def test_a_link_in_an_answer_that_is_no_url_is_not_followed(service):
    service.faults.append((200, b'[{"name": "jane", "id": 7, "url": "http://[::1"}]'))
    with pytest.raises(KitError, match="/users/7: status 404"):
        ensure(service, {"name": "jane", "id": 8})


def test_an_answer_that_comes_a_byte_at_a_time_costs_the_time_limit(service):
    service.dripping = True
    started = time.monotonic()
    with pytest.raises(KitError, match="has no end"):
        ensure(service, timeout=1.0)
    assert time.monotonic() - started < 20


def test_an_object_that_somebody_else_made_meanwhile_is_there(service):
    service.objects["/users"] = []
    service.faults += [(200, b"[]"), (409, b"there already")]
    service.objects["/users"].append({"name": "jane", "id": 1})
    assert not ensure(service).created


def test_a_refusal_because_something_else_does_not_exist_is_no_success(service):
    service.faults += [(200, b"[]"), (422, b'{"message": "the group does not exist"}')]
    with pytest.raises(KitError, match="status 422"):
        ensure(service)
    service.faults += [(200, b"[]"), (422, b'{"message": "user already exists"}')]
    assert not ensure(service).created


def test_a_redirection_of_a_post_is_an_error_and_not_a_get_that_looks_like_success(service):
    service.faults += [(200, b"[]")]
    service.redirects["/users"] = f"{service.url}/elsewhere"
    with pytest.raises(KitError, match="status 302"):
        ensure(service)


def test_a_get_is_followed_and_what_else_the_answer_says_is_not_read(service):
    ensure(service)
    service.leads["/people"] = "/users"
    found = rest.request("GET", f"{service.url}/people", auth=("admin", service.password), timeout=5.0)
    assert [each["name"] for each in found] == ["jane"]


@pytest.mark.parametrize("auth", ["token", "password"])
def test_where_an_answer_leads_to_another_server_that_gets_no_credentials(service, auth):
    with server() as other:
        other.password = service.password
        service.leads["/users"] = f"{other.url}/users"
        given = ("admin", service.password) if auth == "password" else service.password
        with pytest.raises(KitError, match="status 401"):
            rest.request("GET", f"{service.url}/users", auth=given, timeout=5.0)
        assert other.seen == ["GET /users"]


@pytest.mark.parametrize("target", ["/round", "http://[::1/users", "gopher://127.0.0.1/"])
def test_an_answer_that_leads_nowhere_is_an_error(service, target):
    service.leads["/round"] = target
    with pytest.raises(KitError) as caught:
        rest.request("GET", f"{service.url}/round", timeout=5.0)
    assert caught.value.cause == Cause.CONFIG


def test_a_body_without_the_field_that_it_is_found_by_is_an_error_before_anything_is_asked(service):
    with pytest.raises(KitError, match="has no 'login'"):
        ensure(service, match="login")
    assert service.seen == []


def test_waiting_for_a_url_ends_when_it_is_there_and_else_says_what_it_answered(service):
    service.faults += [(500, b"not yet"), (404, b"not yet"), (200, b"{}")]
    rest.wait(f"{service.url}/health", timeout=20)
    with pytest.raises(KitError, match="status 401"):
        rest.wait(f"{service.url}/health", timeout=1.0)
