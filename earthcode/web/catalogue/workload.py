"""The reader's workload: the form that asks for it, and its numbers in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.forms.renderers import BaseRenderer
from django.http import QueryDict
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _lazy

from earthcode.catalogue.metrics import DECLARABLE
from earthcode.catalogue.pricing import PricedComponent, Quote
from earthcode.catalogue.workload import (
    DECIDED_BY,
    FIXED,
    GPUS,
    IN_WORDS,
    NUMBERS,
    PARAMETERS,
    GpuKind,
    Number,
    Parameter,
    Workload,
)
from earthcode.lib.errors import InvalidInput
from earthcode.web.parts.forms import Form


class NumberBox(forms.NumberInput):
    """A number's input, drawn without a template: a page of the catalogue has a dozen of them."""

    def render(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None = None,
        renderer: BaseRenderer | None = None,  # noqa: ARG002  # Django hands it to every widget
    ) -> SafeString:
        box = self.get_context(name, value, attrs)["widget"]
        given = {} if box["value"] is None else {"value": box["value"]}
        attributes = {"type": box["type"], "name": box["name"]} | given | box["attrs"]
        return format_html("<input{}>", format_html_join("", ' {}="{}"', attributes.items()))


class WorkloadForm(Form):
    """What a person means to run. Every field has a value: what an address leaves out is as in ``Workload()``.

    ``workload`` is always there: what cannot be used is told beside its field, and counts as left out.
    """

    #: The machine and its time; the others count in units of certain platforms.
    MAIN = tuple(code for code, parameter in PARAMETERS.items() if parameter.is_main)

    def __init__(self, given: Mapping[str, str], *, form_id: str = "") -> None:
        values = Workload().as_params() | {name: given[name] for name in self.base_fields if given.get(name)}
        super().__init__(values, auto_id="workload-%s")
        self.workload = Workload()
        for field in self.fields.values():
            if form_id:
                field.widget.attrs["form"] = form_id
        self.full_clean()

    def clean(self) -> dict[str, Any]:
        good: dict[str, str] = {}
        for name, value in list(self.cleaned_data.items()):
            try:
                Workload.from_params({name: value})
            except InvalidInput as refusal:
                self.add_error(name, refusal.message)
            else:
                good[name] = value
        self.workload = Workload.from_params(good)
        return self.cleaned_data

    @property
    def main(self) -> list[forms.BoundField]:
        return [self[name] for name in self.MAIN]

    @property
    def further(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name not in self.MAIN]

    @property
    def says_further(self) -> bool:
        """Whether the workload says something in a platform's own units."""
        return any(field.value() for field in self.further)


def _form_field(parameter: Parameter) -> forms.Field:
    label: Any = parameter.label
    match parameter:
        case Number():
            step = "1" if parameter.whole else "any"
            limits = {"min": parameter.minimum, "max": parameter.maximum, "step": step}
            box = NumberBox({"data-unit": parameter.unit, **limits})
            return forms.CharField(label=label, required=False, widget=box)
        case GpuKind():
            kinds = [(key, _lazy("None") if not key else f"1 × {name}") for key, name in GPUS.items()]
            return forms.ChoiceField(label=label, required=False, choices=kinds)
        case _:
            groups = [
                ("", _lazy("No discount")),
                *((each.value, each.label) for each in DECLARABLE),
                (",".join(each.value for each in DECLARABLE), _lazy("Both of these")),
            ]
            return forms.ChoiceField(label=label, required=False, choices=groups)


WorkloadForm.base_fields = {code: _form_field(parameter) for code, parameter in PARAMETERS.items()}


def values_of(query: QueryDict) -> dict[str, str]:
    """The last value of each parameter, without what no database or page can hold."""
    return {name: query.get(name, "").replace("\x00", "") for name in query}


# --- its numbers in words --------------------------------------------------------------------------------------------


def workload_words(workload: Workload, quote: Quote) -> str:
    """The numbers of a workload that its price was made of, in one line: nobody reads what was never asked.

    All of them where the platform counts in a unit of its own, that the price was converted to.
    """
    asked: set[str] = set()
    for line in quote.lines:
        deciding = () if line.metric in FIXED else DECIDED_BY.get(line.metric)
        if deciding is None or any(getattr(workload, each.field) is None for each in deciding):
            return workload.summary
        asked.update(each.code for each in deciding)
    asked.add("months")
    return ", ".join(text for each in IN_WORDS if each.code in asked and (text := workload.say(each.code)))


def label_of(name: str) -> tuple[Any, Any]:
    """What people call a parameter, and its unit."""
    return PARAMETERS[name].label, PARAMETERS[name].unit


def asked_of(components: Iterable[PricedComponent], workload: Workload) -> list[str]:
    """The parameters that decide the price of these components, in the order in which people say them."""
    asked = {"months"}
    for component in components:
        for metric in (component.metric, *(metric for metric, _units in component.conversion)):
            asked.update(each.code for each in DECIDED_BY.get(metric, ()))
    # Which GPU is asked only where one is chosen: so that one which the plan does not have can be taken out.
    asked.discard("gpu")
    if workload.gpu and "hours" in asked:
        asked.add("gpu")
    return [each.code for each in IN_WORDS if each.code in asked]


def field_for(name: str, *, label: Any, unit: Any, initial: str) -> forms.Field:
    if name == "gpu":
        return forms.ChoiceField(choices=list(GPUS.items()), label=label, initial=initial, required=False)
    parameter = NUMBERS[name]
    kind = forms.IntegerField if parameter.whole else forms.DecimalField
    attrs = {"data-unit": unit} if unit else {}
    if not parameter.whole:
        attrs["step"] = "any"
    return kind(
        label=label,
        initial=initial,
        min_value=parameter.minimum,
        max_value=parameter.maximum,
        widget=forms.NumberInput(attrs=attrs),
    )
