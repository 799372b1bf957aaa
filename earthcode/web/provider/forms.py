"""The forms of those who offer something. They check what was typed, field by field; what it means, the actions decide."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from earthcode.catalogue.component_terms import TERMS, ComponentTerm
from earthcode.catalogue.metrics import Evidence, Metric
from earthcode.catalogue.models import Offering, PlanKind, Platform, Tier
from earthcode.lib.text import has_address
from earthcode.publishing.content import Content, component_name, plain
from earthcode.web.parts.forms import CreatesOnce, Form

_COUNTRY = re.compile(r"[A-Z]{2}")


def no_email(value: str) -> None:
    """What the catalogue says is public for good, so it names pages and forms, not people."""
    if has_address(value):
        raise ValidationError(_("This is public for good: name a page or a form in place of an e-mail address."))


class TextField(forms.CharField):
    """Public text, of one line or of several (``rows``)."""

    def __init__(self, *, rows: int = 0, **kwargs: Any) -> None:
        if rows:
            kwargs["widget"] = forms.Textarea(attrs={"rows": rows})
        super().__init__(**kwargs)
        self.validators.append(no_email)


class LinesField(forms.CharField):
    """Names, one a line."""

    def __init__(self, *, longest: int = 80, rows: int = 3, **kwargs: Any) -> None:
        self.longest = longest
        super().__init__(widget=forms.Textarea(attrs={"rows": rows}), max_length=8000, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = value.splitlines() if isinstance(value, str) else value or []
        return list(dict.fromkeys(" ".join(line.split()) for line in lines if line.strip()))

    def run_validators(self, value: Any) -> None:
        for line in value:
            if len(line) > self.longest:
                message = _now("“%(line)s” is longer than %(longest)d characters.")
                raise ValidationError(message % {"line": f"{line[:30]}…", "longest": self.longest})
            no_email(line)


class NumberField(forms.DecimalField):
    """At least 0, with at most six decimals, kept as text without needless zeros."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=Decimal(0), max_digits=20, decimal_places=6, required=False, **kwargs)
        self.widget.attrs["step"] = "any"

    def clean(self, value: Any) -> Any:
        number = super().clean(value)
        return None if number is None else plain(number)


