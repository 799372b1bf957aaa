"""A platform's settings, typed: each kind of connector says which it has, and the site makes a form of them.

A kind's settings are one frozen dataclass whose fields are made with :func:`setting`::

    @dataclass(frozen=True, kw_only=True)
    class HubConfig(Config):
        public_url: str = setting("Address", kind=Kind.URL, example="https://hub.example.org")
        token: Secret = setting("Token", kind=Kind.SECRET, hint="Of a hub service …")

:meth:`Config.read` is the only way in. It refuses, naming the setting, what is missing, unknown or of the wrong kind; it
never repeats a value that could be a secret.
"""

from __future__ import annotations

import dataclasses
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Self
from urllib.parse import urlsplit

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from earthcode.connectors import reasons
from earthcode.connectors.base import ConnectorError, Party

TEXT_MAX = 2000


class Kind(StrEnum):
    """How a setting is asked for and checked."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    URL = "url"
    NUMBER = "number"
    WHOLE_NUMBER = "whole_number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    #: Stored encrypted, never shown again, never in a message.
    SECRET = "secret"  # noqa: S105  # the name of the kind


class Secret:
    """A value that shows itself to nobody by accident: printing, logging and comparing by ``repr`` give asterisks."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True)
class Setting:
    """One setting as a form shows it. ``default`` is None where it is required."""

    name: str
    label: str | Promise
    kind: Kind
    hint: str | Promise
    example: str
    choices: tuple[tuple[str, str | Promise], ...]
    default: Any
    required: bool


def setting(
    label: str | Promise,
    *,
    kind: Kind = Kind.TEXT,
    hint: str | Promise = "",
    example: str = "",
    choices: Iterable[tuple[str, str | Promise]] = (),
    default: Any = MISSING,
) -> Any:
    """A field of a :class:`Config`; required where it has no ``default``."""
    metadata = {"label": label, "kind": kind, "hint": hint, "example": example, "choices": tuple(choices)}
    return dataclasses.field(metadata=metadata, **({} if default is MISSING else {"default": default}))


class SettingRefused(ConnectorError):
    """A setting is missing, unknown or cannot be used; ``setting`` is its name."""

    def __init__(self, setting: str, problem: str | Promise = "") -> None:
        code = reasons.BAD_SETTING if problem else reasons.MISSING_SETTING
        super().__init__(code, permanent=True, for_whom=Party.PROVIDER, setting=setting, problem=str(problem))
        self.setting = setting
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of one kind. Subclass it with :func:`setting` fields; override :meth:`check` for rules across fields."""

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        """In the order in which a form asks for them."""
        return tuple(
            Setting(
                name=each.name,
                label=each.metadata["label"],
                kind=each.metadata["kind"],
                hint=each.metadata["hint"],
                example=each.metadata["example"],
                choices=each.metadata["choices"],
                default=None if each.default is MISSING else each.default,
                required=each.default is MISSING,
            )
            for each in dataclasses.fields(cls)
        )

    @classmethod
    def secrets(cls) -> frozenset[str]:
        """The names of the settings that are stored encrypted."""
        return frozenset(each.name for each in cls.settings() if each.kind == Kind.SECRET)

    @classmethod
    def read(cls, given: Mapping[str, Any], *, secrets: Mapping[str, str] | None = None) -> Self:
        """Checked and typed, or :class:`SettingRefused` naming the first setting that cannot be used."""
        known = {each.name: each for each in cls.settings()}
        for name in given:
            if name not in known or known[name].kind == Kind.SECRET:
                raise SettingRefused(str(name)[:80], _("there is no such setting"))
        values: dict[str, Any] = {}
        for name, each in known.items():
            source: Mapping[str, Any] = (secrets or {}) if each.kind == Kind.SECRET else given
            value = source.get(name)
            if value is None or value == "":
                if each.required:
                    raise SettingRefused(name)
                values[name] = Secret("") if each.kind == Kind.SECRET else each.default
            else:
                values[name] = _read(each, value)
        made = cls(**values)
        made.check()
        return made

    def check(self) -> None:
        """Rules across settings; raise :class:`SettingRefused`."""


def _read(each: Setting, value: Any) -> Any:
    refuse = SettingRefused
    match each.kind:
        case Kind.BOOLEAN:
            if not isinstance(value, bool):
                raise refuse(each.name, _("it has to be yes or no"))
            return value
        case Kind.NUMBER | Kind.WHOLE_NUMBER:
            return _number(each, value)
    if not isinstance(value, str) or len(value) > TEXT_MAX or not _printable(value, each.kind):
        raise refuse(each.name, _("it has to be a text without control characters"))
    if each.kind == Kind.SECRET:
        if not value.isascii():
            raise refuse(each.name, _("it has characters that cannot be sent"))
        return Secret(value)
    if each.kind == Kind.URL:
        return _url(each, value)
    if each.kind == Kind.CHOICE and value not in {choice for choice, _label in each.choices}:
        known = ", ".join(choice for choice, _label in each.choices)
        raise refuse(each.name, str(_("it has to be one of: {known}")).format(known=known))
    return value.strip()


def _printable(value: str, kind: Kind) -> bool:
    return all(part.isprintable() for part in (value.splitlines() if kind == Kind.LONG_TEXT else (value,)))


def _number(each: Setting, value: Any) -> Any:
    try:
        number = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0 or number > 10**9:
        raise SettingRefused(each.name, _("it has to be a number of zero or more"))
    if each.kind == Kind.WHOLE_NUMBER:
        if number != int(number):
            raise SettingRefused(each.name, _("it has to be a whole number"))
        return int(number)
    return float(number)


def _url(each: Setting, value: str) -> str:
    """Without a slash at its end."""
    value = value.strip()
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or parts.username is not None or parts.query or parts.fragment or any(map(str.isspace, value)):
        raise SettingRefused(each.name, _("it has to be a web address (https://…), without a user name or “?”"))
    return value.rstrip("/")
