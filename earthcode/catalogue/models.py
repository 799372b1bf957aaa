"""What can be requested, and what it costs."""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateRangeField, RangeOperators
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from earthcode.catalogue.metrics import Audience as Audience
from earthcode.catalogue.metrics import Evidence as Evidence
from earthcode.catalogue.metrics import Metric as Metric
from earthcode.catalogue.pricing import Quote
from earthcode.identity.models import Organisation, User


class Tier(models.TextChoices):
    """The Network of Resources' three tiers (DOMAIN 2.6)."""

    RESOURCE = "resource", "Resource Tier"
    PLATFORM = "platform", "Platform Tier"
    PLATFORM_SUPPORT = "platform_support", "Platform Tier Support"


class Platform(models.Model):
    """A system with an API, run by a provider."""

    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=200)
    provider = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="platforms")
    is_open_science = models.BooleanField("FAIR Open Science platform", default=False)
    is_infrastructure = models.BooleanField("FAIR Infrastructure platform", default=False)
    earthcode_integrated = models.BooleanField(default=False)
    registry_id = models.CharField(max_length=80, blank=True, help_text="Its id in EarthCODE's platform registry")
    languages = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    features = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    access_url = models.URLField(blank=True)
    connector = models.CharField(max_length=40, blank=True, help_text="A kind of connectors.registry; empty: none yet")
    connector_config = models.JSONField(default=dict, blank=True)
    connector_secret = models.CharField(max_length=80, blank=True, help_text="Name of the secret in the environment")
    connector_sealed = models.TextField(
        blank=True, help_text="Secrets that were entered on the site, encrypted (lib.sealed)"
    )
    connector_ok = models.BooleanField(
        null=True, help_text="What the last test of the connection found; empty: none yet"
    )
    connector_tested_at = models.DateTimeField(null=True, blank=True)
    connector_reason = models.JSONField(
        default=dict, blank=True, help_text="Code and parameters of what the test found"
    )

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def project_scope(self) -> None:
        return None

    @property
    def provider_scope(self) -> frozenset[int]:
        return frozenset({self.provider_id})


class OfferingQuerySet(models.QuerySet["Offering"]):
    def listed(self) -> OfferingQuerySet:
        """What the public catalogue shows."""
        return self.filter(is_listed=True)

    def readable(self) -> OfferingQuerySet:
        """What has a page of its own: also what was retired, for those who come by its address."""
        return self.filter(Q(is_listed=True) | Q(retires_on__isnull=False))


