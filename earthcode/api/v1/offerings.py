"""The catalogue: what can be requested, and at which rates.

Public, like its pages: platforms and the EarthCODE portal read it without an account, and everybody gets the same answer.
For that reason no token is looked at here, so a stale one cannot fail a read either.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers

from earthcode.api.fields import absolute
from earthcode.api.public import PublicAnswers
from earthcode.catalogue import search
from earthcode.catalogue.component_terms import TERMS, ComponentTerm, Kind
from earthcode.catalogue.models import Audience, Component, Evidence, Metric, Offering, Plan, Platform, Rate, Tier
from earthcode.identity.models import Organisation
from earthcode.lib.money import MICRO
from earthcode.lib.numbers import plain


class ProviderSerializer(serializers.ModelSerializer[Organisation]):
    class Meta:
        model = Organisation
        fields: Sequence[str] = ["slug", "name", "country", "website"]


class PlatformSerializer(serializers.ModelSerializer[Platform]):
    provider = ProviderSerializer()

    class Meta:
        model = Platform
        fields: Sequence[str] = [
            "slug",
            "name",
            "provider",
            "is_open_science",
            "is_infrastructure",
            "earthcode_integrated",
        ]


class RateSerializer(serializers.Serializer[Rate]):
    """What one unit costs now."""

    credits_per_unit = serializers.SerializerMethodField(
        help_text="Exact decimal number of credits, as text; the upper end where a range is stated"
    )
    credits_per_unit_low = serializers.SerializerMethodField(
        allow_null=True, help_text="The lower end of a stated range; null where the price is exact"
    )
    valid_from = serializers.DateField(source="valid.lower", allow_null=True)
    valid_until = serializers.DateField(source="valid.upper", allow_null=True, help_text="The day after the last")
    evidence = serializers.ChoiceField(choices=Evidence.choices)
    source = serializers.CharField()  # type: ignore[assignment]  # hides what the base class calls so, which nobody asks
    source_date = serializers.CharField()

    def get_credits_per_unit(self, rate: Rate) -> str:
        return _credits_text(rate.micro_per_unit)

    def get_credits_per_unit_low(self, rate: Rate) -> str | None:
        return None if rate.micro_low is None else _credits_text(rate.micro_low)


def _credits_text(micro: Decimal) -> str:
    return plain(micro / MICRO)


class DiscountSerializer(RateSerializer):
    """A lower price, and who may have it."""

    audience = serializers.ChoiceField(choices=[(each.value, each.label) for each in Audience if each.value])
    reason = serializers.CharField()


def _field_of(term: ComponentTerm) -> serializers.Field[Any, Any, Any, Any]:
    match term.kind:
        case Kind.AMOUNT:
            return serializers.DecimalField(
                max_digits=20, decimal_places=6, allow_null=term.absent is None, help_text=term.help_text
            )
        case Kind.MONTHS:
            return serializers.IntegerField(help_text=term.help_text)
        case Kind.UNITS:
            return serializers.DictField(child=serializers.CharField(), help_text=term.help_text)
        case Kind.TEXT:
            return serializers.CharField(help_text=term.help_text)


class ComponentSerializer(serializers.Serializer[Component]):
    """One thing a plan meters. Without a rate its price is on request."""

    metric = serializers.ChoiceField(choices=Metric.choices)
    unit = serializers.CharField(source="get_metric_display")
    label = serializers.CharField()  # type: ignore[assignment]  # hides what the base class calls so, which nobody asks
    rate = serializers.SerializerMethodField(help_text="The list price; null: on request")
    discounts = serializers.SerializerMethodField(help_text="Lower prices for some people, or for anybody")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """The terms stand between the names and the rates."""
        fields = super().get_fields()
        rates = {name: fields.pop(name) for name in ("rate", "discounts")}
        return {**fields, **{term.name: _field_of(term) for term in TERMS.values()}, **rates}

    # Prefetched are the rates of today: at most one list price, and one discount for each audience.

    @extend_schema_field(RateSerializer(allow_null=True))
    def get_rate(self, component: Component) -> dict[str, Any] | None:
        listed = next((rate for rate in component.rates.all() if not rate.audience), None)
        return RateSerializer(listed).data if listed else None

    @extend_schema_field(DiscountSerializer(many=True))
    def get_discounts(self, component: Component) -> list[dict[str, Any]]:
        discounts = [rate for rate in component.rates.all() if rate.audience]
        return [DiscountSerializer(rate).data for rate in sorted(discounts, key=lambda rate: rate.audience)]


class PlanSerializer(serializers.ModelSerializer[Plan]):
    components = ComponentSerializer(many=True)

    class Meta:
        model = Plan
        fields: Sequence[str] = ["slug", "name", "summary", "months_max", "components", "source", "source_date"]


class OfferingSerializer(serializers.ModelSerializer[Offering]):
    url = serializers.SerializerMethodField(help_text="The offering's page in the catalogue")
    platform = PlatformSerializer()
    plans = PlanSerializer(many=True)
    sponsorable = serializers.BooleanField(allow_null=True, help_text="null where it is not stated")

    class Meta:
        model = Offering
        fields: Sequence[str] = [
            "slug",
            "url",
            "name",
            "summary",
            "platform",
            "tier",
            "service_types",
            "interfaces",
            "protocols",
            "workflow_types",
            "datasets",
            "place",
            "country",
            "sponsorable",
            "documentation_url",
            "support",
            "support_hours",
            "hardware",
            "availability",
            "limits",
            "maturity",
            "certifications",
            "not_stated",
            "sources",
            "plans",
            "updated_at",
        ]

    @extend_schema_field(serializers.URLField())
    def get_url(self, offering: Offering) -> str:
        return absolute(self.context["request"], "offering", offering.slug)


def listed_offerings() -> QuerySet[Offering]:
    """What the public catalogue shows, with the plans it shows and the rates of today."""
    rates = Rate.objects.filter(valid__contains=timezone.localdate())
    components = Component.objects.filter(in_use=True).prefetch_related(Prefetch("rates", rates))
    plans = Plan.objects.filter(is_listed=True).prefetch_related(Prefetch("components", components))
    return (
        Offering.objects.filter(is_listed=True)
        .select_related("platform__provider")
        .prefetch_related(Prefetch("plans", plans))
        .order_by("name", "pk")
    )


class OfferingFilter(serializers.Serializer[Any]):
    """The list's query parameters."""

    tier = serializers.ChoiceField(choices=Tier.choices, required=False)
    provider = serializers.SlugField(required=False, help_text="The slug of a provider")
    q = serializers.CharField(
        required=False,
        max_length=200,
        help_text="Words, as on the catalogue's page: parts of words will do, and misspellings are forgiven",
    )


