"""Text that is encrypted where it is kept: whoever reads a copy of the database reads nothing of it.

``SEALING_KEYS`` are the keys (long random texts), the one in use first, former ones after it until everything was sealed anew
(``manage.py reseal``). ``SECRET_KEY`` and its fallbacks come last, and serve where no others are given.
"""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models

if TYPE_CHECKING:
    _TextField = models.TextField[str, str]
else:
    _TextField = models.TextField


class SealedTextField(_TextField):
    """A text in Python, and in the table what Fernet (AES-128 with HMAC-SHA256) makes of it under the first key.

    Empty stays empty. What was sealed under a former key can still be read; under none of them, it is
    as if it were not there. It cannot be searched for.
    """

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        return _box(*_keys()).encrypt(text.encode()).decode() if text else text

    def from_db_value(self, value: str | None, *_: Any) -> str | None:
        if not value:
            return value
        try:
            return _box(*_keys()).decrypt(value.encode()).decode()
        except InvalidToken:
            return ""


class CannotUnseal(Exception):
    """Sealed with a key that this site does not have (any more), or damaged."""


def seal(secrets: Mapping[str, str]) -> str:
    """A text that only this site's keys open."""
    return _box(*_keys()).encrypt(json.dumps(dict(secrets), sort_keys=True).encode()).decode()


def unseal(sealed: str) -> dict[str, str]:
    """What was sealed by ``seal``; "" holds nothing. Raises ``CannotUnseal``."""
    if not sealed:
        return {}
    try:
        opened: dict[str, str] = json.loads(_box(*_keys()).decrypt(sealed.encode()))
    except InvalidToken:
        raise CannotUnseal from None
    return opened


def reseal(sealed: str) -> str:
    """The same secrets under the first key. Raises ``CannotUnseal``."""
    try:
        return _box(*_keys()).rotate(sealed.encode()).decode() if sealed else ""
    except InvalidToken:
        raise CannotUnseal from None


def _keys() -> tuple[str, ...]:
    return (*settings.SEALING_KEYS, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


@functools.cache
def _box(*secrets: str) -> MultiFernet:
    return MultiFernet([Fernet(_key(each)) for each in secrets])


def _key(secret: str) -> bytes:
    """A key for this purpose alone, so that what else is made of the secret says nothing about it."""
    derived = HKDF(SHA256(), length=32, salt=None, info=b"earthcode.lib.sealed").derive(secret.encode())
    return base64.urlsafe_b64encode(derived)
