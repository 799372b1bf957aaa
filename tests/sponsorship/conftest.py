"""What the tests of requests share."""

from collections.abc import Callable
from typing import Any

import pytest

from earthcode.audit.models import Event
from earthcode.notifications.models import Message
from earthcode.sponsorship.models import (
    Award,
    Check,
    Decision,
    Endorsement,
    RequestLine,
    ResourceRequest,
)

_MODELS = (ResourceRequest, RequestLine, Check, Endorsement, Decision, Award, Message, Event)


@pytest.fixture
def everything() -> Callable[[], list[list[Any]]]:
    """All that is stored about requests, and all credits: equal before and after whatever was refused."""

    def read() -> list[list[Any]]:
        from earthcode.ledger.models import Account, Posting

        rows = [list(model._default_manager.order_by("pk").values()) for model in _MODELS]
        rows.append(list(Account.objects.values("code", "debits", "credits")))
        rows.append(list(Posting.objects.values("entry_id", "line", "amount")))
        return rows

    return read
