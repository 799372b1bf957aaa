"""What an allocation has used, in words, as a curve and as tables."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from earthcode.catalogue.metrics import Metric
from earthcode.catalogue.pricing import number_text
from earthcode.ledger.statement_files import as_cell
from earthcode.lib.errors import Refused
from earthcode.lib.money import amount_text, as_text
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.models import Allocation, AllocationStatus
from earthcode.provisioning.queries import allocations_visible_to
from earthcode.settlement.forecast import REPORTS_MIN
from earthcode.settlement.spending import COLUMNS, Part, Spending, charges_for_download, spending_of
from earthcode.web.parts.burndown import Burndown, drawing, points_of
from earthcode.web.parts.signed_in import SignedInRequest


def usage_of(allocation: Allocation, *, used: int, left: int, today: date) -> dict[str, Any] | None:
    """What the panel on usage shows; None for what nobody could ever use. ``used`` and ``left`` as the ledger has them."""
    if allocation.active_from is None:
        return None
    spending = spending_of(allocation, used=used, left=left)
    title, words = _finding(allocation, spending)
    return {
        "title": title,
        "words": words,
        "drawings": _drawings(allocation, spending, title, words, today=today),
        "notice": _notice(allocation, spending),
        "components": [_component(part, spending.used) for part in spending.by_component],
        "people": [
            {
                "label": part.label or _("Shared, or not attributed"),
                "amount": part.amount,
                "share": _share(part.amount, spending.used),
            }
            for part in spending.by_person
        ],
        "weeks": [
            {"label": date_format(week.monday), "amount": week.amount} for week in reversed(spending.by_week[-12:])
        ],
        "used": spending.used,
        "freshness": _freshness(spending),
        "any": bool(spending.by_component),
    }


def _finding(allocation: Allocation, spending: Spending) -> tuple[str, str]:
    """The most urgent thing to say, and a sentence that explains it."""
    used, aside = as_text(spending.used, decimals=0), as_text(spending.set_aside, decimals=0)
    share = _("%(used)s of %(all)s credits") % {"used": used, "all": aside}
    if not spending.by_component:
        return _("No usage yet"), _("What is used appears here as soon as the platform or its provider reports it.")
    if allocation.status in (AllocationStatus.ENDING, AllocationStatus.CLOSED):
        return _("%(share)s were used") % {"share": share}, ""
    if spending.owed:
        words = _("%(owed)s credits were used beyond what was set aside; the award owes them.")
        return _("All credits are used"), words % {"owed": amount_text(spending.owed)}
    if not spending.left:
        return _("All credits are used"), _("What is used from now on is owed by the award.")
    ahead = spending.forecast
    if ahead is None:
        missing = max(0, REPORTS_MIN - spending.reports)
        words = (
            ngettext(
                "No forecast yet: %(count)d more report is needed.",
                "No forecast yet: %(count)d more reports are needed.",
                missing,
            )
            % {"count": missing}
            if missing
            else _("No forecast: nothing was used in the last three weeks.")
        )
        return _("%(share)s are used") % {"share": share}, words
    pace = _("About %(pace)s credits a day") % {"pace": as_text(ahead.per_day, decimals=1)}
    early = " " + _("An early estimate, from less than two weeks.") if ahead.is_early_estimate else ""
    if ahead.lasts_until is not None and ahead.lasts_until <= allocation.ends_on:
        title = _("At this pace, the credits last until %(day)s") % {"day": date_format(ahead.lasts_until, "j F")}
        days = (allocation.ends_on - ahead.lasts_until).days
        words = ngettext(
            "That is %(count)d day before the allocation ends.",
            "That is %(count)d days before the allocation ends.",
            days,
        ) % {"count": days}
        return title, f"{words} {pace}, {_range(spending)}.{early}"
    return _("At this pace, the credits last to the end"), f"{pace}.{early}"


def _range(spending: Spending) -> str:
    ahead = spending.forecast
    assert ahead is not None
    assert ahead.early is not None
    begin = date_format(ahead.early, "j F")
    if ahead.late is None:
        return _("likely from %(early)s on") % {"early": begin}
    return _("likely %(early)s to %(late)s") % {"early": begin, "late": date_format(ahead.late, "j F")}


def _notice(allocation: Allocation, spending: Spending) -> dict[str, str] | None:
    ahead = spending.forecast
    over = allocation.status in (AllocationStatus.ENDING, AllocationStatus.CLOSED)
    if over or ahead is None or ahead.lasts_until is None or ahead.lasts_until > allocation.ends_on:
        return None
    more = ahead.per_day * (allocation.ends_on - ahead.lasts_until).days
    return {
        "title": _("About %(credits)s more credits would be needed until %(day)s")
        % {"credits": as_text(more, decimals=0), "day": date_format(allocation.ends_on, "j F")},
        "text": _("Use less, end what is not needed, or ask for credits in a new request."),
    }


def _drawings(allocation: Allocation, spending: Spending, title: str, words: str, *, today: date) -> list[Any]:
    if not spending.by_day or spending.used_until is None:
        return []
    over = allocation.status in (AllocationStatus.ENDING, AllocationStatus.CLOSED)
    ahead = None if over else spending.forecast
    until = timezone.localtime(spending.used_until).date()
    chart = Burndown(
        title=title,
        words=words,
        start=allocation.starts_on,
        end=allocation.ends_on,
        today=min(today, allocation.ends_on),
        points=points_of(
            spending.by_day, start=allocation.starts_on, until=until, set_aside=spending.set_aside, left=spending.left
        ),
        set_aside=spending.set_aside,
        early=ahead.early if ahead else None,
        likely=ahead.lasts_until if ahead else None,
        late=ahead.late if ahead else None,
    )
    return [drawing(chart, uid=f"burn-{kind}", narrow=kind == "narrow") for kind in ("wide", "narrow")]


def _component(part: Part, used: int) -> dict[str, Any]:
    quantity = number_text(part.quantity or 0)  # type: ignore[arg-type]
    return {
        "label": part.label,
        "detail": f"{quantity} {Metric(part.metric).plural}",
        "amount": part.amount,
        "share": _share(part.amount, used),
    }


def _share(amount: int, total: int) -> int:
    return round(amount * 100 / total) if total > 0 else 0


def _freshness(spending: Spending) -> str:
    if spending.used_until is None or spending.received_at is None:
        return ""
    until, received = (timezone.localtime(each) for each in (spending.used_until, spending.received_at))
    return _("Usage up to %(until)s, received on %(received)s.") % {
        "until": date_format(until, "DATETIME_FORMAT"),
        "received": date_format(received, "DATETIME_FORMAT"),
    }


class _Echo:
    """A file for ``csv.writer`` that gives each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


@login_required
@require_safe
@never_cache
def usage_csv(request: SignedInRequest, reference: str) -> StreamingHttpResponse:
    """Every charge of the allocation, as a table that is sent while it is read."""
    found = get_object_or_404(allocations_visible_to(request.user), reference=reference)
    writer = csv.writer(_Echo())

    def lines() -> Iterator[str]:
        yield writer.writerow(COLUMNS)
        for row in charges_for_download(found):
            yield writer.writerow([as_cell(cell) if isinstance(cell, str) else cell for cell in row])

    return StreamingHttpResponse(
        lines(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{found.reference}-usage.csv"'},
    )


@login_required
@require_POST
def close_usage(request: SignedInRequest, reference: str) -> HttpResponse:
    """The provider says that the last usage of an ended allocation is in."""
    found = get_object_or_404(allocations_visible_to(request.user), reference=reference)
    try:
        provisioning.close_usage(found, by=request.user, at=timezone.now())
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, _("The last usage is in. What was not used has gone back."))
    return redirect(found)