class SectionForm(Form):
    """A section of a draft; ``values`` is what ``save_section`` takes."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    @property
    def values(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if name != "seen"}

    @property
    def typed(self) -> dict[str, Any]:
        """What can be used of what was typed, for a preview."""
        if not self.is_bound:
            return {}
        self.is_valid()
        return self.values


class AboutForm(SectionForm):
    name = TextField(max_length=200, label=_("Name"), help_text=_("As people look for it."))
    code = TextField(max_length=5, required=False, label=_("Letters on its tile"), help_text=_("Empty: its initials."))
    summary = TextField(
        max_length=2000,
        rows=4,
        label=_("Summary"),
        help_text=_("One or two plain sentences: what a scientist gets, and next to which data."),
    )
    tier = forms.ChoiceField(
        choices=[("", _("Choose a tier")), *Tier.choices],
        label=_("Tier"),
        help_text=_("Of the Network of Resources. Another tier needs the approval of ESA."),
    )
    service_types = LinesField(
        longest=60,
        label=_("Kind of service"),
        help_text=_(
            "One a line, for example: Virtual machines (IaaS), Development environment (IDE), Data processing (DPaaS)."
        ),
    )
    sponsorable = forms.TypedChoiceField(
        choices=[("", _("Not stated")), ("yes", _("Yes")), ("no", _("No"))],
        coerce=lambda value: value == "yes",
        empty_value=None,
        required=False,
        label=_("ESA can sponsor it"),
        help_text=_("Another answer needs the approval of ESA."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        initial = dict(kwargs.get("initial") or {})
        said = initial.get("sponsorable")
        kwargs["initial"] = {**initial, "sponsorable": "" if said is None else "yes" if said else "no"}
        super().__init__(*args, **kwargs)


class WorkForm(SectionForm):
    interfaces = LinesField(
        required=False, label=_("How people work"), help_text=_("One a line: JupyterLab, openEO, S3, …")
    )
    protocols = LinesField(required=False, label=_("Protocols"), help_text=_("One a line."))
    workflow_types = LinesField(
        required=False,
        label=_("Workflows it runs"),
        help_text=_("One a line: openEO process, Jupyter notebook, OGC application package, …"),
    )
    datasets = LinesField(
        longest=120,
        rows=4,
        required=False,
        label=_("Data on site"),
        help_text=_("One a line: Sentinel-2, Landsat 8, …"),
    )
    hardware = TextField(
        max_length=2000,
        rows=3,
        required=False,
        label=_("Hardware"),
        help_text=_("Machines and accelerators, with how many of what: 16 × NVIDIA A100, 40 GB."),
    )
    place = TextField(max_length=120, required=False, label=_("Data centre"), help_text=_("The town."))
    country = forms.CharField(
        max_length=2, required=False, label=_("Country of the data centre"), help_text=_("Two letters: DE, PL, …")
    )
    longitude = forms.FloatField(min_value=-180, max_value=180, required=False, label=_("Longitude"))
    latitude = forms.FloatField(min_value=-90, max_value=90, required=False, label=_("Latitude"))
    not_stated = LinesField(
        longest=200,
        required=False,
        label=_("What is not stated"),
        help_text=_("One per line. Readers see that it is not known; remove what you have stated above."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        initial = dict(kwargs.get("initial") or {})
        if location := initial.get("location"):
            initial["longitude"], initial["latitude"] = location
        kwargs["initial"] = initial
        super().__init__(*args, **kwargs)

    def clean_country(self) -> str:
        country = str(self.cleaned_data["country"]).upper()
        if country and not _COUNTRY.fullmatch(country):
            raise ValidationError(_("Use the two letters of the country."))
        return country

    def clean(self) -> dict[str, Any]:
        longitude, latitude = self.cleaned_data.get("longitude"), self.cleaned_data.get("latitude")
        if not self.errors and (longitude is None) != (latitude is None):
            self.add_error("longitude" if longitude is None else "latitude", _("Enter both numbers, or neither."))
        return self.cleaned_data

    @property
    def values(self) -> dict[str, Any]:
        values = super().values
        longitude, latitude = values.pop("longitude", None), values.pop("latitude", None)
        values["location"] = [] if longitude is None or latitude is None else [longitude, latitude]
        return values


class AccessForm(SectionForm):
    access = TextField(
        max_length=2000, rows=4, required=False, label=_("Getting in"), help_text=_("How people sign in.")
    )
    access_url = forms.URLField(
        max_length=200,
        required=False,
        assume_scheme="https",
        label=_("Where it is used"),
        help_text=_("Empty: the platform's own address."),
    )
    documentation_url = forms.URLField(max_length=200, required=False, assume_scheme="https", label=_("Documentation"))
    support = TextField(max_length=300, required=False, label=_("Support"), help_text=_("Where people get help."))
    support_hours = TextField(
        max_length=200, required=False, label=_("Hours of support"), help_text=_("For example: weekdays, 9 to 17 CET.")
    )


class PromisesForm(SectionForm):
    availability = TextField(
        max_length=2000,
        rows=3,
        required=False,
        label=_("Availability"),
        help_text=_("What you promise of it (SLA): 99.5 % of each month, back within a working day, …"),
    )
    limits = TextField(
        max_length=2000,
        rows=3,
        required=False,
        label=_("Limits"),
        help_text=_("The most you provide, whatever is paid. Changes need the approval of ESA."),
    )
    maturity = TextField(
        max_length=200, required=False, label=_("Maturity"), help_text=_("For example: operational, pilot, TRL 7.")
    )
    certifications = LinesField(
        longest=120, required=False, label=_("Certifications"), help_text=_("One a line: ISO 27001, CoreTrustSeal, …")
    )


SECTION_FORMS: dict[str, type[SectionForm]] = {
    "about": AboutForm,
    "work": WorkForm,
    "access": AccessForm,
    "promises": PromisesForm,
}


class PlanForm(SectionForm):
    name = TextField(max_length=200, label=_("Name of the plan"), help_text=_("For example: By the hour."))
    summary = TextField(max_length=2000, rows=2, required=False, label=_("Summary"))
    audience = TextField(max_length=200, required=False, label=_("Who can request it"), help_text=_("Empty: anybody."))
    months_max = forms.IntegerField(
        min_value=1,
        max_value=600,
        required=False,
        label=_("Longest time"),
        help_text=_("Empty: no limit. A lower limit needs the approval of ESA."),
        widget=forms.NumberInput({"data-unit": _("months")}),
    )
    kind = forms.ChoiceField(
        choices=PlanKind.choices,
        initial=PlanKind.GENERAL,
        label=_("Kind"),
        help_text=_("A ready-made service is one algorithm with a price for each piece."),
    )
    author = TextField(max_length=120, required=False, label=_("Made by"), help_text=_("Where it was not you."))
    endpoint_url = forms.URLField(
        max_length=300, required=False, assume_scheme="https", label=_("Address of the service")
    )
    order_url = forms.URLField(max_length=300, required=False, assume_scheme="https", label=_("Where to order it"))

    MAIN = ("name", "summary", "audience", "months_max")

    @property
    def main(self) -> list[forms.BoundField]:
        return [self[name] for name in self.MAIN]

    @property
    def further(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name not in (*self.MAIN, "seen")]


STATED = "stated"


class ComponentForm(Form):
    """What a plan meters, and its price. One without a metric is a row that nobody filled in."""

    metric = forms.ChoiceField(choices=[("", _("Choose a unit")), *Metric.choices], label=_("Paid for each"))
    label = TextField(
        max_length=120,
        required=False,
        label=_("Name"),
        help_text=_("Where the unit is not enough: “GPU-hour, A100”."),
    )
    credits = NumberField(
        label=_("Price"),
        help_text=_("Empty: not stated, and the plan has no price."),
        widget=forms.NumberInput({"data-unit": _("credits")}),
    )
    first = forms.DateField(
        required=False,
        label=_("From"),
        help_text=_("Empty: the day it is published."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    evidence = forms.ChoiceField(
        choices=[
            (STATED, _("We state it here")),
            (Evidence.SOURCED, _("Published elsewhere")),
            (Evidence.DERIVED, _("Worked out from published figures")),
            (Evidence.DEMONSTRATION, _("Made up, for a demonstration")),
        ],
        initial=STATED,
        label=_("Where the price comes from"),
    )
    source = TextField(max_length=1000, required=False, label=_("Source"), help_text=_("The page or price list."))
    source_date = forms.CharField(
        max_length=20, required=False, label=_("Date of the source"), help_text=_("2026-03, or 2026-03-31")
    )
    included = NumberField(label=_("Included each month"), help_text=_("Free of charge."))
    limit = NumberField(label=_("Most each month"), help_text=_("Empty: no limit."))
    step = NumberField(label=_("Sold in blocks of"))
    free_months = forms.IntegerField(min_value=0, max_value=600, required=False, label=_("Free months at the start"))

    MAIN = ("metric", "label", "credits", "first", "evidence", "source", "source_date")

    def __init__(self, *args: Any, was: Content | None = None, provider: str = "", today: date, **kwargs: Any) -> None:
        self.was = was
        self.provider = provider
        self.today = today
        super().__init__(*args, **kwargs)

    @property
    def title(self) -> str:
        return component_name(self.was) if self.was else _now("Component")

    @property
    def main(self) -> list[forms.BoundField]:
        return [self[name] for name in self.MAIN]

    @property
    def further(self) -> list[forms.BoundField]:
        return [self[name] for name in TERMS if name in self.fields]

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if given.get("credits") is None:
            return given
        evidence = given.get("evidence")
        if evidence in (Evidence.SOURCED, Evidence.DERIVED):
            if not given.get("source"):
                self.add_error("source", _("Name the page or price list."))
            if not given.get("source_date"):
                self.add_error("source_date", _("Say of when the source is."))
        first = given.get("first")
        if (
            first is not None
            and first < self.today
            and first.isoformat() != (self.was or {}).get("rate", {}).get("from")
        ):
            self.add_error("first", _("A price cannot begin in the past."))
        return given

    @property
    def values(self) -> Content:
        given = self.cleaned_data
        return {
            "metric": given["metric"],
            "label": given["label"],
            **{name: self._term(term) for name, term in TERMS.items()},
            "discounts": (self.was or {}).get("discounts"),
            "rate": self._rate(),
        }

    def _term(self, term: ComponentTerm) -> Any:
        """As it was typed; a term that no field asks for stays as it was."""
        if term.name in self.fields:
            return self.cleaned_data[term.name] or term.for_draft(term.absent)
        if term.name == "block_months" and not self.cleaned_data.get("step"):
            return None
        return (self.was or {}).get(term.name)

    def _rate(self) -> Content | None:
        given = self.cleaned_data
        if given["credits"] is None:
            return None
        was = (self.was or {}).get("rate", {})
        rate = {
            "credits": given["credits"],
            "from": (given["first"] or self.today).isoformat(),
            "evidence": given["evidence"],
            "source": given["source"],
            "source_date": given["source_date"],
        }
        if given["evidence"] == STATED:
            rate |= {
                "evidence": Evidence.SOURCED.value,
                "source": stated_by(self.provider),
                "source_date": self.today.isoformat(),
            }
            if was.get("source") == rate["source"] and was.get("credits") == rate["credits"]:
                rate["source_date"] = was.get("source_date", "")
        if was.get("credits") == rate["credits"]:
            rate["credits_low"] = was.get("credits_low")
        return rate


def stated_by(provider: str) -> str:
    return f"Stated by {provider}"


if TYPE_CHECKING:
    _FormSet = forms.BaseFormSet[ComponentForm]
else:
    _FormSet = forms.BaseFormSet


class Components(_FormSet):
    """The components of a plan, then empty rows. ``components``: what the draft says now."""

    def __init__(self, *args: Any, components: list[Content], provider: str, today: date, **kwargs: Any) -> None:
        self.components = components
        self.provider = provider
        self.today = today
        kwargs |= {"initial": [self._initial(each) for each in components], "prefix": "c"}
        super().__init__(*args, **kwargs)

    def _initial(self, component: Mapping[str, Any]) -> dict[str, Any]:
        rate = component.get("rate", {})
        stated = rate.get("source") == stated_by(self.provider)
        return {
            **{name: component.get(name) for name in ("metric", "label", "limit")},
            **{name: component.get(name) if component.get(name) not in ("0", 0) else None for name in _ZEROES},
            "credits": rate.get("credits"),
            "first": rate.get("from"),
            "evidence": STATED if stated or not rate else rate.get("evidence"),
            "source": "" if stated else rate.get("source", ""),
            "source_date": "" if stated else rate.get("source_date", ""),
        }

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        was = self.components[index] if index is not None and index < len(self.components) else None
        return {**super().get_form_kwargs(index), "was": was, "provider": self.provider, "today": self.today}

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        if "DELETE" in form.fields:
            form.fields["DELETE"].label = _("No longer metered")

    @property
    def values(self) -> list[Content]:
        forms_kept = [form for form in self.forms if form not in self.deleted_forms]
        return [form.values for form in forms_kept if form.cleaned_data.get("metric")]

    @property
    def typed(self) -> list[Content]:
        """What can be used of what was typed."""
        return [
            form.values
            for form in self.forms
            if form.is_valid() and form.cleaned_data.get("metric") and not self._gone(form)
        ]

    @staticmethod
    def _gone(form: Any) -> bool:
        return bool(form.cleaned_data.get("DELETE"))


COMPONENTS_MAX = 40
_ZEROES = tuple(name for name, term in TERMS.items() if term.absent == 0)

ComponentFormSet = cast(
    "type[Components]",
    forms.formset_factory(
        ComponentForm,
        formset=Components,
        extra=2,
        can_delete=True,
        can_delete_extra=False,
        max_num=COMPONENTS_MAX,
        # Rows over the limit are not even made: a number in what was sent would decide how many.
        absolute_max=COMPONENTS_MAX,
        validate_max=True,
    ),
)


class NewOfferingForm(CreatesOnce):
    name = TextField(max_length=80, label=_("What is it called?"), help_text=_("Its address is made of the name."))
    platform = forms.ModelChoiceField(queryset=Platform.objects.none(), label=_("On which of your platforms?"))

    def __init__(self, *args: Any, platforms: QuerySet[Platform], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chooser = self.fields["platform"]
        assert isinstance(chooser, forms.ModelChoiceField)
        chooser.queryset = platforms
        chooser.empty_label = None


class NoteForm(Form):
    note = forms.CharField(
        max_length=2000,
        required=False,
        label=_("Note to ESA"),
        help_text=_("Why, where that is not plain from the difference."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class DecideForm(Form):
    comment = forms.CharField(
        max_length=5000,
        required=False,
        label=_("Comment"),
        help_text=_("The provider will see it. Required to return the draft: say what has to change."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class MomentField(forms.DateTimeField):
    """A minute, in UTC."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        super().__init__(widget=widget, input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"], **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return value.astimezone(UTC) if isinstance(value, datetime) else value


