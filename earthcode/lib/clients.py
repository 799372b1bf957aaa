"""Telling visitors without an account apart for as long as something is counted, without knowing who they are."""

from collections.abc import Mapping
from datetime import date
from hashlib import blake2b
from typing import Any

from django.conf import settings


def digest_of(meta: Mapping[str, Any], *, on: date) -> str:
    """Stands for the address that a request came from, on one day: keyed, so that nobody can work it back.

    Behind a proxy the last address of ``X-Forwarded-For`` is the one that the proxy itself saw.
    """
    address = str(meta.get("REMOTE_ADDR", ""))
    if settings.BEHIND_PROXY:
        address = str(meta.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip() or address
    text = f"{on.isoformat()} {address}"
    return blake2b(text.encode(), digest_size=16, key=settings.SECRET_KEY.encode()[:64]).hexdigest()
