"""What is looked at automatically when a request is sent.

Two kinds. What is *missing* refuses the sending and names the task of the hub that mends it. What is *there but against a
rule* is recorded with the request as a check, so that applicant and manager read the same sentences.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain

from django.db.models import Sum

from earthcode.catalogue import queries as catalogue
from earthcode.catalogue.countries import country_name
from earthcode.catalogue.models import Plan
from earthcode.catalogue.pricing import Quote, Workload, margin_on, quote
from earthcode.identity.models import Project, User
from earthcode.ledger import chart
from earthcode.ledger import queries as ledger
from earthcode.lib.errors import InvalidInput, Refused
from earthcode.lib.money import as_text
from earthcode.sponsorship.models import Award, Call, Outcome, ResourceRequest
from earthcode.sponsorship.rules import ProjectType, Rules


class NotPayable(Refused):
    """The award's credits cannot be used for this plan."""

    code = "not_payable"


class AwardOwes(Refused):
    """Usage that no hold covered has to be paid before the award's credits are used for anything else."""

    code = "award_owes"


@dataclass(frozen=True)
class Missing:
    """Something to be filled in: the hub's task, and what to do there."""

    task: str
    sentence: str
    #: The one answer of the task that mends it, where the task asks for several.
    field: str = ""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    code: str
    outcome: Outcome
    sentence: str


def missing_from(resource_request: ResourceRequest) -> list[Missing]:
    """What has to be filled in before the request can be sent, in the order of the hub's tasks."""
    found = []
    if resource_request.project_id is None:
        found.append(Missing("project", "Choose the project that asks."))
    if not resource_request.lines.all():
        found.append(Missing("platforms", "Add at least one plan of a platform."))
    if resource_request.starts_on is None:
        found.append(Missing("period", "Say when the work starts."))
    if not resource_request.science_case.strip():
        found.append(Missing("case", "Write the science case."))
    if not resource_request.non_commercial:
        found.append(Missing("check", "Confirm that the work earns no revenue.", field="non_commercial"))
    if not resource_request.no_provider_tie:
        sentence = "Confirm that nobody in the project is tied to a provider it asks for."
        found.append(Missing("check", sentence, field="no_provider_tie"))
    return found


def unpriced_in(resource_request: ResourceRequest) -> list[Plan]:
    """The plans whose price was asked for and is not accepted."""
    return [line.plan for line in resource_request.lines.all() if not line.is_priced]


def rules_for(resource_request: ResourceRequest, call: Call) -> Rules:
    """What the request is held to under this call: the rules it was sent under, or today's."""
    if resource_request.frozen_rules and resource_request.call_id == call.pk:
        return Rules.from_json(resource_request.frozen_rules)
    return call.rules


def too_long_for(resource_request: ResourceRequest, call: Call) -> Missing | None:
    """What has to be shortened before the request can be sent to this call: nobody can approve what is not read."""
    words = len(resource_request.science_case.split())
    words_max = rules_for(resource_request, call).case_words_max
    if words <= words_max:
        return None
    return Missing("case", f"Shorten the science case: it has {words} words, and {call} reads {words_max}.")


@dataclass(frozen=True)
class Fit:
    """Whether a call fits the request, with the reasons why it does not."""

    call: Call
    reasons: tuple[str, ...]

    @property
    def fits(self) -> bool:
        return not self.reasons


def fits_for(resource_request: ResourceRequest, *, on: date) -> list[Fit]:
    """Every call that takes requests on this day, and why the request does not fit it: those that fit first.

    Among those that fit the one with the lowest ceiling is the first, among the others the one with the highest.
    """
    found = []
    for call in Call.objects.open_on(on):
        rules = rules_for(resource_request, call)
        findings = (
            *_country(resource_request, call, rules),
            *_project_type(resource_request, call, rules),
            *_ceiling(resource_request, call, rules),
            *_project_ceiling(resource_request, call, rules),
            *_period(resource_request, call, rules),
        )
        found.append(Fit(call, tuple(each.sentence for each in findings if each.outcome == Outcome.FAIL)))
    found.sort(key=lambda fit: (fit.call.ceiling if fit.fits else -fit.call.ceiling, fit.call.pk))
    return [*(fit for fit in found if fit.fits), *(fit for fit in found if not fit.fits)]


def call_for(resource_request: ResourceRequest, *, on: date) -> Call | None:
    """The call that the request goes to: the applicant's choice, else the first of ``fits_for``."""
    if resource_request.call is not None:
        return resource_request.call
    return next((fit.call for fit in fits_for(resource_request, on=on)), None)


