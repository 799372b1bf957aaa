"""All forms of the site × odd values: each is taken clean or refused by field, and nothing decides how much work is done.

The forms are read from the code: a new one is tried by being there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django import forms
from django.test import Client
from django.urls import reverse

from earthcode.lib.text import line, lines
from earthcode.web.parts.forms import CreatesOnce, Form
from tests.web.everything import form_classes, formset_classes

if TYPE_CHECKING:
    from earthcode.sponsorship.models import ResourceRequest

FORMS = form_classes()
ODD = [
    "",
    " ",
    "\u200b",
    "\u3164",
    "\u202egpj.exe",
    "a\u0007b",
    "e\u0301",
    "\ufeffBOM",
    "x" * 10_000,
    "1e400",
    "NaN",
    "-Infinity",
    "9" * 400,
    "-1",
    "0001-01-01",
    "9999-12-31",
    "03/04/2027",
    "2027-02-30",
    "true",
    "[]",
    "line\r\none\u2028two",
    "12345678-1234-5678-1234-567812345678",
]


def test_every_form_is_of_the_one_kind() -> None:
    assert len(FORMS) > 20
    assert [each.__qualname__ for each in FORMS if not issubclass(each, Form)] == []


@pytest.mark.django_db
@pytest.mark.parametrize("form_class", FORMS, ids=lambda each: each.__qualname__)
def test_every_text_has_a_length(form_class: type[forms.BaseForm]) -> None:
    form = _form_of(form_class, "x" * 200_000)

    texts = {name for name, field in form.fields.items() if isinstance(field, forms.CharField)}
    assert texts <= set(form.errors)


@pytest.mark.django_db
@pytest.mark.parametrize("form_class", FORMS, ids=lambda each: each.__qualname__)
def test_odd_values_come_out_clean_or_are_refused_by_field(form_class: type[forms.BaseForm]) -> None:
    for value in ODD:
        form = _form_of(form_class, value)
        for name, errors in form.errors.items():
            assert name == "__all__" or name in form.fields
            assert all(str(error).strip() for error in errors)
        for name, cleaned in form.cleaned_data.items():
            field = form.fields.get(name)
            if isinstance(cleaned, str) and type(field) is forms.CharField:
                assert cleaned in {line(cleaned), lines(cleaned)}, (name, value)


def _form_of(form_class: type[forms.BaseForm], value: str) -> Any:
    """The form's own fields, without what only its page can give it."""
    plain = type(form_class.__name__, (Form,), dict(form_class.base_fields))
    form = plain(dict.fromkeys(form_class.base_fields, value))
    form.full_clean()
    return form


@pytest.mark.parametrize("formset", formset_classes(), ids=lambda each: each.__qualname__)
def test_a_number_in_what_was_sent_does_not_decide_how_many_rows_are_made(formset: Any) -> None:
    assert formset.absolute_max <= formset.max_num <= 100


# --- made once -------------------------------------------------------------------------------------------------------

#: Addresses whose form makes something, for somebody who may.
MAKES = {"project_new": "alice", "request_new": "alice", "application_new": "alice", "offering_new": "petra"}


@pytest.mark.parametrize(("name", "who"), MAKES.items())
def test_a_form_that_makes_something_carries_a_key_of_its_own(
    request: pytest.FixtureRequest, hub_platform: object, name: str, who: str
) -> None:
    client: Client = request.getfixturevalue(f"as_{who}")

    keys = [re.findall(r'name="key" value="([0-9a-f-]{36})"', client.get(reverse(name)).text) for _ in range(2)]

    assert [len(found) for found in keys] == [1, 1]
    assert keys[0] != keys[1]


def test_every_form_with_a_key_is_on_the_list() -> None:
    makers = {each.__name__ for each in FORMS if issubclass(each, CreatesOnce) and each is not CreatesOnce}
    assert makers == {"ProjectForm", "NewRequestForm", "NewApplicationForm", "NewOfferingForm"}


def test_the_second_answer_leads_to_the_first_thing(as_alice: Client, project: Any) -> None:
    key = "12345678-1234-5678-1234-567812345678"
    for address, sent in (
        ("project_new", {"title": "Snow", "key": key}),
        ("request_new", {"title": "Snow", "project": str(project.pk), "key": key.replace("1", "2")}),
        (
            "application_new",
            {"organisation_name": "A", "platform_name": "B", "kinds": "open_science", "key": key.replace("1", "3")},
        ),
    ):
        first, second = (as_alice.post(reverse(address), sent) for _ in range(2))
        assert first.status_code == 302, (address, first.content[:2000])
        assert second.headers["Location"] == first.headers["Location"], address


def test_invisible_names_are_refused_by_the_page(as_alice: Client) -> None:
    for title in ("\u200b", "\u3164", "\u202e", "\u2800"):
        response = as_alice.post(reverse("project_new"), {"title": title})
        assert response.status_code == 422
        assert "Fill in “Title”" in response.text


def test_what_is_stored_can_be_shown(as_alice: Client, draft: ResourceRequest) -> None:
    for value in ODD:
        as_alice.post(reverse("request_edit_case", args=[draft.reference]), {"science_case": value})
        as_alice.post(reverse("request_edit_period", args=[draft.reference]), {"starts_on": value})
        as_alice.post(reverse("project_new"), {"title": value[:200], "summary": value[:5000]})
    for address in ("projects", "requests", "home"):
        assert as_alice.get(reverse(address)).status_code == 200
    assert as_alice.get(reverse("request_edit", args=[draft.reference])).status_code == 200


@pytest.mark.parametrize("value", ["03/04/2027", "04.03.2027", "3-4-27", "12/25/2027", "2027/03/04"])
def test_a_day_that_may_be_read_in_two_ways_is_refused_with_the_form_to_use(value: str) -> None:
    days = [
        (each, name) for each in FORMS for name, field in each.base_fields.items() if type(field) is forms.DateField
    ]
    assert days
    for form_class, name in days:
        assert name in _form_of(form_class, value).errors, (form_class, name)
    assert forms.DateField().clean("4 Mar 2027").month == 3
