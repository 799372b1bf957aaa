"""The name of the request that is being answered, for the log and for error pages."""

import logging
from contextvars import ContextVar

_request_id: ContextVar[str] = ContextVar("request_id", default="")


def begin(name: str) -> None:
    """What happens from here on, in this thread or task, belongs to this request; until the next one begins.

    It has no end: Django writes its own lines about an answer when all middleware is through.
    """
    _request_id.set(name)


def request_id() -> str:
    """Of the request that is being answered; empty where there is none."""
    return _request_id.get()


class WithRequestId(logging.Filter):
    """Lets a line of the log say of which request it is."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id() or "-"
        return True
