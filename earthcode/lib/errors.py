"""Refusals: what the site says when it will not do something."""

from typing import ClassVar


class Refused(Exception):
    """An action was asked for and is not allowed now; nothing has changed.

    ``code`` is stable and part of the API. The message is a sentence fit for the person who asked. ``field`` names the
    input at fault, where there is one.
    """

    code: ClassVar[str] = "refused"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class NotPermitted(Refused):
    """The person has no role that allows this."""

    code = "not_permitted"


class InvalidInput(Refused):
    """A value cannot be used; ``field`` or the message says which."""

    code = "invalid_input"


class TooOften(Refused):
    """Allowed, but not so many times in so short a time."""

    code = "too_often"
