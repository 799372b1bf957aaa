"""Reads of a person's messages."""

from uuid import UUID

from django.db.models import QuerySet

from earthcode.notifications.models import Message


def inbox(recipient: UUID) -> QuerySet[Message]:
    """Everything ever written to this person, newest first."""
    return Message.objects.filter(recipient=recipient).order_by("-created_at", "-pk")


def unread_count(recipient: UUID) -> int:
    return Message.objects.filter(recipient=recipient, read_at=None).count()
