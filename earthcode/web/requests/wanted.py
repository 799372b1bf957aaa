"""What a link of the catalogue asks for: a plan for a workload."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.utils.http import urlencode
from django.utils.translation import gettext as _

from earthcode.catalogue import queries as catalogue
from earthcode.catalogue.models import Plan
from earthcode.catalogue.pricing import CannotPrice, PricedComponent, Quote, Workload, quote
from earthcode.lib.errors import InvalidInput
from earthcode.web.catalogue.workload import workload_words
from earthcode.web.parts.signed_in import SignedInRequest


@dataclass(frozen=True)
class Wanted:
    """What a link from the catalogue asks for: a plan for a workload, at today's price."""

    plan: Plan
    components: tuple[PricedComponent, ...]
    workload: Workload
    price: Quote | CannotPrice

    @property
    def quote(self) -> Quote | None:
        """The price, where there is one to ask for."""
        return self.price if isinstance(self.price, Quote) and not self.price.is_free else None

    @property
    def is_asked_for(self) -> bool:
        """Whether there is no price, so that the provider is asked for one. What costs nothing has a price."""
        return isinstance(self.price, CannotPrice)

    @property
    def reasons(self) -> tuple[str, ...]:
        if isinstance(self.price, CannotPrice):
            return self.price.reasons
        return (_("It costs nothing for this workload, so there is nothing to ask for."),) if self.price.is_free else ()

    @property
    def summary(self) -> str:
        """The numbers of the workload that the price depends on."""
        return workload_words(self.workload, self.price) if isinstance(self.price, Quote) else self.workload.summary

    @property
    def query(self) -> str:
        return urlencode({"plan": str(self.plan.pk), **self.workload.as_params()})


def wanted_by(request: SignedInRequest, *, on: date) -> Wanted | None:
    """The plan and workload in the query; None where it names no plan that is offered."""
    chosen = request.GET.get("plan", "")
    # PostgreSQL's bigint ends at 19 digits; a longer number names no plan.
    if not (chosen.isascii() and chosen.isdecimal() and len(chosen) < 19):
        return None
    plan = Plan.objects.listed().filter(pk=chosen).first()
    if plan is None:
        return None
    components = catalogue.components_on([plan.pk], on).get(plan.pk, ())
    try:
        workload = Workload.from_params(request.GET.dict())
    except InvalidInput as refusal:
        return Wanted(plan, components, Workload(), CannotPrice((refusal.message,)))
    return Wanted(plan, components, workload, quote(components, workload, months_max=plan.months_max))
