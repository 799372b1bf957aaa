"""Usage reports: send one, read what became of those that were sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO, Any, cast

from django.conf import settings
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from earthcode.api.fields import CreditsField, person_asking
from earthcode.catalogue.models import Platform
from earthcode.identity.roles import Permission
from earthcode.lib.errors import InvalidInput
from earthcode.settlement import readers
from earthcode.settlement.actions import Outcome, ReportRefused, record_usage
from earthcode.settlement.models import Channel, UsageReport
from earthcode.settlement.usage_lines import json_with_decimals


class _Stream(BaseParser):
    """Gives the view the bytes as they come."""

    def parse(self, stream: IO[Any], *_: Any, **__: Any) -> Any:
        return stream


class NDJSONParser(_Stream):
    media_type = "application/x-ndjson"


class CSVParser(_Stream):
    media_type = "text/csv"


class JSONParser(_Stream):
    media_type = "application/json"


class RefusalSerializer(serializers.Serializer[Any]):
    """A line that was not taken, and what to do."""

    line = serializers.IntegerField(help_text="Its number, counted from 1")
    id = serializers.CharField(help_text="The record's id, where it could be read")
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class UsageReportSerializer(serializers.ModelSerializer[UsageReport]):
    """What became of a report."""

    id = serializers.IntegerField(source="pk")
    platform = serializers.SlugField(source="platform.slug")
    credits = CreditsField(source="amount", help_text="Charged, less what was given back")
    refusals = RefusalSerializer(many=True, help_text="The first 1 000 lines that were refused")

    class Meta:
        model = UsageReport
        fields: Sequence[str] = [
            "id",
            "platform",
            "channel",
            "received_at",
            "lines",
            "charged",
            "repeated",
            "waiting",
            "refused",
            "credits",
            "complete_until",
            "refusals",
        ]


class UsageReportParameters(serializers.Serializer[Any]):
    """The query parameters of sending a report."""

    platform = serializers.SlugField(help_text="The slug of your platform")
    whole = serializers.BooleanField(required=False, default=False, help_text="One refused line refuses all")
    complete_until = serializers.DateTimeField(
        required=False, default=None, allow_null=True, help_text="Nothing before it is still to come"
    )
    standard = serializers.ChoiceField(
        choices=["", "focus"],
        required=False,
        default="",
        help_text="“focus”: the CSV file is a cost export after FOCUS 1.2",
    )


class UsageReportList(serializers.Serializer[Any]):
    """The list's query parameters."""

    platform = serializers.SlugField(required=False, help_text="The slug of a platform")


@extend_schema_view(
    get=extend_schema(
        summary="List usage reports",
        parameters=[UsageReportList],
        responses=UsageReportSerializer(many=True),
        tags=["Usage"],
        operation_id="list_usage_reports",
    ),
    post=extend_schema(
        summary="Report usage",
        parameters=[UsageReportParameters],
        request={
            "application/x-ndjson": OpenApiTypes.STR,
            "application/json": OpenApiTypes.OBJECT,
            "text/csv": OpenApiTypes.STR,
        },
        responses={201: UsageReportSerializer},
        tags=["Usage"],
        operation_id="report_usage",
    ),
)
class UsageReports(generics.ListAPIView[UsageReport]):
    """Reports on the platforms that you run. The newest first."""

    serializer_class = UsageReportSerializer
    parser_classes = [NDJSONParser, CSVParser, JSONParser]
    queryset = UsageReport.objects.none()

    def get_queryset(self) -> QuerySet[UsageReport]:
        wanted = UsageReportList(data=self.request.query_params)
        wanted.is_valid(raise_exception=True)
        found = UsageReport.objects.visible_to(person_asking(self.request)).select_related("platform")
        if platform := wanted.validated_data.get("platform"):
            found = found.filter(platform__slug=platform)
        return found.order_by("-received_at", "-pk")

    def post(self, request: Request) -> Response:
        """Send lines as NDJSON, as `{"lines": [...]}`, or as CSV. What is there already is not counted twice: send what
        broke off again."""
        said = UsageReportParameters(data=request.query_params)
        said.is_valid(raise_exception=True)
        options = said.validated_data
        platform = get_object_or_404(
            Platform.objects.filter(provider__in=_own_providers(request)), slug=options["platform"]
        )
        try:
            outcome = record_usage(
                platform,
                _lines(request, options["standard"]),
                channel=Channel.FOCUS if options["standard"] == "focus" else Channel.API,
                by=person_asking(request),
                at=timezone.now(),
                whole=options["whole"],
                complete_until=options["complete_until"],
            )
        except ReportRefused as refused:
            return _refused(refused)
        return Response(_answer(outcome), status=201)


@extend_schema_view(
    get=extend_schema(summary="Read one usage report", tags=["Usage"], operation_id="read_usage_report")
)
class UsageReportDetail(generics.RetrieveAPIView[UsageReport]):
    """What became of one report."""

    serializer_class = UsageReportSerializer
    queryset = UsageReport.objects.none()

    def get_queryset(self) -> QuerySet[UsageReport]:
        return UsageReport.objects.visible_to(person_asking(self.request)).select_related("platform")


def _own_providers(request: Request) -> list[int]:
    return person_asking(request).grants.providers_with(Permission.USAGE_REPORT)


def _lines(request: Request, form: str) -> Iterable[object]:
    """The body as lines; raises ``InvalidInput`` while it is read."""
    stream = request.data
    kind = (request.content_type or "").split(";")[0].strip().lower()
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    if not length:
        raise InvalidInput("Say how long the report is (Content-Length), and send at least one line.", field="lines")
    largest = settings.USAGE_REPORT_MAX_BYTES
    if kind == "application/json":
        return _of_document(cast("readers.Stream", stream), length)
    lines = readers.whole_lines(cast("readers.Stream", stream), length=length, largest=largest)
    if kind == "text/csv":
        return readers.from_focus(lines) if form == "focus" else readers.from_csv(lines)
    return readers.from_ndjson(lines)


#: A document is read as one; longer reports come line by line.
_DOCUMENT_MAX_BYTES = 16 * 10**6


def _of_document(stream: readers.Stream, length: int) -> Iterable[object]:
    if length > _DOCUMENT_MAX_BYTES:
        raise readers.TooLarge("Send more than 16 MB as NDJSON (application/x-ndjson), one line at a time.")
    text = stream.read()
    if len(text) < length:
        raise readers.Truncated("The report broke off before its end, so nothing of it was recorded. Send it again.")
    try:
        document = json_with_decimals(text)
    except (ValueError, RecursionError):
        raise InvalidInput("This is not JSON.", field="lines") from None
    lines = document.get("lines") if isinstance(document, dict) else None
    if not isinstance(lines, list):
        raise InvalidInput("Send an object with a list of lines: {“lines”: […]}.", field="lines")
    return lines


def _answer(outcome: Outcome) -> Any:
    return UsageReportSerializer(outcome.report).data


def _refused(refused: ReportRefused) -> Response:
    """A problem document that names the lines."""
    return Response(
        {
            "type": "about:blank",
            "title": "Unprocessable Entity",
            "status": 422,
            "detail": refused.message,
            "code": refused.code,
            "refused": refused.count,
            "refusals": [each.as_json() for each in refused.refusals],
        },
        status=422,
        content_type="application/problem+json",
    )
