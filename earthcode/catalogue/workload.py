"""What a person means to run, and the one table of what it may say.

``PARAMETERS`` has a line for each number (and the two choices): its code in addresses, forms and the API, its field here, its
words, its limits, and the metrics that it decides. Whatever reads, writes, asks for or words a workload derives from the
table, so that a new number is one line of it and one field of ``Workload``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from earthcode.catalogue.metrics import DECLARABLE, ONCE, PROCESSING, Audience, Metric
from earthcode.lib.errors import InvalidInput
from earthcode.lib.money import GROUP_SEPARATOR
from earthcode.lib.numbers import number_text, plain

#: Value in addresses → what people read and, in lower case, what a component's label must contain.
GPUS: Final = {"": "None", "l4": "L4", "a100": "A100", "h100": "H100"}

_WHOLE = re.compile(r"[0-9]{1,9}")
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,3})?")

Words = str | Promise


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One thing that a workload says.

    ``code`` is its name in addresses, forms and the API, ``field`` that of ``Workload``. ``label`` and ``unit`` are for a form,
    ``phrase`` says it among others ("%(number)s GB memory"). ``metrics`` are those whose amount it decides, alone or together
    with others that name the same metric: the amount is their product.
    """

    code: str
    field: str
    label: Words
    unit: Words = ""
    phrase: Words = ""
    metrics: tuple[Metric, ...] = ()
    #: Part of the machine and its time, which every workload says; the others count in units of certain platforms.
    is_main: bool = False
    #: Says it where a plan has no price for it, though the workload asks for it besides processing: "%(number)s GB of storage".
    left_out: Words = ""

    @property
    def is_once(self) -> bool:
        """Whether it counts for the whole duration and not in each month."""
        return bool(self.metrics) and ONCE.issuperset(self.metrics)

    def read(self, text: str, /) -> Any:
        """What the text of an address says, or ``InvalidInput`` that names the parameter."""
        raise NotImplementedError

    def write(self, value: Any, /) -> str:
        """The text that ``read`` gives the value back for; empty where there is nothing to say."""
        raise NotImplementedError

    def amount(self, value: Any, /) -> Decimal | None:
        """What it contributes to the amount of its metrics; None: the workload does not say."""
        raise NotImplementedError

    def say(self, value: Any, /) -> str:
        """The value for people, as one part of a list; empty where there is nothing to say."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Number(Parameter):
    """A number within limits; ``noun`` is what a sentence calls it."""

    noun: Words
    minimum: int = 0
    maximum: int
    whole: bool = True

    def read(self, text: str, /) -> Decimal:
        pattern = _WHOLE if self.whole else _DECIMAL
        text = text.replace(GROUP_SEPARATOR, "").replace(" ", "")
        if pattern.fullmatch(text) and self.minimum <= (number := Decimal(text)) <= self.maximum:
            return number
        if self.whole:
            message = _("Enter a whole number for %(label)s, from %(minimum)s to %(maximum)s.")
        else:
            message = _("Enter a number for %(label)s, from %(minimum)s to %(maximum)s.")
        limits = {
            "label": self.noun,
            "minimum": number_text(Decimal(self.minimum)),
            "maximum": number_text(Decimal(self.maximum)),
        }
        raise InvalidInput(message % limits, field=self.code)

    def write(self, value: Decimal | int | None, /) -> str:
        return "" if value is None else plain(Decimal(value))

    def amount(self, value: Decimal | int | None, /) -> Decimal | None:
        return None if value is None else Decimal(value)

    def say(self, value: Decimal | int | None, /) -> str:
        if value is None:
            return ""
        if self.field == "months":
            return ngettext("%(count)d month", "%(count)d months", int(value)) % {"count": int(value)}
        return str(self.phrase) % {"number": number_text(Decimal(value))}


@dataclass(frozen=True, kw_only=True)
class GpuKind(Parameter):
    """Which GPU the machine has, one of ``GPUS``."""

    def read(self, text: str, /) -> str:
        text = text.lower()
        gpu = "" if text == "none" else text
        if gpu not in GPUS:
            raise InvalidInput(_("Choose one of the GPUs in the list."), field=self.code)
        return gpu

    def write(self, value: str, /) -> str:
        return value

    def amount(self, value: str, /) -> Decimal:
        return Decimal(bool(value))

    def say(self, value: str, /) -> str:
        return str(self.phrase) % {"number": GPUS[value]} if value else ""


@dataclass(frozen=True, kw_only=True)
class Groups(Parameter):
    """The groups that those who run it say they belong to, each once and in one order."""

    def read(self, text: str, /) -> tuple[str, ...]:
        given = {each.strip() for each in text.split(",") if each.strip()}
        if not given <= set(DECLARABLE):
            raise InvalidInput(_("Choose one of the groups in the list."), field=self.code)
        return tuple(str(each.value) for each in DECLARABLE if each in given)

    def write(self, value: tuple[str, ...], /) -> str:
        return ",".join(value)

    def amount(self, _value: tuple[str, ...], /) -> None:
        return None

    def say(self, value: tuple[str, ...], /) -> str:
        return ", ".join(str(self.phrase) % {"number": Audience(each).label} for each in value)


_lazy = gettext_lazy

#: Everything that a workload says, in the order in which forms ask for it.
PARAMETERS: Final[Mapping[str, Parameter]] = {
    parameter.code: parameter
    for parameter in (
        Number(
            code="cpu",
            field="vcpu",
            label=_lazy("Processors"),
            noun=_lazy("processors"),
            unit=_lazy("vCPU"),
            phrase=_lazy("%(number)s vCPU"),
            minimum=1,
            maximum=4096,
            metrics=(Metric.VCPU_HOUR,),
            is_main=True,
        ),
        Number(
            code="ram",
            field="memory_gb",
            label=_lazy("Memory"),
            noun=_lazy("memory"),
            unit=_lazy("GB"),
            phrase=_lazy("%(number)s GB memory"),
            minimum=1,
            maximum=65536,
            metrics=(Metric.MEMORY_GB_HOUR,),
            is_main=True,
        ),
        GpuKind(
            code="gpu",
            field="gpu",
            label=_lazy("GPU"),
            phrase=_lazy("1 × %(number)s"),
            metrics=(Metric.GPU_HOUR,),
            is_main=True,
        ),
        Number(
            code="hours",
            field="hours",
            label=_lazy("Running time"),
            noun=_lazy("hours a month"),
            unit=_lazy("h/month"),
            phrase=_lazy("%(number)s h a month"),
            maximum=744,  # what a month has at most
            whole=False,
            metrics=(Metric.VCPU_HOUR, Metric.MEMORY_GB_HOUR, Metric.GPU_HOUR, Metric.PROCESSING_HOUR),
            is_main=True,
        ),
        Number(
            code="gb",
            field="storage_gb",
            label=_lazy("Storage"),
            noun=_lazy("storage"),
            unit=_lazy("GB"),
            phrase=_lazy("%(number)s GB stored"),
            left_out=_lazy("%(number)s GB of storage"),
            maximum=10_000_000,
            metrics=(Metric.GB_MONTH,),
            is_main=True,
        ),
        Number(
            code="months",
            field="months",
            label=_lazy("Duration"),
            noun=_lazy("months"),
            unit=_lazy("months"),
            minimum=1,
            maximum=60,
            is_main=True,
        ),
        Number(
            code="km2",
            field="area_km2",
            label=_lazy("Area"),
            noun=_lazy("area"),
            unit=_lazy("km²"),
            phrase=_lazy("%(number)s km²"),
            maximum=600_000_000,
            whole=False,
            metrics=(Metric.KM2,),
        ),
        Number(
            code="products",
            field="products",
            label=_lazy("Input products"),
            noun=_lazy("input products"),
            unit=_lazy("in all"),
            phrase=_lazy("%(number)s products"),
            maximum=100_000_000,
            metrics=(Metric.PRODUCT,),
        ),
        Number(
            code="tiles",
            field="tiles",
            label=_lazy("Sentinel-2 tiles"),
            noun=_lazy("tiles"),
            unit=_lazy("tiles"),
            phrase=_lazy("%(number)s tiles"),
            maximum=1_000_000,
            metrics=(Metric.TILE_MONTH,),
        ),
        Number(
            code="ha",
            field="hectares",
            label=_lazy("Area under management"),
            noun=_lazy("hectares"),
            unit=_lazy("ha"),
            phrase=_lazy("%(number)s ha"),
            maximum=100_000_000,
            whole=False,
            metrics=(Metric.HECTARE_YEAR,),
        ),
        Number(
            code="pu",
            field="processing_units",
            label=_lazy("Processing units"),
            noun=_lazy("processing units"),
            unit=_lazy("a month"),
            phrase=_lazy("%(number)s processing units a month"),
            maximum=999_999_999,
            metrics=(Metric.PROCESSING_UNIT,),
        ),
        Number(
            code="openeo",
            field="openeo_credits",
            label=_lazy("openEO credits"),
            noun=_lazy("openEO credits"),
            unit=_lazy("a month"),
            phrase=_lazy("%(number)s openEO credits a month"),
            maximum=999_999_999,
            metrics=(Metric.OPENEO_CREDIT,),
        ),
        Number(
            code="egress",
            field="egress_gb",
            label=_lazy("Data leaving the site"),
            noun=_lazy("data leaving the site"),
            unit=_lazy("GB/month"),
            phrase=_lazy("%(number)s GB out a month"),
            left_out=_lazy("%(number)s GB leaving the site a month"),
            maximum=100_000_000,
            metrics=(Metric.EGRESS_GB,),
        ),
        Groups(code="who", field="audiences", label=_lazy("Discounts for"), phrase=_lazy("for %(number)s")),
    )
}
#: Those that are numbers.
NUMBERS: Final[Mapping[str, Number]] = {
    code: parameter for code, parameter in PARAMETERS.items() if isinstance(parameter, Number)
}
#: In the order in which people say them: the machine, what is counted, then for how long and for whom.
IN_WORDS: Final = (
    *(each for each in PARAMETERS.values() if each.code not in ("months", "who")),
    PARAMETERS["months"],
    PARAMETERS["who"],
)

#: Metrics whose amount no workload changes: one each month, or one in all.
FIXED: Final = frozenset({Metric.SUBSCRIPTION_MONTH, Metric.ONE_TIME})
#: Metric → what decides its amount. Months decide every price besides.
DECIDED_BY: Final[Mapping[str, tuple[Parameter, ...]]] = {
    metric: deciding
    for metric in Metric
    if (deciding := tuple(each for each in PARAMETERS.values() if metric in each.metrics))
}
#: Metrics that pay for processing and that no parameter of a workload says.
UNSAYABLE: Final = PROCESSING - DECIDED_BY.keys()


@dataclass(frozen=True)
class Workload:
    """What a person means to run. None: the workload does not say, which is not the same as zero.

    ``vcpu``, ``memory_gb`` and ``gpu`` are the machine, ``hours`` how long it runs in each month, ``storage_gb`` what lies
    there for all ``months``. Processing units, openEO credits and data leaving the site count in each month, tiles as well;
    area, products and hectares count once. ``audiences`` are the groups that those who run it say they belong to: some
    discounts are for them alone.
    """

    vcpu: int = 8
    memory_gb: int = 32
    gpu: str = ""
    hours: Decimal = Decimal(60)
    storage_gb: int = 500
    months: int = 6
    area_km2: Decimal | None = None
    products: Decimal | None = None
    tiles: Decimal | None = None
    hectares: Decimal | None = None
    processing_units: Decimal | None = None
    openeo_credits: Decimal | None = None
    egress_gb: Decimal | None = None
    audiences: tuple[str, ...] = ()

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Workload:
        """The workload of an address or a form; what it leaves out is as in ``Workload()``.

        Raises ``InvalidInput`` that names the parameter at fault.
        """
        values: dict[str, Any] = {}
        for code, parameter in PARAMETERS.items():
            text = str(params.get(code, "") or "").strip()
            if text:
                value = parameter.read(text)
                values[parameter.field] = int(value) if parameter.field in _INTEGERS else value
        return cls(**values)

    def as_params(self) -> dict[str, str]:
        """For an address; ``from_params`` gives the same workload back."""
        params = {code: each.write(getattr(self, each.field)) for code, each in PARAMETERS.items()}
        return {code: text for code, text in params.items() if text}

    def changes(self) -> dict[str, str]:
        """As ``as_params``, without what is as in ``Workload()``: what an address has to say."""
        usual = Workload().as_params()
        return {name: value for name, value in self.as_params().items() if usual.get(name) != value}

    def as_json(self) -> dict[str, str]:
        """As it is stored with a request line: the same names as in addresses."""
        return self.as_params()

    @classmethod
    def from_json(cls, data: Mapping[str, str]) -> Workload:
        return cls.from_params(data)

    def in_a_month(self, metric: str) -> Decimal | None:
        """How much of the metric each month needs, or the whole duration for what counts once; None: it does not say."""
        if metric in FIXED:
            return Decimal(1)
        deciding = DECIDED_BY.get(metric)
        if deciding is None:
            return None
        amount = Decimal(1)
        for parameter in deciding:
            factor = parameter.amount(getattr(self, parameter.field))
            if factor is None:
                return None
            amount *= factor
        if metric == Metric.HECTARE_YEAR:
            # Sold by the year: a started year counts in full.
            amount *= -(-self.months // 12)
        return amount

    def quantity(self, metric: str) -> Decimal | None:
        """How much of the metric the whole duration needs; None: the workload does not say."""
        amount = self.in_a_month(metric)
        return amount if amount is None or metric in ONCE else amount * self.months

    @property
    def besides(self) -> tuple[tuple[Metric, str], ...]:
        """What it asks for besides processing: each metric that a plan must price to cover all of it, in words."""
        return tuple(
            (metric, str(each.left_out) % {"number": number_text(amount)})
            for each in PARAMETERS.values()
            if each.left_out and (amount := each.amount(getattr(self, each.field)))
            for metric in each.metrics
        )

    def say(self, code: str) -> str:
        """One part of it for people: "16 vCPU"; empty where it does not say."""
        parameter = PARAMETERS[code]
        return parameter.say(getattr(self, parameter.field))

    @property
    def summary(self) -> str:
        """One line for people."""
        return ", ".join(text for each in IN_WORDS if (text := self.say(each.code)))


_INTEGERS = frozenset(field.name for field in fields(Workload) if field.type == "int")
