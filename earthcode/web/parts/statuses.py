"""The words, moon phases and colours of every status, in one table.

A phase can be read without colour: the fuller the moon, the nearer to working. A dotted ring means that somebody is waited
for, a cross that it stopped. Domain packages know codes; how a code looks is only known here.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from django.db.models import Model
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

#: What a template prints: text, or text that is translated when it is printed.
Words: TypeAlias = "str | _StrPromise"
Tone = Literal["mute", "info", "think", "go", "ok", "warn", "bad"]
Phase = Literal["ph0", "ph1", "ph2", "ph3", "ph4", "ph-q", "ph-x"]


@dataclass(frozen=True)
class Status:
    """How a status is shown, what it means, and who acts next.

    ``own_label``: what it is called for those who have to act, where that is another word.
    """

    label: Words
    phase: Phase
    tone: Tone
    meaning: Words
    acts: Words
    own_label: Words = ""

    def label_for(self, *, own: bool) -> Words:
        return self.own_label if own and self.own_label else self.label


#: Keyed by the code that the database and the API use. ``<model>.<code>`` comes before ``<code>``, for the few codes that mean
#: something else on one kind of thing.
STATUSES: dict[str, Status] = {
    # requests
    "draft": Status(_("Draft"), "ph0", "mute", _("Not submitted. Only your team sees it."), _("You")),
    "submitted": Status(_("Submitted"), "ph1", "info", _("Sent. The automatic checks have run."), _("ESA")),
    "in_review": Status(_("In review"), "ph2", "think", _("An ESA officer is reading it."), _("ESA")),
    "info_needed": Status(
        _("Waiting for applicant"),
        "ph-q",
        "warn",
        _("ESA needs an answer. The decision deadline is paused."),
        _("You"),
        own_label=_("Question for you"),
    ),
    "offered": Status(_("Offer to accept"), "ph-q", "warn", _("ESA offers a part of what you asked for."), _("You")),
    "approved": Status(_("Approved"), "ph3", "go", _("The credits are granted to the project."), _("The platform")),
    "rejected": Status(
        _("Rejected"), "ph-x", "bad", _("Not granted. The reason is on the page."), _("You can use it as a new draft")
    ),
    "declined": Status(_("Declined"), "ph-x", "mute", _("The offer was not taken up."), _("Nobody")),
    "withdrawn": Status(_("Withdrawn"), "ph-x", "mute", _("Withdrawn by the project."), _("Nobody")),
    # statements
    "statement.issued": Status(_("To agree"), "ph1", "info", _("The provider looks at the lines."), _("Provider")),
    "statement.agreed": Status(_("Agreed"), "ph2", "think", _("ESA looks at it."), _("ESA")),
    "statement.approved": Status(_("Approved"), "ph3", "go", _("The provider sends its invoice."), _("Provider")),
    "statement.invoiced": Status(_("Invoiced"), "ph3", "go", _("ESA pays."), _("ESA")),
    "statement.paid": Status(_("Paid"), "ph4", "ok", _("The credits have retired."), _("Nobody")),
    "statement.carried": Status(
        _("Carried over"), "ph-x", "mute", _("Its charges come again with the next statement."), _("Nobody")
    ),
    # allocations
    "provisioning": Status(_("Setting up"), "ph3", "go", _("Access is being set up on the platform."), _("Nobody")),
    "failed": Status(
        _("Set-up problem"),
        "ph-q",
        "bad",
        _("The platform could not set it up. The reason is on the page."),
        _("Provider"),
    ),
    "active": Status(
        _("Active"), "ph4", "ok", _("You can work. Credits go down when the provider reports what you used."), _("You")
    ),
    "running_low": Status(
        _("Running low"), "ph4", "warn", _("At this pace the credits end before the allocation does."), _("You")
    ),
    "suspended": Status(
        _("Suspended"), "ph-q", "bad", _("Nothing new can be started. Nothing was deleted."), _("You or the provider")
    ),
    "ending": Status(_("Ending"), "ph4", "mute", _("Access is being removed on the platform."), _("Nobody")),
    "closed": Status(_("Ended"), "ph4", "mute", _("It is over. You can still read its statement."), _("Nobody")),
    # drafts of offerings
    "draft.draft": Status(_("Draft"), "ph0", "mute", _("Only the provider sees it."), _("Provider")),
    "draft.waiting": Status(
        _("Waiting for ESA"), "ph2", "think", _("An ESA officer approves or returns it."), _("ESA")
    ),
    "draft.returned": Status(_("Returned"), "ph-q", "warn", _("ESA has said what must change."), _("Provider")),
    "draft.published": Status(_("Published"), "ph4", "ok", _("It is public in the catalogue."), _("Nobody")),
    "draft.discarded": Status(_("Discarded"), "ph-x", "mute", _("No longer needed."), _("Nobody")),
    # applications of providers, and their items
    "application.draft": Status(_("Draft"), "ph0", "mute", _("Not submitted. Only the applicants see it."), _("You")),
    "application.submitted": Status(_("With ESA"), "ph2", "think", _("ESA checks each item."), _("ESA")),
    "application.returned": Status(_("Returned"), "ph-q", "warn", _("ESA needs more on some items."), _("Applicant")),
    "application.accepted": Status(
        _("Accepted"), "ph4", "ok", _("The organisation is a provider now."), _("The provider")
    ),
    "application.rejected": Status(
        _("Rejected"), "ph-x", "bad", _("Not accepted. The reason is on the page."), _("Nobody")
    ),
    "application.withdrawn": Status(_("Withdrawn"), "ph-x", "mute", _("Withdrawn by the applicant."), _("Nobody")),
    "applicationitem.to_do": Status(_("To do"), "ph0", "mute", _("Nothing has been given yet."), _("Applicant")),
    "applicationitem.given": Status(_("Given"), "ph2", "info", _("There is evidence to check."), _("ESA")),
    "applicationitem.returned": Status(_("Returned"), "ph-q", "warn", _("Something is missing."), _("Applicant")),
    "applicationitem.accepted": Status(_("Accepted"), "ph4", "ok", _("The evidence is good."), _("Nobody")),
    # calls, and the credits that are given to them
    "call.planned": Status(_("Planned"), "ph0", "mute", _("Only ESA officers see it."), _("ESA")),
    "call.open": Status(_("Open"), "ph4", "ok", _("It takes requests within its dates."), _("Nobody")),
    "call.paused": Status(_("Paused"), "ph-q", "warn", _("It takes no requests for now."), _("ESA")),
    "call.closed": Status(_("Closed"), "ph4", "mute", _("It takes no more requests."), _("Nobody")),
    "callfunding.waiting": Status(
        _("Waiting for a second officer"), "ph2", "think", _("No credits have moved."), _("ESA")
    ),
    "callfunding.agreed": Status(_("Agreed"), "ph4", "ok", _("The credits are in the call."), _("Nobody")),
    "callfunding.declined": Status(_("Declined"), "ph-x", "mute", _("No credits have moved."), _("Nobody")),
    # quotations
    "quotation.asked": Status(_("Price asked for"), "ph1", "info", _("The provider answers."), _("Provider")),
    "quotation.answered": Status(_("Answered"), "ph-q", "warn", _("There is a price to accept."), _("Applicant")),
    "quotation.accepted": Status(_("Accepted"), "ph4", "ok", _("It prices the request."), _("Nobody")),
    "quotation.declined": Status(_("Declined"), "ph-x", "bad", _("The provider gives no price."), _("Applicant")),
    "quotation.lapsed": Status(_("Lapsed"), "ph-x", "mute", _("The price is no longer valid."), _("Applicant")),
    "quotation.withdrawn": Status(_("Taken back"), "ph-x", "mute", _("No price is needed any more."), _("Nobody")),
    # operations on a platform
    "operation.queued": Status(_("Waiting"), "ph1", "info", _("A worker takes it next."), _("Nobody")),
    "operation.waiting": Status(_("In progress"), "ph2", "info", _("The platform is at it."), _("Platform")),
    "operation.needs_person": Status(
        _("With the provider"), "ph1", "info", _("The provider was asked to do it."), _("Provider")
    ),
    "operation.succeeded": Status(_("Done"), "ph4", "ok", _("The platform did it."), _("Nobody")),
    "operation.failed": Status(
        _("Failed"), "ph-x", "bad", _("The platform refused or could not do it."), _("Provider")
    ),
    "operation.superseded": Status(
        _("Not needed"), "ph0", "mute", _("The allocation was ended before this was done."), _("Nobody")
    ),
    # what people at a provider are asked to do
    "task.open": Status(_("To do"), "ph1", "info", _("It waits for the provider’s answer."), _("Provider")),
    "task.done": Status(_("Confirmed"), "ph4", "ok", _("The provider did it."), _("Nobody")),
    "task.declined": Status(_("Declined"), "ph-x", "bad", _("The provider will not do it."), _("You")),
    "task.withdrawn": Status(_("Not needed"), "ph0", "mute", _("It was not needed any more."), _("Nobody")),
    # e-mails
    "message.queued": Status(_("Waiting"), "ph1", "info", _("The e-mail goes out next."), _("Nobody")),
    "message.sent": Status(_("Sent"), "ph4", "ok", _("The mail server accepted the e-mail."), _("Nobody")),
    "message.failed": Status(
        _("Not sent"), "ph-x", "bad", _("The mail server did not take the e-mail. It can be read here."), _("Nobody")
    ),
    "message.site_only": Status(
        _("Only here"), "ph0", "mute", _("We have no address to send the e-mail to."), _("Nobody")
    ),
}


def status_of(thing: object) -> Status:
    """The row for a code, or for anything with a ``status``. A code nobody described is a ``KeyError``."""
    if isinstance(thing, str):
        return STATUSES[str(thing)]
    code = str(getattr(thing, "status"))  # noqa: B009  # any kind of thing
    if isinstance(thing, Model) and (own := STATUSES.get(f"{thing._meta.model_name}.{code}")):
        return own
    return STATUSES[code]
