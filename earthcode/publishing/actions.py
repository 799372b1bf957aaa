"""Every write to drafts, and the one way from a draft to the catalogue.

Each action is one transaction, checks who asks, and does everything or raises a ``Refused`` and changes nothing. Locks are
taken in one order: the draft, the offering, the catalogue's import.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from earthcode.audit import actions as audit
from earthcode.catalogue import actions as catalogue
from earthcode.catalogue.models import Offering, Plan, Platform
from earthcode.catalogue.records import Records, read_offering
from earthcode.catalogue.retirement import refuse_if_retired
from earthcode.catalogue.vocabulary import all_normalised
from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.lib.lock import lock
from earthcode.publishing import messages, notices
from earthcode.publishing.content import (
    SECTIONS,
    SOURCED,
    Content,
    content_of,
    dated,
    digest,
    merged,
    missing_from,
    plan_of,
    section_of,
    tidy,
)
from earthcode.publishing.events import DraftEvent
from earthcode.publishing.lifecycle import OFFERING_DRAFT
from earthcode.publishing.models import OPEN, Draft, DraftStatus

#: Lists whose names have one spelling in the catalogue.
_NAMES = ("service_types", "interfaces", "protocols", "workflow_types", "datasets")


class NotEditable(Refused):
    """The draft is with ESA, published or discarded."""

    code = "not_editable"


class SavedMeanwhile(Refused):
    """Somebody else saved the same section after it was opened."""

    code = "saved_meanwhile"


class PublicChanged(Refused):
    """The catalogue says something else than when the draft was begun."""

    code = "public_changed"


class IncompleteDraft(Refused):
    """Sections of the draft are not filled in; ``missing`` names them."""

    code = "incomplete_draft"

    def __init__(self, missing: list[str]) -> None:
        sentences = {
            "about": "Say what it is: name, summary, tier and kind of service.",
            "plans": "Add at least one plan; its price may be on request.",
        }
        super().__init__(" ".join(sentences[each] for each in missing))
        self.missing = missing


# --- beginning --------------------------------------------------------------------------------------------------------


@transaction.atomic
def start(*, platform: Platform, name: str, by: User, at: datetime) -> Draft:
    """A draft of a new offering on one of the organisation's platforms."""
    if not by.may(Permission.OFFERING_EDIT, platform):
        raise NotPermitted("Only the provider's administrators can offer something on it.", field="platform")
    name = " ".join(name.split())
    if not name:
        raise InvalidInput("Enter a name for the offering.", field="name")
    slug = slugify(name)[:80].strip("-")
    if not slug:
        raise InvalidInput("Use letters or digits in the name.", field="name")
    taken = Offering.objects.filter(slug=slug).exists() or Draft.objects.filter(slug=slug, status__in=OPEN).exists()
    if taken:
        raise InvalidInput(
            "There is already an offering with this name. Add something that distinguishes yours.", field="name"
        )
    draft = _create(platform=platform, offering=None, slug=slug, content={"name": name}, by=by, at=at)
    audit.record(DraftEvent.START, by=by, about=draft, at=at)
    return draft


@transaction.atomic
def edit(offering: Offering, *, by: User, at: datetime) -> Draft:
    """The open draft of the offering, or a new one that says what is public now."""
    if not by.may(Permission.OFFERING_EDIT, offering):
        raise NotPermitted("Only the provider's administrators can edit this offering.")
    # Two administrators who begin at the same time get the same draft.
    locked = Offering.objects.select_for_update(no_key=True, of=("self",)).select_related("platform", "replaced_by")
    offering = locked.get(pk=offering.pk)
    refuse_if_retired(offering, on=at.date())
    found = Draft.objects.filter(slug=offering.slug, status__in=OPEN).first()
    if found is not None:
        return found
    content = content_of(offering)
    draft = _create(
        platform=offering.platform, offering=offering, slug=offering.slug, content=content, base=content, by=by, at=at
    )
    audit.record(DraftEvent.START, by=by, about=draft, at=at, data={"offering": offering.slug})
    return draft


def _create(*, by: User, at: datetime, **values: Any) -> Draft:
    try:
        with transaction.atomic():
            return Draft.objects.create(
                **values, created_by=by, created_at=at, saved_by=by, saved_at=at, status_since=at
            )
    except IntegrityError as error:
        raise InvalidInput("Someone has just started a draft with this name.", field="name") from error


# --- filling in -------------------------------------------------------------------------------------------------------


