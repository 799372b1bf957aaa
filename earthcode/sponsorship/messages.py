"""What people are told about requests and decisions: the event, the number, and what to do."""

from collections.abc import Iterable
from datetime import datetime

from django.urls import reverse

from earthcode.identity.models import User
from earthcode.identity.roles import Role
from earthcode.lib.money import amount_text
from earthcode.notifications import actions as notifications
from earthcode.notifications.actions import Recipient
from earthcode.sponsorship.models import CallFunding, Decision, Quotation, ResourceRequest


def sent(resource_request: ResourceRequest, *, at: datetime) -> None:
    """To the managers, and to the Technical Officer where their endorsement is wanted.

    A manager who sent it knows of it, and may not decide on it.
    """
    managers = User.objects.filter(role_grants__role=Role.ESA_MANAGER, is_active=True)
    _send(
        [manager for manager in managers if manager != resource_request.submitted_by],
        resource_request,
        key=f"sent:{at.isoformat()}",
        subject=f"New request for {amount_text(resource_request.amount)} credits",
        body=f"{resource_request.title}, by {resource_request.submitted_by}. Decide by {resource_request.decide_by:%-d %B %Y}.",
        link=reverse("review_request", args=[resource_request.reference]),
        at=at,
    )
    project = resource_request.project
    if project and project.technical_officer and resource_request.checks.filter(code="endorsement").exists():
        _send(
            [project.technical_officer],
            resource_request,
            key=f"endorse:{at.isoformat()}",
            subject="Your endorsement is asked for",
            body=f"{resource_request.title} asks for a platform that needs your endorsement.",
            link=resource_request.get_absolute_url(),
            at=at,
        )


def funding_proposed(funding: CallFunding, *, at: datetime) -> None:
    """To the other managers, one of whom has to agree."""
    credits = f"{amount_text(funding.amount)} credits"
    proposer = funding.proposed_by or "The operator of the site"
    source = f"from {funding.source}" if funding.source else "from a sponsor"
    for manager in User.objects.filter(role_grants__role=Role.ESA_MANAGER, is_active=True):
        if manager.pk == funding.proposed_by_id:
            continue
        notifications.send(
            key=f"funding:{funding.key}:{manager.public_id}",
            to=Recipient(manager.public_id, manager.email),
            subject=f"{funding.call}: {credits} wait for a second manager",
            body=f"{proposer} proposes {credits} {source}.\n\n{funding.reason}",
            at=at,
        )


def decided(decision: Decision, *, subject: str) -> None:
    """To the project's people."""
    resource_request = decision.resource_request
    assert resource_request.project is not None
    _send(
        User.objects.filter(memberships__project=resource_request.project),
        resource_request,
        key=f"decision:{decision.pk}",
        subject=subject,
        body=f"{resource_request.title}\n\n{decision.reason}",
        link=resource_request.get_absolute_url(),
        at=decision.at,
    )


def second_wanted(decision: Decision) -> None:
    """To the other managers: one of them decides."""
    resource_request = decision.resource_request
    managers = User.objects.filter(role_grants__role=Role.ESA_MANAGER, is_active=True)
    _send(
        [manager for manager in managers if manager.pk != decision.by_id],
        resource_request,
        key=f"second:{decision.pk}",
        subject="a second officer is wanted",
        body=f"{decision.by} approved {amount_text(decision.amount)} credits for {resource_request.title}. "
        f"Another officer has to approve it as well.\n\n{decision.reason}",
        link=reverse("review_request", args=[resource_request.reference]),
        at=decision.at,
    )


def offer_answered(resource_request: ResourceRequest, *, subject: str, at: datetime) -> None:
    """To those who decided, and to the project's people."""
    deciders = User.objects.filter(decisions__resource_request=resource_request).distinct()
    members = User.objects.filter(memberships__project=resource_request.project)
    _send(
        {person.pk: person for person in (*deciders, *members)}.values(),
        resource_request,
        key=subject,
        subject=subject,
        body=resource_request.title,
        link=resource_request.get_absolute_url(),
        at=at,
    )


def offer_ends(resource_request: ResourceRequest, *, at: datetime) -> None:
    """To the project's people, once."""
    _send(
        User.objects.filter(memberships__project=resource_request.project),
        resource_request,
        key="offer ends",
        subject=f"accept the offer by {resource_request.offer_until:%-d %B %Y}",
        body=f"{resource_request.title}: ESA offers a part of what you asked for. After that day the offer lapses.",
        link=resource_request.get_absolute_url(),
        at=at,
    )


