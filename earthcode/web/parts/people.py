"""Naming a person, to add them to a project or to an organisation."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy

from earthcode.identity.models import User
from earthcode.identity.queries import person_named
from earthcode.web.parts.forms import Form

#: The same words whether nobody is known by this name or several are: a stranger learns nothing about either.
NOT_FOUND = gettext_lazy(
    "We cannot find this person. Enter the exact username or e-mail address of someone who has signed in here before."
)


class MemberForm(Form):
    person = forms.CharField(
        max_length=254,
        label=gettext_lazy("EarthCODE username or e-mail address"),
        help_text=gettext_lazy("Exactly as it is in their account. They must have signed in here once."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_person(self) -> User:
        person = person_named(self.cleaned_data["person"])
        if person is None:
            raise forms.ValidationError(NOT_FOUND)
        return person
