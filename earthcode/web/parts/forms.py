"""The forms of our pages: their errors say in our words what to do, and to which field."""

from __future__ import annotations

import uuid
from typing import Any, Final

from django import forms
from django.core.validators import MaxLengthValidator
from django.utils.translation import gettext_lazy

from earthcode.lib.text import line, lines
from earthcode.web.parts.statuses import Words

#: Kind of field → code of an error → what we say; of two kinds that fit, the upper one. ``%(label)s`` is the field's.
_WORDS: Final[tuple[tuple[type[forms.Field] | tuple[type[forms.Field], ...], dict[str, Words]], ...]] = (
    (
        forms.BooleanField,
        {"required": gettext_lazy("Tick “%(label)s”.")},
    ),
    (
        (forms.ChoiceField, forms.ModelChoiceField),
        {
            "required": gettext_lazy("Choose something for “%(label)s”."),
            "invalid_choice": gettext_lazy("Choose one of the list for “%(label)s”."),
        },
    ),
    (
        forms.DateField,
        {"invalid": gettext_lazy("Enter a date like 2026-12-01 for “%(label)s”.")},
    ),
    (
        # A decimal number is an integer to Django's classes, so it comes first.
        (forms.DecimalField, forms.FloatField),
        {"invalid": gettext_lazy("Enter a number for “%(label)s”.")},
    ),
    (
        forms.IntegerField,
        {"invalid": gettext_lazy("Enter a whole number for “%(label)s”.")},
    ),
    (
        forms.Field,
        {
            "required": gettext_lazy("Fill in “%(label)s”."),
            "min_value": gettext_lazy("Enter %%(limit_value)s or more for “%(label)s”."),
            "max_value": gettext_lazy("Enter %%(limit_value)s or less for “%(label)s”."),
            "max_length": gettext_lazy(
                "Shorten “%(label)s” to %%(limit_value)d characters; it has %%(show_value)d now."
            ),
        },
    ),
)

#: Errors whose words Django formats once more, with the limit or the value at fault.
_FORMATTED: Final = frozenset({"invalid_choice", "min_value", "max_value", "max_length"})


#: The longest line and text of a field that says nothing about it.
LINE_MAX: Final = 255
TEXT_MAX: Final = 20_000


class Form(forms.Form):
    """What every form of the site is.

    Its fields speak for themselves: where a field has no words of its own for an error, ours name it. What is typed is
    cleaned by ``lib.text``, in one way for all: lines in the boxes of one line, texts in those of several.
    """

    def full_clean(self) -> None:
        # Here, because some forms add fields after they were made.
        for field in self.fields.values():
            _speak(field)
            _clean_text(field)
        super().full_clean()


class CreatesOnce(Form):
    """A form that makes something: sent twice, it makes it once. Hand ``cleaned_data["key"]`` to the action.

    The key is made when the form is shown, and stays in a form that comes back with errors. A program that sends none makes
    a thing with each sending.
    """

    key = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["key"].initial = uuid.uuid4


def _clean_text(field: forms.Field) -> None:
    """Clean what this field is given before anything else looks at it: its length is that of what can be seen."""
    if not isinstance(field, forms.CharField) or getattr(field, "cleans", False):
        return
    clean = lines if isinstance(field.widget, forms.Textarea) else line
    if field.max_length is None and not isinstance(field, forms.UUIDField):
        field.max_length = TEXT_MAX if isinstance(field.widget, forms.Textarea) else LINE_MAX
        field.validators.append(MaxLengthValidator(field.max_length))
    to_python = field.to_python

    def cleaned(value: Any) -> Any:
        return to_python(clean(value) if isinstance(value, str) else value)

    field.to_python = cleaned  # type: ignore[method-assign]  # this copy of the field, which is the form's alone
    field.cleans = True  # type: ignore[attr-defined]


def _speak(field: forms.Field) -> None:
    if getattr(field, "speaks_for_itself", False):
        return
    stock: dict[str, Any] = {}
    for each in reversed(type(field).__mro__):
        stock |= getattr(each, "default_error_messages", {})
    own = {code for code, text in field.error_messages.items() if stock.get(code) != text}
    label = str(field.label or "")
    for kind, words in reversed(_WORDS):
        if isinstance(field, kind):
            for code in words.keys() - own:
                shown = label.replace("%", "%%") if code in _FORMATTED else label
                field.error_messages[code] = str(words[code]) % {"label": shown}
    field.speaks_for_itself = True  # type: ignore[attr-defined]  # this copy of the field, which is the form's alone
