"""Calls, for everybody: which there are, what they allow, what is left in them and how fast they decide."""

from __future__ import annotations

from typing import Any

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from earthcode.catalogue.countries import COUNTRIES, country_name
from earthcode.catalogue.models import Tier
from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.lib.money import amount_text
from earthcode.sponsorship.models import Call, CallStatus
from earthcode.sponsorship.queries import TrackRecord, budgets, track_record
from earthcode.sponsorship.rules import ProjectType
from earthcode.web.parts.lists import paginate


def manages_calls(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.may(Permission.CALL_MANAGE)


def _visible(request: HttpRequest) -> QuerySet[Call]:
    """Those that are announced; managers see those that are planned as well."""
    calls = Call.objects.all()
    return calls if manages_calls(request) else calls.exclude(status=CallStatus.PLANNED)


@require_safe
def call_list(request: HttpRequest) -> HttpResponse:
    """All calls, those that take requests today on top."""
    today = timezone.localdate()
    is_open = Q(status=CallStatus.OPEN, opens_on__lte=today) & (Q(closes_on=None) | Q(closes_on__gte=today))
    calls = _visible(request).annotate(is_open=ExpressionWrapper(is_open, BooleanField()))
    page = paginate(request, calls.order_by("-is_open", "-opens_on", "pk"), count=calls.count())
    of_page = {each.call.pk: each for each in budgets(Call.objects.filter(pk__in=[call.pk for call in page]))}
    rows = [{"budget": of_page[call.pk], "call": call, "dates": dates_of(call)} for call in page]
    context = {"page": page, "rows": rows, "manages": manages_calls(request)}
    return TemplateResponse(request, "requests/calls/list.html", context)


@require_safe
def call_page(request: HttpRequest, slug: str) -> HttpResponse:
    """The rules, the deadlines, what is left, and what became of those who asked."""
    call = get_object_or_404(_visible(request), slug=slug)
    (budget,) = budgets(Call.objects.filter(pk=call.pk))
    context = {
        "call": call,
        "takes_requests": call.takes_requests_on(timezone.localdate()),
        "manages": manages_calls(request),
        "dates": dates_of(call),
        "figures": figures_of(call, budget.free, track_record(call)),
        "rules": rules_of(call),
    }
    return TemplateResponse(request, "requests/calls/page.html", context)


def dates_of(call: Call) -> str:
    """From when to when it takes requests, in words."""
    since = date_format(call.opens_on)
    if call.closes_on is None:
        return _("from %(since)s, at any time") % {"since": since}
    return _("from %(since)s to %(until)s") % {"since": since, "until": date_format(call.closes_on)}


def figures_of(call: Call, free: int, record: TrackRecord) -> list[dict[str, Any]]:
    """What anybody may know: no figure of fewer than five decisions, which would be somebody's own."""
    speed = _("too few to say")
    if record.working_days is not None:
        words = ngettext("%(count)d working day", "%(count)d working days", record.working_days)
        speed = words % {"count": record.working_days}
    promised = ngettext("%(count)d working day", "%(count)d working days", call.decision_working_days)
    return [
        {"label": _("Credits left"), "value": amount_text(free), "main": True},
        {
            "label": _("Requests granted"),
            "value": record.granted,
            "note": _("of %(count)d decided") % {"count": record.decided},
        },
        {
            "label": _("Usual time to a decision"),
            "value": speed,
            "note": _("at most %(days)s") % {"days": promised % {"count": call.decision_working_days}},
        },
    ]


def rules_of(call: Call) -> list[dict[str, Any]]:
    """Each rule in a sentence of its own."""
    rules = call.rules
    kinds = [str(ProjectType(each).label) for each in rules.project_types]
    tiers = ", ".join(str(Tier(each).label) for each in rules.endorsed_tiers)

    def credits(amount: int) -> str:
        return _("%(amount)s credits") % {"amount": amount_text(amount)}

    def days(count: int) -> str:
        return ngettext("%(count)d day", "%(count)d days", count) % {"count": count}

    def at_most(one: str, many: str, count: int) -> str:
        return ngettext(one, many, count) % {"count": count}

    projects = _("Those that are %(kinds)s") % {"kinds": _(" or ").join(kinds)} if kinds else _("Any research project")
    one_project = _("No limit beyond that of each request")
    if rules.project_ceiling is not None:
        one_project = _("Up to %(credits)s over all awards") % {"credits": credits(rules.project_ceiling)}
    endorsement = _("Not needed")
    if tiers:
        endorsement = _("The Technical Officer of the project endorses what asks for %(tiers)s") % {"tiers": tiers}
    on_request = _("A request is sent when every price is there")
    if rules.sent_with_open_quotations:
        on_request = _("A request can be sent while a provider is asked for a price, and is decided once you accept it")
    overdraft = _("no overdraft")
    if rules.overdraft_percent:
        overdraft = _("up to %(percent)d%% more can be used") % {"percent": rules.overdraft_percent}
    running_out = _("%(days)s to read what is stored, then the end; %(overdraft)s")
    report = _("Not asked for")
    if rules.final_report_days:
        report = _("Due %(days)s after the end") % {"days": days(rules.final_report_days)}
    found = [
        (_("Projects"), projects),
        (_("Countries"), _countries(rules.countries)),
        (_("One request"), _("Up to %(credits)s") % {"credits": credits(rules.ceiling)}),
        (_("One project"), one_project),
        (_("Period"), at_most("At most %(count)d month", "At most %(count)d months", rules.months_max)),
        (_("Science case"), at_most("At most %(count)d word", "At most %(count)d words", rules.case_words_max)),
        (_("Endorsement"), endorsement),
        (
            _("Decision"),
            at_most("Within %(count)d working day", "Within %(count)d working days", rules.decision_working_days),
        ),
        (_("Prices on request"), on_request),
        (_("When credits run out"), running_out % {"days": days(rules.grace_days), "overdraft": overdraft}),
        (_("Final report"), report),
    ]
    if rules.two_managers_above is not None:
        words = _("Two ESA officers decide on more than %(credits)s") % {"credits": credits(rules.two_managers_above)}
        found.insert(8, (_("Two officers"), words))
    return [{"label": label, "value": value} for label, value in found]


def _countries(codes: tuple[str, ...]) -> str:
    if not codes:
        return _("Any")
    if set(codes) == set(COUNTRIES):
        return _("ESA's and the European Union's member, associate and cooperating states")
    return ", ".join(sorted(country_name(code) for code in codes))