@transaction.atomic
def save_section(
    draft: Draft, *, section: str, values: Mapping[str, Any], seen: str | None = None, by: User, at: datetime
) -> None:
    """Save one section. ``seen`` is the digest of the section as it was opened: another one there now is a refusal."""
    _lock_for_editing(draft, by)
    before = section_of(draft.content, section)
    _refuse_unseen(draft, before, seen)
    given = {name: values[name] for name in SECTIONS[section] if name in values}
    for name in _NAMES:
        if name in given:
            names = all_normalised(given[name])
            # Another spelling of the same is no change.
            given[name] = before[name] if name in before and names == all_normalised(before[name]) else names
    if section == "about" and not " ".join(str(given.get("name", "")).split()):
        raise InvalidInput("Enter a name for the offering.", field="name")
    content = {**draft.content, **given}
    changed = [name for name in given if tidy({name: given[name]}) != tidy({name: before.get(name)})]
    content["sources"] = _sources(content, changed, draft=draft, at=at)
    _save(draft, tidy(content), what=section, changed=changed, by=by, at=at)


@transaction.atomic
def save_plan(
    draft: Draft, *, slug: str, values: Mapping[str, Any], seen: str | None = None, by: User, at: datetime
) -> str:
    """Save a plan with its components and rates, or add one (``slug`` empty). Returns its name in addresses."""
    _lock_for_editing(draft, by)
    before = plan_of(draft.content, slug) if slug else None
    if slug and before is None:
        raise SavedMeanwhile("Somebody else has removed this plan.")
    _refuse_unseen(draft, before, seen if slug else None)
    plan = tidy(
        {"kind": "general", **(before or {}), **values, "slug": slug or _plan_slug(draft, str(values.get("name", "")))}
    )
    if not plan.get("name"):
        raise InvalidInput("Enter a name for the plan.", field="name")
    names = [(each["metric"], each.get("label", "")) for each in plan.get("components", [])]
    if len(set(names)) < len(names):
        raise InvalidInput("Two components use the same metric. Give them different labels.")
    plans = list(draft.content.get("plans", []))
    if before is None:
        plans.append(plan)
    else:
        plans[plans.index(before)] = plan
    content = tidy({**draft.content, "plans": plans})
    _check(draft, content)
    _save(draft, content, what="plan", changed=[plan["slug"]], by=by, at=at)
    return str(plan["slug"])


@transaction.atomic
def remove_plan(draft: Draft, *, slug: str, by: User, at: datetime) -> None:
    """Take a plan out of the draft; doing it twice changes nothing."""
    _lock_for_editing(draft, by)
    plans = [plan for plan in draft.content.get("plans", []) if plan["slug"] != slug]
    if len(plans) < len(draft.content.get("plans", [])):
        _save(draft, tidy({**draft.content, "plans": plans}), what="plan", changed=[slug], by=by, at=at)


@transaction.atomic
def catch_up(draft: Draft, *, by: User, at: datetime) -> None:
    """Take over what was changed in the catalogue since the draft was begun; what the draft says itself stays."""
    _lock_for_editing(draft, by)
    current = _public(draft)
    draft.content = merged(draft.base, current, draft.content)
    draft.base = current
    draft.saved_by, draft.saved_at = by, at
    draft.save(update_fields=["content", "base", "saved_by", "saved_at"])
    audit.record(DraftEvent.CATCH_UP, by=by, about=draft, at=at)


# --- publishing -------------------------------------------------------------------------------------------------------


@transaction.atomic
def submit(draft: Draft, *, note: str = "", by: User, at: datetime) -> None:
    """Ask ESA to approve the draft; it stays as it is until they have decided, or the provider takes it back."""
    lock(draft)
    OFFERING_DRAFT.advance(
        draft,
        "submit",
        by=by,
        at=at,
        data={"note": note.strip()},
        submitted_by=by,
        submitted_at=at,
        note=note.strip(),
    )
    _refuse_unready(draft)
    messages.submitted(draft, at=at)


@transaction.atomic
def take_back(draft: Draft, *, by: User, at: datetime) -> None:
    """The provider wants to change something before ESA decides."""
    OFFERING_DRAFT.advance(draft, "take_back", by=by, at=at)


@transaction.atomic
def discard(draft: Draft, *, by: User, at: datetime) -> None:
    """The draft is not wanted any more. It stays on record; what is public stays as it is."""
    OFFERING_DRAFT.advance(draft, "discard", by=by, at=at)


@transaction.atomic
def publish(draft: Draft, *, by: User, at: datetime) -> Offering:
    """Publish what changes facts alone. Doing it twice is doing it once."""
    lock(draft)
    if draft.status == DraftStatus.PUBLISHED and by.may(Permission.OFFERING_EDIT, draft):
        assert draft.offering is not None
        return draft.offering
    return _apply(draft, "publish", by=by, at=at)


@transaction.atomic
def approve(draft: Draft, *, comment: str = "", by: User, at: datetime) -> Offering:
    """ESA approves what a provider sent, and it is public. Doing it twice is doing it once."""
    lock(draft)
    if draft.status == DraftStatus.PUBLISHED and by.may(Permission.OFFERING_PUBLISH, draft):
        assert draft.offering is not None
        return draft.offering
    offering = _apply(draft, "approve", by=by, at=at, comment=comment.strip())
    messages.approved(draft, at=at)
    return offering


