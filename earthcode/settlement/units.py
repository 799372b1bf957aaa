"""The units that a quantity can be reported in, and what one of them is in the unit of a component."""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime
from decimal import Decimal
from typing import Final

from earthcode.catalogue.metrics import Metric

_HOUR: Final = Decimal(3600)
_GB: Final = Decimal(10**9)
_GIB: Final = Decimal(2**30)

#: Metric → unit in lower case → how many of the first are divided out of one of the second.
_DIVISORS: Final[dict[str, dict[str, Decimal]]] = {
    Metric.VCPU_HOUR: {"core.s": _HOUR, "vcpu.s": _HOUR, "core.h": Decimal(1), "vcpu.h": Decimal(1)},
    Metric.GPU_HOUR: {"gpu.s": _HOUR, "gpu.h": Decimal(1)},
    Metric.PROCESSING_HOUR: {"s": _HOUR, "min": Decimal(60), "h": Decimal(1)},
    Metric.MEMORY_GB_HOUR: {"byte.s": _GB * _HOUR, "gb.h": Decimal(1), "mib.s": _GB * _HOUR / 2**20},
    Metric.EGRESS_GB: {"byte": _GB, "gb": Decimal(1), "mb": Decimal(1000), "tb": Decimal("0.001")},
    Metric.GB_MONTH: {"gb.month": Decimal(1)},
}
#: Units of stored bytes over time, which depend on how long the month is: → bytes and seconds in one of them.
_STORED: Final = {"byte.s": (Decimal(1), Decimal(1)), "byte.h": (Decimal(1), _HOUR), "gb.h": (_GB, _HOUR)}


def units_of(metric: str) -> tuple[str, ...]:
    """Every unit that a quantity of this metric can be reported in; the first is its own."""
    stored = tuple(_STORED) if metric == Metric.GB_MONTH else ()
    return (str(metric), *_DIVISORS.get(metric, {}), *stored)


def in_units_of(metric: str, quantity: Decimal, unit: str, *, at: datetime) -> Decimal | None:
    """The quantity in the metric's own unit; None where the unit says something else.

    A GB-month is a gigabyte (10⁹ bytes) for the whole calendar month of ``at``, however many days that has.
    """
    word = unit.strip().lower()
    known = Metric(metric)
    if word in {str(known), str(known.label).lower(), known.plural.lower()}:
        return quantity
    divisor = _DIVISORS.get(metric, {}).get(word)
    if divisor is not None:
        return quantity / divisor
    if metric == Metric.GB_MONTH and word in _STORED:
        size, seconds = _STORED[word]
        month_s = monthrange(at.year, at.month)[1] * 24 * _HOUR
        return quantity * size * seconds / (_GB * month_s)
    return None
