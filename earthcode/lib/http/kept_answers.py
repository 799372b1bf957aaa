"""Finished answers, kept in memory as the compressed bytes that were sent: for what everybody is answered alike.

A key says all that an answer was made from, the state of the data among it, so nothing has to be thrown away when something
changes, and another process keeps answers of its own. What is kept is bounded in bytes; what nobody asked for longest goes.
"""

from __future__ import annotations

import gzip
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

try:
    import brotli  # type: ignore[import-untyped]
except ImportError:  # pragma: no cover  # it is the better of two, and nothing needs it
    brotli = None

#: Bytes kept by one process, all encodings together.
BYTES_MAX: Final = 24 * 1024 * 1024
_BROTLI_QUALITY: Final = 9
#: Headers that belong to one answer and not to what is kept.
_OF_ONE_ANSWER: Final = frozenset({"set-cookie", "date", "content-length", "content-encoding", "vary"})


@dataclass(frozen=True)
class Kept:
    """One answer: its headers, and its body by encoding."""

    headers: Mapping[str, str]
    vary: str
    plain: bytes
    gzipped: bytes
    brotlied: bytes

    @property
    def size(self) -> int:
        return len(self.plain) + len(self.gzipped) + len(self.brotlied)

    def answer(self, request: HttpRequest) -> HttpResponse:
        """The answer in the best encoding that the request accepts."""
        accepted = request.headers.get("Accept-Encoding", "")
        if self.brotlied and "br" in _names(accepted):
            body, encoding = self.brotlied, "br"
        elif "gzip" in _names(accepted):
            body, encoding = self.gzipped, "gzip"
        else:
            body, encoding = self.plain, ""
        response = HttpResponse(body)
        for name, value in self.headers.items():
            response.headers[name] = value
        if encoding:
            response.headers["Content-Encoding"] = encoding
        if self.vary:
            response.headers["Vary"] = self.vary
        patch_vary_headers(response, ["Accept-Encoding"])
        return response


class KeptAnswers:
    """Answers by key, the ones asked for longest ago thrown away first."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._lock = threading.Lock()
        self.size = 0

    def get(self, key: Hashable) -> Kept | None:
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
            return kept

    def keep(self, key: Hashable, response: HttpResponse) -> None:
        """Keep a finished answer. The caller has seen to it that everybody with this key is answered alike."""
        plain = response.content
        kept = Kept(
            headers={name: value for name, value in response.headers.items() if name.lower() not in _OF_ONE_ANSWER},
            vary=response.headers.get("Vary", ""),
            plain=plain,
            gzipped=gzip.compress(plain, 9, mtime=0),
            brotlied=brotli.compress(plain, quality=_BROTLI_QUALITY) if brotli else b"",
        )
        if kept.size > self._bytes_max:
            return
        with self._lock:
            before = self._kept.pop(key, None)
            self.size += kept.size - (before.size if before else 0)
            self._kept[key] = kept
            while self.size > self._bytes_max:
                _key, oldest = self._kept.popitem(last=False)
                self.size -= oldest.size

    def forget_all(self) -> None:
        """Nothing depends on it but measurements and tests."""
        with self._lock:
            self._kept.clear()
            self.size = 0


def _names(accepted: str) -> set[str]:
    """The encodings a header accepts; one with the weight 0 is not."""
    found = set()
    for part in accepted.split(","):
        name, _semicolon, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0"):
            found.add(name.strip().lower())
    return found


#: Those of this process.
answers: Final = KeptAnswers()
