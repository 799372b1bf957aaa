"""What differs between a draft and what is public: nothing that costs anybody something is published unseen."""

import copy
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from earthcode.catalogue.models import Offering
from earthcode.publishing.content import Content, changes, content_of, tidy

#: What a provider may change alone; a change of anything else names a reason for ESA to look.
FACTS_OF_OFFERING = {
    *("name", "code", "summary", "service_types", "interfaces", "protocols", "workflow_types", "datasets", "place"),
    *("country", "location", "not_stated", "access", "access_url", "documentation_url", "support"),
    *("support_hours", "hardware", "availability", "maturity", "certifications"),
}
FACTS_OF_PLAN = {"name", "summary", "author", "endpoint_url", "order_url", "source", "source_date"}
FACTS_OF_COMPONENT = {"conversion_source"}


@pytest.fixture
def public(db: None) -> Content:
    """A record with a range, a discount and blocks that expire."""
    call_command("import_offerings", "--demonstration", stdout=StringIO())
    return content_of(Offering.objects.get(slug="demo-batch-processing"))


def needs_esa(before: Content, after: Content) -> bool:
    found = changes(before, after)
    assert found
    for each in found:
        assert each.label
        assert each.before != each.after
    return any(each.reason for each in found)


def blocks_of(content: Content) -> Content:
    return next(plan for plan in content["plans"] if plan["slug"] == "hour-blocks")


def taken_away(part: Content, name: str) -> None:
    del part[name]


@pytest.mark.parametrize(
    ("where", "facts"),
    [
        (lambda content: content, FACTS_OF_OFFERING),
        (blocks_of, FACTS_OF_PLAN),
        (lambda content: blocks_of(content)["components"][0], FACTS_OF_COMPONENT),
    ],
)
def test_whatever_is_taken_away_is_seen_and_all_but_facts_need_esa(
    public: Content, where: Any, facts: set[str]
) -> None:
    # What tells one from another is no change of it; sources go with their facts; limits may be lifted by the provider.
    names = set(where(public)) - {"slug", "metric", "label", "plans", "components", "sources", "limit", "months_max"}
    names.discard("name" if where(public) is not public else "")
    assert names
    for name in names:
        after = copy.deepcopy(public)
        taken_away(where(after), name)
        assert needs_esa(public, after) == (name not in facts), name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("block_months", 12),
        ("conversion_low", {"vcpu_hour": "0.1"}),
        ("discounts", []),
        ("something_later", "new"),
    ],
)
def test_a_price_is_not_changed_beside_a_fact(public: Content, name: str, value: Any) -> None:
    after = copy.deepcopy(public)
    after["support"] = "A forum."
    for component in blocks_of(after)["components"]:
        component[name] = value

    assert needs_esa(public, tidy(after))
