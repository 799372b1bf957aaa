"""The page that everybody may see first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlencode

from django.db.models import Aggregate, Count, DurationField, ExpressionWrapper, F, Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from earthcode.catalogue import search
from earthcode.catalogue.offering_price import price_of
from earthcode.catalogue.workload import Workload
from earthcode.science.models import Record
from earthcode.sponsorship.models import Call, Decision, DecisionKind
from earthcode.web.catalogue.cards import mark_of
from earthcode.web.catalogue.known import KnownLine
from earthcode.web.catalogue.price_words import headline

#: Fewer decisions than this say nothing about how long the next one takes.
DECISIONS_FOR_A_MEDIAN = 10
_OFFERINGS_SHOWN = 6


class Median(Aggregate):
    """The middle value."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"


def public_home(request: HttpRequest) -> HttpResponse:
    """What the Network of Resources is, how much there is, and how it works. People who signed in have a page of their own."""
    if request.user.is_authenticated:
        return redirect("home")
    today = timezone.localdate()
    index = search.index_on(today)
    known = index.known(Workload())
    real = [entry for entry in index.entries if not entry.is_demonstration]
    # Those that work with the EarthCODE account come first.
    shown = sorted(real, key=lambda entry: not entry.is_integrated)[:_OFFERINGS_SHOWN]
    return TemplateResponse(
        request,
        "site/home.html",
        {
            "known": KnownLine.of(known, _list_with),
            "provider_count": index.provider_count,
            "sponsorable_count": index.sponsorable_count,
            # Made-up records are on the site to try it out, and are no part of the Open Science Catalog.
            "record_count": Record.objects.current().filter(is_demonstration=False).count(),
            "decision_days_median": decision_days_median(),
            "decision_working_days": _decision_working_days(),
            "offerings": [
                {
                    "name": entry.name,
                    "code": entry.monogram,
                    "mark": mark_of(entry.service_types),
                    "url": reverse("offering", args=[entry.slug]),
                    "provider": entry.provider,
                    "gives": headline(price_of(entry.plans, Workload())),
                }
                for entry in shown
            ],
        },
    )


def _list_with(*, chosen: Mapping[str, tuple[str, ...]]) -> str:
    query = [(name, value) for name, values in chosen.items() for value in values]
    return f"{reverse('catalogue')}?{urlencode(query)}"


def decision_days_median() -> int | None:
    """Days from sending a request to its decision, rounded up, in the middle of all; None while there are too few."""
    took = ExpressionWrapper(F("at") - F("resource_request__submitted_at"), output_field=DurationField())
    decided = Decision.objects.filter(kind__in=[DecisionKind.APPROVE, DecisionKind.REJECT]).aggregate(
        count=Count("pk"), median=Median(took, output_field=DurationField())
    )
    if decided["count"] < DECISIONS_FOR_A_MEDIAN:
        return None
    median: timedelta = decided["median"]
    return max(1, -(-median // timedelta(days=1)))


def _decision_working_days() -> int | None:
    today = timezone.localdate()
    longest = (
        Call.objects.filter(opens_on__lte=today)
        .exclude(closes_on__lt=today)
        .aggregate(days=Max("decision_working_days"))
    )
    days: int | None = longest["days"]
    return days
