"""Becoming a provider: what it takes, the hub of an application, and the tasks behind it. ESA's side is in ``review``."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from earthcode.catalogue.countries import COUNTRIES
from earthcode.identity import creations
from earthcode.identity.models import Organisation, User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import Refused
from earthcode.lib.fetch import address_problem
from earthcode.onboarding import actions as onboarding
from earthcode.onboarding.actions import ADDRESS_MAX, LINE_MAX, TEXT_MAX
from earthcode.onboarding.lifecycle import APPLICATION, APPLICATION_ITEM
from earthcode.onboarding.models import Application, ApplicationItem, ApplicationStatus, CheckRun, ItemStatus
from earthcode.onboarding.queries import Runs, exchange, latest_runs, with_items
from earthcode.onboarding.requirements import REQUIREMENTS, Field, Form, Kind, Requirement
from earthcode.web.parts.form_errors import add_refusal, posted
from earthcode.web.parts.forms import CreatesOnce
from earthcode.web.parts.forms import Form as PageForm
from earthcode.web.parts.lists import paginate
from earthcode.web.parts.opened import page_opened
from earthcode.web.parts.signed_in import SignedInRequest
from earthcode.web.parts.statuses import Words
from earthcode.web.parts.tasks import Task
from earthcode.web.parts.timeline import timeline

KINDS: dict[Kind, tuple[Words, Words]] = {
    Kind.INFRASTRUCTURE: (
        gettext_lazy("FAIR Infrastructure"),
        gettext_lazy("Compute, storage and data on which workflows run."),
    ),
    Kind.OPEN_SCIENCE: (
        gettext_lazy("FAIR Open Science"),
        gettext_lazy("Tools for finding, developing, looking at and publishing science."),
    ),
}


# --- forms -----------------------------------------------------------------------------------------------------------


class AboutForm(PageForm):
    organisation_name = forms.CharField(
        max_length=200,
        label=gettext_lazy("Organisation"),
        help_text=gettext_lazy("Its legal name. If it is in the catalogue already, write it exactly as it is there."),
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    country = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Country of its seat"),
        choices=[("", gettext_lazy("Not in this list")), *COUNTRIES.items()],
    )
    platform_name = forms.CharField(
        max_length=200,
        label=gettext_lazy("Platform"),
        help_text=gettext_lazy("One application is for one platform; each has its own evidence."),
    )
    kinds = forms.MultipleChoiceField(
        label=gettext_lazy("Kind of platform"),
        help_text=gettext_lazy("Choose both if it is both. What is asked of you depends on it."),
        choices=[(kind.value, label) for kind, (label, _about) in KINDS.items()],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Choose at least one kind of platform.")},
    )

    @classmethod
    def of(cls, application: Application, data: Any) -> AboutForm:
        return cls(
            data,
            initial={
                "organisation_name": application.organisation_name,
                "country": application.organisation_country,
                "platform_name": application.platform_name,
                "kinds": [kind.value for kind in application.kinds],
            },
        )

    def about(self) -> dict[str, Any]:
        """For the actions."""
        kinds = self.cleaned_data["kinds"]
        return {
            "organisation_name": self.cleaned_data["organisation_name"],
            "country": self.cleaned_data["country"],
            "platform_name": self.cleaned_data["platform_name"],
            "is_open_science": Kind.OPEN_SCIENCE in kinds,
            "is_infrastructure": Kind.INFRASTRUCTURE in kinds,
        }


def _is_fetchable(address: str) -> None:
    if problem := address_problem(address):
        raise ValidationError(problem)


class NewApplicationForm(CreatesOnce, AboutForm):
    """The same, where nothing is there yet."""


class EvidenceForm(PageForm):
    """The questions of one requirement."""

    def __init__(self, requirement: Requirement, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for each in requirement.fields:
            self.fields[each.name] = _form_field(each)


def _form_field(field: Field) -> forms.Field:
    words: dict[str, Any] = {"label": field.label, "help_text": field.hint, "required": field.required}
    match field.form:
        case Form.TEXT:
            return forms.CharField(max_length=TEXT_MAX, widget=forms.Textarea(attrs={"rows": 4}), **words)
        case Form.LINE:
            return forms.CharField(max_length=LINE_MAX, **words)
        case Form.ADDRESS:
            attributes = {"inputmode": "url", "autocomplete": "off", "spellcheck": "false", "placeholder": "https://"}
            return forms.CharField(
                max_length=ADDRESS_MAX, widget=forms.TextInput(attrs=attributes), validators=[_is_fetchable], **words
            )
        case Form.CHOICE:
            return forms.ChoiceField(choices=list(field.choices), widget=forms.RadioSelect, **words)


class AnswerForm(PageForm):
    answer = forms.CharField(
        required=False,
        max_length=TEXT_MAX,
        label=gettext_lazy("Your answer to ESA"),
        help_text=gettext_lazy("What you changed, or why it is as it is."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )


# --- what it takes ---------------------------------------------------------------------------------------------------


@require_safe
def providers(request: HttpRequest) -> HttpResponse:
    """What providers give and get, what is asked of them, and where to begin; one's own applications."""
    user = request.user if isinstance(request.user, User) else None
    own = Application.objects.none()
    looks_after = Organisation.objects.none()
    if user is not None:
        mine = user.grants.providers_with(Permission.ADMINISTRATORS_MANAGE)
        own = Application.objects.filter(created_by=user) | Application.objects.filter(organisation__in=mine)
        looks_after = Organisation.objects.filter(pk__in=mine).order_by("name", "pk")[:50]
    page = paginate(request, own.order_by("-status_since", "-pk"), per_page=10)
    return TemplateResponse(
        request,
        "provider/providers.html",
        {
            "kinds": [
                {
                    "label": label,
                    "about": about,
                    "items": [each for each in REQUIREMENTS.values() if each.kinds == frozenset({kind})],
                }
                for kind, (label, about) in KINDS.items()
            ],
            "common": [each for each in REQUIREMENTS.values() if len(each.kinds) == len(Kind)],
            "page": page,
            "looks_after": looks_after,
        },
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def application_new(request: SignedInRequest) -> HttpResponse:
    """Who applies for what; the rest is filled in item by item."""
    now = timezone.now()
    form = NewApplicationForm(posted(request))
    if form.is_valid():
        try:
            application = creations.once(
                Application,
                lambda: onboarding.start(**form.about(), by=request.user, at=now),
                key=form.cleaned_data["key"],
                by=request.user,
                at=now,
            )
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            return redirect(application)
    return TemplateResponse(
        request, "provider/applications/new.html", {"form": form}, status=422 if form.errors else 200
    )


# --- the hub ---------------------------------------------------------------------------------------------------------


_STATES = {
    ItemStatus.TO_DO: "not_started",
    ItemStatus.GIVEN: "completed",
    ItemStatus.RETURNED: "returned",
    ItemStatus.ACCEPTED: "accepted",
}

#: Who acts next.
_NEXT: dict[str, Words] = {
    ApplicationStatus.DRAFT: gettext_lazy("You fill in each item and submit it"),
    ApplicationStatus.SUBMITTED: gettext_lazy("ESA checks each item"),
    ApplicationStatus.RETURNED: gettext_lazy("You correct what was returned and submit it again"),
    ApplicationStatus.ACCEPTED: gettext_lazy("The provider publishes offerings"),
    ApplicationStatus.REJECTED: gettext_lazy("Nobody"),
    ApplicationStatus.WITHDRAWN: gettext_lazy("Nobody"),
}


def visible(user: User, reference: str) -> Application:
    """The application with its items; 404 for those who may not see it."""
    return get_object_or_404(with_items(Application.objects.visible_to(user)), reference=reference)


@login_required
@require_safe
def application(request: SignedInRequest, reference: str) -> HttpResponse:
    """The hub: what is done, what is left, and all that was said. Both sides read it."""
    page_opened(request)
    return _hub(request, visible(request.user, reference))


def _hub(request: SignedInRequest, application: Application, form: AnswerForm | None = None) -> HttpResponse:
    user = request.user
    items = application.items_in_order()
    runs = latest_runs(items)
    steps = {step.name for step in APPLICATION.open_to(application, by=user)}
    done = sum(item.status in {ItemStatus.GIVEN, ItemStatus.ACCEPTED} for item in items)
    return TemplateResponse(
        request,
        "provider/applications/application.html",
        {
            "application": application,
            "kinds": [KINDS[kind][0] for kind in Kind if kind in application.kinds],
            "next": _NEXT[application.status],
            "tasks": [
                Task(item.requirement.title, _item_url(item), _STATES[ItemStatus.of(item.status)], hint_of(item, runs))
                for item in items
            ],
            "done": done,
            "returned": [
                {"item": item, "url": _item_url(item)}
                for item in items
                if item.status == ItemStatus.RETURNED and application.status == ApplicationStatus.RETURNED
            ],
            "may_edit": application.may_be_edited_by(user),
            "may_check": application.is_applied_by(user) and any(runs.values()),
            "steps": steps,
            "still_to_do": len(items) - done,
            "reviews": user.may(Permission.APPLICATION_VIEW) and application.submitted_at is not None,
            "looks_after": application.organisation
            if application.organisation and user.may(Permission.ADMINISTRATORS_MANAGE, application.organisation)
            else None,
            "past": timeline(exchange(application)),
            "form": form or AnswerForm(),
        },
        status=422 if form is not None and form.errors else 200,
    )


def _item_url(item: ApplicationItem) -> str:
    return reverse("application_item", args=[item.application.reference, item.code])


def hint_of(item: ApplicationItem, runs: dict[int, Runs]) -> str:
    """What the checks of its addresses came to, in a few words."""
    outcomes = [run.outcome for run in runs.get(item.pk, {}).values()]
    words = []
    if failed := outcomes.count("fail"):
        words.append(ngettext("%(count)d check failed", "%(count)d checks failed", failed) % {"count": failed})
    if unknown := outcomes.count("unknown"):
        words.append(
            ngettext("%(count)d check was inconclusive", "%(count)d checks were inconclusive", unknown)
            % {"count": unknown}
        )
    if waiting := outcomes.count(""):
        words.append(ngettext("%(count)d check waits", "%(count)d checks wait", waiting) % {"count": waiting})
    return ", ".join(words)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def application_about(request: SignedInRequest, reference: str) -> HttpResponse:
    """Who applies for which platform of which kind."""
    application = visible(request.user, reference)
    if request.method != "POST" and not application.may_be_edited_by(request.user):
        return redirect(application)
    shown = application.title
    form = AboutForm.of(application, posted(request))
    if form.is_valid():
        try:
            onboarding.save_about(application, **form.about(), by=request.user, at=timezone.now())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect(application)
    context = {"application": application, "title": shown, "form": form}
    return TemplateResponse(request, "provider/applications/about.html", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def application_item(request: SignedInRequest, reference: str, code: str) -> HttpResponse:
    """One item: what is asked, the evidence, what a machine found, what ESA says."""
    application = visible(request.user, reference)
    item = next((each for each in application.items_in_order() if each.code == code), None)
    if item is None:
        raise Http404
    item.application = application  # so that the lifecycle needs no query for it
    may_give = APPLICATION_ITEM.refusal(item, "give", by=request.user) is None
    form = EvidenceForm(item.requirement, posted(request), initial=item.evidence)
    if form.is_valid():
        try:
            onboarding.give(application, code, evidence=form.cleaned_data, by=request.user, at=timezone.now())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("“%(item)s” is saved.") % {"item": item.requirement.title})
            return redirect(application)
    return TemplateResponse(
        request,
        "provider/applications/item.html",
        {
            "application": application,
            "item": item,
            "requirement": item.requirement,
            "kinds": [KINDS[kind][0] for kind in Kind if kind in item.requirement.kinds],
            "form": form if may_give or form.is_bound else None,
            "answers": answers_of(item),
            "runs": runs_in_order(item, latest_runs([item])),
        },
        status=422 if form.errors else 200,
    )


def answers_of(item: ApplicationItem) -> list[dict[str, Any]]:
    """Question and answer, for those who read."""
    return [
        {
            "label": field.label,
            "value": str(dict(field.choices).get(value, value)),
            "is_address": field.form == Form.ADDRESS,
        }
        for field in item.requirement.fields
        if (value := item.evidence.get(field.name, ""))
    ]


def runs_in_order(item: ApplicationItem, runs: dict[int, Runs]) -> list[dict[str, Any]]:
    """What was found at each address, with the question that it answers."""
    found: dict[str, CheckRun] = runs.get(item.pk, {})
    return [
        {"label": field.label, "run": found[field.name]} for field in item.requirement.fields if field.name in found
    ]


# --- what can be done with it ----------------------------------------------------------------------------------------


@login_required
@require_POST
def application_send(request: SignedInRequest, reference: str) -> HttpResponse:
    application = visible(request.user, reference)
    form = AnswerForm(request.POST)
    if form.is_valid():
        try:
            onboarding.submit(application, answer=form.cleaned_data["answer"], by=request.user, at=timezone.now())
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("%(reference)s is with ESA.") % {"reference": reference})
            return redirect(application)
    return _hub(request, visible(request.user, reference), form)


@login_required
@require_POST
def application_withdraw(request: SignedInRequest, reference: str) -> HttpResponse:
    application = visible(request.user, reference)
    try:
        onboarding.withdraw(application, by=request.user, at=timezone.now())
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(
            request, _("%(reference)s was withdrawn. You can still read it here.") % {"reference": reference}
        )
    return redirect(application)


@login_required
@require_POST
def application_check(request: SignedInRequest, reference: str) -> HttpResponse:
    """Look at the addresses once more; comes back to where it was asked from."""
    application = visible(request.user, reference)
    try:
        count = onboarding.check_again(application, by=request.user, at=timezone.now())
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        words = ngettext("%(count)d address is being checked.", "%(count)d addresses are being checked.", count)
        messages.success(request, words % {"count": count})
    return redirect("review_application" if request.POST.get("from") == "review" else "application", reference)
