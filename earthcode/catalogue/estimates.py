"""Estimates: a workload priced under some plans, on a page of its own, and kept for ever under a link nobody can guess.

A saved estimate is made only from what it keeps. What the same plans cost today is another question, ``price_again``.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from earthcode.audit.actors import System
from earthcode.catalogue.countries import country_name
from earthcode.catalogue.models import Estimate, EstimateLine, EstimateTally, Plan, Rate
from earthcode.catalogue.pricing import MARGIN_PERCENT_MAX as MARGIN_PERCENT_MAX
from earthcode.catalogue.pricing import CannotPrice, PricedComponent, Quote, Workload, margin_on, quote
from earthcode.catalogue.queries import components_on
from earthcode.catalogue.versions import publish_versions
from earthcode.identity.models import User
from earthcode.lib.errors import InvalidInput, TooOften

#: More plans than anybody adds up; the database refuses more as well.
PLANS_MAX: Final = 12
#: How many estimates may be saved within an hour: by one person, from one address without an account, and from all of them.
PER_PERSON_MAX: Final = 120
PER_CLIENT_MAX: Final = 30
WITHOUT_ACCOUNT_MAX: Final = 3000


@dataclass(frozen=True)
class Wanted:
    """A plan, and what is to run under it."""

    plan: Plan
    workload: Workload


@dataclass(frozen=True)
class Item:
    """A plan with its price for its workload, or the reasons why there is none."""

    plan: Plan
    workload: Workload
    answer: Quote | CannotPrice

    @property
    def quote(self) -> Quote | None:
        return self.answer if isinstance(self.answer, Quote) else None

    @property
    def reasons(self) -> tuple[str, ...]:
        return self.answer.reasons if isinstance(self.answer, CannotPrice) else ()


@dataclass(frozen=True)
class Priced:
    """Plans priced on a day, with a margin on their sum. Plans without a price count for nothing, and are not hidden."""

    items: tuple[Item, ...]
    margin_percent: int
    on: date

    @property
    def amount(self) -> int:
        return sum(item.quote.total for item in self.items if item.quote)

    @property
    def amount_low(self) -> int:
        """What it comes to at least, where figures are stated as ranges."""
        return sum(item.quote.total_low for item in self.items if item.quote)

    @property
    def margin(self) -> int:
        return margin_on(self.amount, self.margin_percent)

    @property
    def total(self) -> int:
        return self.amount + self.margin

    @property
    def has_price(self) -> bool:
        return any(item.quote for item in self.items)


def price(
    wanted: Sequence[Wanted],
    *,
    margin_percent: int = 0,
    on: date,
    components: Mapping[int, Sequence[PricedComponent]] | None = None,
) -> Priced:
    """What these plans cost on that day. Refuses nothing: a page shows it as it is typed.

    One query for any number of plans, or none where their ``components`` of that day are known (``components_on``).
    """
    if components is None:
        components = components_on([each.plan.pk for each in wanted], on)
    items = []
    for each in wanted:
        answer: Quote | CannotPrice
        if each.plan.is_listed and each.plan.offering.is_listed:
            answer = quote(components.get(each.plan.pk, ()), each.workload, months_max=each.plan.months_max)
        else:
            answer = CannotPrice((_("This plan is no longer offered."),))
        items.append(Item(each.plan, each.workload, answer))
    return Priced(tuple(items), margin_percent, on)


@transaction.atomic
def save(
    wanted: Sequence[Wanted],
    *,
    workload: Workload,
    margin_percent: int = 0,
    by: User | None,
    client: str = "",
    at: datetime,
) -> Estimate:
    """Price the plans at today's rates and keep the result for ever.

    ``by`` is None for somebody without an account, whose ``client`` then limits how many they may save. ``workload`` is
    where the workloads of the plans started from. Refuses an estimate of which nothing can be priced.
    """
    _check(wanted, margin_percent)
    priced = price(wanted, margin_percent=margin_percent, on=at.date())
    if not priced.has_price:
        reasons = " ".join(dict.fromkeys(reason for item in priced.items for reason in item.reasons))
        raise InvalidInput(_("Nothing here can be priced: %(reasons)s") % {"reasons": reasons}, field="plan")
    _count(by, client, at)
    estimate = Estimate.objects.create(
        token=secrets.token_urlsafe(16),
        created_at=at,
        created_by=by,
        priced_on=priced.on,
        workload=workload.as_json(),
        plan_count=len(priced.items),
        amount=priced.amount,
        margin_percent=priced.margin_percent,
        margin=priced.margin,
    )
    sources = _sources(item.quote for item in priced.items if item.quote)
    # Usually the last ones; a new one where somebody changed an offering without saying so.
    offerings = [item.plan.offering_id for item in priced.items]
    versions = publish_versions(offerings, by=System("catalogue"), at=at)
    EstimateLine.objects.bulk_create(
        EstimateLine(
            estimate=estimate,
            place=place,
            plan=item.plan,
            version=versions[item.plan.offering_id],
            facts=facts_of(item.plan),
            workload=item.workload.as_json(),
            quote=item.quote.as_json() if item.quote else None,
            reasons=list(item.reasons),
            sources=[sources.get(line.rate_id, {}) for line in item.quote.lines] if item.quote else [],
            amount=item.quote.total if item.quote else None,
        )
        for place, item in enumerate(priced.items)
    )
    return estimate


def price_again(lines: Iterable[EstimateLine], *, margin_percent: int, on: date) -> Priced:
    """What the plans of these lines (``lines_of``) cost on that day, for the same workloads."""
    wanted = [Wanted(line.plan, Workload.from_json(line.workload)) for line in lines]
    return price(wanted, margin_percent=margin_percent, on=on)


def lines_of(estimate: Estimate) -> list[EstimateLine]:
    """The lines in order, with their plans as they are now, and what they cite; one query."""
    lines = estimate.lines.select_related("plan__offering__platform__provider", "version").defer("version__content")
    return list(lines.order_by("place"))


def facts_of(plan: Plan) -> dict[str, Any]:
    """What an estimate says of a plan and its offering. Keys are part of the API."""
    offering = plan.offering
    return {
        "offering": offering.slug,
        "offering_name": offering.name,
        "plan": plan.slug,
        "plan_name": plan.name,
        "platform": offering.platform.slug,
        "platform_name": offering.platform.name,
        "provider": offering.platform.provider.slug,
        "provider_name": offering.platform.provider.name,
        "tier": offering.tier,
        "place": offering.place,
        "country": country_name(offering.country) if offering.country else "",
        "sponsorable": offering.sponsorable,
        "months_max": plan.months_max,
        "is_demonstration": offering.is_demonstration,
    }


def _check(wanted: Sequence[Wanted], margin_percent: int) -> None:
    if not wanted:
        raise InvalidInput(_("Choose at least one plan."), field="plan")
    if len(wanted) > PLANS_MAX:
        raise InvalidInput(_("An estimate can have at most %(count)d plans.") % {"count": PLANS_MAX}, field="plan")
    if len({each.plan.pk for each in wanted}) < len(wanted):
        raise InvalidInput(_("A plan can be in an estimate only once."), field="plan")
    for each in wanted:
        if not (each.plan.is_listed and each.plan.offering.is_listed):
            raise InvalidInput(_("%(plan)s is no longer offered.") % {"plan": each.plan}, field="plan")
    if not 0 <= margin_percent <= MARGIN_PERCENT_MAX:
        raise InvalidInput(
            _("Enter a margin from 0 to %(maximum)d percent.") % {"maximum": MARGIN_PERCENT_MAX}, field="margin"
        )


def _sources(quotes: Iterable[Quote]) -> dict[int | None, dict[str, str]]:
    """Rate → where its figure comes from and since when it is used; one query."""
    wanted = {line.rate_id for each in quotes for line in each.lines if line.rate_id is not None}
    return {
        rate.pk: {
            "source": rate.source,
            "source_date": rate.source_date,
            "since": rate.valid.lower.isoformat() if rate.valid.lower else "",
        }
        for rate in Rate.objects.filter(pk__in=wanted)
    }


def _count(by: User | None, client: str, at: datetime) -> None:
    """Refuse more within an hour than anybody needs: every estimate is kept for ever."""
    words = _(
        "Too many estimates were saved within an hour. Save this one a little later; its address keeps it until then."
    )
    if by is not None:
        if Estimate.objects.filter(created_by=by, created_at__gt=at - timedelta(hours=1)).count() >= PER_PERSON_MAX:
            raise TooOften(words)
        return
    hour = at.replace(minute=0, second=0, microsecond=0)
    EstimateTally.objects.filter(hour__lt=hour).delete()
    with connection.cursor() as cursor:
        # In one statement, so that two at the same time count as two.
        cursor.execute(
            "INSERT INTO catalogue_estimatetally (client, hour, count) VALUES (%s, %s, 1)"
            " ON CONFLICT (client, hour) DO UPDATE SET count = catalogue_estimatetally.count + 1 RETURNING count",
            (client, hour),
        )
        count = cursor.fetchone()[0]
    everybody = EstimateTally.objects.filter(hour=hour).aggregate(count=Sum("count"))["count"]
    if count > PER_CLIENT_MAX or everybody > WITHOUT_ACCOUNT_MAX:
        raise TooOften(words)
