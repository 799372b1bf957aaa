"""Allocations: read those one may see, end one, have a failed operation tried again."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from django.db.models import Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from earthcode.api.fields import CreditsField, StepSerializer, absolute, person_asking
from earthcode.api.v1.resource_requests import ProjectSerializer
from earthcode.ledger import queries as books
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.models import Allocation, AllocationStatus, Operation
from earthcode.provisioning.queries import allocations_visible_to, open_steps


class OperationSerializer(serializers.ModelSerializer[Operation]):
    """One piece of work on the platform; ``error`` is what the platform last said where it said no."""

    id = serializers.UUIDField(source="key")

    class Meta:
        model = Operation
        fields: Sequence[str] = [
            "id",
            "kind",
            "status",
            "attempts",
            "error",
            "error_permanent",
            "created_at",
            "due_at",
            "finished_at",
        ]


class AllocationSerializer(serializers.ModelSerializer[Allocation]):
    """An allocation as lists show it. Its credits are as the ledger has them now."""

    url = serializers.SerializerMethodField(help_text="The allocation here in the API")
    page = serializers.SerializerMethodField(help_text="The allocation's page for people")
    award = serializers.CharField(source="award.reference")
    project = ProjectSerializer(source="award.project")
    platform = serializers.SlugField(source="platform.slug")
    offering = serializers.SlugField(source="plan.offering.slug")
    plan = serializers.SlugField(source="plan.slug")
    credits = CreditsField(source="amount", help_text="Set aside when it was placed")
    credits_left = serializers.SerializerMethodField()
    credits_used = serializers.SerializerMethodField()

    class Meta:
        model = Allocation
        fields: Sequence[str] = [
            "reference",
            "url",
            "page",
            "status",
            "status_since",
            "award",
            "project",
            "platform",
            "offering",
            "plan",
            "credits",
            "credits_left",
            "credits_used",
            "starts_on",
            "ends_on",
            "end_reason",
        ]

    @extend_schema_field(serializers.URLField())
    def get_url(self, allocation: Allocation) -> str:
        return absolute(self.context["request"], "api_allocation", allocation.reference)

    @extend_schema_field(serializers.URLField())
    def get_page(self, allocation: Allocation) -> str:
        return absolute(self.context["request"], "allocation", allocation.reference)

    @extend_schema_field(CreditsField())
    def get_credits_left(self, allocation: Allocation) -> str:
        return CreditsField().to_representation(self._hold(allocation).remaining)

    @extend_schema_field(CreditsField())
    def get_credits_used(self, allocation: Allocation) -> str:
        hold = self._hold(allocation)
        return CreditsField().to_representation(hold.used)

    def _hold(self, allocation: Allocation) -> Any:
        """From one query for the whole answer."""
        if "holds" not in self.context:
            in_a_list = isinstance(self.parent, serializers.ListSerializer)
            answered = cast("Iterable[Allocation]", self.parent.instance) if in_a_list else [allocation]
            self.context["holds"] = books.holds(each.hold_id for each in answered)
        return self.context["holds"][allocation.hold_id]


class AllocationDetailSerializer(AllocationSerializer):
    """An allocation with what was done on the platform, and what the person asking can do now."""

    open_url = serializers.SerializerMethodField(help_text="Leads people to the platform; null while it is not open")
    operations = OperationSerializer(many=True, help_text="The newest first")
    steps = serializers.SerializerMethodField()

    class Meta(AllocationSerializer.Meta):
        fields: Sequence[str] = [*AllocationSerializer.Meta.fields, "external_id", "open_url", "operations", "steps"]

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_open_url(self, allocation: Allocation) -> str | None:
        request: Request = self.context["request"]
        use = open_steps(allocation, by=person_asking(request), latest=None).use
        return absolute(request, "go", allocation.reference) if use else None

    @extend_schema_field(StepSerializer(many=True))
    def get_steps(self, allocation: Allocation) -> list[dict[str, str]]:
        request: Request = self.context["request"]
        latest = next(iter(allocation.operations.all()), None)
        open_now = open_steps(allocation, by=person_asking(request), latest=latest)
        steps = [
            {
                "name": step.name,
                "label": step.words,
                "url": absolute(request, f"api_allocation_{step.name}", allocation.reference),
            }
            for step in open_now.steps
        ]
        if open_now.retry is not None:
            again = absolute(request, "api_operation_retry", open_now.retry.key)
            steps.append({"name": "retry", "label": "Try again", "url": again})
        return steps


class EndReason(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=2000, help_text="The project's people read it")


class AllocationFilter(serializers.Serializer[Any]):
    """The list's query parameters."""

    status = serializers.ChoiceField(choices=AllocationStatus.choices, required=False)
    project = serializers.SlugField(required=False, help_text="The slug of a project")
    platform = serializers.SlugField(required=False, help_text="The slug of a platform")


