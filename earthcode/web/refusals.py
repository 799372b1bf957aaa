"""From a refusal to what the page says."""

from django.forms import BaseForm

from earthcode.lib.errors import Refused


def add_refusal(form: BaseForm, refusal: Refused) -> None:
    """Say it beside the field at fault, or on top of the form where there is none."""
    form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)
