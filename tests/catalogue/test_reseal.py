"""A change of the keys that platforms' credentials are encrypted with."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command

from earthcode.catalogue.models import Platform
from earthcode.lib.sealed import seal, unseal

pytestmark = pytest.mark.django_db


def test_after_it_the_former_key_is_not_needed_any_more(hub_platform: Platform, settings: Any) -> None:
    settings.SEALING_KEYS = ["the former key"]
    Platform.objects.filter(pk=hub_platform.pk).update(connector_sealed=seal({"token": "x"}))
    settings.SEALING_KEYS = ["the new key", "the former key"]

    call_command("reseal")

    settings.SEALING_KEYS = ["the new key"]
    hub_platform.refresh_from_db()
    assert unseal(hub_platform.connector_sealed) == {"token": "x"}


def test_what_no_key_opens_is_named_and_left_as_it_is(hub_platform: Platform) -> None:
    Platform.objects.filter(pk=hub_platform.pk).update(connector_sealed="damaged")

    with pytest.raises(CommandError, match=hub_platform.slug):
        call_command("reseal")

    hub_platform.refresh_from_db()
    assert hub_platform.connector_sealed == "damaged"
