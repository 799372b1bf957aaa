"""What a form says about a field that was not filled in as it should be."""

from typing import Any

import pytest
from django import forms

from earthcode.web.parts.forms import Form


class Sample(Form):
    title = forms.CharField(label="What is it called?", max_length=5)
    project = forms.ChoiceField(label="Project", choices=[("1", "One")])
    agreed = forms.BooleanField(label="I agree")
    day = forms.DateField(label="First day")
    months = forms.IntegerField(label="Months", min_value=1, max_value=12)
    hours = forms.DecimalField(label="Share in %")
    own = forms.CharField(label="Own", error_messages={"required": "Say it."})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["later"] = forms.CharField(label="Later")


GOOD = {
    "title": "Ice",
    "project": "1",
    "agreed": "on",
    "day": "2026-12-01",
    "months": "6",
    "hours": "1.5",
    "own": "x",
    "later": "x",
}


def test_a_form_that_is_right_has_nothing_to_say() -> None:
    assert Sample(GOOD).errors == {}


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("title", "", "Fill in “What is it called?”."),
        ("title", "Sea ice", "Shorten “What is it called?” to 5 characters; it has 7 now."),
        ("project", "", "Choose something for “Project”."),
        ("project", "2", "Choose one of the list for “Project”."),
        ("agreed", "", "Tick “I agree”."),
        ("day", "soon", "Enter a date like 2026-12-01 for “First day”."),
        ("months", "x", "Enter a whole number for “Months”."),
        ("months", "0", "Enter 1 or more for “Months”."),
        ("months", "13", "Enter 12 or less for “Months”."),
        ("hours", "x", "Enter a number for “Share in %”."),
        ("own", "", "Say it."),
        ("later", "", "Fill in “Later”."),
    ],
)
def test_an_error_names_the_field_and_says_what_to_do(field: str, value: str, words: str) -> None:
    form = Sample({**GOOD, field: value})

    assert form.errors == {field: [words]}
    form.full_clean()
    assert form.errors == {field: [words]}
