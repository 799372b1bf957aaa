"""Secrets at rest, and the change of keys."""

from typing import Any

import pytest
from cryptography.fernet import Fernet

from earthcode.lib.sealed import CannotUnseal, reseal, seal, unseal

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_what_is_sealed_can_be_opened_and_not_be_read(settings: Any) -> None:
    sealed = seal({"token": "a-planted-secret"})

    assert unseal(sealed) == {"token": "a-planted-secret"}
    assert "planted" not in sealed
    assert unseal("") == {}


def test_a_new_key_opens_what_the_former_one_sealed_until_it_is_resealed(settings: Any) -> None:
    settings.SEALING_KEYS = [OLD]
    sealed = seal({"token": "x"})

    settings.SEALING_KEYS = [NEW, OLD]
    assert unseal(sealed) == {"token": "x"}
    anew = reseal(sealed)

    settings.SEALING_KEYS = [NEW]
    settings.SECRET_KEY_FALLBACKS = []
    assert unseal(anew) == {"token": "x"}
    with pytest.raises(CannotUnseal):
        unseal(sealed)
    with pytest.raises(CannotUnseal):
        reseal(sealed)


def test_without_keys_of_their_own_the_secret_key_and_its_fallbacks_serve(settings: Any) -> None:
    settings.SEALING_KEYS = []
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the first", []
    sealed = seal({"token": "x"})

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the second", ["the first"]
    assert unseal(sealed) == {"token": "x"}

    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(CannotUnseal):
        unseal(sealed)


@pytest.mark.parametrize("damaged", ["x", "gAAAA", "ünreadable", " "])
def test_what_is_damaged_is_said_to_be(damaged: str) -> None:
    with pytest.raises(CannotUnseal):
        unseal(damaged)
