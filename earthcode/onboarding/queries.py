"""Reads worth a name."""

from collections.abc import Iterable

from django.db.models import Prefetch, Q, QuerySet

from earthcode.audit.models import Event
from earthcode.onboarding.models import Application, ApplicationItem, CheckRun

#: Field of the requirement → its latest run.
Runs = dict[str, CheckRun]


def with_items(applications: QuerySet[Application]) -> QuerySet[Application]:
    """Applications with all that lifecycle and pages ask of them."""
    return applications.select_related("organisation", "platform", "created_by", "submitted_by").prefetch_related(
        Prefetch("items", ApplicationItem.objects.select_related("given_by", "decided_by"))
    )


def latest_runs(items: Iterable[ApplicationItem]) -> dict[int, Runs]:
    """By item, the last look at each of its addresses, done or waiting; one query.

    What an item does not name any more is left out: a look at an earlier address says nothing about this one.
    """
    evidence = {item.pk: item.evidence for item in items}
    runs = CheckRun.objects.filter(item__in=evidence).order_by("item_id", "field", "-asked_at", "-pk")
    found: dict[int, Runs] = {}
    for run in runs.distinct("item_id", "field"):
        if evidence[run.item_id].get(run.field) == run.address:
            found.setdefault(run.item_id, {})[run.field] = run
    return found


def exchange(application: Application) -> QuerySet[Event]:
    """Full conversation and done about the application and its items, oldest first."""
    items = [str(item.pk) for item in application.items.all()]
    return Event.objects.filter(
        Q(subject_type=Application._meta.label_lower, subject_id=str(application.pk))
        | Q(subject_type=ApplicationItem._meta.label_lower, subject_id__in=items)
    ).order_by("at", "pk")