class MaintenanceForm(Form):
    where = forms.ChoiceField(label=_("What is worked on"))
    starts_at = MomentField(label=_("From (UTC)"))
    ends_at = MomentField(label=_("Until (UTC)"))
    affects = TextField(
        max_length=120, label=_("What does not work meanwhile"), help_text=_("For example: sign-in and new jobs.")
    )
    words = TextField(
        max_length=2000, rows=3, required=False, label=_("What people should know"), help_text=_("Public.")
    )

    def __init__(self, *args: Any, platforms: list[Platform], offerings: list[Offering], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._where: dict[str, tuple[Platform, Offering | None]] = {}
        for platform in platforms:
            self._where[f"platform-{platform.pk}"] = (platform, None)
        for offering in offerings:
            self._where[f"offering-{offering.pk}"] = (offering.platform, offering)
        chooser = self.fields["where"]
        assert isinstance(chooser, forms.ChoiceField)
        chooser.choices = [
            (key, str(offering) if offering else _now("All of %(platform)s") % {"platform": platform})
            for key, (platform, offering) in self._where.items()
        ]

    def clean_where(self) -> tuple[Platform, Offering | None]:
        return self._where[self.cleaned_data["where"]]


class ShortenForm(Form):
    starts_at = MomentField(label=_("From (UTC)"))
    ends_at = MomentField(label=_("Until (UTC)"))


class AnnounceForm(Form):
    title = TextField(max_length=160, label=_("Title"))
    words = TextField(max_length=5000, rows=5, label=_("What people should know"), help_text=_("Public."))
    effective_on = forms.DateField(
        required=False,
        label=_("From which day"),
        help_text=_("Where it matters."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )


class RetireForm(Form):
    retires_on = forms.DateField(
        label=_("From which day"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    replaced_by = forms.SlugField(
        required=False,
        label=_("What takes its place"),
        help_text=_("The last part of its address in the catalogue: “tide-notebooks”."),
    )
    words = TextField(max_length=2000, rows=3, required=False, label=_("What people should know"))

    def __init__(self, *args: Any, earliest: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["retires_on"].widget.attrs["min"] = earliest.isoformat()
        self.fields["retires_on"].help_text = _now(
            "%(day)s at the earliest, so that people can find something else."
        ) % {"day": earliest.isoformat()}

    def clean_replaced_by(self) -> Offering | None:
        slug = self.cleaned_data["replaced_by"]
        if not slug:
            return None
        offering = Offering.objects.listed().defer("search").filter(slug=slug).first()
        if offering is None:
            raise ValidationError(_("There is no offering of this name in the catalogue."))
        return offering


class TrailFilterForm(Form):
    """What to look for in one's own trail. Every field may be left empty."""

    q = forms.CharField(label=_("Offering or draft"), required=False, max_length=100)
    actor = forms.CharField(label=_("Who"), required=False, max_length=100)
    event = forms.CharField(
        label=_("What"), required=False, max_length=60, help_text=_("For example maintenance, or offering.retire")
    )
