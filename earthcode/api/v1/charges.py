"""Charges of an allocation and statements of a provider: what was used, what it cost, how far its payment is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from earthcode.api.fields import CreditsField, absolute, person_asking
from earthcode.lib.errors import InvalidInput
from earthcode.lib.money import credits
from earthcode.provisioning.models import Allocation
from earthcode.provisioning.queries import allocations_visible_to
from earthcode.settlement import refunds
from earthcode.settlement.models import Charge, Statement, StatementLine


class ChargeSerializer(serializers.ModelSerializer[Charge]):
    """What one record adds to what an allocation costs; below zero where something is given back."""

    id = serializers.IntegerField(source="pk")
    record = serializers.CharField(source="record.record_id")
    used_from = serializers.DateTimeField(source="record.used_from")
    used_until = serializers.DateTimeField(source="record.used_until")
    person = serializers.CharField(source="record.person")
    job = serializers.CharField(source="record.job")
    component = serializers.CharField(source="label")
    quantity = serializers.DecimalField(max_digits=33, decimal_places=18, normalize_output=True)
    credits = CreditsField(source="amount")

    class Meta:
        model = Charge
        fields: Sequence[str] = [
            "id",
            "kind",
            "record",
            "component",
            "metric",
            "quantity",
            "credits",
            "used_from",
            "used_until",
            "person",
            "job",
            "reason",
            "at",
        ]


@extend_schema_view(
    get=extend_schema(summary="List the charges of an allocation", tags=["Usage"], operation_id="list_charges")
)
class Charges(generics.ListAPIView[Charge]):
    """What was charged, and what was given back. The newest first."""

    serializer_class = ChargeSerializer
    queryset = Charge.objects.none()

    def get_queryset(self) -> QuerySet[Charge]:
        allocation = get_object_or_404(
            allocations_visible_to(person_asking(self.request)), reference=self.kwargs["reference"]
        )
        return Charge.objects.filter(allocation=allocation).select_related("record").order_by("-at", "-pk")


class RefundSerializer(serializers.Serializer[Any]):
    key = serializers.UUIDField(help_text="Made by you for this one refund: the same key gives back once")
    credits = serializers.DecimalField(max_digits=18, decimal_places=6, help_text="How much to give back")
    reason = serializers.CharField(max_length=2000, help_text="The project's people read it")


@extend_schema(
    summary="Give a charge back",
    request=RefundSerializer,
    responses=ChargeSerializer,
    tags=["Usage"],
    operation_id="refund_charge",
)
@api_view(["POST"])
def refund(request: Request, pk: int) -> Response:
    """All of it or a part, with a reason: to the award, or to the call where that is over."""
    visible = Allocation.objects.visible_to(person_asking(request)).order_by()
    found = Charge.objects.filter(allocation__in=visible).select_related(
        "allocation__platform", "allocation__award", "record"
    )
    charge = get_object_or_404(found, pk=pk)
    said = RefundSerializer(data=request.data)
    said.is_valid(raise_exception=True)
    amount = credits(said.validated_data["credits"])
    if amount <= 0:
        raise InvalidInput("Give back more than nothing.", field="credits")
    given = refunds.refund(
        charge,
        amount,
        reason=said.validated_data["reason"],
        key=said.validated_data["key"],
        by=person_asking(request),
        at=timezone.now(),
    )
    return Response(ChargeSerializer(given).data)


class StatementSerializer(serializers.ModelSerializer[Statement]):
    """A statement as lists show it."""

    url = serializers.SerializerMethodField(help_text="The statement here in the API")
    page = serializers.SerializerMethodField(help_text="The statement's page for people")
    provider = serializers.SlugField(source="provider.slug")
    call = serializers.SlugField(source="call.slug")
    credits = CreditsField(source="total")
    credits_agreed = CreditsField(source="agreed", allow_null=True)

    class Meta:
        model = Statement
        fields: Sequence[str] = [
            "number",
            "url",
            "page",
            "status",
            "status_since",
            "provider",
            "call",
            "month",
            "issued_at",
            "credits",
            "credits_agreed",
            "invoice_number",
            "paid_on",
            "content_hash",
            "cut_off",
        ]

    @extend_schema_field(serializers.URLField())
    def get_url(self, statement: Statement) -> str:
        return absolute(self.context["request"], "api_statement", statement.number)

    @extend_schema_field(serializers.URLField())
    def get_page(self, statement: Statement) -> str:
        return absolute(self.context["request"], "statement", statement.number)


class StatementLineSerializer(serializers.ModelSerializer[StatementLine]):
    allocation = serializers.SlugField(source="allocation.reference")
    component = serializers.CharField(source="label")
    quantity = serializers.DecimalField(max_digits=33, decimal_places=18, normalize_output=True)
    credits = CreditsField(source="amount")

    class Meta:
        model = StatementLine
        fields: Sequence[str] = [
            "place",
            "allocation",
            "kind",
            "component",
            "metric",
            "month",
            "quantity",
            "credits",
            "charges_count",
            "dispute",
        ]


class StatementDetailSerializer(StatementSerializer):
    """A statement with its lines."""

    lines = StatementLineSerializer(many=True)

    class Meta(StatementSerializer.Meta):
        fields: Sequence[str] = [*StatementSerializer.Meta.fields, "lines"]


@extend_schema_view(get=extend_schema(summary="List statements", tags=["Usage"], operation_id="list_statements"))
class Statements(generics.ListAPIView[Statement]):
    """Those of the providers you administer; all of them for ESA. The newest month first."""

    serializer_class = StatementSerializer
    queryset = Statement.objects.none()

    def get_queryset(self) -> QuerySet[Statement]:
        found = Statement.objects.visible_to(person_asking(self.request)).select_related("provider", "call")
        return found.order_by("-month", "-pk")


@extend_schema_view(get=extend_schema(summary="Read one statement", tags=["Usage"], operation_id="read_statement"))
class StatementDetail(generics.RetrieveAPIView[Statement]):
    """One statement with its lines."""

    serializer_class = StatementDetailSerializer
    lookup_field = "number"
    queryset = Statement.objects.none()

    def get_queryset(self) -> QuerySet[Statement]:
        found = Statement.objects.visible_to(person_asking(self.request)).select_related("provider", "call")
        return found.prefetch_related("lines__allocation")
