"""Who may publish what. The answer to "who may approve?" is the line "approve"."""

from earthcode.audit.actors import Actor
from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import Refused
from earthcode.lifecycle import Lifecycle, step
from earthcode.publishing.content import changes
from earthcode.publishing.events import DraftEvent
from earthcode.publishing.models import Draft, DraftStatus

DRAFT, WAITING, RETURNED, PUBLISHED, DISCARDED = (
    DraftStatus.DRAFT,
    DraftStatus.WAITING,
    DraftStatus.RETURNED,
    DraftStatus.PUBLISHED,
    DraftStatus.DISCARDED,
)


class ConflictOfInterest(Refused):
    """Nobody approves what their own organisation offers, nor what they sent themselves."""

    code = "conflict_of_interest"


class NeedsApproval(Refused):
    """The draft changes more than facts, so ESA has to approve it."""

    code = "needs_approval"


class NothingToPublish(Refused):
    """The draft says what is public already."""

    code = "nothing_to_publish"


def by_somebody_else(draft: Draft, by: Actor) -> Refused | None:
    """Four eyes, and not those of the organisation that would be paid."""
    if not isinstance(by, User):
        return None
    provider = draft.platform.provider
    if provider.pk == by.organisation_id or provider.pk in by.grants.provider_roles:
        return ConflictOfInterest(f"You belong to {provider}. Someone else has to decide.")
    if by.pk in (draft.submitted_by_id, draft.saved_by_id):
        return ConflictOfInterest("You wrote this draft yourself. Someone else has to decide.")
    return None


def says_something_new(draft: Draft, by: Actor) -> Refused | None:
    del by
    if draft.base and not changes(draft.base, draft.content):
        return NothingToPublish("This draft is the same as what is already public.")
    return None


def changes_facts_only(draft: Draft, by: Actor) -> Refused | None:
    del by
    found = next((each for each in changes(draft.base, draft.content) if each.reason), None)
    return NeedsApproval(f"ESA has to approve this: {found.reason}.") if found else None


OFFERING_DRAFT = Lifecycle[Draft](
    "offering_draft",
    DraftEvent,
    step(
        "publish",
        {DRAFT, RETURNED},
        PUBLISHED,
        needs=Permission.OFFERING_EDIT,
        provided=(says_something_new, changes_facts_only),
    ),
    step(
        "submit",
        {DRAFT, RETURNED},
        WAITING,
        needs=Permission.OFFERING_EDIT,
        provided=says_something_new,
        label="Submit to ESA",
    ),
    step("take_back", {WAITING}, DRAFT, needs=Permission.OFFERING_EDIT),
    step("approve", {WAITING}, PUBLISHED, needs=Permission.OFFERING_PUBLISH, provided=by_somebody_else),
    step(
        "send_back",
        {WAITING},
        RETURNED,
        needs=Permission.OFFERING_PUBLISH,
        provided=by_somebody_else,
        label="Return with a comment",
    ),
    step("discard", {DRAFT, RETURNED}, DISCARDED, needs=Permission.OFFERING_EDIT),
)
