"""Each column of what a plan meters is known to everybody who reads, writes, prices or shows it.

The columns are asked of the models, so one that is added and forgotten somewhere fails here by its name.
"""

from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client

from earthcode.catalogue import versions
from earthcode.catalogue.component_terms import PRICE_TERMS, RATE_PRICE_TERMS, RATE_TERMS, TERMS
from earthcode.catalogue.entries import listed_on
from earthcode.catalogue.models import Component, Offering, Plan, Rate
from earthcode.catalogue.price_table import PlanTerms, PriceTable
from earthcode.catalogue.pricing import Discount, PricedComponent, Quote, quote
from earthcode.catalogue.queries import PublishedRate, components_on
from earthcode.catalogue.records import RateRecord, read_offering
from earthcode.catalogue.terms import Term as StoredTerm
from earthcode.catalogue.workload import Workload
from earthcode.publishing.content import changes, priced_plans
from earthcode.publishing.content import content_of as draft_of
from tests.catalogue.conftest import TODAY, Import, a_file, an_offering, rate

#: What tells one component, or one rate, from another, and what is kept about the row itself.
NOT_TERMS = {"id", "plan", "metric", "label", "in_use"}
NOT_RATE_TERMS = {"id", "component", "valid"}


def columns(model: type[Model], apart: set[str]) -> list[str]:
    return [field.name for field in model._meta.concrete_fields if field.name not in apart]


HOURS = {"metric": "processing_hour", "rate": rate("2")}
BLOCKS = HOURS | {"step": "100"}
UNITS = {"metric": "openeo_credit", "rate": rate("0.01"), "conversion_source": "https://units.example/"}
CONVERTED = UNITS | {"conversion": {"vcpu_hour": "1.5"}}

#: Column → a component without such a term, and what it says with it. With the usual workload the price differs.
EXAMPLES: dict[str, tuple[dict[str, Any], Any]] = {
    "included": (HOURS, "10"),
    "limit": (HOURS, "50"),
    "step": (HOURS, "100"),
    "block_months": (BLOCKS, 2),
    "free_months": (HOURS, 2),
    "conversion": (UNITS, {"vcpu_hour": "1.5"}),
    "conversion_low": (CONVERTED, {"vcpu_hour": "1"}),
    "conversion_source": (CONVERTED, "https://other.example/"),
}


def test_every_column_of_a_component_is_a_term() -> None:
    assert columns(Component, NOT_TERMS) == list(TERMS)
    assert columns(Rate, NOT_RATE_TERMS) == list(RATE_TERMS)


def test_pricing_has_a_place_for_every_term_that_decides_a_price() -> None:
    known = {field.name for field in fields(PricedComponent)}
    assert {term.name for term in PRICE_TERMS} == known - {
        *("component_id", "rate_id", "metric", "label", "micro_per_unit", "micro_low", "evidence", "discounts")
    }
    assert set(RATE_PRICE_TERMS) == {field.name for field in fields(Discount)} - {"rate_id"}


def test_what_usage_is_rated_by_has_every_term_but_those_that_only_bound_or_convert_a_quote() -> None:
    stored = {field.name for field in fields(StoredTerm)}

    assert {term.name for term in PRICE_TERMS} - stored == {"limit", "conversion", "conversion_low"}


def an_offering_with(component: dict[str, Any]) -> dict[str, Any]:
    return an_offering(plans=[{"slug": "hourly", "name": "By the hour", "components": [component]}])


def answer_of(component: PricedComponent) -> tuple[Any, Any]:
    """What people are told it costs, and what lists are sorted by."""
    answer = quote([component], Workload())
    total = PriceTable([[[PlanTerms((component,), None)]]]).totals(Workload(), [0])[0]
    assert (total and total.amount) == (answer.total if isinstance(answer, Quote) else None)
    return answer, total


