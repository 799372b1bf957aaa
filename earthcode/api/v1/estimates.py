"""Estimates: price a workload under some plans and keep it under a link; read one that was kept.

Public, like the pages: whoever has the link may read, and anybody may make one. A token is looked at only where one is sent,
so that the estimate is in that person's list.
"""

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from earthcode.api.fields import CreditsField, absolute, credits_text
from earthcode.catalogue import estimates
from earthcode.catalogue.estimates import MARGIN_PERCENT_MAX, PLANS_MAX, Wanted
from earthcode.catalogue.models import Estimate, EstimateLine, Plan
from earthcode.catalogue.pricing import Workload
from earthcode.identity.models import User
from earthcode.lib.clients import digest_of


class WantedSerializer(serializers.Serializer[Any]):
    """A plan, and a workload of its own where it is not that of the others."""

    offering = serializers.SlugField()
    plan = serializers.SlugField()
    workload = serializers.DictField(
        child=serializers.CharField(max_length=40), required=False, help_text="Numbers that differ for this plan"
    )


class NewEstimateSerializer(serializers.Serializer[Any]):
    """What to price. Parameters of a workload are those of the catalogue's addresses: ``cpu``, ``ram``, ``hours``, …"""

    plans = WantedSerializer(many=True, max_length=PLANS_MAX, allow_empty=False)  # type: ignore[call-arg]  # of the list
    workload = serializers.DictField(child=serializers.CharField(max_length=40), required=False)
    margin_percent = serializers.IntegerField(min_value=0, max_value=MARGIN_PERCENT_MAX, default=0)


class EstimateQuoteLineSerializer(serializers.Serializer[Any]):
    """One component of the price: ``quantity`` times ``credits_per_unit``, rounded once."""

    label = serializers.CharField()  # type: ignore[assignment]  # hides what the base class calls so, which nobody asks
    metric = serializers.CharField()
    quantity = serializers.CharField()
    credits_per_unit = serializers.SerializerMethodField(help_text="Exact decimal number of credits, as text")
    credits = CreditsField(source="amount", help_text="At most, where figures are stated as ranges")
    credits_at_least = serializers.SerializerMethodField()
    discount = serializers.SerializerMethodField(help_text="The reason for a price below the list price; may be empty")
    evidence = serializers.CharField()
    detail = serializers.CharField()

    @extend_schema_field(CreditsField())
    def get_credits_at_least(self, line: dict[str, Any]) -> str:
        return credits_text(line.get("low", line["amount"]))

    def get_discount(self, line: dict[str, Any]) -> str:
        return str(line.get("discount", ""))

    def get_credits_per_unit(self, line: dict[str, Any]) -> str:
        # Rates are finer than a micro-credit where a unit is small.
        whole, _dot, parts = str(line["micro_per_unit"]).partition(".")
        digits = whole.rjust(7, "0")
        text = f"{digits[:-6]}.{digits[-6:]}{parts}".rstrip("0").rstrip(".")
        return text or "0"


class EstimateLineSerializer(serializers.ModelSerializer[EstimateLine]):
    """A plan as it was: its facts, its workload, and its price or the reasons why there is none."""

    facts = serializers.DictField(help_text="The offering and the plan, as they were shown")
    workload = serializers.DictField()
    credits = CreditsField(source="amount", allow_null=True)
    quote = serializers.SerializerMethodField()
    sources = serializers.ListField(help_text="For each line of the quote: where its rate comes from")
    not_covered = serializers.SerializerMethodField(help_text="Parts of the workload that the plan has no price for")

    class Meta:
        model = EstimateLine
        fields = ("facts", "workload", "credits", "quote", "sources", "not_covered", "reasons")

    @extend_schema_field(EstimateQuoteLineSerializer(many=True))
    def get_quote(self, line: EstimateLine) -> list[dict[str, Any]]:
        lines = line.quote["lines"] if line.quote else []
        return [dict(each) for each in EstimateQuoteLineSerializer(lines, many=True).data]

    def get_not_covered(self, line: EstimateLine) -> list[str]:
        return list(line.quote.get("not_covered", [])) if line.quote else []


