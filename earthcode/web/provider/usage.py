"""What a provider reports, and what waits: reports on its platforms, a file to upload, lines that cannot be rated yet."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from earthcode.catalogue.models import Platform
from earthcode.identity.roles import Permission
from earthcode.lib.errors import Refused
from earthcode.settlement import readers
from earthcode.settlement.actions import rate_waiting, record_usage
from earthcode.settlement.models import Channel, UsageRecord, UsageReport
from earthcode.settlement.queries import platforms_reported_by, template_rows
from earthcode.web.parts.form_errors import add_refusal
from earthcode.web.parts.forms import Form
from earthcode.web.parts.lists import paginate
from earthcode.web.parts.signed_in import SignedInRequest

#: A longer file is sent over the API, line by line.
UPLOAD_MAX_BYTES = 20_000_000


class UploadForm(Form):
    """A file with usage of one platform."""

    platform = forms.ModelChoiceField(
        label=gettext_lazy("Platform"), queryset=Platform.objects.none(), empty_label=None
    )
    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("CSV, as in the template; at most 20 MB. Send longer ones over the API."),
        error_messages={"required": gettext_lazy("Choose a file.")},
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("What it is"),
        choices=[
            ("usage", gettext_lazy("Usage lines, as in the template")),
            ("focus", gettext_lazy("A FOCUS cost export")),
        ],
        widget=forms.RadioSelect,
        initial="usage",
    )
    whole = forms.BooleanField(label=gettext_lazy("Take nothing until all lines are right"), required=False)

    def __init__(self, *args: Any, platforms: list[Platform], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["platform"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Platform.objects.filter(pk__in=[each.pk for each in platforms]).order_by("name", "pk")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def usage(request: SignedInRequest) -> HttpResponse:
    """The reports so far, the newest first, and a way to send one."""
    platforms = platforms_reported_by(request.user)
    if not platforms and not request.user.grants.providers_with(Permission.USAGE_REPORT):
        raise Http404
    post = request.method == "POST"
    form = UploadForm(request.POST if post else None, request.FILES if post else None, platforms=platforms)
    if post and form.is_valid():
        try:
            report = _take(request, form.cleaned_data)
        except Refused as refusal:
            add_refusal(form, refusal)
        else:
            return redirect("usage_report", report.pk)
    reports = UsageReport.objects.filter(platform__in=platforms).select_related("platform")
    context = {
        "form": form,
        "platforms": platforms,
        "page": paginate(request, reports),
        "waiting": UsageRecord.objects.waiting().filter(platform__in=platforms).count(),
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return TemplateResponse(request, "provider/usage/list.html", context, status=status)


def _take(request: SignedInRequest, said: dict[str, Any]) -> UsageReport:
    lines = readers.whole_lines(said["file"], length=said["file"].size, largest=UPLOAD_MAX_BYTES)
    is_focus = said["kind"] == "focus"
    return record_usage(
        said["platform"],
        readers.from_focus(lines) if is_focus else readers.from_csv(lines),
        channel=Channel.FOCUS if is_focus else Channel.CSV,
        by=request.user,
        at=timezone.now(),
        whole=said["whole"],
    ).report


@login_required
@require_safe
def report(request: SignedInRequest, pk: int) -> HttpResponse:
    """What became of one report: what was refused and why, what waits."""
    found = get_object_or_404(UsageReport.objects.visible_to(request.user).select_related("platform"), pk=pk)
    waiting = UsageRecord.objects.waiting().filter(report=found).order_by("line")
    context = {"report": found, "page": paginate(request, waiting)}
    return TemplateResponse(request, "provider/usage/report.html", context)


@login_required
@require_safe
def waiting(request: SignedInRequest) -> HttpResponse:
    """Usage that cannot be rated yet, with the reason."""
    platforms = platforms_reported_by(request.user)
    if not platforms and not request.user.grants.providers_with(Permission.USAGE_REPORT):
        raise Http404
    records = UsageRecord.objects.waiting().filter(platform__in=platforms).select_related("platform").order_by("pk")
    return TemplateResponse(request, "provider/usage/waiting.html", {"page": paginate(request, records)})


@login_required
@require_POST
def waiting_again(request: SignedInRequest) -> HttpResponse:
    """Look at all that waits once more, now."""
    rated = sum(rate_waiting(each, by=request.user, at=timezone.now()) for each in platforms_reported_by(request.user))
    words = ngettext("%(count)d line was rated.", "%(count)d lines were rated.", rated) % {"count": rated}
    messages.success(request, words if rated else _("Nothing can be rated yet: the reasons are still there."))
    return redirect("usage_waiting")


@login_required
@require_safe
def template(request: SignedInRequest, slug: str) -> HttpResponse:
    """A CSV file with a row for each allocation and component of a platform, to fill in."""
    platform = next((each for each in platforms_reported_by(request.user) if each.slug == slug), None)
    if platform is None:
        raise Http404

    def rows() -> Iterator[tuple[str, str, str]]:
        yield from template_rows(platform)

    return HttpResponse(
        readers.template(rows()),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{platform.slug}-usage.csv"'},
    )
