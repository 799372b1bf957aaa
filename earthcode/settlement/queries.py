"""Reads that pages and the API share."""

from __future__ import annotations

from collections.abc import Iterator

from earthcode.catalogue.models import Platform
from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.provisioning.models import LIVE, Allocation
from earthcode.settlement.meters import terms_for


def platforms_reported_by(user: User) -> list[Platform]:
    """The platforms whose usage the person may report, by name."""
    providers = user.grants.providers_with(Permission.USAGE_REPORT)
    return list(Platform.objects.filter(provider__in=providers).select_related("provider").order_by("name", "pk"))


def template_rows(platform: Platform) -> Iterator[tuple[str, str, str]]:
    """For the template: each allocation of which usage is taken, with each component that has a price."""
    open_ones = Allocation.objects.filter(platform=platform, status__in=LIVE).exclude(active_from=None)
    for allocation in (open_ones | Allocation.objects.filter(platform=platform).awaiting_usage()).order_by("pk"):
        for term in terms_for(allocation):
            if term.micro_per_unit is not None:
                yield allocation.reference, term.label, str(term.metric)
