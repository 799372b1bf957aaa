"""Who may move a resource request, and from where to where. The answer to "who may approve?" is the line "approve"."""

from earthcode.audit.actors import Actor
from earthcode.identity.models import Organisation, RoleGrant, User
from earthcode.identity.roles import Permission, Role
from earthcode.lib.errors import Refused
from earthcode.lifecycle import Lifecycle, WrongState, step
from earthcode.sponsorship.events import CallEvent, FundingEvent, QuotationEvent, RequestEvent
from earthcode.sponsorship.models import (
    Call,
    CallFunding,
    CallStatus,
    DecisionKind,
    FundingStatus,
    Outcome,
    Quotation,
    QuotationStatus,
    RequestStatus,
    ResourceRequest,
)

DRAFT, IN_REVIEW, INFO_NEEDED, OFFERED, APPROVED, REJECTED, DECLINED, WITHDRAWN = (
    RequestStatus.DRAFT,
    RequestStatus.IN_REVIEW,
    RequestStatus.INFO_NEEDED,
    RequestStatus.OFFERED,
    RequestStatus.APPROVED,
    RequestStatus.REJECTED,
    RequestStatus.DECLINED,
    RequestStatus.WITHDRAWN,
)


class ConflictOfInterest(Refused):
    """Nobody decides on what they have an interest in: their own request, project, organisation or platform."""

    code = "conflict_of_interest"


class CheckFailed(Refused):
    """An automatic check does not hold, so the request cannot be approved as it stands."""

    code = "check_failed"


class EndorsementMissing(Refused):
    """The call asks for the Technical Officer's endorsement, and there is none."""

    code = "endorsement_missing"


class NotTheTechnicalOfficer(Refused):
    """Only the Technical Officer who supervises the project endorses its requests."""

    code = "not_the_technical_officer"


def interest_of(user: User, resource_request: ResourceRequest) -> str | None:
    """What ties this person to the request, as a sentence, or None."""
    if user.pk in (resource_request.created_by_id, resource_request.submitted_by_id):
        return "You wrote this request yourself."
    if resource_request.project_id in user.grants.project_roles:
        return "You are a member of the project that asks."
    project = resource_request.project
    if project is not None and project.organisation_id and project.organisation_id == user.organisation_id:
        return f"You work for {project.organisation}, which asks."
    for line in resource_request.lines.all():
        provider = line.plan.offering.platform.provider
        if provider.pk == user.organisation_id or provider.pk in user.grants.provider_roles:
            return f"You belong to {provider}, which would be paid."
    return None


def by_someone_without_interest(resource_request: ResourceRequest, by: Actor) -> Refused | None:
    if isinstance(by, User) and (tie := interest_of(by, resource_request)):
        return ConflictOfInterest(f"{tie} Someone else has to decide.")
    return None


def by_the_technical_officer(resource_request: ResourceRequest, by: Actor) -> Refused | None:
    project = resource_request.project
    if project is None or not isinstance(by, User) or project.technical_officer_id != by.pk:
        return NotTheTechnicalOfficer("Only the Technical Officer of this project can endorse its requests.")
    return None


def not_endorsed_yet(resource_request: ResourceRequest, by: Actor) -> Refused | None:
    del by
    return WasEndorsed("This request is endorsed already.") if hasattr(resource_request, "endorsement") else None


class PriceMissing(Refused):
    """A price was asked for and is not accepted, so there is no amount to decide on."""

    code = "price_missing"


def every_line_is_priced(resource_request: ResourceRequest, by: Actor) -> Refused | None:
    del by
    for line in resource_request.lines.all():
        if not line.is_priced:
            return PriceMissing(f"The price of {line.plan} was asked for and is not accepted yet.")
    return None


class SecondManagerNeeded(Refused):
    """The call wants two managers for an amount like this, and only one has a say as yet."""

    code = "second_manager_needed"


