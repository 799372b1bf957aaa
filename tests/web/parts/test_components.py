"""The parts that pages are built from: all shown in the gallery, all within the rules that every template keeps."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from django import forms
from django.apps import apps
from django.conf import settings
from django.template.loader import render_to_string
from django.test import Client
from django.test.signals import template_rendered
from django.urls import reverse

from earthcode.provisioning.models import Operation, OperationStatus
from earthcode.web.catalogue.cards import Card
from earthcode.web.catalogue.price_words import Headline
from earthcode.web.parts.statuses import STATUSES, status_of
from earthcode.web.site.gallery import ICONS, SampleForm, gallery

TEMPLATES = Path(settings.BASE_DIR) / "templates"
COMPONENTS = sorted((TEMPLATES / "components").glob("*.html"))
ALL_TEMPLATES = sorted(TEMPLATES.rglob("*.html"))
SPRITE = (Path(settings.BASE_DIR) / "static/img/icons.svg").read_text(encoding="utf-8")

#: UX 5.7: code, word, phase, colour.
STATUS_WORDS = [
    ("draft", "Draft", "ph0", "mute"),
    ("submitted", "Submitted", "ph1", "info"),
    ("in_review", "In review", "ph2", "think"),
    ("info_needed", "Waiting for applicant", "ph-q", "warn"),
    ("offered", "Offer to accept", "ph-q", "warn"),
    ("approved", "Approved", "ph3", "go"),
    ("provisioning", "Setting up", "ph3", "go"),
    ("failed", "Set-up problem", "ph-q", "bad"),
    ("active", "Active", "ph4", "ok"),
    ("running_low", "Running low", "ph4", "warn"),
    ("suspended", "Suspended", "ph-q", "bad"),
    ("closed", "Ended", "ph4", "mute"),
    ("rejected", "Rejected", "ph-x", "bad"),
    ("declined", "Declined", "ph-x", "mute"),
    ("withdrawn", "Withdrawn", "ph-x", "mute"),
]


@pytest.fixture
def drawn() -> Iterator[set[str]]:
    """The names of all templates that are rendered meanwhile."""
    names: set[str] = set()

    def note(template: object, **_: object) -> None:
        names.add(str(getattr(template, "name", "")))

    template_rendered.connect(note)
    yield names
    template_rendered.disconnect(note)


def name_of(template: Path) -> str:
    return template.relative_to(TEMPLATES).as_posix()


# --- the gallery -----------------------------------------------------------------------------------------------------


def test_the_gallery_draws_every_component(as_alice: Client, client: Client, drawn: set[str]) -> None:
    as_alice.get("/gallery/")
    client.get("/gallery/")

    assert {f"components/{each.name}" for each in COMPONENTS} - drawn == set()


def test_the_gallery_needs_neither_account_nor_database(client: Client) -> None:
    # Without the ``db`` fixture, pytest-django refuses every query.
    response = client.get(reverse("gallery"))

    assert response.status_code == 200
    assert response.resolver_match.func is gallery


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda path: path.stem)
def test_a_component_says_on_top_what_it_takes(component: Path) -> None:
    assert component.read_text(encoding="utf-8").startswith("{% comment %}\n")


def test_the_gallery_shows_every_icon() -> None:
    assert set(ICONS) == set(re.findall(r'<symbol id="([^"]+)"', SPRITE))


# --- all templates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", ALL_TEMPLATES, ids=name_of)
def test_a_template_names_only_icons_that_exist(template: Path) -> None:
    named = set(re.findall(r'{% icon "([^"]+)"', template.read_text(encoding="utf-8")))

    assert named <= set(ICONS)


@pytest.mark.parametrize("template", ALL_TEMPLATES, ids=name_of)
def test_a_template_has_nothing_that_the_csp_blocks(template: Path) -> None:
    text = template.read_text(encoding="utf-8")

    assert not re.search(r"""<style|\sstyle=|\son[a-z]+=["']|hx-on|javascript:""", text)
    # A block of linked data is no script: browsers do not run it, and the policy does not mind it.
    assert not re.search(r"""<script(?![^>]*\ssrc=)(?! type="application/ld\+json">)""", text)


# --- status words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "word", "phase", "tone"), STATUS_WORDS)
def test_a_status_has_the_words_of_the_design(code: str, word: str, phase: str, tone: str) -> None:
    found = STATUSES[code]

    assert (found.label, found.phase, found.tone) == (word, phase, tone)