@extend_schema_view(
    get=extend_schema(
        summary="List offerings",
        auth=[],
        parameters=[OfferingFilter],
        tags=["Catalogue"],
        operation_id="list_offerings",
    )
)
class Offerings(PublicAnswers, generics.ListAPIView[Offering]):
    """Everything the catalogue lists, by name. Public."""

    serializer_class = OfferingSerializer

    def get_queryset(self) -> QuerySet[Offering]:
        wanted = OfferingFilter(data=self.request.query_params)
        wanted.is_valid(raise_exception=True)
        offerings = listed_offerings()
        if tier := wanted.validated_data.get("tier"):
            offerings = offerings.filter(tier=tier)
        if provider := wanted.validated_data.get("provider"):
            offerings = offerings.filter(platform__provider__slug=provider)
        words = search.find(wanted.validated_data.get("q", ""))
        if words.ranks is not None:
            offerings = offerings.filter(pk__in=words.ranks)
        return offerings


@extend_schema_view(
    get=extend_schema(
        summary="Read one offering",
        auth=[],
        tags=["Catalogue"],
        operation_id="read_offering",
    )
)
class OfferingDetail(PublicAnswers, generics.RetrieveAPIView[Offering]):
    """One offering, with its plans and what they cost today. Public."""

    serializer_class = OfferingSerializer
    lookup_field = "slug"

    def get_queryset(self) -> QuerySet[Offering]:
        return listed_offerings()