def refusal_to_pay(award: Award, plan: Plan) -> Refused | None:
    """Why credits of the award cannot pay for a plan that was not asked for: the rules that a request is held to.

    The reader is the project, which can ask for the plan in a new request where ESA has to look.
    """
    offering = plan.offering
    if not (plan.is_listed and offering.is_listed):
        return InvalidInput(f"{plan} is no longer offered.", field="plan")
    if offering.sponsorable is False:
        return NotPayable(f"The Network of Resources does not sponsor {offering}.", field="plan")
    provider = offering.platform.provider
    if provider.pk in _organisations(award.project):
        return NotPayable(f"Somebody in the project belongs to {provider}, which would be paid.", field="plan")
    if offering.tier in award.rules.endorsed_tiers and not hasattr(award.resource_request, "endorsement"):
        return NotPayable(
            f"{offering} is in the {offering.get_tier_display()}, which needs your Technical Officer's endorsement: "
            "ask for it in a new request.",
            field="plan",
        )
    return None


def refuse_if_it_owes(award: Award) -> None:
    """Raise ``AwardOwes`` while the award has a debt: nothing new is placed from it, and nothing is moved away."""
    if owed := ledger.debt(award.reference):
        raise AwardOwes(
            f"{award} owes {as_text(owed)} credits for usage that its allocations did not cover. "
            "Nothing else can be paid from it until they are paid."
        )


def findings_for(resource_request: ResourceRequest, call: Call, *, on: date) -> list[Finding]:
    """Every check's outcome, in the order they are read."""
    rules = rules_for(resource_request, call)
    return [
        *_country(resource_request, call, rules),
        *_project_type(resource_request, call, rules),
        *_tie(resource_request),
        *_ceiling(resource_request, call, rules),
        *_project_ceiling(resource_request, call, rules),
        *_budget(resource_request, call),
        *_period(resource_request, call, rules),
        *_case(resource_request, call, rules),
        *_prices(resource_request, on),
        *_quotations(resource_request, on),
        *_sponsorable(resource_request),
        *_endorsement(resource_request, rules),
        *_publication(resource_request),
    ]


def _country(resource_request: ResourceRequest, call: Call, rules: Rules) -> Iterator[Finding]:
    if not rules.countries:
        return
    organisation = resource_request.project.organisation if resource_request.project else None
    country = organisation.country if organisation else ""
    if country in rules.countries:
        yield Finding("country", Outcome.PASS, f"{organisation} is in a country that {call} is for.")
    elif country:
        where = f"{organisation} ({country_name(country)})"
        yield Finding("country", Outcome.FAIL, f"{where} is not in a country that {call} is for.")
    else:
        yield Finding("country", Outcome.WARN, "The country of the project's organisation is not known.")


def _project_type(resource_request: ResourceRequest, call: Call, rules: Rules) -> Iterator[Finding]:
    if not rules.project_types or resource_request.project is None:
        return
    kind = ProjectType.ESA if resource_request.project.esa_funded else ProjectType.OTHER
    if kind in rules.project_types:
        yield Finding("project_type", Outcome.PASS, f"The project is of a kind that {call} is for: {kind.label}.")
        return
    kinds = " or ".join(str(ProjectType(each).label) for each in rules.project_types)
    yield Finding("project_type", Outcome.FAIL, f"{call} is for projects that are {kinds}.")


def _tie(resource_request: ResourceRequest) -> Iterator[Finding]:
    organisations = _organisations(resource_request.project)
    tied = sorted(
        {
            line.plan.offering.platform.provider.name
            for line in resource_request.lines.all()
            if line.plan.offering.platform.provider_id in organisations
        }
    )
    if tied:
        yield Finding("provider_tie", Outcome.FAIL, f"The project is tied to {', '.join(tied)}, which would be paid.")
    else:
        yield Finding("provider_tie", Outcome.PASS, "Nobody in the project belongs to a provider it asks for.")


def _organisations(project: Project | None) -> set[int | None]:
    """Whom the project and its people work for, and the providers that its people look after."""
    if project is None:
        return set()
    ties = User.objects.filter(memberships__project=project).values_list(
        "organisation_id", "role_grants__organisation_id"
    )
    return {project.organisation_id, *chain.from_iterable(ties)}


def _asked(resource_request: ResourceRequest) -> int:
    return sum(line.amount for line in resource_request.lines.all())


def _ceiling(resource_request: ResourceRequest, call: Call, rules: Rules) -> Iterator[Finding]:
    asked = _asked(resource_request)
    if asked > rules.ceiling:
        sentence = f"Asks for {as_text(asked)} credits; {call} allows {as_text(rules.ceiling)} for one request."
        yield Finding("ceiling", Outcome.FAIL, sentence)
    else:
        yield Finding("ceiling", Outcome.PASS, f"Within the {as_text(rules.ceiling)} credits of one request.")