@pytest.mark.parametrize("name", columns(Component, NOT_TERMS))
def test_a_term_is_known_to_each_that_reads_writes_prices_or_shows_it(
    name: str, imported: Import, client: Client
) -> None:
    assert name in EXAMPLES, f"no example of the column “{name}”"
    without, value = EXAMPLES[name]
    imported(a_file(an_offering_with(without)))
    offering, plan = Offering.objects.get(), Plan.objects.get()
    draft, version = draft_of(offering), versions.content_of(offering)
    [before] = components_on([plan.pk], TODAY)[plan.pk]

    with_it = an_offering_with(without | {name: value})
    imported(a_file(with_it))
    stored = getattr(Component.objects.get(), name)
    [after] = components_on([plan.pk], TODAY)[plan.pk]

    # The file, and the file that a draft is published as.
    new_draft, new_version = draft_of(offering), versions.content_of(offering)
    for written in (with_it, {**new_draft, "slug": "cube", "platform": "cubes"}):
        [in_file] = read_offering(written).plans[0].components
        assert in_file.values[name] == stored
    # Those who show it, and those who say what differs.
    [shown] = client.get("/api/v1/offerings/cube").json()["plans"][0]["components"]
    assert Decimal(shown[name]) == stored if isinstance(stored, Decimal) else shown[name] == stored
    assert new_draft["plans"][0]["components"][0][name] == value
    assert new_version["plans"][0]["components"][0][name] == value
    [change] = versions.difference(version, new_version)
    assert str(TERMS[name].label) in change.label
    [change_of_draft] = changes(draft, new_draft)
    assert change_of_draft.label.endswith(str(TERMS[name].label))
    # Those who price it.
    assert TERMS[name].decides_price == (answer_of(before) != answer_of(after))
    if TERMS[name].decides_price:
        [listed] = [each.plans[0].components[0] for each in listed_on(TODAY)]
        [previewed] = priced_plans(new_draft)[0].components
        assert getattr(before, name) != getattr(after, name)
        assert getattr(listed, name) == getattr(previewed, name) == getattr(after, name)


#: Column of a rate → what files, versions and drafts call it, and what the API does, where that is another name.
IN_CREDITS = {
    "micro_per_unit": ("credits", "credits_per_unit"),
    "micro_low": ("credits_low", "credits_per_unit_low"),
}


@pytest.mark.parametrize("name", columns(Rate, NOT_RATE_TERMS))
def test_a_term_of_a_rate_is_known_to_each_that_reads_writes_or_shows_it(
    name: str, imported: Import, client: Client
) -> None:
    discount = {**rate(["1", "1.5"]), "audience": "first_time", "reason": "A first project."}
    document = an_offering_with(HOURS | {"discounts": [discount]})
    imported(a_file(document))
    offering, plan = Offering.objects.get(), Plan.objects.get()
    stored = getattr(Rate.objects.get(audience="first_time"), name)
    assert stored, f"the example says nothing for the column “{name}”"

    in_files, in_api = IN_CREDITS.get(name, (name, name))
    [in_file] = read_offering(document).plans[0].components[0].discounts
    assert getattr(in_file, name) == stored
    [drafted] = draft_of(offering)["plans"][0]["components"][0]["discounts"]
    [versioned] = [
        each for each in versions.content_of(offering)["plans"][0]["components"][0]["rates"] if each["audience"]
    ]
    [shown] = client.get("/api/v1/offerings/cube").json()["plans"][0]["components"][0]["discounts"]
    expected = str(stored / 1_000_000).rstrip("0").rstrip(".") if name in IN_CREDITS else stored
    assert drafted[in_files] == versioned[in_files] == shown[in_api] == expected
    assert {field.name for field in fields(RateRecord)} >= {name}
    assert {field.name for field in fields(PublishedRate)} >= {name}
    if name in RATE_PRICE_TERMS:
        [[priced]] = [each.discounts for each in components_on([plan.pk], TODAY)[plan.pk]]
        [[listed]] = [each.plans[0].components[0].discounts for each in listed_on(TODAY)]
        assert getattr(priced, name) == getattr(listed, name) == stored
