"""Calls of REST APIs over a real wire: what answers, breaks off, drips, lies and moves house."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from earthcode.connectors import reasons, rest
from earthcode.connectors.base import ConnectorError
from earthcode.connectors.rest import RestApi
from tests.support.wire import Talk, says, server_context, wire

SECRET = "token-nobody-may-see"


def hangs_up(connection: socket.socket) -> None:
    """Nothing is said at all."""


def breaks_off(connection: socket.socket) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"half": ')


@pytest.fixture
def call() -> Iterator[Callable[..., rest.Answer]]:
    apis = []

    def make(url: str, *, timeout_s: float = 10, expect: frozenset[int] = frozenset({200})) -> rest.Answer:
        api = RestApi(url, headers={"Authorization": f"token {SECRET}"}, timeout_s=timeout_s)
        apis.append(api)
        return api.call("GET", "/thing", expect=expect)

    yield make
    for api in apis:
        api.close()


def refused(call: Callable[..., rest.Answer], *talks: Talk, **options: object) -> ConnectorError:
    with wire(*talks) as url:
        with pytest.raises(ConnectorError) as caught:
            call(url, **options)
        assert url not in str(caught.value)
    assert SECRET not in str(caught.value)
    return caught.value


def test_an_expected_answer_is_given_back(call: Callable[..., rest.Answer]) -> None:
    with wire(says(200, '{"a": [1, "ü"]}')) as url:
        assert call(url) == rest.Answer(200, {"a": [1, "ü"]})
    with wire(says(204)) as url:
        assert call(url, expect=frozenset({204})) == rest.Answer(204, None)


def test_the_secret_goes_to_the_platform(call: Callable[..., rest.Answer]) -> None:
    heard = []

    def listens(connection: socket.socket) -> None:
        says(200, "{}")(connection)

    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        heard.append(connection.recv(65536).decode())
        listens(connection)
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    call(f"http://127.0.0.1:{listener.getsockname()[1]}/hub/api")
    thread.join()
    listener.close()

    assert heard[0].startswith("GET /hub/api/thing HTTP/1.1")
    assert f"authorization: token {SECRET}" in heard[0].replace("Authorization", "authorization")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_passes_by_itself_is_worth_another_try(call: Callable[..., rest.Answer], status: int) -> None:
    assert not refused(call, says(status, '{"message": "x"}')).permanent


@pytest.mark.parametrize("status", [400, 401, 403, 405, 409, 410, 422])
def test_a_refusal_stays_until_somebody_changes_something(call: Callable[..., rest.Answer], status: int) -> None:
    assert refused(call, says(status, '{"message": null}')).permanent


@pytest.mark.parametrize("status", [401, 403])
def test_credentials_that_do_not_suffice_are_called_that(call: Callable[..., rest.Answer], status: int) -> None:
    assert refused(call, says(status, "<html>", kind="text/html")).code == reasons.NOT_ALLOWED


def test_a_404_of_the_api_itself_can_be_expected(call: Callable[..., rest.Answer]) -> None:
    with wire(says(404, '{"status": 404, "message": null}')) as url:
        assert call(url, expect=frozenset({200, 404})).status == 404
    assert refused(call, says(404, '{"status": 404}')).permanent


@pytest.mark.parametrize("content", ["<h1>404</h1>", "", "Not Found", '"not found"'])
def test_a_404_of_something_in_front_of_the_api_is_not_absence(call: Callable[..., rest.Answer], content: str) -> None:
    error = refused(call, says(404, content, kind="text/html"), expect=frozenset({200, 404}))

    assert not error.permanent
    assert error.code == reasons.NOT_ITS_OWN


@pytest.mark.parametrize("content", ["<html>Sign in to the network</html>", "", "[1]", "null", '{"half": '])
def test_an_answer_that_is_no_document_is_not_taken_for_one(call: Callable[..., rest.Answer], content: str) -> None:
    with wire(says(200, content)) as url:
        answer = call(url)

    with pytest.raises(ConnectorError) as caught:
        _ = answer.document
    assert not caught.value.permanent


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(call: Callable[..., rest.Answer], status: int) -> None:
    def must_not_be_asked(connection: socket.socket) -> None:
        raise AssertionError("the redirect was followed")

    with wire(must_not_be_asked) as elsewhere:
        error = refused(call, says(status, more=f"Location: {elsewhere}/stolen\r\n"))

    assert error.permanent
    assert error.code == reasons.ELSEWHERE


def test_an_unexpected_success_is_worth_another_try(call: Callable[..., rest.Answer]) -> None:
    assert not refused(call, says(201, "{}")).permanent


@pytest.mark.parametrize("talk", [hangs_up, breaks_off])
def test_a_broken_connection_is_worth_another_try(call: Callable[..., rest.Answer], talk: Talk) -> None:
    assert not refused(call, talk).permanent


def test_nobody_there_is_worth_another_try(call: Callable[..., rest.Answer]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(ConnectorError) as caught:
        call(f"http://127.0.0.1:{port}")

    assert not caught.value.permanent
    assert caught.value.code == reasons.UNREACHABLE


def test_silence_ends_at_the_deadline(call: Callable[..., rest.Answer]) -> None:
    done = threading.Event()

    def silent(connection: socket.socket) -> None:
        done.wait(30)

    with wire(silent) as url:
        try:
            with pytest.raises(ConnectorError) as caught:
                call(url, timeout_s=0.2)
        finally:
            done.set()

    assert caught.value.code == reasons.TOO_SLOW
    assert not caught.value.permanent


def test_an_answer_that_drips_for_ever_ends_at_the_deadline(call: Callable[..., rest.Answer]) -> None:
    # Each drop comes well within the time limit of one read.
    def drips(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            connection.sendall(b" ")
            time.sleep(0.02)

    error = refused(call, drips, timeout_s=0.3)

    assert error.code == reasons.TOO_SLOW


def test_an_answer_without_end_is_not_kept(call: Callable[..., rest.Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "ANSWER_MAX", 100_000)

    def floods(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    assert not refused(call, floods).permanent


def test_all_calls_together_end_at_the_deadline() -> None:
    with wire(says(200, "{}")) as url:
        api = RestApi(url, headers={}, timeout_s=0.05)
        deadline = time.monotonic() + 10

        def call_on_and_on() -> None:
            while time.monotonic() < deadline:
                api.call("GET", "/", expect={200})

        with pytest.raises(ConnectorError, match="in time"):
            call_on_and_on()
        api.close()


def test_a_certificate_nobody_vouches_for_is_refused_before_the_secret_is_sent(
    call: Callable[..., rest.Answer], tmp_path: Path
) -> None:
    heard = []

    def overhears(connection: socket.socket) -> None:
        heard.append("the call")

    with wire(overhears, context=server_context(tmp_path, "127.0.0.1")) as url, pytest.raises(ConnectorError) as caught:
        call(url)

    assert caught.value.permanent
    assert caught.value.code == reasons.UNTRUSTED
    assert heard == []
