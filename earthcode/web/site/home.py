"""The page that everybody may see first."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Aggregate, Count, DurationField, ExpressionWrapper, F, Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone

from earthcode.catalogue.models import Offering
from earthcode.science.models import Record
from earthcode.sponsorship.models import Call, Decision, DecisionKind

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
    listed = Offering.objects.filter(is_listed=True)
    counts = listed.aggregate(offerings=Count("pk"), providers=Count("platform__provider", distinct=True))
    # Those that work with the EarthCODE account come first.
    shown = listed.select_related("platform__provider").order_by("-platform__earthcode_integrated", "name", "pk")
    return TemplateResponse(
        request,
        "site/home.html",
        {
            "offering_count": counts["offerings"],
            "provider_count": counts["providers"],
            "record_count": Record.objects.current().count(),
            "decision_days_median": decision_days_median(),
            "decision_working_days": _decision_working_days(),
            "offerings": [
                {
                    "name": offering.name,
                    "slug": offering.slug,
                    "monogram": offering.monogram,
                    "url": offering.get_absolute_url(),
                    "provider": offering.platform.provider.name,
                }
                for offering in shown[:_OFFERINGS_SHOWN]
            ],
        },
    )


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
