"""A mail server, and the site set up to use it."""

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from earthcode.notifications.actions import Recipient, send
from earthcode.notifications.models import Message
from tests.support import mail
from tests.support.mail import MailServer

Write = Callable[..., Message]


@pytest.fixture
def mail_server(settings: Any) -> Iterator[MailServer]:
    with mail.running() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST = "127.0.0.1"
        settings.EMAIL_PORT = server.port
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        settings.EMAIL_TIMEOUT = 5
        yield server


@pytest.fixture
def recipient() -> Recipient:
    return Recipient(uuid.UUID("6a1a2e0c-5b8e-4a83-9d49-7d1f5e0b8f11"), "alice@science.example")


@pytest.fixture
def write(recipient: Recipient, now: datetime) -> Write:
    """Writes a message to Alice: ``write("ready", subject=…)``."""

    def make(key: str = "ready", **changes: Any) -> Message:
        usual: dict[str, Any] = {
            "to": recipient,
            "subject": "Your platform is ready",
            "body": "Sign in as you do here.",
            "link": "/allocations/NOR-2026-0001-1/",
            "at": now,
        }
        return send(key=key, **{**usual, **changes})

    return make
