"""The connector of every platform that has no other: people at the provider do the work.

Each operation becomes a question to them (:class:`NeedsPerson`); the runner puts it on their desk and calls again when it is
answered, with the answer in the order. Nothing is called, so nothing is known but what they said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from django.utils.translation import gettext_lazy as _

from earthcode.connectors.base import (
    Answer,
    Ask,
    Capabilities,
    Changeable,
    Connector,
    ConnectorError,
    Grant,
    Health,
    NeedsPerson,
    Order,
    Party,
    Running,
    SuspendStep,
    Suspension,
)
from earthcode.connectors.configuration import Config, Kind, SettingRefused, setting


@dataclass(frozen=True, kw_only=True)
class ManualConfig(Config):
    promise_days: int = setting(
        _("Days until access is set up"),
        kind=Kind.WHOLE_NUMBER,
        default=10,
        hint=_("What you promise: projects see the date, and you are reminded of it"),
    )
    instructions: str = setting(
        _("Notes for whoever sets up access"), kind=Kind.LONG_TEXT, default="", hint=_("Shown with each order")
    )
    access_url: str = setting(
        _("Address people go to"), kind=Kind.URL, default="", hint=_("Filled in for you when you confirm an order")
    )

    def check(self) -> None:
        if not 1 <= self.promise_days <= 365:
            raise SettingRefused("promise_days", _("it has to be between 1 and 365"))


class Manual(Connector):
    kind: ClassVar[str] = "manual"
    title = _("By people: orders come to your desk")
    config_type = ManualConfig
    sentences = {
        "manual.people": _("People set up access to this platform."),
        "manual.nobody": _("Nobody is here who could set up access to this platform."),
        "manual.declined": _("The provider declined: {reason}"),
    }

    def __init__(self, config: ManualConfig) -> None:
        self.config = config

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            change=frozenset(Changeable), suspend=tuple(SuspendStep), side_by_side=True, asks_people=True
        )

    def check(self) -> Health:
        return Health(True, "manual.people", words=self.sentences)

    def find(self, order: Order) -> Grant | None:  # noqa: ARG002  # nothing to look at
        """Only people know; they are asked once for each operation, so there is nothing to find before."""
        return None

    def ensure(self, order: Order) -> Grant:
        return self._grant(order, self._answered(order, Ask.ENSURE))

    def people(self, order: Order) -> Grant:
        return self._grant(order, self._answered(order, Ask.PEOPLE))

    def change(self, order: Order) -> Grant:
        return self._grant(order, self._answered(order, Ask.CHANGE))

    def suspend(self, order: Order, step: SuspendStep) -> Suspension:
        self._answered(order, Ask.SUSPEND)
        return Suspension(step, Running.UNKNOWN)

    def resume(self, order: Order) -> Grant:
        return self._grant(order, self._answered(order, Ask.RESUME))

    def revoke(self, order: Order) -> None:
        self._answered(order, Ask.REVOKE)

    def _answered(self, order: Order, asks: Ask) -> Answer:
        answer = next((each for each in reversed(order.answers) if each.asks == asks), None)
        if answer is None:
            raise NeedsPerson(asks)
        if not answer.done:
            raise ConnectorError(
                "manual.declined", permanent=True, for_whom=Party.PROJECT, words=self.sentences, reason=answer.reason
            )
        return answer

    def _grant(self, order: Order, answer: Answer) -> Grant:
        return Grant(
            external_id=answer.external_id or order.external_id or order.allocation,
            access_url=answer.access_url,
            facts=dict(answer.facts),
            names=dict(answer.names),
            suspended=order.suspended,
        )