class Offering(models.Model):
    """What a platform lists and a project can request."""

    slug = models.SlugField(max_length=80, unique=True)
    platform = models.ForeignKey(Platform, on_delete=models.PROTECT, related_name="offerings")
    name = models.CharField(max_length=200)
    code = models.CharField(max_length=5, blank=True, help_text="Letters on its tile; empty: initials of the name")
    summary = models.TextField()
    tier = models.CharField(max_length=20, choices=Tier.choices)
    service_types = ArrayField(models.CharField(max_length=60), default=list)
    interfaces = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    protocols = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    workflow_types = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    datasets = ArrayField(models.CharField(max_length=120), default=list, blank=True)
    place = models.CharField(max_length=120, blank=True)
    country = models.CharField(max_length=2, blank=True)
    longitude = models.FloatField(null=True, blank=True)
    latitude = models.FloatField(null=True, blank=True)
    sponsorable = models.BooleanField(null=True, help_text="Whether the NoR sponsors it; empty where not stated")
    access = models.TextField(blank=True, help_text="How to get in")
    access_url = models.URLField(blank=True, help_text="Where it is used; empty: the platform's address")
    documentation_url = models.URLField(blank=True)
    support = models.CharField(max_length=300, blank=True)
    support_hours = models.CharField(max_length=200, blank=True)
    hardware = models.TextField(blank=True, help_text="Machines and accelerators, as stated")
    availability = models.TextField(blank=True, help_text="What the provider promises of it (SLA), as stated")
    limits = models.TextField(blank=True, help_text="What it does not give more of, as stated")
    maturity = models.CharField(max_length=200, blank=True, help_text="How far it is developed, as stated")
    certifications = ArrayField(models.CharField(max_length=120), default=list, blank=True)
    sources = models.JSONField(default=dict, help_text="Field → where the fact comes from")
    not_stated = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    is_listed = models.BooleanField(default=True)
    retires_on = models.DateField(null=True, blank=True, help_text="From this day on it takes nothing new")
    replaced_by = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    is_demonstration = models.BooleanField(default=False, help_text="Made up, for trying the site out")
    updated_at = models.DateTimeField()
    #: Written by the database (``sql/search.sql``).
    search = SearchVectorField(null=True, editable=False)

    objects: ClassVar[models.Manager[Offering]] = OfferingQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        indexes = [GinIndex(fields=["search"], name="catalogue_offering_search")]
        constraints = [
            models.CheckConstraint(
                # One of the two alone would make the comparisons NULL, which a check lets pass.
                condition=Q(longitude__isnull=True, latitude__isnull=True)
                | Q(
                    longitude__isnull=False,
                    longitude__range=(-180, 180),
                    latitude__isnull=False,
                    latitude__range=(-90, 90),
                ),
                name="catalogue_offering_is_somewhere_or_unknown",
            ),
            models.CheckConstraint(
                condition=Q(replaced_by__isnull=True) | Q(retires_on__isnull=False) & ~Q(replaced_by=F("pk")),
                name="catalogue_only_what_retires_is_replaced",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("offering", args=[self.slug])

    @property
    def monogram(self) -> str:
        """The letters on the offering's tile."""
        return self.code or monogram(self.name)

    def is_retired_on(self, day: date) -> bool:
        """Whether it takes nothing new on this day; see ``retirement``."""
        return self.retires_on is not None and self.retires_on <= day

    @property
    def project_scope(self) -> None:
        return None

    @property
    def provider_scope(self) -> frozenset[int]:
        return frozenset({self.platform.provider_id})


class OfferingVersion(models.Model):
    """What readers were shown of an offering from one moment on, with its plans and rates (``versions.content_of``).

    Rows are added and nothing else: ``sql/versions.sql`` refuses it.
    """

    offering = models.ForeignKey(Offering, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    content = models.JSONField()
    published_at = models.DateTimeField()
    by = models.CharField(max_length=200, help_text="Who published it, as the audit trail names them")
    note = models.TextField(blank=True)

    class Meta:
        ordering = ["offering", "-number"]
        constraints = [models.UniqueConstraint("offering", "number", name="catalogue_version_once")]

    def __str__(self) -> str:
        return f"{self.offering.name}, version {self.number}"

    def get_absolute_url(self) -> str:
        return reverse("offering_version", args=[self.offering.slug, self.number])


class PlanKind(models.TextChoices):
    GENERAL = "general", "Plan"
    #: Bought by the piece: one algorithm that runs on the platform, with a unit price of its own.
    SERVICE = "service", "Ready-made service"


class PlanQuerySet(models.QuerySet["Plan"]):
    def listed(self) -> PlanQuerySet:
        """What can be requested, with all that its name and its owner need."""
        return self.filter(is_listed=True, offering__is_listed=True).select_related("offering__platform__provider")


class Plan(models.Model):
    """A priced option of an offering. One without components has its price on request."""

    offering = models.ForeignKey(Offering, on_delete=models.PROTECT, related_name="plans")
    slug = models.SlugField(max_length=80)
    kind = models.CharField(max_length=10, choices=PlanKind.choices, default=PlanKind.GENERAL)
    name = models.CharField(max_length=200)
    summary = models.TextField(blank=True)
    audience = models.CharField(max_length=200, blank=True, help_text="Who may have it; empty: anybody")
    author = models.CharField(max_length=120, blank=True, help_text="Who made the service, where not the provider")
    endpoint_url = models.URLField(max_length=300, blank=True)
    order_url = models.URLField(max_length=300, blank=True)
    included = models.JSONField(default=dict, blank=True, help_text="What comes with the plan, as stated")
    months_max = models.PositiveSmallIntegerField(null=True, blank=True)
    source = models.TextField(blank=True)
    source_date = models.CharField(max_length=20, blank=True)
    connector_settings = models.JSONField(default=dict, blank=True, help_text="Goes to the connector with each order")
    is_listed = models.BooleanField(default=True)

    objects: ClassVar[models.Manager[Plan]] = PlanQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint("offering", "slug", name="catalogue_plan_slug_in_offering"),
            models.CheckConstraint(condition=Q(kind__in=PlanKind.values), name="catalogue_plan_kind_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.offering.name}, {self.name}"


class Component(models.Model):
    """One thing a plan meters. Without a rate today its price is not published, and neither is the plan's."""

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="components")
    metric = models.CharField(max_length=30, choices=Metric.choices)
    label = models.CharField(max_length=120, blank=True, help_text="Where the metric's own name is not enough")
    included = models.DecimalField(max_digits=20, decimal_places=6, default=0, help_text="Free amount in each month")
    limit = models.DecimalField(
        max_digits=20, decimal_places=6, null=True, blank=True, help_text="The most the plan gives in each month"
    )
    step = models.DecimalField(
        max_digits=20, decimal_places=6, default=0, help_text="Size of the blocks it is sold in; 0: any amount"
    )
    block_months = models.PositiveSmallIntegerField(
        default=0, help_text="Months within which a block must be used; 0: no limit is stated"
    )
    free_months = models.PositiveSmallIntegerField(default=0, help_text="Months at the start that cost nothing")
    conversion = models.JSONField(
        default=dict,
        blank=True,
        help_text="Metric → how many of this unit one of it takes at most, for units of a platform's own",
    )
    conversion_low = models.JSONField(
        default=dict, blank=True, help_text="The same, at least; empty where the conversion is known exactly"
    )
    conversion_source = models.TextField(blank=True)
    in_use = models.BooleanField(
        default=True, help_text="No longer metered when false; its rates stay for what cites them"
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint("plan", "metric", "label", name="catalogue_component_once"),
            models.CheckConstraint(condition=Q(metric__in=Metric.values), name="catalogue_component_metric_is_known"),
            models.CheckConstraint(
                condition=Q(included__gte=0, step__gte=0) & (Q(limit__isnull=True) | Q(limit__gte=0)),
                name="catalogue_component_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(conversion={}) | ~Q(conversion_source=""), name="catalogue_conversion_has_source"
            ),
            models.CheckConstraint(
                condition=Q(block_months=0) | Q(step__gt=0), name="catalogue_what_expires_is_sold_in_blocks"
            ),
        ]

    def __str__(self) -> str:
        return self.label or str(self.get_metric_display())


class Rate(models.Model):
    """Credits per unit of a component, from one day to another: the list price or, for an ``audience``, a discount from it.

    Where a range was stated, ``micro_per_unit`` is its upper end, so that whatever reads it alone never tells too little.
    Rows are added and closed, never edited and never removed: ``sql/rates.sql`` refuses anything else.
    """

    component = models.ForeignKey(Component, on_delete=models.PROTECT, related_name="rates")
    valid = DateRangeField(help_text="From the first day to the day after the last")
    audience = models.CharField(
        max_length=20,
        choices=Audience.choices,
        blank=True,
        default=Audience.LIST,
        db_default=Audience.LIST,
        help_text="Empty: the list price",
    )
    reason = models.TextField(blank=True, default="", db_default="", help_text="Why it is a discount")
    micro_per_unit = models.DecimalField(max_digits=24, decimal_places=6, help_text="Micro-credits per unit, at most")
    micro_low = models.DecimalField(
        max_digits=24, decimal_places=6, null=True, blank=True, help_text="At least, where a range was stated"
    )
    evidence = models.CharField(max_length=20, choices=Evidence.choices)
    source = models.TextField(blank=True)
    source_date = models.CharField(max_length=20, blank=True)

    class Meta:
        ordering = ["component", "valid", "pk"]
        constraints = [
            ExclusionConstraint(
                name="catalogue_rates_never_overlap",
                expressions=[
                    ("component", RangeOperators.EQUAL),
                    ("audience", RangeOperators.EQUAL),
                    ("valid", RangeOperators.OVERLAPS),
                ],
            ),
            # An empty range overlaps nothing and would slip through the exclusion constraint.
            models.CheckConstraint(condition=Q(valid__isempty=False), name="catalogue_rate_period_not_empty"),
            models.CheckConstraint(condition=Q(micro_per_unit__gte=0), name="catalogue_rate_not_negative"),
            models.CheckConstraint(
                condition=Q(micro_low__isnull=True)
                | Q(micro_low__isnull=False, micro_low__gte=0, micro_low__lt=F("micro_per_unit")),
                name="catalogue_rate_range_is_one",
            ),
            models.CheckConstraint(
                condition=Q(evidence=Evidence.DEMONSTRATION) | ~Q(source=""), name="catalogue_rate_has_source"
            ),
            models.CheckConstraint(condition=Q(audience__in=Audience.values), name="catalogue_rate_audience_is_known"),
            # A discount says why it is one; the list price has nothing to explain.
            models.CheckConstraint(
                condition=Q(audience="", reason="") | (~Q(audience="") & ~Q(reason="")),
                name="catalogue_discount_has_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.component} {self.valid}"

    def applies_on(self, day: date) -> bool:
        return day in self.valid


class SearchWord(models.Model):
    """A word that some offering is found by: what a misspelt word is compared with. Written by the database."""

    word = models.CharField(max_length=100, primary_key=True)

    class Meta:
        ordering = ["word"]
        indexes = [
            GinIndex(OpClass(F("word"), name="gin_trgm_ops"), name="catalogue_searchword_trigrams"),
        ]

    def __str__(self) -> str:
        return self.word


class Estimate(models.Model):
    """What a workload costs under some plans on one day, with a permanent link: whoever has the link may read it.

    Rows are added whole and never change (``sql/estimates.sql``): each line keeps the facts, the rates and the workload that
    its price was made from, so no later change of the catalogue reaches it. Nothing in it says who made it, except
    ``created_by``, which is for that person's own list and never shown.
    """

    #: Unguessable: the link is the permission.
    token = models.CharField(max_length=40, unique=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="estimates")
    priced_on = models.DateField(help_text="The day whose rates were used")
    workload = models.JSONField(help_text="The workload that the lines start from")
    plan_count = models.PositiveSmallIntegerField()
    amount = models.BigIntegerField(help_text="Sum of the lines that could be priced, in micro-credits")
    margin_percent = models.PositiveSmallIntegerField(default=0)
    margin = models.BigIntegerField(default=0, help_text="In micro-credits, on top of the amount")

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [models.Index(fields=["created_by", "-created_at"], name="catalogue_estimate_by_maker")]
        constraints = [
            models.CheckConstraint(
                condition=Q(plan_count__gte=1, plan_count__lte=12), name="catalogue_estimate_has_some_plans"
            ),
            models.CheckConstraint(
                condition=Q(amount__gte=0, margin__gte=0, margin_percent__lte=100),
                name="catalogue_estimate_amounts_make_sense",
            ),
        ]

    def __str__(self) -> str:
        return self.token

    def get_absolute_url(self) -> str:
        return reverse("estimate", args=[self.token])

    @property
    def total(self) -> int:
        """What to ask for: the amount with its margin."""
        return self.amount + self.margin


class EstimateLine(models.Model):
    """One plan of an estimate: the facts as they were, and a quote or the reasons why there is none."""

    estimate = models.ForeignKey(Estimate, on_delete=models.PROTECT, related_name="lines")
    place = models.PositiveSmallIntegerField(help_text="Counted from zero")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(
        OfferingVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="What the offering said when it was estimated",
    )
    facts = models.JSONField(help_text="The offering and the plan, as they were shown")
    workload = models.JSONField()
    quote = models.JSONField(null=True, blank=True, help_text="As ``pricing.Quote.as_json``; empty: cannot be priced")
    reasons = ArrayField(models.CharField(max_length=500), default=list, blank=True)
    sources = models.JSONField(default=list, help_text="For each line of the quote: where its rate comes from")
    amount = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["estimate", "place"]
        constraints = [
            models.UniqueConstraint("estimate", "place", name="catalogue_estimateline_place_once"),
            models.UniqueConstraint("estimate", "plan", name="catalogue_estimateline_plan_once"),
            models.CheckConstraint(
                condition=Q(quote__isnull=True, amount__isnull=True) & ~Q(reasons=[])
                | Q(quote__isnull=False, amount__isnull=False, amount__gte=0, reasons=[]),
                name="catalogue_estimateline_priced_or_says_why_not",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.estimate}, {self.plan_id}"

    @property
    def priced(self) -> Quote | None:
        """The quote as it was; None where the plan could not be priced, and ``reasons`` say why."""
        return None if self.quote is None else Quote.from_json(self.quote)


class EstimateTally(models.Model):
    """How many estimates somebody without an account saved within an hour. ``client`` is a keyed digest of an address that
    changes every day, and rows are removed after their hour, so it tells nothing about anybody."""

    client = models.CharField(max_length=64)
    hour = models.DateTimeField()
    count = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["hour", "pk"]
        constraints = [models.UniqueConstraint("client", "hour", name="catalogue_estimatetally_once")]

    def __str__(self) -> str:
        return f"{self.hour}: {self.count}"


def monogram(name: str) -> str:
    """Up to three letters that stand for a name: its capitals and first letters."""
    words = [word for word in name.replace("(", " ").replace("-", " ").split() if word[0].isalnum()]
    letters = "".join(word[0] for word in words)
    return (letters if len(letters) > 1 else name)[:3].upper()