class EstimateSerializer(serializers.ModelSerializer[Estimate]):
    """A kept estimate. It never changes."""

    url = serializers.SerializerMethodField(help_text="The estimate here in the API")
    page = serializers.SerializerMethodField(help_text="The estimate's page for people")
    workload = serializers.DictField()
    credits = CreditsField(source="total", help_text="With the margin")
    credits_without_margin = CreditsField(source="amount")
    lines = serializers.SerializerMethodField()
    today = serializers.SerializerMethodField(help_text="Credits for the same today; null where nothing can be priced")

    class Meta:
        model = Estimate
        fields = (
            "token",
            "url",
            "page",
            "priced_on",
            "created_at",
            "workload",
            "credits",
            "credits_without_margin",
            "margin_percent",
            "lines",
            "today",
        )

    @extend_schema_field(serializers.URLField())
    def get_url(self, estimate: Estimate) -> str:
        return absolute(self.context["request"], "api_estimate", estimate.token)

    @extend_schema_field(serializers.URLField())
    def get_page(self, estimate: Estimate) -> str:
        return absolute(self.context["request"], "estimate", estimate.token)

    @extend_schema_field(EstimateLineSerializer(many=True))
    def get_lines(self, _estimate: Estimate) -> list[dict[str, Any]]:
        return [dict(each) for each in EstimateLineSerializer(self.context["lines"], many=True).data]

    @extend_schema_field(CreditsField(allow_null=True))
    def get_today(self, estimate: Estimate) -> str | None:
        again = estimates.price_again(
            self.context["lines"], margin_percent=estimate.margin_percent, on=timezone.localdate()
        )
        return credits_text(again.total) if again.has_price else None


class Estimates(APIView):
    """Make an estimate. A second call makes a second one: nothing is charged, and each has a link of its own."""

    permission_classes = (AllowAny,)

    @extend_schema(
        summary="Make an estimate",
        request=NewEstimateSerializer,
        responses={201: EstimateSerializer},
        tags=["Catalogue"],
        operation_id="make_estimate",
    )
    def post(self, request: Request) -> Response:
        given = NewEstimateSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        values = given.validated_data
        base = Workload.from_params(values.get("workload", {}))
        wanted = [
            Wanted(plan, Workload.from_params(base.as_params() | each.get("workload", {})))
            for each, plan in zip(values["plans"], _plans(values["plans"]), strict=True)
        ]
        now = timezone.now()
        estimate = estimates.save(
            wanted,
            workload=base,
            margin_percent=values["margin_percent"],
            by=request.user if isinstance(request.user, User) else None,
            client=digest_of(request.META, on=now.date()),
            at=now,
        )
        response = _answer(request, estimate)
        response.status_code = 201
        response["Location"] = response.data["url"]
        return response


class EstimateDetail(APIView):
    """One estimate, as it was made, and what the same costs today."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        summary="Read an estimate",
        responses=EstimateSerializer,
        auth=[],
        tags=["Catalogue"],
        operation_id="read_estimate",
    )
    def get(self, request: Request, token: str) -> Response:
        return _answer(request, get_object_or_404(Estimate, token=token))


def _plans(wanted: list[dict[str, Any]]) -> list[Plan]:
    """The plans in the given order; one query."""
    listed = Plan.objects.listed().filter(offering__slug__in={each["offering"] for each in wanted})
    found = {(plan.offering.slug, plan.slug): plan for plan in listed}
    for number, each in enumerate(wanted):
        if (each["offering"], each["plan"]) not in found:
            raise serializers.ValidationError({f"plans.{number}.plan": ["There is no such plan."]})
    return [found[each["offering"], each["plan"]] for each in wanted]


def _answer(request: Request, estimate: Estimate) -> Response:
    context = {"request": request, "lines": estimates.lines_of(estimate)}
    return Response(EstimateSerializer(estimate, context=context).data)