def test_every_status_of_every_model_has_its_words() -> None:
    missing = [
        f"{model.__name__}: {code}"
        for model in apps.get_models()
        if model.__module__.startswith("earthcode.")
        for field in model._meta.fields
        if field.name == "status" and field.choices
        for code, _words in field.flatchoices
        if f"{model._meta.model_name}.{code}" not in STATUSES and code not in STATUSES
    ]

    assert missing == []


def test_a_code_that_means_something_else_on_one_thing_has_its_own_words() -> None:
    assert status_of(Operation(status=OperationStatus.FAILED)).label == "Failed"
    assert status_of("failed").label == "Set-up problem"


def test_a_status_that_nobody_described_is_not_drawn_as_something_else() -> None:
    with pytest.raises(KeyError):
        status_of("dormant")


# --- forms -----------------------------------------------------------------------------------------------------------


class TwoFields(forms.Form):
    amount = forms.IntegerField(
        label="Credits",
        help_text="From your estimate.",
        max_value=10,
        widget=forms.NumberInput({"data-unit": "credits"}),
    )
    period = forms.ChoiceField(label="How long", choices=[("6", "Six months")], widget=forms.RadioSelect)


def drawn_form(form: forms.Form) -> BeautifulSoup:
    return BeautifulSoup(str(form), "html.parser")


def test_a_form_says_its_errors_on_top_with_links_to_the_fields() -> None:
    page = drawn_form(TwoFields({"amount": "11"}))

    links = page.select('[role="alert"] a')
    assert len(links) == 2
    for link in links:
        target = page.find(id=str(link["href"]).removeprefix("#"))
        assert target is not None
        assert target.name == "input"


def test_a_form_without_errors_has_no_summary() -> None:
    assert drawn_form(TwoFields()).select('[role="alert"]') == []


def test_a_field_is_described_by_its_hint_and_its_error() -> None:
    page = drawn_form(TwoFields({"amount": "11", "period": "6"}))

    box = page.find(id="id_amount")
    assert box is not None
    assert box["aria-invalid"] == "true"
    described_by = str(box["aria-describedby"]).split()
    assert described_by == ["id_amount_helptext", "id_amount_error"]
    words = [page.find(id=each) for each in described_by]
    assert [each and each.get_text(strip=True) for each in words] == [
        "From your estimate.",
        "Ensure this value is less than or equal to 10.",
    ]


def test_a_field_shows_its_unit_in_the_box() -> None:
    box = drawn_form(TwoFields()).select_one(".unit")

    assert box is not None
    assert box.get_text(strip=True) == "credits"


def test_only_fields_that_may_stay_empty_say_so() -> None:
    page = drawn_form(SampleForm())

    optional = {label.contents[0].strip() for label in page.select("label, legend") if label.select(".optional")}
    assert optional == {"Science case", "How you work"}


def test_every_label_belongs_to_a_field() -> None:
    page = drawn_form(SampleForm())

    assert [label["for"] for label in page.select("label[for]") if page.find(id=str(label["for"])) is None] == []


# --- single components -----------------------------------------------------------------------------------------------


def test_a_card_without_a_price_never_shows_a_number() -> None:
    headline = Headline("Price on request")
    card = Card(
        url="/x/", title="Archive", provider="P", summary="", code="A", mark="store", headline=headline, prices=[1, 2]
    )

    page = BeautifulSoup(render_to_string("components/offering_card.html", {"card": card}), "html.parser")

    price = page.select_one(".price")
    assert price is not None
    assert price.get_text(strip=True) == "Price on request"


def test_signing_in_comes_back_to_where_it_was_asked_for() -> None:
    page = BeautifulSoup(render_to_string("components/sign_in.html", {"next": "/catalogue/?q=a&b=c"}), "html.parser")

    link = page.a
    assert link is not None
    assert link["href"] == f"{reverse('account_login')}?next=/catalogue/%3Fq%3Da%26b%3Dc"


def test_words_of_people_are_escaped() -> None:
    events = [{"icon": "ph4", "title": "<b>x</b>", "quote": "<script>alert(1)</script>"}]

    html = render_to_string("components/timeline.html", {"past": events})

    assert "<script>" not in html
    assert "&lt;b&gt;x&lt;/b&gt;" in html
