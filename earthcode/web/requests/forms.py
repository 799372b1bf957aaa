"""The forms of a request. They check what was typed; whether it is allowed, the actions decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from earthcode.catalogue.models import Plan
from earthcode.catalogue.pricing import (
    MARGIN_PERCENT_MAX,
    PricedComponent,
    Workload,
)
from earthcode.identity.models import Project, User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import InvalidInput
from earthcode.web.catalogue.workload import asked_of, field_for, label_of
from earthcode.web.parts.form_errors import add_refusal
from earthcode.web.parts.forms import CreatesOnce, Form

#: Longer than anybody answers a question.
ANSWER_CHARACTERS_MAX = 5000

#: Longer than any call reads; a form that is sent is not the place for a book.
CASE_CHARACTERS_MAX = 20_000


def projects_of(user: User) -> Any:
    """The projects that the person may ask for."""
    return Project.objects.filter(pk__in=user.grants.projects_with(Permission.REQUEST_EDIT))


class NewRequestForm(CreatesOnce):
    title = forms.CharField(
        max_length=200,
        label=_("What is the work called?"),
        help_text=_("A few words that your reviewers and your team recognise."),
    )
    project = forms.ChoiceField(
        label=_("Project"),
        help_text=_("Everybody in the project can see and edit the request. Its leader submits it."),
    )

    #: What stands for a project that does not exist yet.
    NEW = "new"

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.projects = {str(project.pk): project for project in projects_of(user)}
        chooser = self.fields["project"]
        assert isinstance(chooser, forms.ChoiceField)
        chooser.choices = [
            *((pk, project.title) for pk, project in self.projects.items()),
            (self.NEW, _("A new project of this name, led by me")),
        ]

    def clean_project(self) -> Project | None:
        """The project, or None for a new one."""
        return self.projects.get(self.cleaned_data["project"])


class ProjectTaskForm(Form):
    """Task "Project and team"."""

    title = forms.CharField(max_length=200, label=_("Title"))
    project = forms.ModelChoiceField(
        queryset=Project.objects.none(),
        label=_("Project"),
        help_text=_("Everybody in the project can see and edit the request. Its leader submits it."),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chooser = self.fields["project"]
        assert isinstance(chooser, forms.ModelChoiceField)
        chooser.queryset = projects_of(user)


class PeriodForm(Form):
    """Task "Period"."""

    starts_on = forms.DateField(
        label=_("First day"),
        help_text=_("Access is set up as soon as ESA grants the request; the period counts from this day."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    def __init__(self, *args: Any, earliest: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["starts_on"].widget.attrs["min"] = earliest.isoformat()


class CaseForm(Form):
    """Task "Science case"."""

    science_case = forms.CharField(
        max_length=CASE_CHARACTERS_MAX,
        label=_("Science case"),
        help_text=_(
            "What you want to find out, with which data and method, why it needs this much, and what you will publish."
        ),
        widget=forms.Textarea(attrs={"rows": 14}),
    )


class DeclarationsForm(Form):
    """Task "Check and submit". What must be promised is checked where the request is sent."""

    non_commercial = forms.BooleanField(required=False, label=_("The work is research and earns no revenue."))
    no_provider_tie = forms.BooleanField(
        required=False,
        label=_("Nobody in the project works for, or is paid by, a provider that this request would pay."),
    )
    will_publish = forms.BooleanField(
        required=False,
        label=_("We will publish the results in the Open Science Catalog."),
        help_text=_("Not required. ESA takes it into account."),
    )
    answer = forms.CharField(
        max_length=ANSWER_CHARACTERS_MAX,
        label=_("Your answer to ESA's question"),
        widget=forms.Textarea(attrs={"rows": 5}),
    )

    def __init__(self, *args: Any, asks_answer: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not asks_answer:
            del self.fields["answer"]


class AnswerForm(Form):
    """The applicant's reply to a question; sending it sends the request again."""

    answer = forms.CharField(
        max_length=ANSWER_CHARACTERS_MAX,
        label=_("Your answer"),
        help_text=_("ESA reads it with the request. If the question is about the request, change the request too."),
        widget=forms.Textarea(attrs={"rows": 5}),
    )


class EndorsementForm(Form):
    note = forms.CharField(
        max_length=2000,
        required=False,
        label=_("Note"),
        help_text=_("The ESA manager and the project will see it."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class LineForm(Form):
    """The workload of one plan: asks only for the numbers that its price depends on."""

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        plan: Plan,
        components: Sequence[PricedComponent],
        workload: Workload,
        margin_percent: int = 0,
        among_others: bool = False,
    ) -> None:
        """``among_others``: in one form with other plans, so that its fields carry the plan's number in their names."""
        if among_others:
            super().__init__(data, prefix=str(plan.pk))
        else:
            super().__init__(data, auto_id=f"id_{plan.pk}_%s")
        self.plan = plan
        self.base = workload
        self.margin_percent = margin_percent
        known = workload.as_params()
        for name in asked_of(components, workload):
            label, unit = label_of(name)
            self.fields[name] = field_for(name, label=label, unit=unit, initial=known.get(name, ""))
        self.fields["margin"] = forms.IntegerField(
            label=_("Margin"),
            initial=margin_percent,
            required=False,
            min_value=0,
            max_value=MARGIN_PERCENT_MAX,
            widget=forms.NumberInput(attrs={"data-unit": "%"}),
        )
        # A workload that runs no machine must not be refused for lack of a price for machines.
        self.runs_machines = "hours" in self.fields or not components

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        cleaned["margin_percent"] = cleaned.pop("margin", None) or 0
        if not self.errors:
            params = self.base.as_params()
            if not self.runs_machines:
                params["hours"] = "0"
            numbers = {name: value for name, value in cleaned.items() if name in self.fields}
            params.update({name: "" if value is None else str(value) for name, value in numbers.items()})
            try:
                cleaned["workload"] = Workload.from_params(params)
            except InvalidInput as refusal:
                add_refusal(self, refusal)
        return cleaned

    @property
    def says_something_new(self) -> bool:
        """Whether a valid form has other numbers than it was made with."""
        typed, known = self.cleaned_data["workload"].as_params(), self.base.as_params()
        if self.cleaned_data["margin_percent"] != self.margin_percent:
            return True
        return any(typed.get(name) != known.get(name) for name in self.fields)