def _first_approvals(resource_request: ResourceRequest) -> list[int]:
    """Managers who approved what is asked now: not what was asked before a question or another price."""
    sent_at = resource_request.submitted_at
    return [
        each.by_id
        for each in resource_request.decisions.all()
        if each.kind == DecisionKind.FIRST
        and each.amount == resource_request.amount
        and sent_at is not None
        and each.at >= sent_at
    ]


def needs_two(resource_request: ResourceRequest, amount: int) -> bool:
    """Whether two managers have to agree to grant this many micro-credits."""
    rules = resource_request.rules
    return rules is not None and rules.two_managers_above is not None and amount > rules.two_managers_above


def another_approved_where_needed(resource_request: ResourceRequest, by: Actor) -> Refused | None:
    if not needs_two(resource_request, resource_request.amount):
        return None
    if not isinstance(by, User) or not any(pk != by.pk for pk in _first_approvals(resource_request)):
        return SecondManagerNeeded("Two officers decide on an amount like this. Another one has to approve it first.")
    return None


def as_the_first_of_two(resource_request: ResourceRequest, by: Actor) -> Refused | None:
    del by
    if not needs_two(resource_request, resource_request.amount):
        return WrongState("One officer is enough for this amount.")
    if _first_approvals(resource_request):
        return WrongState("An officer has approved it already; a second one decides.")
    return None


class WasEndorsed(Refused):
    """There is one endorsement of a request."""

    code = "endorsed_already"


def checks_hold(resource_request: ResourceRequest, by: Actor) -> Refused | None:
    del by
    for check in resource_request.checks.all():
        if check.outcome == Outcome.FAIL:
            return CheckFailed(f"{check.sentence} Ask the applicant to change this, or reject the request.")
    return None


def endorsed_where_needed(resource_request: ResourceRequest, by: Actor) -> Refused | None:
    del by
    rules = resource_request.rules
    if rules is None or hasattr(resource_request, "endorsement"):
        return None
    for line in resource_request.lines.all():
        offering = line.plan.offering
        if offering.tier in rules.endorsed_tiers:
            return EndorsementMissing(
                f"{offering} is in the {offering.get_tier_display()}, which needs the Technical Officer's endorsement."
            )
    return None


RESOURCE_REQUEST = Lifecycle[ResourceRequest](
    "resource_request",
    RequestEvent,
    step("submit", {DRAFT, INFO_NEEDED}, IN_REVIEW, needs=Permission.REQUEST_SUBMIT),
    step("withdraw", {DRAFT, IN_REVIEW, INFO_NEEDED}, WITHDRAWN, needs=Permission.REQUEST_SUBMIT),
    step(
        "endorse",
        {IN_REVIEW},
        IN_REVIEW,
        needs=Permission.REQUEST_ENDORSE,
        provided=(by_the_technical_officer, by_someone_without_interest, not_endorsed_yet),
    ),
    step("ask", {IN_REVIEW}, INFO_NEEDED, needs=Permission.REQUEST_DECIDE, provided=by_someone_without_interest),
    step(
        "approve",
        {IN_REVIEW},
        APPROVED,
        needs=Permission.REQUEST_DECIDE,
        provided=(
            by_someone_without_interest,
            every_line_is_priced,
            checks_hold,
            endorsed_where_needed,
            another_approved_where_needed,
        ),
    ),
    step(
        "approve_first",
        {IN_REVIEW},
        IN_REVIEW,
        needs=Permission.REQUEST_DECIDE,
        provided=(
            as_the_first_of_two,
            by_someone_without_interest,
            every_line_is_priced,
            checks_hold,
            endorsed_where_needed,
        ),
        label="Approve, as the first of two",
    ),
    step(
        "offer",
        {IN_REVIEW},
        OFFERED,
        needs=Permission.REQUEST_DECIDE,
        provided=(by_someone_without_interest, every_line_is_priced, endorsed_where_needed),
        label="Offer a part",
    ),
    step("accept", {OFFERED}, APPROVED, needs=Permission.REQUEST_SUBMIT, label="Accept the offer"),
    step("decline", {OFFERED}, DECLINED, needs=Permission.REQUEST_SUBMIT, label="Decline the offer"),
    step("lapse", {OFFERED}, DECLINED),
    step("reject", {IN_REVIEW}, REJECTED, needs=Permission.REQUEST_DECIDE, provided=by_someone_without_interest),
)

