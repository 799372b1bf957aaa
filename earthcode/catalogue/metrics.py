"""What plans count, and how we know a figure: the two vocabularies that prices are made of."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Metric(models.TextChoices):
    """What a component counts; the value is stored and part of the API, the label is the unit people read."""

    VCPU_HOUR = "vcpu_hour", _("vCPU-hour")
    MEMORY_GB_HOUR = "memory_gb_hour", _("GB-hour of memory")
    GPU_HOUR = "gpu_hour", _("GPU-hour")
    GB_MONTH = "gb_month", _("GB-month")
    EGRESS_GB = "egress_gb", _("GB leaving the site")
    PROCESSING_HOUR = "processing_hour", _("processing hour")
    PROCESSING_UNIT = "processing_unit", _("processing unit")
    OPENEO_CREDIT = "openeo_credit", _("openEO credit")
    PLATFORM_CREDIT = "platform_credit", _("platform credit")
    REQUEST = "request", _("request")
    PRODUCT = "product", _("input product")
    KM2 = "km2", _("km²")
    KM2_OBSERVATION = "km2_observation", _("km² and observation")
    KM2_PERIOD = "km2_period", _("km² and period of data")
    TILE_MONTH = "tile_month", _("tile-month")
    HECTARE_YEAR = "hectare_year", _("hectare under management and year")
    SUBSCRIPTION_MONTH = "subscription_month", _("month of subscription")
    ONE_TIME = "one_time", _("one-time fee")

    @property
    def plural(self) -> str:
        """The unit after a number other than one."""
        return str(_PLURALS[self])


_PLURALS = {
    Metric.VCPU_HOUR: _("vCPU-hours"),
    Metric.MEMORY_GB_HOUR: _("GB-hours of memory"),
    Metric.GPU_HOUR: _("GPU-hours"),
    Metric.GB_MONTH: _("GB-months"),
    Metric.EGRESS_GB: _("GB leaving the site"),
    Metric.PROCESSING_HOUR: _("processing hours"),
    Metric.PROCESSING_UNIT: _("processing units"),
    Metric.OPENEO_CREDIT: _("openEO credits"),
    Metric.PLATFORM_CREDIT: _("platform credits"),
    Metric.REQUEST: _("requests"),
    Metric.PRODUCT: _("input products"),
    Metric.KM2: _("km²"),
    Metric.KM2_OBSERVATION: _("km² times observations"),
    Metric.KM2_PERIOD: _("km² times periods of data"),
    Metric.TILE_MONTH: _("tile-months"),
    Metric.HECTARE_YEAR: _("hectares under management and years"),
    Metric.SUBSCRIPTION_MONTH: _("months of subscription"),
    Metric.ONE_TIME: _("one-time fees"),
}


#: Metrics that count how long machines work.
TIMED = frozenset({Metric.VCPU_HOUR, Metric.MEMORY_GB_HOUR, Metric.GPU_HOUR, Metric.PROCESSING_HOUR})
#: Metrics that pay for processing in whatever unit: each is a way to buy the work itself.
PROCESSING = TIMED | {
    Metric.PROCESSING_UNIT,
    Metric.OPENEO_CREDIT,
    Metric.PLATFORM_CREDIT,
    Metric.REQUEST,
    Metric.PRODUCT,
    Metric.KM2,
    Metric.KM2_OBSERVATION,
    Metric.KM2_PERIOD,
    Metric.TILE_MONTH,
    Metric.HECTARE_YEAR,
}
#: Metrics whose amount is for the whole duration; all others are an amount in each month.
ONCE = frozenset(
    {Metric.PRODUCT, Metric.KM2, Metric.KM2_OBSERVATION, Metric.KM2_PERIOD, Metric.HECTARE_YEAR, Metric.ONE_TIME}
)


class Evidence(models.TextChoices):
    """How we know a figure, the best first."""

    SOURCED = "sourced", _("Published")
    DERIVED = "derived", _("Derived from published figures")
    DEMONSTRATION = "demonstration", _("Demonstration only")


class Audience(models.TextChoices):
    """Who a rate is for. The list price is everybody's; any other is a discount from it."""

    LIST = "", _("List price")
    ANYBODY = "anybody", _("Anybody")
    FIRST_TIME = "first_time", _("First-time users of the platform")
    ESA_PROJECT = "esa_project", _("ESA-funded projects")


#: What people can say of themselves, in this order.
DECLARABLE = (Audience.FIRST_TIME, Audience.ESA_PROJECT)


def weakest(evidence: list[str]) -> str:
    """A sum is known no better than the worst of its parts."""
    ranking = Evidence.values
    return max(evidence, key=ranking.index)
