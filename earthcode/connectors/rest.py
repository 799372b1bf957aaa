"""What connectors to REST APIs share: calls within one deadline, and failures in words fit for a scientist.

Which failures are permanent decides whether we try again by ourselves:

- No connection, no answer in time, 408, 425, 429 and 5xx pass by themselves: transient.
- A certificate we cannot trust, a redirect, and every other 4xx stay until somebody changes something: permanent.
- An answer that is not the API's own (HTML from a proxy whose server is restarting, half a document) says nothing
  about the platform: transient. In particular a 404 counts as "there is no such thing" only where the API itself said
  so; from a proxy it would let us believe that access is gone that is still there.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx

from earthcode.connectors.base import ConnectorError

#: No answer we want is larger; more than this is a mistake or an attack.
ANSWER_MAX = 8 * 1024 * 1024
#: One call gets at most this long, so that a single slow one leaves time for the rest.
CALL_MAX_S = 20.0

_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})

UNREACHABLE = "The platform cannot be reached at the moment."
TOO_SLOW = "The platform did not answer in time."
UNTRUSTED = "The platform's certificate cannot be trusted, so nothing was sent to it."
NOT_ITS_OWN = "The answer did not come from the platform itself; it may be restarting."
NOT_ALLOWED = "The platform does not accept our credentials, or they do not give the rights that are needed."
ELSEWHERE = "The platform's API has moved; its address has to be changed here."


@dataclass(frozen=True)
class Answer:
    """What the API said. ``body`` is None where it said nothing or nothing in JSON."""

    status: int
    body: Any

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object it has to be; raises ``ConnectorError`` where it is something else."""
        if not isinstance(self.body, dict):
            raise ConnectorError(NOT_ITS_OWN)
        return self.body


def url_of(config: Mapping[str, Any], name: str, *, default: str = "") -> str:
    """An address from a platform's settings, without a slash at its end."""
    url = config.get(name, default)
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        raise ConnectorError(f"The setting “{name}” of the platform has to be a web address.", permanent=True)
    return str(url).rstrip("/")


class RestApi:
    """One platform's API over JSON. All calls together take no longer than ``timeout_s`` from now."""

    def __init__(self, url: str, *, headers: Mapping[str, str], timeout_s: float) -> None:
        self._url = url
        self._ends = time.monotonic() + timeout_s
        # Redirects are not followed: they would carry our credentials to another place.
        self._client = httpx.Client(headers=dict(headers), follow_redirects=False)

    def close(self) -> None:
        self._client.close()

    @property
    def time_left_s(self) -> float:
        """Seconds until the deadline; raises ``ConnectorError`` when there are none."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise ConnectorError(TOO_SLOW)
        return left

    def call(self, method: str, path: str, body: Any = None, *, expect: Collection[int]) -> Answer:
        """One call, answered with one of the ``expect``-ed codes; raises ``ConnectorError`` for everything else."""
        answer = self._ask(method, path, body)
        if answer.status in expect and not _is_somebody_elses(answer):
            return answer
        raise _error_for(answer)

    def _ask(self, method: str, path: str, body: Any) -> Answer:
        timeout = httpx.Timeout(min(CALL_MAX_S, self.time_left_s))
        ends = time.monotonic() + CALL_MAX_S
        content = bytearray()
        try:
            with self._client.stream(method, self._url + path, json=body, timeout=timeout) as response:
                # Read in pieces, because httpx limits the wait for each piece and not for the whole.
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > ANSWER_MAX or time.monotonic() > min(ends, self._ends):
                        raise ConnectorError(TOO_SLOW)
        except httpx.TimeoutException as error:
            raise ConnectorError(TOO_SLOW) from error
        except httpx.ConnectError as error:
            if _is_about_trust(error):
                raise ConnectorError(UNTRUSTED, permanent=True) from error
            raise ConnectorError(UNREACHABLE) from error
        except httpx.HTTPError as error:
            raise ConnectorError(UNREACHABLE) from error
        try:
            return Answer(response.status_code, json.loads(content) if content else None)
        except ValueError:
            return Answer(response.status_code, None)


def _is_somebody_elses(answer: Answer) -> bool:
    """Whether a 404 comes from something in front of the API: its own are JSON objects."""
    return answer.status == HTTPStatus.NOT_FOUND and not isinstance(answer.body, dict)


def _is_about_trust(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _error_for(answer: Answer) -> ConnectorError:
    status = answer.status
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return ConnectorError(NOT_ALLOWED, permanent=True)
    if _is_somebody_elses(answer):
        return ConnectorError(NOT_ITS_OWN)
    if 300 <= status < 400:
        return ConnectorError(ELSEWHERE, permanent=True)
    if status in _PASSING or status >= 500:
        return ConnectorError(f"The platform could not do this at the moment (code {status}).")
    if status < 300:
        return ConnectorError(NOT_ITS_OWN)
    return ConnectorError(f"The platform refused this (code {status}).", permanent=True)
