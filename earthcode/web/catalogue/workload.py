"""The reader's workload: the form that asks for it, and its numbers in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.forms.renderers import BaseRenderer
from django.http import QueryDict
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from earthcode.catalogue.metrics import DECLARABLE, Metric
from earthcode.catalogue.pricing import (
    GPUS,
    PARAMETERS,
    PricedComponent,
    Quote,
    Workload,
    number_text,
)
from earthcode.lib.errors import InvalidInput


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


class WorkloadForm(forms.Form):
    """What a person means to run. Every field has a value: what an address leaves out is as in ``Workload()``.

    ``workload`` is always there: what cannot be used is told beside its field, and counts as left out.
    """

    cpu = forms.CharField(label=_lazy("Processors"), required=False, widget=NumberBox({"data-unit": "vCPU"}))
    ram = forms.CharField(label=_lazy("Memory"), required=False, widget=NumberBox({"data-unit": "GB"}))
    gpu = forms.ChoiceField(
        label=_lazy("GPU"),
        required=False,
        choices=[(key, _lazy("None") if not key else f"1 × {name}") for key, name in GPUS.items()],
    )
    hours = forms.CharField(
        label=_lazy("Running time"), required=False, widget=NumberBox({"data-unit": _lazy("h/month")})
    )
    gb = forms.CharField(label=_lazy("Storage"), required=False, widget=NumberBox({"data-unit": "GB"}))
    months = forms.CharField(label=_lazy("Duration"), required=False, widget=NumberBox({"data-unit": _lazy("months")}))
    km2 = forms.CharField(label=_lazy("Area"), required=False, widget=NumberBox({"data-unit": "km²"}))
    products = forms.CharField(
        label=_lazy("Input products"), required=False, widget=NumberBox({"data-unit": _lazy("in all")})
    )
    tiles = forms.CharField(
        label=_lazy("Sentinel-2 tiles"), required=False, widget=NumberBox({"data-unit": _lazy("tiles")})
    )
    ha = forms.CharField(label=_lazy("Area under management"), required=False, widget=NumberBox({"data-unit": "ha"}))
    pu = forms.CharField(
        label=_lazy("Processing units"), required=False, widget=NumberBox({"data-unit": _lazy("a month")})
    )
    openeo = forms.CharField(
        label=_lazy("openEO credits"), required=False, widget=NumberBox({"data-unit": _lazy("a month")})
    )
    egress = forms.CharField(
        label=_lazy("Data leaving the site"), required=False, widget=NumberBox({"data-unit": _lazy("GB/month")})
    )

    who = forms.ChoiceField(
        label=_lazy("Discounts for"),
        required=False,
        choices=[
            ("", _lazy("Nobody in particular")),
            *((each.value, each.label) for each in DECLARABLE),
            (",".join(each.value for each in DECLARABLE), _lazy("Both of these")),
        ],
    )

    #: The machine and its time; the others count in units of certain platforms.
    MAIN = ("cpu", "ram", "gpu", "hours", "gb", "months")

    def __init__(self, given: Mapping[str, str], *, form_id: str = "") -> None:
        values = Workload().as_params() | {name: given[name] for name in self.base_fields if given.get(name)}
        super().__init__(values, auto_id="workload-%s")
        self.workload = Workload()
        for name, field in self.fields.items():
            if form_id:
                field.widget.attrs["form"] = form_id
            if name in PARAMETERS:
                parameter = PARAMETERS[name]
                step = "1" if parameter.whole else "any"
                field.widget.attrs |= {"min": parameter.minimum, "max": parameter.maximum, "step": step}
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


def values_of(query: QueryDict) -> dict[str, str]:
    """The last value of each parameter, without what no database or page can hold."""
    return {name: query.get(name, "").replace("\x00", "") for name in query}


# --- its numbers in words --------------------------------------------------------------------------------------------

#: Which numbers of a workload decide the price of a metric. Months always do.
_ASKED_BY_METRIC: dict[str, tuple[str, ...]] = {
    Metric.VCPU_HOUR: ("cpu", "hours"),
    Metric.MEMORY_GB_HOUR: ("ram", "hours"),
    Metric.GPU_HOUR: ("gpu", "hours"),
    Metric.PROCESSING_HOUR: ("hours",),
    Metric.GB_MONTH: ("gb",),
    Metric.EGRESS_GB: ("egress",),
    Metric.PROCESSING_UNIT: ("pu",),
    Metric.OPENEO_CREDIT: ("openeo",),
    Metric.PRODUCT: ("products",),
    Metric.KM2: ("km2",),
    Metric.TILE_MONTH: ("tiles",),
    Metric.HECTARE_YEAR: ("ha",),
}

#: Metrics whose price no number of a workload but the months decides.
_SAYS_NOTHING = (Metric.SUBSCRIPTION_MONTH, Metric.ONE_TIME)

_LABELS: dict[str, tuple[Any, Any]] = {
    "cpu": (_lazy("Processors"), _lazy("vCPU")),
    "ram": (_lazy("Memory"), _lazy("GB")),
    "gpu": (_lazy("GPU"), ""),
    "hours": (_lazy("Hours a month"), _lazy("h")),
    "gb": (_lazy("Storage"), _lazy("GB")),
    "km2": (_lazy("Area"), _lazy("km²")),
    "products": (_lazy("Input products"), ""),
    "tiles": (_lazy("Tiles"), ""),
    "ha": (_lazy("Area"), _lazy("ha")),
    "pu": (_lazy("Processing units a month"), ""),
    "openeo": (_lazy("openEO credits a month"), ""),
    "egress": (_lazy("Data leaving the site a month"), _lazy("GB")),
    "months": (_lazy("Duration"), _lazy("months")),
}


def workload_words(workload: Workload, quote: Quote) -> str:
    """The numbers of a workload that its price was made of, in one line: nobody reads what was never asked.

    All of them where the platform counts in a unit of its own, that the price was converted to.
    """
    words: dict[str, tuple[Decimal | int | None, Any]] = {
        "cpu": (workload.vcpu, _lazy("vCPU")),
        "ram": (workload.memory_gb, _lazy("GB memory")),
        "hours": (workload.hours, _lazy("h a month")),
        "gb": (workload.storage_gb, _lazy("GB stored")),
        "km2": (workload.area_km2, _lazy("km²")),
        "products": (workload.products, _lazy("products")),
        "tiles": (workload.tiles, _lazy("tiles")),
        "ha": (workload.hectares, _lazy("ha")),
        "pu": (workload.processing_units, _lazy("processing units a month")),
        "openeo": (workload.openeo_credits, _lazy("openEO credits a month")),
        "egress": (workload.egress_gb, _lazy("GB out a month")),
    }
    asked: set[str] = set()
    for line in quote.lines:
        names = () if line.metric in _SAYS_NOTHING else _ASKED_BY_METRIC.get(line.metric)
        if names is None or any(name in words and words[name][0] is None for name in names):
            return workload.summary
        asked.update(names)
    parts = []
    for name in _LABELS:
        if name == "gpu" and name in asked and workload.gpu:
            parts.append(f"1 × {GPUS[workload.gpu]}")
        elif name in words and name in asked and (value := words[name][0]) is not None:
            parts.append(f"{number_text(Decimal(value))} {words[name][1]}")
    months = ngettext("%(count)d month", "%(count)d months", workload.months) % {"count": workload.months}
    return ", ".join([*parts, months])


def label_of(name: str) -> tuple[Any, Any]:
    """What people call a parameter, and its unit."""
    return _LABELS[name]


def asked_of(components: Iterable[PricedComponent], workload: Workload) -> list[str]:
    """The parameters that decide the price of these components, as ``_LABELS`` has them in order."""
    asked = {"months"}
    for component in components:
        for metric in (component.metric, *(metric for metric, _units in component.conversion)):
            asked.update(_ASKED_BY_METRIC.get(metric, ()))
    if workload.gpu and "hours" in asked:
        # So that a GPU which the plan does not have can be taken out.
        asked.add("gpu")
    return [name for name in _LABELS if name in asked]


def field_for(name: str, *, label: Any, unit: Any, initial: str) -> forms.Field:
    if name == "gpu":
        return forms.ChoiceField(choices=list(GPUS.items()), label=label, initial=initial, required=False)
    parameter = PARAMETERS[name]
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
