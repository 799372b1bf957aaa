"""What search rests on: words kept by the database, and the catalogue kept in memory while it does not change."""

from datetime import date, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from earthcode.catalogue import search
from earthcode.catalogue.models import Offering, Plan, Platform, SearchWord
from earthcode.catalogue.queries import components_on
from earthcode.catalogue.search import find, index_on, words_of
from earthcode.identity.models import Organisation
from tests.catalogue.conftest import TODAY, Import, a_file, an_offering, rate

pytestmark = pytest.mark.django_db


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Sentinel-2 L2A",
        "Sentinel 5P, Landsat 8",
        "Köln — Zürich",
        "pay-per-use 2026",
        "OGC API – Processes",
        "16 GB",
        "é",
    ],
)
def test_python_and_the_database_make_the_same_words(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tsvector_to_array(to_tsvector('simple', catalogue_words(%s)))", [text])
        [known] = cursor.fetchone()

    assert set(words_of(text)) <= set(known)


def test_an_offering_is_found_by_what_was_last_written_of_it(hub_plan: Plan) -> None:
    def found(text: str) -> bool:
        return bool(find(text).ranks)

    assert found("notebooks")
    assert not found("avalanches")

    Offering.objects.update(summary="Avalanches of every kind.")
    assert found("avalanches")
    Platform.objects.update(name="Glacier house")
    assert found("glacier")
    Organisation.objects.filter(platforms__isnull=False).update(name="Ice Company")
    assert found("company")
    Plan.objects.update(name="Winter season")
    assert found("winter")
    Offering.objects.update(is_listed=False)
    assert not found("winter")


def test_a_misspelt_word_is_compared_with_words_of_offerings(hub_plan: Plan) -> None:
    assert SearchWord.objects.filter(word="notebooks").exists()
    assert find("notebuks").corrected == (("notebuks", "notebooks"),)


# --- the memory ------------------------------------------------------------------------------------------------------


def queries_for_the_index(day: date = TODAY) -> int:
    with CaptureQueriesContext(connection) as captured:
        index_on(day)
    return len(captured)


def test_the_catalogue_is_read_once_until_it_changes(imported: Import) -> None:
    imported(a_file(an_offering()))

    assert queries_for_the_index() == 2
    assert queries_for_the_index() == 1
    Offering.objects.update(summary="Other snow.")
    assert queries_for_the_index() == 2
    assert index_on(TODAY).entries[0].summary == "Other snow."
    assert queries_for_the_index(TODAY + timedelta(days=1)) == 2


@pytest.mark.parametrize("table", ["organisation", "platform", "offering", "plan", "component", "rate"])
def test_a_change_of_anything_is_a_new_state(imported: Import, table: str) -> None:
    imported(a_file(an_offering()))
    name = "identity_organisation" if table == "organisation" else f"catalogue_{table}"
    column = {"component": "label", "rate": "valid"}.get(table, "name")
    value = "'[2026-01-01,2027-01-01)'" if table == "rate" else "'changed'"
    before = search.catalogue_state()

    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {name} SET {column} = {value} WHERE id = (SELECT min(id) FROM {name})")

    after = search.catalogue_state()
    assert after.number > before.number
    assert after.changed_at > before.changed_at


def test_a_change_that_is_taken_back_leaves_no_trace_in_memory(imported: Import) -> None:
    imported(a_file(an_offering()))
    before = search.catalogue_state()

    with transaction.atomic():
        Offering.objects.update(name="Never")
        assert index_on(TODAY).entries[0].name == "Never"
        undone = search.catalogue_state()
        transaction.set_rollback(True)

    assert search.catalogue_state() == before
    assert index_on(TODAY).entries[0].name == "Cube of snow"
    Offering.objects.update(name="Then")
    assert search.catalogue_state().number not in (before.number, undone.number)
    assert index_on(TODAY).entries[0].name == "Then"


def test_what_is_not_listed_is_not_in_the_index(hub_plan: Plan, batch_plan: Plan) -> None:
    Offering.objects.filter(pk=batch_plan.offering_id).update(is_listed=False)
    Plan.objects.filter(pk=hub_plan.pk).update(is_listed=False)

    [entry] = index_on(TODAY).entries

    assert (entry.pk, entry.plans) == (hub_plan.offering_id, ())


def test_the_index_has_the_same_rates_as_a_plan_that_is_read_alone(imported: Import) -> None:
    plan = {
        "slug": "credits",
        "name": "Credits",
        "components": [
            {
                "metric": "openeo_credit",
                "rate": rate(["0.000123", "0.01"]),
                "included": "70.5",
                "conversion": {"vcpu_hour": ["1.5", "1.62"]},
                "conversion_source": "https://prices.example/units",
                "discounts": [rate("0.005", audience="anybody", reason="Until the end of the year")],
            },
            {"metric": "gb_month"},
        ],
    }
    imported(a_file(an_offering(plans=[plan, {"slug": "asked", "name": "On request"}])))

    [entry] = index_on(TODAY).entries

    assert [each.slug for each in entry.plans] == ["credits", "asked"]
    assert {each.pk: each.components for each in entry.plans if each.components} == components_on(
        Plan.objects.all(), TODAY
    )
