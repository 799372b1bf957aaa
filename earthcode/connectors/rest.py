"""What connectors to REST APIs share: calls within one deadline, and failures as codes fit for a scientist.

Which failures are permanent decides whether we try again without being asked:

- No connection, no answer in time, 408, 425, 429 and 5xx pass after a while: transient.
- A certificate we cannot trust, a redirect, and every other 4xx stay until somebody changes something: permanent.
- An answer that is not the API's own (HTML from a proxy whose server is restarting, half a document) says nothing
  about the platform: transient. In particular a 404 counts as "there is no such thing" only where the API itself said
  so; from a proxy it would let us believe that access is gone that is still there.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import httpx

from earthcode.connectors import reading, reasons
from earthcode.connectors.base import ConnectorError, Party

#: No answer we want is larger; more than this is a mistake or an attack.
ANSWER_MAX = 8 * 1024 * 1024
#: One call gets at most this long, so that a single slow one leaves time for the rest.
CALL_MAX_S = 20.0
#: Nobody is waited for longer than this because they said so.
RETRY_AFTER_MAX_S = 6 * 3600.0

_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True)
class Answer:
    """What the API said. ``body`` is None where it said nothing or nothing in JSON; ``content`` is as it came."""

    status: int
    body: Any
    content: bytes = field(default=b"", compare=False, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object it has to be; raises ``ConnectorError`` where it is something else."""
        return reading.mapping(self.body)

    @property
    def platform_at(self) -> datetime | None:
        """The platform's clock, where it tells."""
        return reading.date_header(self.headers)

    @property
    def retry_after_s(self) -> float | None:
        """Seconds that the platform asks us to wait, where it does."""
        said = self.headers.get("retry-after", "").strip()
        if said.isascii() and said.isdigit() and len(said) < 10:
            return min(float(said), RETRY_AFTER_MAX_S)
        moment = reading.date_header({"date": said})
        if moment is None:
            return None
        return min(max(0.0, (moment - (self.platform_at or datetime.now(UTC))).total_seconds()), RETRY_AFTER_MAX_S)


class RestApi:
    """One platform's API. All calls together take no longer than ``timeout_s`` from now."""

    def __init__(
        self, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float, auth: httpx.Auth | None = None
    ) -> None:
        self._url = url
        self._ends = time.monotonic() + timeout_s
        # Redirects are not followed: they would carry our credentials to another place. Nor is a proxy of the environment
        # or somebody's netrc used.
        self._client = httpx.Client(headers=dict(headers or {}), auth=auth, follow_redirects=False, trust_env=False)

    def close(self) -> None:
        self._client.close()

    @property
    def time_left_s(self) -> float:
        """Seconds until the deadline; raises ``ConnectorError`` when there are none."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise ConnectorError(reasons.TOO_SLOW)
        return left

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        expect: Collection[int],
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        content: bytes | None = None,
        absent_is_json: bool = True,
    ) -> Answer:
        """One call, answered with one of the ``expect``-ed codes; raises ``ConnectorError`` for everything else.

        ``body`` is sent as JSON, ``data`` as a form, ``content`` as it is. ``absent_is_json``: this API's own 404 is a JSON
        object, so any other comes from somewhere else.
        """
        sent: dict[str, Any] = {"params": params, "headers": headers}
        if content is not None:
            sent["content"] = content
        elif data is not None:
            sent["data"] = dict(data)
        elif body is not None:
            sent["json"] = body
        answer = self._ask(method, path, sent)
        foreign = absent_is_json and _is_somebody_elses(answer)
        if answer.status in expect and not foreign:
            return answer
        raise _error_for(answer, foreign=foreign)

    def _ask(self, method: str, path: str, sent: Mapping[str, Any]) -> Answer:
        timeout = httpx.Timeout(min(CALL_MAX_S, self.time_left_s))
        ends = time.monotonic() + CALL_MAX_S
        content = bytearray()
        try:
            with self._client.stream(method, self._url + path, timeout=timeout, **sent) as response:
                # Read in pieces, because httpx limits the wait for each piece and not for the whole.
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > ANSWER_MAX:
                        raise ConnectorError(reasons.TOO_LARGE)
                    if time.monotonic() > min(ends, self._ends):
                        raise ConnectorError(reasons.TOO_SLOW)
        except httpx.TimeoutException as error:
            raise ConnectorError(reasons.TOO_SLOW) from error
        except httpx.ConnectError as error:
            if _is_about_trust(error):
                raise ConnectorError(reasons.UNTRUSTED, permanent=True) from error
            raise ConnectorError(reasons.UNREACHABLE) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ConnectorError(reasons.UNREACHABLE) from error
        try:
            body = reading.decoded(bytes(content)) if content else None
        except ValueError:
            body = None
        return Answer(response.status_code, body, bytes(content), {k.lower(): v for k, v in response.headers.items()})


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


def _error_for(answer: Answer, *, foreign: bool) -> ConnectorError:
    status = answer.status
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return ConnectorError(reasons.NOT_ALLOWED, permanent=True)
    if foreign:
        return ConnectorError(reasons.NOT_ITS_OWN)
    if 300 <= status < 400:
        return ConnectorError(reasons.ELSEWHERE, permanent=True)
    if status in _PASSING or status >= 500:
        return ConnectorError(reasons.BUSY, status=status, retry_after_s=answer.retry_after_s)
    if status < 300:
        return ConnectorError(reasons.NOT_ITS_OWN)
    return ConnectorError(reasons.REFUSED, permanent=True, for_whom=Party.PROVIDER, status=status)