@transaction.atomic
def send_back(draft: Draft, *, comment: str, by: User, at: datetime) -> None:
    """ESA returns the draft: the comment says what has to be different."""
    comment = comment.strip()
    if not comment:
        raise InvalidInput("Enter what has to change. The provider will see it.", field="comment")
    OFFERING_DRAFT.advance(draft, "send_back", by=by, at=at, data={"comment": comment}, comment=comment)
    messages.sent_back(draft, at=at)


def _apply(draft: Draft, step: str, *, by: User, at: datetime, **changes: Any) -> Offering:
    """Make the catalogue say what the draft says: all of it, in the caller's transaction.

    The import closes the rate in force the day before a new one begins, takes what is gone out of use and off the list,
    and makes the version that readers are shown from now on.
    """
    refusal = OFFERING_DRAFT.refusal(draft, step, by=by)
    if refusal is not None:
        raise refusal
    _refuse_unready(draft)
    content, dearer = dated(
        draft.content, draft.base, today=at.date(), notice=timedelta(days=settings.PRICE_NOTICE_DAYS)
    )
    record = read_offering({**content, "slug": draft.slug, "platform": draft.platform.slug})
    catalogue.import_records(Records(offerings=[record]), by=by, at=at)
    offering = Offering.objects.select_related("platform__provider").get(slug=draft.slug)
    # What is public is what the draft said, with the days of its rates and our spelling of names.
    changes |= {"offering": offering, "content": content_of(offering)}
    OFFERING_DRAFT.advance(draft, step, by=by, at=at, data={"offering": offering.slug}, **changes)
    notices.prices_change(offering, dearer, by=by, at=at)
    return offering


def _refuse_unready(draft: Draft) -> None:
    """Under the draft's lock: complete, correct, and based on what is public now."""
    if missing := missing_from(draft.content):
        raise IncompleteDraft(missing)
    if _public(draft) != draft.base:
        raise PublicChanged(
            "The catalogue has changed since this draft was started. Update the draft and check it again."
        )
    _check(draft, draft.content)
    if draft.offering is None and Offering.objects.filter(slug=draft.slug).exists():
        raise PublicChanged("Another offering has this name in addresses by now. Begin anew under another name.")


def _public(draft: Draft) -> Content:
    """What the catalogue says now, under a lock: nobody publishes another draft of it meanwhile."""
    if draft.offering_id is None:
        return {}
    offering = Offering.objects.select_for_update(no_key=True, of=("self",)).get(pk=draft.offering_id)
    return content_of(offering)


def _check(draft: Draft, content: Content) -> None:
    """By the rules of the catalogue's files; raises ``BrokenRecords``. What is not filled in yet is no fault here."""
    filler = {"name": draft.slug, "summary": "…", "tier": "platform"}
    read_offering({**filler, **content, "slug": draft.slug, "platform": draft.platform.slug})


# --- for this module --------------------------------------------------------------------------------------------------


def _lock_for_editing(draft: Draft, by: User) -> None:
    lock(draft)
    if not by.may(Permission.OFFERING_EDIT, draft):
        raise NotPermitted("Only the provider's administrators can change this draft.")
    if draft.status not in (DraftStatus.DRAFT, DraftStatus.RETURNED):
        raise NotEditable(f"This draft is “{draft.get_status_display()}” and can no longer be changed.")


def _refuse_unseen(draft: Draft, stored: Any, seen: str | None) -> None:
    if seen is not None and digest(stored) != seen:
        raise SavedMeanwhile(
            f"{draft.saved_by} saved this section at {draft.saved_at:%H:%M} UTC, after you opened it. Nothing of yours is "
            "lost: compare, then save again to put yours in its place."
        )


def _save(draft: Draft, content: Content, *, what: str, changed: list[str], by: User, at: datetime) -> None:
    draft.content = content
    draft.saved_by, draft.saved_at = by, at
    draft.save(update_fields=["content", "saved_by", "saved_at"])
    audit.record(DraftEvent.SAVE, by=by, about=draft, at=at, data={"section": what, "changed": changed})


def _sources(content: Content, changed: list[str], *, draft: Draft, at: datetime) -> Content:
    """Facts that the provider states here have the provider as their source."""
    sources = dict(content.get("sources", {}))
    stated = {"source": f"Stated by {draft.platform.provider}", "date": at.date().isoformat()}
    for name in SOURCED:
        if name in changed:
            sources[name] = stated
        if tidy({name: content.get(name)}) == {}:
            sources.pop(name, None)
    return sources


def _plan_slug(draft: Draft, name: str) -> str:
    """A name for addresses that no plan of the offering has or had: what is delisted keeps its own."""
    taken = {plan["slug"] for plan in draft.content.get("plans", [])}
    if draft.offering_id is not None:
        taken |= set(Plan.objects.filter(offering=draft.offering_id).values_list("slug", flat=True))
    stem = slugify(name)[:70].strip("-") or "plan"
    number = 1
    while (slug := stem if number == 1 else f"{stem}-{number}") in taken:
        number += 1
    return slug
