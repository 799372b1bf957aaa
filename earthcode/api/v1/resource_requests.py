"""Resource requests: read those one may see, and take the steps of their lifecycle.

Taking a step twice is safe: the second time the request is no longer where the step starts, so the answer is a 409
with the code ``wrong_state`` and nothing happens again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from earthcode.api.fields import CreditsField, StepSerializer, absolute, person_asking
from earthcode.identity.models import Project
from earthcode.provisioning import actions as provisioning
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.lifecycle import RESOURCE_REQUEST
from earthcode.sponsorship.models import (
    Call,
    Check,
    Decision,
    Endorsement,
    RequestLine,
    RequestStatus,
    ResourceRequest,
)


class ProjectSerializer(serializers.ModelSerializer[Project]):
    class Meta:
        model = Project
        fields: Sequence[str] = ["slug", "title"]


class CallSerializer(serializers.ModelSerializer[Call]):
    class Meta:
        model = Call
        fields: Sequence[str] = ["slug", "title"]


class QuoteLineSerializer(serializers.Serializer[Any]):
    """One metered component of what was quoted."""

    label = serializers.CharField()  # type: ignore[assignment]  # hides what the base class calls so, which nobody asks
    metric = serializers.CharField()
    quantity = serializers.CharField()
    credits = serializers.SerializerMethodField()

    @extend_schema_field(CreditsField())
    def get_credits(self, line: dict[str, Any]) -> str:
        return CreditsField().to_representation(int(line["amount"]))


class LineSerializer(serializers.ModelSerializer[RequestLine]):
    """One plan on one platform, priced for a workload when it was added."""

    platform = serializers.SlugField(source="plan.offering.platform.slug")
    offering = serializers.SlugField(source="plan.offering.slug")
    plan = serializers.SlugField(source="plan.slug")
    credits = CreditsField(source="amount")
    workload = serializers.DictField()
    quote = QuoteLineSerializer(source="quote.lines", many=True)

    offered = CreditsField(allow_null=True, help_text="Of a part award: what ESA offers for it")

    class Meta:
        model = RequestLine
        fields: Sequence[str] = [
            "id",
            "offered",
            "platform",
            "offering",
            "plan",
            "months",
            "margin_percent",
            "credits",
            "workload",
            "quote",
            "quoted_at",
        ]


class CheckSerializer(serializers.ModelSerializer[Check]):
    class Meta:
        model = Check
        fields: Sequence[str] = ["code", "outcome", "sentence", "at"]


class DecisionSerializer(serializers.ModelSerializer[Decision]):
    by = serializers.CharField()
    credits = CreditsField(source="amount")

    class Meta:
        model = Decision
        fields: Sequence[str] = ["kind", "reason", "credits", "by", "at"]


class EndorsementSerializer(serializers.ModelSerializer[Endorsement]):
    by = serializers.CharField()

    class Meta:
        model = Endorsement
        fields: Sequence[str] = ["by", "note", "at"]


class ResourceRequestSerializer(serializers.ModelSerializer[ResourceRequest]):
    """A request as lists show it."""

    url = serializers.SerializerMethodField(help_text="The request here in the API")
    page = serializers.SerializerMethodField(help_text="The request's page for people")
    project = ProjectSerializer(allow_null=True)
    call = CallSerializer(allow_null=True)
    credits = CreditsField(source="amount")

    class Meta:
        model = ResourceRequest
        fields: Sequence[str] = [
            "reference",
            "url",
            "page",
            "title",
            "status",
            "status_since",
            "project",
            "call",
            "credits",
            "starts_on",
            "submitted_at",
            "decide_by",
        ]

    @extend_schema_field(serializers.URLField())
    def get_url(self, resource_request: ResourceRequest) -> str:
        return absolute(self.context["request"], "api_resource_request", resource_request.reference)

    @extend_schema_field(serializers.URLField())
    def get_page(self, resource_request: ResourceRequest) -> str:
        return absolute(self.context["request"], "request", resource_request.reference)


class ResourceRequestDetailSerializer(ResourceRequestSerializer):
    """A request with everything in it, and the steps that the person asking can take now."""

    lines = LineSerializer(many=True)
    checks = CheckSerializer(many=True)
    decisions = DecisionSerializer(many=True)
    endorsement = EndorsementSerializer(allow_null=True)
    steps = serializers.SerializerMethodField()

    class Meta(ResourceRequestSerializer.Meta):
        fields: Sequence[str] = [
            *ResourceRequestSerializer.Meta.fields,
            "science_case",
            "non_commercial",
            "no_provider_tie",
            "will_publish",
            "lines",
            "checks",
            "decisions",
            "endorsement",
            "steps",
        ]

    @extend_schema_field(StepSerializer(many=True))
    def get_steps(self, resource_request: ResourceRequest) -> list[dict[str, str]]:
        request: Request = self.context["request"]
        return [
            {
                "name": step.name,
                "label": step.words,
                "url": absolute(request, f"api_resource_request_{step.name}", resource_request.reference),
            }
            for step in RESOURCE_REQUEST.open_to(resource_request, by=person_asking(request))
        ]

    def to_representation(self, instance: ResourceRequest) -> dict[str, Any]:
        # The reverse of a one-to-one raises where there is nothing; in an answer that is null.
        if not hasattr(instance, "endorsement"):
            instance.endorsement = None
        return super().to_representation(instance)


class ResourceRequestFilter(serializers.Serializer[Any]):
    """The list's query parameters."""

    status = serializers.ChoiceField(choices=RequestStatus.choices, required=False)
    project = serializers.SlugField(required=False, help_text="The slug of a project")


