"""How credits, and the steps of a lifecycle, look in the API."""

from decimal import Decimal, InvalidOperation
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from earthcode.identity.models import User
from earthcode.lib.money import as_credits
from earthcode.lib.money import credits as to_micro


@extend_schema_field({"type": "string", "format": "decimal", "example": "2240.5"})
class CreditsField(serializers.Field[int, str, str, Any]):
    """Micro-credits inside, a decimal number of credits outside; as text, because JSON readers round long numbers."""

    default_error_messages = {
        "invalid": "Write a number of credits with at most six decimals, as text: “12.5”.",
    }

    def to_representation(self, value: int) -> str:
        return credits_text(value)

    def to_internal_value(self, data: str) -> int:
        try:
            return to_micro(Decimal(str(data)))
        except (ValueError, InvalidOperation, OverflowError):
            self.fail("invalid")


def credits_text(amount: int) -> str:
    """Micro-credits as plain decimal credits: ``2240.5``, without groups and without trailing zeros."""
    text = f"{as_credits(amount):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class StepSerializer(serializers.Serializer[Any]):
    """A step that the person asking can take now."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # hides what the base class calls so, which nobody asks
    url = serializers.URLField(help_text="Where to POST to take it")


def person_asking(request: Request) -> User:
    """Who the bearer token speaks for. The view's permissions have refused everybody without one."""
    assert isinstance(request.user, User)
    return request.user


def absolute(request: Request, name: str, *arguments: object) -> str:
    """The full address of an endpoint or a page."""
    return request.build_absolute_uri(reverse(name, args=arguments))