@extend_schema_view(
    get=extend_schema(
        summary="List allocations",
        parameters=[AllocationFilter],
        tags=["Allocations"],
        operation_id="list_allocations",
    )
)
class Allocations(generics.ListAPIView[Allocation]):
    """The allocations you may see: of your projects, and on platforms you run. The newest first."""

    serializer_class = AllocationSerializer
    queryset = Allocation.objects.none()

    def get_queryset(self) -> QuerySet[Allocation]:
        wanted = AllocationFilter(data=self.request.query_params)
        wanted.is_valid(raise_exception=True)
        found = allocations_visible_to(person_asking(self.request))
        if status := wanted.validated_data.get("status"):
            found = found.filter(status=status)
        if project := wanted.validated_data.get("project"):
            found = found.filter(award__project__slug=project)
        if platform := wanted.validated_data.get("platform"):
            found = found.filter(platform__slug=platform)
        return found.order_by("-created_at", "-pk")


@extend_schema_view(
    get=extend_schema(
        summary="Read one allocation",
        tags=["Allocations"],
        operation_id="read_allocation",
    )
)
class AllocationDetail(generics.RetrieveAPIView[Allocation]):
    """One allocation, with the steps that you can take now."""

    serializer_class = AllocationDetailSerializer
    lookup_field = "reference"
    queryset = Allocation.objects.none()

    def get_object(self) -> Allocation:
        return _seen_by(self.request, self.kwargs["reference"])


@extend_schema(
    summary="End an allocation",
    request=EndReason,
    responses=AllocationDetailSerializer,
    tags=["Allocations"],
    operation_id="end_allocation",
)
@api_view(["POST"])
def end(request: Request, reference: str) -> Response:
    """Remove access. What is left goes back to the award when the last usage is in."""
    allocation = _seen_by(request, reference)
    said = EndReason(data=request.data)
    said.is_valid(raise_exception=True)
    provisioning.end(allocation, reason=said.validated_data["reason"], by=person_asking(request), at=timezone.now())
    return _now(request, reference)


@extend_schema(
    summary="Try an operation again",
    request=None,
    responses=AllocationDetailSerializer,
    tags=["Allocations"],
    operation_id="retry_operation",
)
@api_view(["POST"])
def retry(request: Request, key: str) -> Response:
    """Have the platform asked again, under the same key: what did happen after all does not happen twice."""
    visible = Operation.objects.filter(allocation__in=Allocation.objects.visible_to(person_asking(request)).order_by())
    found = visible.select_related("allocation__platform", "allocation__award")
    operation = get_object_or_404(found, key=key)
    provisioning.retry(operation, by=person_asking(request), at=timezone.now())
    return _now(request, operation.allocation.reference)


def _seen_by(request: Request, reference: str) -> Allocation:
    """The allocation with its operations, the newest first; a 404 for those who may not see it."""
    operations = Prefetch("operations", Operation.objects.order_by("-created_at", "-pk"))
    found = allocations_visible_to(person_asking(request)).prefetch_related(operations)
    return get_object_or_404(found, reference=reference)


def _now(request: Request, reference: str) -> Response:
    """The allocation as it is after the step."""
    return Response(AllocationDetailSerializer(_seen_by(request, reference), context={"request": request}).data)