def price_asked_for(quotation: Quotation, *, at: datetime) -> None:
    """To those who look after the provider's offerings; where nobody does, to ESA, who asks by mail."""
    _tell_provider(
        quotation,
        key=f"asked:{at.isoformat()}",
        subject="a price to give",
        body=f"{quotation.resource_request.project} asks for a price of {quotation.plan}. Answer by "
        f"{quotation.answer_by:%-d %B %Y}.\n\n{quotation.note or quotation.words}",
        at=at,
    )


def price_no_longer_wanted(quotation: Quotation, *, at: datetime) -> None:
    """To whoever was asked."""
    body = f"The price of {quotation.plan} is not needed any more."
    _tell_provider(quotation, key="withdrawn", subject="no price needed", body=body, at=at)


def price_accepted(quotation: Quotation, *, at: datetime) -> None:
    """To whoever gave it."""
    body = f"Your price of {amount_text(quotation.total)} credits for {quotation.plan} was accepted. ESA decides next."
    _tell_provider(quotation, key="accepted", subject="price accepted", body=body, at=at)


def price_given(quotation: Quotation, *, at: datetime) -> None:
    """To the project's people."""
    until = f"{quotation.valid_until:%-d %B %Y}"
    body = f"{quotation.plan} costs {amount_text(quotation.total)} credits. Accept the price by {until}."
    _tell_project(quotation, key=f"answered:{at.isoformat()}", subject="a price for you", body=body, at=at)


def price_declined(quotation: Quotation, *, at: datetime) -> None:
    """To the project's people."""
    body = f"The provider gives no price for {quotation.plan}.\n\n{quotation.note}"
    _tell_project(quotation, key="declined", subject="no price", body=body, at=at)


def price_lapsed(quotation: Quotation, *, at: datetime) -> None:
    """To the project's people."""
    body = f"The price of {quotation.plan} was valid until {quotation.valid_until:%-d %B %Y}. Ask for it again."
    _tell_project(quotation, key=f"lapsed:{quotation.valid_until}", subject="price lapsed", body=body, at=at)


def price_overdue(quotation: Quotation, *, at: datetime) -> None:
    """To the provider and to the project's people, once for each day that was promised."""
    key = f"overdue:{quotation.answer_by}"
    body = f"The price of {quotation.plan} was to be given by {quotation.answer_by:%-d %B %Y}."
    _tell_provider(quotation, key=key, subject="a price is overdue", body=body, at=at)
    _tell_project(quotation, key=key, subject="a price is overdue", body=f"{body} We reminded the provider.", at=at)


def _tell_provider(quotation: Quotation, *, key: str, subject: str, body: str, at: datetime) -> None:
    provider = quotation.plan.offering.platform.provider
    of_provider = User.objects.filter(
        role_grants__role=Role.PROVIDER_ADMINISTRATOR, role_grants__organisation=provider, is_active=True
    ).distinct()
    people = (
        of_provider if of_provider.exists() else User.objects.filter(role_grants__role=Role.ESA_MANAGER, is_active=True)
    )
    _tell(quotation, people, key=key, subject=subject, body=body, at=at)


def _tell_project(quotation: Quotation, *, key: str, subject: str, body: str, at: datetime) -> None:
    people = User.objects.filter(memberships__project=quotation.resource_request.project)
    _tell(quotation, people, key=key, subject=subject, body=body, at=at)


def _tell(quotation: Quotation, people: Iterable[User], *, key: str, subject: str, body: str, at: datetime) -> None:
    for person in people:
        notifications.send(
            key=f"{quotation.reference}:{key}:{person.public_id}",
            to=Recipient(person.public_id, person.email),
            subject=f"{quotation.reference}: {subject}",
            body=body,
            at=at,
        )


def _send(
    people: Iterable[User],
    resource_request: ResourceRequest,
    *,
    key: str,
    subject: str,
    body: str,
    link: str,
    at: datetime,
) -> None:
    for person in people:
        notifications.send(
            key=f"{resource_request.reference}:{key}:{person.public_id}",
            to=Recipient(person.public_id, person.email),
            subject=f"{resource_request.reference}: {subject}",
            body=body,
            link=link,
            at=at,
        )