class Nothing(serializers.Serializer[Any]):
    """A step that needs no words."""


class Answer(serializers.Serializer[Any]):
    answer = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=10_000,
        help_text="Where ESA asked a question: the reply",
    )


class Reason(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=10_000, help_text="The applicant reads it")


class OptionalReason(serializers.Serializer[Any]):
    reason = serializers.CharField(required=False, allow_blank=True, default="", max_length=10_000)


class Offer(Reason):
    """How much for each line, by the ``id`` of the line."""

    amounts = serializers.DictField(
        child=CreditsField(), help_text="Line id → credits; every line of the request, 0 where nothing is offered"
    )

    def validate_amounts(self, amounts: dict[str, Any]) -> dict[int, int]:
        if len(amounts) > 100 or not all(key.isascii() and key.isdecimal() and len(key) < 19 for key in amounts):
            raise serializers.ValidationError("Name each line by its id.")
        return {int(key): amount for key, amount in amounts.items()}


class Note(serializers.Serializer[Any]):
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=10_000)


@extend_schema_view(
    get=extend_schema(
        summary="List requests",
        parameters=[ResourceRequestFilter],
        tags=["Requests"],
        operation_id="list_resource_requests",
    )
)
class ResourceRequests(generics.ListAPIView[ResourceRequest]):
    """The requests you may see, newest first."""

    serializer_class = ResourceRequestSerializer
    queryset = ResourceRequest.objects.none()

    def get_queryset(self) -> QuerySet[ResourceRequest]:
        wanted = ResourceRequestFilter(data=self.request.query_params)
        wanted.is_valid(raise_exception=True)
        found = ResourceRequest.objects.visible_to(person_asking(self.request)).select_related("project", "call")
        if status := wanted.validated_data.get("status"):
            found = found.filter(status=status)
        if project := wanted.validated_data.get("project"):
            found = found.filter(project__slug=project)
        return found.order_by("-created_at", "-pk")


@extend_schema_view(
    get=extend_schema(
        summary="Read one request",
        tags=["Requests"],
        operation_id="read_resource_request",
    )
)
class ResourceRequestDetail(generics.RetrieveAPIView[ResourceRequest]):
    """One request, with the steps that you can take now."""

    serializer_class = ResourceRequestDetailSerializer
    lookup_field = "reference"
    queryset = ResourceRequest.objects.none()

    def get_object(self) -> ResourceRequest:
        return _seen_by(self.request, self.kwargs["reference"])