CALL = Lifecycle[Call](
    "call",
    CallEvent,
    step("open", {CallStatus.PLANNED}, CallStatus.OPEN, needs=Permission.CALL_MANAGE, by_system=True),
    step("pause", {CallStatus.OPEN}, CallStatus.PAUSED, needs=Permission.CALL_MANAGE, by_system=True),
    step("resume", {CallStatus.PAUSED}, CallStatus.OPEN, needs=Permission.CALL_MANAGE, by_system=True),
    step(
        "close",
        {CallStatus.PLANNED, CallStatus.OPEN, CallStatus.PAUSED},
        CallStatus.CLOSED,
        needs=Permission.CALL_MANAGE,
        by_system=True,
    ),
)


class OneManagerOnly(Refused):
    """Whoever proposed that credits move cannot be the one who agrees."""

    code = "one_manager_only"


def by_another_manager(funding: CallFunding, by: Actor) -> Refused | None:
    if isinstance(by, User) and funding.proposed_by_id == by.pk:
        return OneManagerOnly("You proposed this. A second manager has to agree.")
    return None


CALL_FUNDING = Lifecycle[CallFunding](
    "call_funding",
    FundingEvent,
    step(
        "agree",
        {FundingStatus.WAITING},
        FundingStatus.AGREED,
        needs=Permission.CALL_MANAGE,
        provided=by_another_manager,
    ),
    step("decline", {FundingStatus.WAITING}, FundingStatus.DECLINED, needs=Permission.CALL_MANAGE, by_system=True),
)


class NotForTheProvider(Refused):
    """A provider that has people here answers by them."""

    code = "provider_answers_itself"


def provider_has_people(provider: Organisation) -> bool:
    """Whether somebody on this site looks after the provider's things."""
    return RoleGrant.objects.filter(
        organisation=provider, role=Role.PROVIDER_ADMINISTRATOR, user__is_active=True
    ).exists()


def by_the_provider_or_in_its_place(quotation: Quotation, by: Actor) -> Refused | None:
    """The provider's people answer; where it has none here, ESA records what came by mail."""
    if isinstance(by, User) and quotation.provider_scope & by.grants.provider_roles.keys():
        return None
    provider = quotation.plan.offering.platform.provider
    if provider_has_people(provider):
        return NotForTheProvider(f"{provider} has people on this site, who answer for it.")
    return None


ASKED, ANSWERED, ACCEPTED = QuotationStatus.ASKED, QuotationStatus.ANSWERED, QuotationStatus.ACCEPTED

QUOTATION = Lifecycle[Quotation](
    "quotation",
    QuotationEvent,
    step(
        "answer",
        {ASKED, ANSWERED},
        ANSWERED,
        needs=Permission.QUOTATION_ANSWER,
        provided=by_the_provider_or_in_its_place,
    ),
    step(
        "decline",
        {ASKED, ANSWERED},
        QuotationStatus.DECLINED,
        needs=Permission.QUOTATION_ANSWER,
        provided=by_the_provider_or_in_its_place,
    ),
    step("ask_back", {ANSWERED}, ASKED, needs=Permission.REQUEST_EDIT),
    step("accept", {ANSWERED}, ACCEPTED, needs=Permission.REQUEST_EDIT),
    step(
        "withdraw",
        {ASKED, ANSWERED, ACCEPTED},
        QuotationStatus.WITHDRAWN,
        needs=Permission.REQUEST_EDIT,
        by_system=True,
        label="Take back",
    ),
    step("lapse", {ANSWERED}, QuotationStatus.LAPSED),
)
