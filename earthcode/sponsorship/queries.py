"""Reads worth a name: what the budget of a call has come to, and what a manager looks at beside a request."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject

from earthcode.catalogue.models import OfferingVersion
from earthcode.identity.models import Membership, Organisation, User
from earthcode.identity.roles import Permission
from earthcode.ledger import chart
from earthcode.ledger import queries as ledger
from earthcode.lib.money import MicroCredits
from earthcode.sponsorship.models import (
    Award,
    Call,
    CallStatus,
    Decision,
    DecisionKind,
    Holiday,
    RequestLine,
    RequestStatus,
    ResourceRequest,
)
from earthcode.sponsorship.workdays import working_days_between

#: Requests that a comparison looks back at.
SIMILAR_MAX = 200

#: Drafts that a page offers to add something to.
DRAFTS_SHOWN = 5


@dataclass(frozen=True)
class CallBudget:
    """What a call was given, and where that is now; micro-credits.

    ``free`` can still be awarded. ``spent`` is what providers have earned from its credits and not yet been paid for,
    ``committed`` what awards have and did not spend.
    """

    call: Call
    total: MicroCredits
    free: MicroCredits
    spent: MicroCredits

    @property
    def committed(self) -> MicroCredits:
        return MicroCredits(self.total - self.free - self.spent)


def holidays_from(day: date) -> frozenset[date]:
    """ESA's holidays of the year that begins with this day: what deadlines are counted with; one query."""
    return frozenset(Holiday.objects.filter(day__range=(day, day + timedelta(days=366))).values_list("day", flat=True))


@dataclass(frozen=True)
class TrackRecord:
    """What became of the requests sent to a call. ``working_days``: the median from sending to deciding."""

    granted: int
    decided: int
    working_days: int | None


#: Fewer decisions than these would tell how long somebody's own took.
DECISIONS_MIN = 5
#: A median looks back at so many.
DECISIONS_MAX = 1000


def track_record(call: Call) -> TrackRecord:
    """How many requests were decided, and how fast; three queries."""
    decisions = Decision.objects.filter(
        resource_request__call=call, kind__in=[DecisionKind.APPROVE, DecisionKind.OFFER, DecisionKind.REJECT]
    )
    took = list(
        decisions.order_by("-at").values_list("resource_request__submitted_at__date", "at__date")[:DECISIONS_MAX]
    )
    counts = decisions.order_by().aggregate(
        decided=Count("pk"), granted=Count("pk", filter=~Q(kind=DecisionKind.REJECT))
    )
    days = None
    if len(took) >= DECISIONS_MIN:
        holidays = frozenset(Holiday.objects.values_list("day", flat=True))
        days = round(statistics.median(working_days_between(sent, decided, holidays) for sent, decided in took))
    return TrackRecord(counts["granted"], counts["decided"], days)


def calls_in_use(on: date) -> QuerySet[Call]:
    """Calls that take requests on this day or still have some to decide, those with the earliest end first."""
    undecided = ResourceRequest.objects.filter(
        call=OuterRef("pk"), status__in=[RequestStatus.IN_REVIEW, RequestStatus.INFO_NEEDED]
    )
    within_dates = Q(opens_on__lte=on) & (Q(closes_on__isnull=True) | Q(closes_on__gte=on))
    is_open = Q(status__in=[CallStatus.OPEN, CallStatus.PAUSED]) & within_dates
    return Call.objects.filter(is_open | Exists(undecided)).order_by("closes_on", "title", "pk")


def budgets(calls: QuerySet[Call]) -> list[CallBudget]:
    """The budgets of these calls, in their order, in two queries."""
    providers = Organisation.objects.filter(platforms__isnull=False).order_by("slug").distinct()
    rows = list(calls.annotate(provider_slugs=ArraySubquery(providers.values("slug"))))
    accounts = {call.slug: _accounts_of(call.slug, call.provider_slugs) for call in rows}
    has, owed = ledger.balances_and_debts([code for codes in accounts.values() for code in codes], accounts)
    found = []
    for call in rows:
        commitment, available, *earned = accounts[call.slug]
        # What awards owe was earned by providers, but no credits of the call went there yet.
        spent = MicroCredits(sum(has[code] for code in earned) - owed[call.slug])
        found.append(CallBudget(call, total=has[commitment], free=has[available], spent=spent))
    return found


