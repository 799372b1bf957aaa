"""What is looked at automatically when a request is sent.

Two kinds. What is *missing* refuses the sending and names the task of the hub that mends it. What is *there but against a
rule* is recorded with the request as a check, so that applicant and manager read the same sentences.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain

from earthcode.catalogue import queries as catalogue
from earthcode.catalogue.models import Plan
from earthcode.catalogue.pricing import Quote, Workload, margin_on, quote
from earthcode.identity.models import Project, User
from earthcode.ledger import chart
from earthcode.ledger import queries as ledger
from earthcode.lib.errors import InvalidInput, Refused
from earthcode.lib.money import as_text
from earthcode.sponsorship.models import Award, Call, Outcome, ResourceRequest


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


def too_long_for(resource_request: ResourceRequest, call: Call) -> Missing | None:
    """What has to be shortened before the request can be sent to this call: nobody can approve what is not read."""
    words = len(resource_request.science_case.split())
    if words <= call.case_words_max:
        return None
    return Missing("case", f"Shorten the science case: it has {words} words, and {call} reads {call.case_words_max}.")


def call_for(resource_request: ResourceRequest, *, on: date) -> Call | None:
    """The open call that fits: the one with the lowest ceiling that covers what is asked, else the highest ceiling."""
    calls = sorted(Call.objects.open_on(on), key=lambda call: (call.ceiling, call.pk))
    asked = sum(line.amount for line in resource_request.lines.all())
    return next((call for call in calls if call.ceiling >= asked), calls[-1] if calls else None)


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
    if offering.tier in award.call.endorsed_tiers and not hasattr(award.resource_request, "endorsement"):
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
    return [
        *_country(resource_request, call),
        *_tie(resource_request),
        *_amount(resource_request, call),
        *_period(resource_request, call),
        *_case(resource_request, call),
        *_prices(resource_request, on),
        *_sponsorable(resource_request),
        *_endorsement(resource_request, call),
        *_publication(resource_request),
    ]


def _country(resource_request: ResourceRequest, call: Call) -> Iterator[Finding]:
    if not call.countries:
        return
    organisation = resource_request.project.organisation if resource_request.project else None
    country = organisation.country if organisation else ""
    if country in call.countries:
        yield Finding("country", Outcome.PASS, f"{organisation} is in a country that this call is for.")
    elif country:
        yield Finding("country", Outcome.FAIL, f"{organisation} ({country}) is not in a country that this call is for.")
    else:
        yield Finding("country", Outcome.WARN, "The country of the project's organisation is not known.")


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


def _amount(resource_request: ResourceRequest, call: Call) -> Iterator[Finding]:
    asked = sum(line.amount for line in resource_request.lines.all())
    if asked > call.ceiling:
        yield Finding(
            "ceiling",
            Outcome.FAIL,
            f"Asks for {as_text(asked)} credits; {call} allows {as_text(call.ceiling)} for one request.",
        )
    else:
        yield Finding("ceiling", Outcome.PASS, f"Within the {as_text(call.ceiling)} credits of one request.")
    left = ledger.balance(chart.call_accounts(call.slug).available)
    if asked > left:
        yield Finding("budget", Outcome.WARN, f"{call} has {as_text(left)} credits left, fewer than asked.")
        return
    share = f"{asked * 100 // left}%" if asked * 100 >= left else "less than 1%"
    outcome = Outcome.WARN if asked * 5 > left * 2 else Outcome.PASS
    yield Finding("budget", outcome, f"Takes {share} of the credits left in {call}.")


def _period(resource_request: ResourceRequest, call: Call) -> Iterator[Finding]:
    longest = max((line.months for line in resource_request.lines.all()), default=0)
    if longest > call.months_max:
        yield Finding("period", Outcome.FAIL, f"Runs for {longest} months; {call} allows {call.months_max}.")
    else:
        yield Finding("period", Outcome.PASS, f"Runs for {longest} of at most {call.months_max} months.")


def _case(resource_request: ResourceRequest, call: Call) -> Iterator[Finding]:
    words = len(resource_request.science_case.split())
    if words > call.case_words_max:
        yield Finding("case", Outcome.FAIL, f"The science case has {words} words; {call} reads {call.case_words_max}.")
    else:
        yield Finding("case", Outcome.PASS, f"The science case has {words} of at most {call.case_words_max} words.")


def _prices(resource_request: ResourceRequest, on: date) -> Iterator[Finding]:
    lines = resource_request.lines.all()
    components = catalogue.components_on([line.plan_id for line in lines], on)
    changed = []
    for line in lines:
        workload = Workload.from_json(line.workload)
        now = quote(components.get(line.plan_id, ()), workload, months_max=line.plan.months_max)
        if not isinstance(now, Quote) or now.total + margin_on(now.total, line.margin_percent) != line.amount:
            changed.append(line.plan.offering.name)
    if changed:
        yield Finding("prices", Outcome.WARN, f"Prices changed since the estimate: {', '.join(changed)}.")
    else:
        yield Finding("prices", Outcome.PASS, "The estimate matches today's prices.")


def _sponsorable(resource_request: ResourceRequest) -> Iterator[Finding]:
    refused = [
        str(line.plan.offering) for line in resource_request.lines.all() if line.plan.offering.sponsorable is False
    ]
    if refused:
        yield Finding("sponsorable", Outcome.FAIL, f"The Network of Resources does not sponsor {', '.join(refused)}.")


def _endorsement(resource_request: ResourceRequest, call: Call) -> Iterator[Finding]:
    tiers = [
        line.plan.offering.get_tier_display()
        for line in resource_request.lines.all()
        if line.plan.offering.tier in call.endorsed_tiers
    ]
    if tiers:
        yield Finding("endorsement", Outcome.WARN, f"{tiers[0]} needs the Technical Officer's endorsement.")


def _publication(resource_request: ResourceRequest) -> Iterator[Finding]:
    if resource_request.will_publish:
        yield Finding("publication", Outcome.PASS, "Results will be published in the Open Science Catalog.")
    else:
        yield Finding("publication", Outcome.WARN, "Does not promise to publish in the Open Science Catalog.")
