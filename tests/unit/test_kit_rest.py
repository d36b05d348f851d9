"""REST objects against a small service over real HTTP on loopback."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest
from support.kit.rest import Service, server

from labwright.errors import Cause
from labwright.kit import KitError, rest

JANE = {"name": "jane", "password": "never-in-an-error", "full": "Jane Doe"}


def ensure(service: Service, body: dict[str, Any], **more: Any) -> rest.Ensured:
    return rest.ensure(f"{service.url}/users", body, **({"auth": ("admin", service.password), "timeout": 5} | more))


def test_an_object_is_made_once_compared_and_updated_where_it_differs() -> None:
    with server() as service:
        assert ensure(service, JANE).created
        assert not ensure(service, JANE).changed, "a password that the server does not show is no difference"
        changed = ensure(service, JANE | {"full": "Jane Roe"})
        assert (changed.changed, changed.created) == (True, False)
        assert service.objects["/users"][0]["full"] == "Jane Roe"
        assert [line for line in service.seen if not line.startswith("GET")] == ["POST /users", "PATCH /users/1"]


def test_an_object_with_an_address_of_its_own_needs_no_list() -> None:
    with server() as service:
        service.hidden.add("/users")
        at = f"{service.url}/users/jane"
        assert ensure(service, JANE, at=at).created
        assert not ensure(service, JANE, at=at).changed
        assert ensure(service, JANE | {"full": "x"}, at=at, update="PUT").changed


def test_a_difference_that_may_not_be_updated_is_an_error_that_names_it() -> None:
    with server() as service:
        ensure(service, JANE)
        with pytest.raises(KitError, match="other values of full"):
            ensure(service, JANE | {"full": "x"}, update="")


def test_a_token_lets_in_too() -> None:
    with server() as service:
        assert ensure(service, JANE, auth=service.password).created


def test_an_error_shows_the_status_and_the_answers_beginning_and_no_secret() -> None:
    with server() as service, pytest.raises(KitError, match=r"(?s)GET .*/users: status 401.*who are you") as caught:
        ensure(service, JANE, auth=("admin", "a-wrong-secret"))
    assert "a-wrong-secret" not in str(caught.value)
    assert "never-in-an-error" not in str(caught.value)
    with pytest.raises(KitError) as caught:
        rest.request("GET", "http://admin:in-the-url@127.0.0.1:1/x?token=in-the-query", timeout=0.1)
    assert "in-the-" not in str(caught.value)


def test_a_service_that_starts_late_is_waited_for() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done: list[bool] = []

    def later() -> None:
        try:
            rest.ensure(f"http://127.0.0.1:{port}/users", JANE, auth="x", timeout=10)
        except KitError as error:
            done.append("status 401" in str(error))

    thread = threading.Thread(target=later)
    thread.start()
    time.sleep(0.4)
    with server(port):
        thread.join(15)
    assert done == [True], "it was refused by the service itself, once that was there"


def test_a_service_that_is_not_there_costs_the_time_limit_and_no_more() -> None:
    started = time.monotonic()
    with pytest.raises(KitError, match=r"no answer in 0\.5 s") as caught:
        rest.request("GET", "http://127.0.0.1:1/", timeout=0.5)
    assert time.monotonic() - started < 20
    assert caught.value.cause is Cause.NETWORK


def test_a_server_that_is_not_ready_yet_is_asked_again() -> None:
    with server() as service:
        service.faults += [(503, b"starting"), (502, b""), (504, b"")]
        assert ensure(service, JANE).created


def test_two_that_create_the_same_object_at_once_both_succeed() -> None:
    with server() as service:
        ensure(service, JANE)
        service.faults.append((200, b"[]"))
        assert not ensure(service, JANE).created, "the list was old: somebody else was faster"


def test_what_a_service_says_already_exists_is_there_though_no_list_shows_it() -> None:
    with server() as service:
        ensure(service, JANE)
        service.faults += [(200, b"[]"), (422, b'{"message": "user already exists"}'), (200, b"[]")]
        assert not ensure(service, JANE).changed


def test_another_refusal_is_never_taken_for_an_object_that_is_there() -> None:
    with server() as service:
        service.faults += [(200, b"[]"), (422, b'{"message": "name is too long"}'), (200, b"[]")]
        with pytest.raises(KitError, match=r"(?s)status 422.*too long"):
            ensure(service, JANE)


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100000, b"\xff\xfe"])
def test_an_answer_that_is_not_json_is_an_error_with_its_beginning(body: bytes) -> None:
    with server() as service:
        service.faults.append((200, body))
        with pytest.raises(KitError, match="not JSON"):
            ensure(service, JANE)


def test_a_link_to_another_server_never_gets_the_password() -> None:
    with server() as service, server() as other:
        ensure(service, JANE)
        service.objects["/users"][0]["url"] = f"{other.url}/users/1"
        ensure(service, JANE | {"full": "x"})
        assert other.seen == []