def _accounts_of(call_slug: str, provider_slugs: Iterable[str]) -> list[str]:
    of_call = chart.call_accounts(call_slug)
    of_providers = [chart.provider_accounts(slug, call_slug) for slug in provider_slugs]
    earned = [code for accounts in of_providers for code in (accounts.accrued, accounts.invoiced)]
    return [of_call.commitment, of_call.available, *earned]


@dataclass(frozen=True)
class FreeCredits:
    """An award whose credits the person can place now, and how many of them are free (micro-credits)."""

    award: Award
    free: MicroCredits


def free_credits(user: User, *, on: date) -> list[FreeCredits]:
    """What the person can place on a platform, the award that ends first on top; two queries."""
    awards = list(
        Award.objects.filter(project__in=user.grants.projects_with(Permission.ALLOCATION_PLACE), ends_on__gte=on)
        .select_related("project", "call", "resource_request")
        .order_by("ends_on", "pk")
    )
    accounts = {award.pk: chart.award_accounts(award.reference).available for award in awards}
    has = ledger.balances(accounts.values())
    free = ((award, has[accounts[award.pk]]) for award in awards)
    return [FreeCredits(award, credits) for award, credits in free if credits > 0]


def with_offerings(requests: QuerySet[ResourceRequest]) -> QuerySet[ResourceRequest, Any]:
    """Each request with ``offering_names``: what it asks for, in the order of its lines."""
    lines = RequestLine.objects.filter(resource_request=OuterRef("pk")).order_by("pk")
    return requests.annotate(offering_names=ArraySubquery(lines.values("plan__offering__name")))


def lines_in_full() -> "Prefetch[str, QuerySet[RequestLine], str]":
    """The lines with all that pages and checks ask of them, for ``prefetch_related``."""
    return Prefetch("lines", with_versions(RequestLine.objects.select_related("plan__offering__platform__provider")))


def with_versions(lines: QuerySet[RequestLine]) -> QuerySet[RequestLine, Any]:
    """Each line with its version of the offering, without what that says, and ``newest_version``, the latest one's number."""
    versions = OfferingVersion.objects.filter(offering=OuterRef("plan__offering")).order_by("-number")
    return (
        lines.select_related("version")
        .defer("version__content")
        .annotate(newest_version=Subquery(versions.values("number")[:1]))
    )


def dossiers() -> QuerySet[ResourceRequest, Any]:
    """Requests with all that a decision looks at: people, lines, checks, endorsement, and similar requests.

    ``people`` are name and role of the project's members; ``similar`` the credits asked and granted by other requests, of
    any project, that were sent and ask for one of the same platforms. Three queries for any number of requests.
    """
    people = (
        Membership.objects.filter(project=OuterRef("project"))
        .order_by("-role", "user__full_name", "pk")
        .values(
            json=JSONObject(
                name="user__full_name",
                username="user__preferred_username",
                organisation="user__organisation__name",
                role="role",
            )
        )
    )
    # OuterRef once for each level between a query and the one it speaks of.
    own_platforms = RequestLine.objects.filter(resource_request=OuterRef(OuterRef(OuterRef("pk"))))
    on_the_same = RequestLine.objects.filter(
        resource_request=OuterRef("pk"),
        plan__offering__platform__in=own_platforms.values("plan__offering__platform"),
    )
    similar = (
        ResourceRequest.objects.filter(Exists(on_the_same), submitted_at__isnull=False)
        .exclude(status=RequestStatus.WITHDRAWN)
        .exclude(pk=OuterRef("pk"))
        .order_by("-submitted_at", "-pk")
        .values(json=JSONObject(asked="amount", granted="award__amount"))[:SIMILAR_MAX]
    )
    return (
        ResourceRequest.objects.select_related(
            "project__organisation",
            "project__technical_officer",
            "call",
            "submitted_by__organisation",
            "endorsement__by",
        )
        .prefetch_related(lines_in_full(), "checks")
        .annotate(people=ArraySubquery(people), similar=ArraySubquery(similar))
    )


def drafts_of(user: User) -> QuerySet[ResourceRequest]:
    """The requests that somebody may add to, the one they worked on last first."""
    return ResourceRequest.objects.editable_by(user).order_by("-saved_at", "-pk")