def _project_ceiling(resource_request: ResourceRequest, call: Call, rules: Rules) -> Iterator[Finding]:
    if rules.project_ceiling is None or resource_request.project_id is None:
        return
    awards = Award.objects.filter(call=call, project=resource_request.project_id)
    had = awards.exclude(resource_request=resource_request).aggregate(sum=Sum("amount"))["sum"] or 0
    most = as_text(rules.project_ceiling)
    if had + _asked(resource_request) > rules.project_ceiling:
        sentence = (
            f"The project was granted {as_text(had)} credits by {call} before, which allows {most} for one project."
        )
        yield Finding("project_ceiling", Outcome.FAIL, sentence)
    else:
        yield Finding(
            "project_ceiling", Outcome.PASS, f"Within the {most} credits of one project, with earlier awards."
        )


def _budget(resource_request: ResourceRequest, call: Call) -> Iterator[Finding]:
    asked = _asked(resource_request)
    left = ledger.balance(chart.call_accounts(call.slug).available)
    if asked > left:
        yield Finding("budget", Outcome.WARN, f"{call} has {as_text(left)} credits left, fewer than asked.")
        return
    share = f"{asked * 100 // left}%" if asked * 100 >= left else "less than 1%"
    outcome = Outcome.WARN if asked * 5 > left * 2 else Outcome.PASS
    yield Finding("budget", outcome, f"Takes {share} of the credits left in {call}.")


def _period(resource_request: ResourceRequest, call: Call, rules: Rules) -> Iterator[Finding]:
    longest = max((line.months for line in resource_request.lines.all()), default=0)
    if longest > rules.months_max:
        yield Finding("period", Outcome.FAIL, f"Runs for {longest} months; {call} allows {rules.months_max}.")
    else:
        yield Finding("period", Outcome.PASS, f"Runs for {longest} of at most {rules.months_max} months.")


def _case(resource_request: ResourceRequest, call: Call, rules: Rules) -> Iterator[Finding]:
    words = len(resource_request.science_case.split())
    most = rules.case_words_max
    if words > most:
        yield Finding("case", Outcome.FAIL, f"The science case has {words} words; {call} reads {most}.")
    else:
        yield Finding("case", Outcome.PASS, f"The science case has {words} of at most {most} words.")


def _prices(resource_request: ResourceRequest, on: date) -> Iterator[Finding]:
    lines = resource_request.lines.all()
    components = catalogue.components_on([line.plan_id for line in lines], on)
    changed = []
    for line in lines:
        if line.valid_until is not None or not line.is_priced:
            continue
        workload = Workload.from_json(line.workload)
        now = quote(components.get(line.plan_id, ()), workload, months_max=line.plan.months_max)
        if not isinstance(now, Quote) or now.total + margin_on(now.total, line.margin_percent) != line.amount:
            changed.append(line.plan.offering.name)
    if changed:
        yield Finding("prices", Outcome.WARN, f"Prices changed since the estimate: {', '.join(changed)}.")
    else:
        yield Finding("prices", Outcome.PASS, "The estimate matches today's prices.")


def _quotations(resource_request: ResourceRequest, on: date) -> Iterator[Finding]:
    """Prices that providers gave for this request: accepted, and still valid on this day."""
    if unpriced := unpriced_in(resource_request):
        yield Finding("quotations", Outcome.WARN, f"A price was asked for and is not accepted: {_names(unpriced)}.")
    quoted = [line for line in resource_request.lines.all() if line.valid_until is not None]
    if lapsed := [line.plan for line in quoted if line.valid_until is not None and line.valid_until < on]:
        yield Finding("quotations_valid", Outcome.FAIL, f"The provider's price is no longer valid: {_names(lapsed)}.")
    elif quoted:
        until = min(line.valid_until for line in quoted if line.valid_until is not None)
        yield Finding("quotations_valid", Outcome.PASS, f"The provider's price is valid until {until:%-d %B %Y}.")


def _names(plans: Iterable[Plan]) -> str:
    return ", ".join(str(plan) for plan in plans)


def _sponsorable(resource_request: ResourceRequest) -> Iterator[Finding]:
    refused = [
        str(line.plan.offering) for line in resource_request.lines.all() if line.plan.offering.sponsorable is False
    ]
    if refused:
        yield Finding("sponsorable", Outcome.FAIL, f"The Network of Resources does not sponsor {', '.join(refused)}.")


def _endorsement(resource_request: ResourceRequest, rules: Rules) -> Iterator[Finding]:
    tiers = [
        line.plan.offering.get_tier_display()
        for line in resource_request.lines.all()
        if line.plan.offering.tier in rules.endorsed_tiers
    ]
    if tiers:
        yield Finding("endorsement", Outcome.WARN, f"{tiers[0]} needs the Technical Officer's endorsement.")


def _publication(resource_request: ResourceRequest) -> Iterator[Finding]:
    if resource_request.will_publish:
        yield Finding("publication", Outcome.PASS, "Results will be published in the Open Science Catalog.")
    else:
        yield Finding("publication", Outcome.WARN, "Does not promise to publish in the Open Science Catalog.")
