"""What every change of a request goes through: the lock, who may, and the sum that is kept with it."""

from datetime import date, datetime

from django.db import connection

from earthcode.audit import actions as audit
from earthcode.identity.models import User
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.lib.lock import lock
from earthcode.sponsorship.events import RequestEvent
from earthcode.sponsorship.models import RequestLine, RequestStatus, ResourceRequest


class NotEditable(Refused):
    """The request is no draft of one's own any more."""

    code = "not_editable"


def lock_for_editing(resource_request: ResourceRequest, by: User) -> None:
    lock(resource_request)
    if resource_request.may_be_edited_by(by):
        return
    if resource_request.status in (RequestStatus.DRAFT, RequestStatus.INFO_NEEDED):
        raise NotPermitted("Only the project's people can change this request.")
    raise NotEditable(f"This request is “{resource_request.get_status_display()}” and can no longer be changed.")


def saved(
    resource_request: ResourceRequest,
    event: RequestEvent,
    *,
    by: User,
    at: datetime,
    fields: list[str] | None = None,
    data: dict[str, object] | None = None,
) -> None:
    resource_request.saved_at = at
    resource_request.amount = sum(
        RequestLine.objects.filter(resource_request=resource_request).values_list("amount", flat=True)
    )
    resource_request.save(update_fields=["saved_at", "amount", *(fields or [])])
    audit.record(event, by=by, about=resource_request, at=at, data=data)


def titled(title: str) -> str:
    title = title.strip()
    if not title:
        raise InvalidInput("Enter a title for the request.", field="title")
    if len(title) > 200:
        raise InvalidInput("Use at most 200 characters for the title.", field="title")
    return title


def next_reference(day: date) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('sponsorship_reference')")
        (number,) = cursor.fetchone()
    return f"NOR-{day.year}-{number:04d}"
