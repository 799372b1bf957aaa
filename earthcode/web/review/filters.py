"""What a manager looks for in the review queue: words, call, provider, country, and what comes first."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.decorators import login_required
from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.http import Http404, StreamingHttpResponse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from earthcode.catalogue.countries import COUNTRIES
from earthcode.identity.models import Organisation
from earthcode.identity.roles import Permission
from earthcode.ledger.statement_files import as_cell
from earthcode.lib.money import as_credits
from earthcode.lib.text import line
from earthcode.sponsorship.models import Call, RequestLine, ResourceRequest
from earthcode.sponsorship.queries import with_offerings
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.statuses import Words

#: Value of ``?sort=`` → what it is called, and the order; the empty one is the part's own.
SORTS: Final[dict[str, tuple[Words, tuple[str, ...]]]] = {
    "": (gettext_lazy("By due day"), ()),
    "most": (gettext_lazy("Most credits first"), ("-amount", "pk")),
    "least": (gettext_lazy("Fewest credits first"), ("amount", "pk")),
    "newest": (gettext_lazy("Sent last first"), ("-submitted_at", "-pk")),
}
#: Columns of the file; part of what people rely on.
COLUMNS: Final = (
    "reference",
    "title",
    "status",
    "call",
    "project",
    "organisation",
    "country",
    "offerings",
    "credits",
    "sent",
    "decide_by",
)


@dataclass(frozen=True)
class QueueFilter:
    """What is asked for; empty: everything. What is not among the choices asks for nothing."""

    q: str = ""
    call: str = ""
    provider: str = ""
    country: str = ""
    sort: str = ""

    @classmethod
    def of(cls, params: Mapping[str, str]) -> QueueFilter:
        given = {
            name: line(str(params.get(name, "") or ""))[:100] for name in ("q", "call", "provider", "country", "sort")
        }
        if given["sort"] not in SORTS:
            given["sort"] = ""
        return cls(**given)

    @property
    def params(self) -> dict[str, str]:
        """For an address, so that what was looked for stays."""
        return {name: value for name, value in vars(self).items() if value}

    @property
    def query(self) -> str:
        return urlencode(self.params)

    @property
    def narrows(self) -> bool:
        """Whether it leaves something out."""
        return any((self.q, self.call, self.provider, self.country))

    def apply(self, requests: QuerySet[ResourceRequest]) -> QuerySet[ResourceRequest]:
        if self.q:
            requests = requests.filter(
                Q(reference__icontains=self.q)
                | Q(title__icontains=self.q)
                | Q(project__title__icontains=self.q)
                | Q(submitted_by__full_name__icontains=self.q)
            )
        if self.call:
            requests = requests.filter(call__slug=self.call)
        if self.provider:
            lines = RequestLine.objects.filter(
                resource_request=OuterRef("pk"), plan__offering__platform__provider__slug=self.provider
            )
            requests = requests.filter(Exists(lines))
        if self.country:
            requests = requests.filter(project__organisation__country=self.country)
        return requests

    def order(self, usual: tuple[Any, ...]) -> tuple[Any, ...]:
        return SORTS[self.sort][1] or usual

    def choices(self) -> list[dict[str, Any]]:
        """The boxes to choose from, each with its options and the one that is chosen; one query."""
        calls = Call.objects.order_by().annotate(box=Value("call")).values_list("box", "slug", "title")
        providers = Organisation.objects.filter(platforms__isnull=False).order_by().annotate(box=Value("provider"))
        found = sorted(calls.union(providers.values_list("box", "slug", "name")), key=lambda row: row[2].casefold())
        named = {box: [(slug, name) for of, slug, name in found if of == box] for box in ("call", "provider")}
        boxes = (
            ("call", _("Call"), [("", _("Any")), *named["call"]], self.call),
            ("provider", _("Provider"), [("", _("Any")), *named["provider"]], self.provider),
            ("country", _("Country"), [("", _("Any")), *COUNTRIES.items()], self.country),
            ("sort", _("Order"), [(name, label) for name, (label, _order) in SORTS.items()], self.sort),
        )
        return [
            {"name": name, "label": label, "options": options, "chosen": chosen}
            for name, label, options, chosen in boxes
        ]


class _Echo:
    """A file for ``csv.writer`` that gives each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


@login_required
@require_safe
@never_cache
def review_csv(request: SignedInRequest) -> StreamingHttpResponse:
    """Every request that was ever sent and is asked for, as a table that is sent while it is read."""
    if not request.user.may(Permission.REQUEST_REVIEW):
        raise Http404
    wanted = QueueFilter.of(request.GET)
    sent = ResourceRequest.objects.visible_to(request.user).filter(submitted_at__isnull=False)
    found = with_offerings(wanted.apply(sent)).select_related("call", "project__organisation")
    rows = found.order_by(*wanted.order(("submitted_at", "pk")))
    writer = csv.writer(_Echo())

    def lines() -> Iterator[str]:
        yield writer.writerow(COLUMNS)
        for each in rows.iterator(500):
            yield writer.writerow(_row(each))

    return StreamingHttpResponse(
        lines(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="requests.csv"'},
    )


def _row(each: ResourceRequest) -> list[str]:
    project, sent = each.project, each.submitted_at
    organisation = project.organisation if project else None
    offerings: list[str] = each.offering_names  # type: ignore[attr-defined]  # annotated
    cells = (
        each.reference,
        each.title,
        str(each.get_status_display()),
        each.call.title if each.call else "",
        project.title if project else "",
        organisation.name if organisation else "",
        organisation.country if organisation else "",
        "; ".join(dict.fromkeys(offerings)),
        f"{as_credits(each.amount):f}",
        sent.date().isoformat() if sent else "",
        each.decide_by.isoformat() if each.decide_by else "",
    )
    return [as_cell(cell) for cell in cells]