@dataclass(frozen=True)
class StepAddress:
    """A step of the lifecycle as an address: what it does, what is said with it, and the action that takes it."""

    summary: str
    about: str
    said: type[serializers.Serializer[Any]]
    take: Callable[..., object]

    def view(self, name: str) -> Callable[..., Response]:
        def step(request: Request, reference: str) -> Response:
            said = {} if self.said is Nothing else _said(self.said, request)
            self.take(_seen_by(request, reference), **said, by=person_asking(request), at=timezone.now())
            return _now(request, reference)

        step.__name__, step.__doc__ = name, self.about
        described = extend_schema(
            summary=self.summary,
            request=self.said,
            responses=ResourceRequestDetailSerializer,
            tags=["Requests"],
            operation_id=f"{name}_resource_request",
        )
        view: Callable[..., Response] = described(api_view(["POST"])(step))
        return view


_ADDRESSES = {
    "submit": StepAddress(
        "Send a request",
        "Send the request to the call that fits; after a question, with the answer.",
        Answer,
        sponsorship.submit,
    ),
    "withdraw": StepAddress(
        "Withdraw a request", "Withdraw the request. It can still be read.", Nothing, sponsorship.withdraw
    ),
    "endorse": StepAddress(
        "Endorse a request",
        "Confirm, as the project's Technical Officer, that the request has your support.",
        Note,
        sponsorship.endorse,
    ),
    "ask": StepAddress(
        "Ask the applicant a question",
        "Ask the applicant a question. The decision deadline is paused until they answer.",
        Reason,
        sponsorship.ask,
    ),
    "approve": StepAddress(
        "Approve a request in full",
        "Grant the credits and set up access on each platform. Nobody approves what they have an interest in.",
        Reason,
        provisioning.grant,
    ),
    "approve_first": StepAddress(
        "Approve a request as the first of two",
        "Approve an amount that two officers have to agree to. Nothing is granted until another one approves as well.",
        Reason,
        sponsorship.approve_first,
    ),
    "offer": StepAddress(
        "Offer a part of what is asked",
        "Offer credits for each line. The credits leave the call at once and come back if the offer is not accepted.",
        Offer,
        sponsorship.offer,
    ),
    "accept": StepAddress(
        "Accept an offer",
        "Take what ESA offers: the credits are awarded, and access is set up for each line that has any.",
        Nothing,
        provisioning.accept_offer,
    ),
    "decline": StepAddress(
        "Decline an offer",
        "Turn the offer down. Its credits go back to the call.",
        OptionalReason,
        sponsorship.decline,
    ),
    "reject": StepAddress(
        "Reject a request",
        "Turn the request down, with the reason that the applicant reads.",
        Reason,
        sponsorship.reject,
    ),
}

#: Each step that people take is at ``/resource_requests/<reference>/<its name>``; one that is not above is a ``KeyError`` here.
STEPS = {name: _ADDRESSES[name].view(name) for name, step in RESOURCE_REQUEST.steps.items() if step.needs is not None}


def _seen_by(request: Request, reference: str) -> ResourceRequest:
    """The request with all that its answer shows; a 404 for those who may not see it."""
    found = (
        ResourceRequest.objects.visible_to(person_asking(request))
        .select_related("project", "call", "endorsement__by")
        .prefetch_related("lines__plan__offering__platform__provider", "checks", "decisions__by")
    )
    return get_object_or_404(found, reference=reference)


def _said(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    said = serializer(data=request.data)
    said.is_valid(raise_exception=True)
    return dict(said.validated_data)


def _now(request: Request, reference: str) -> Response:
    """The request as it is after the step."""
    serializer = ResourceRequestDetailSerializer(_seen_by(request, reference), context={"request": request})
    return Response(serializer.data)
