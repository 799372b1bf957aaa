"""Between a form that was sent and the action it asks for."""

from django.forms import BaseForm
from django.http import HttpRequest, QueryDict

from earthcode.lib.errors import Refused


def posted(request: HttpRequest) -> QueryDict | None:
    """What was sent, for a form: an empty POST is a form that was sent empty, not a page that was opened."""
    return request.POST if request.method == "POST" else None


def add_refusal(form: BaseForm, refusal: Refused) -> None:
    """Say it beside the field at fault, or on top of the form where there is none."""
    form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)
