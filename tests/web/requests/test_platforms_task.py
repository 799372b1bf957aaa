"""The task "Platforms and cost": the lines of a request."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from earthcode.catalogue.models import Plan
from earthcode.lib.money import credits
from earthcode.sponsorship.models import ResourceRequest
from tests.support.pages import errors, soup, words
from tests.support.requests import stored, url


def add(client: Client, resource_request: ResourceRequest, plan: Plan, **numbers: object) -> Any:
    return client.post(url(resource_request, "edit/platforms/"), {"plan": plan.pk, "do": "save", **numbers})


def change(client: Client, resource_request: ResourceRequest, plan: Plan, **sent: object) -> Any:
    """Press a button of the lines, with numbers for this plan (``cpu=…``) and what the button sends (``do=…``)."""
    names = {name: name if name in ("do", "save", "remove", "another") else f"{plan.pk}-{name}" for name in sent}
    data = {names[name]: value for name, value in sent.items()}
    return client.post(url(resource_request, "edit/platforms/"), data)


def test_a_plan_is_chosen_from_those_that_esa_sponsors(
    as_alice: Client, draft: ResourceRequest, hub_plan: Plan, batch_plan: Plan, unpriced_plan: Plan
) -> None:
    batch_plan.offering.sponsorable = False
    batch_plan.offering.save()

    page = soup(as_alice.get(url(draft, "edit/platforms/")))

    assert [option["value"] for option in page.select("#id_plan option")] == [
        str(unpriced_plan.pk),
        str(hub_plan.pk),
    ]


def test_a_plan_asks_only_for_what_its_price_depends_on(
    as_alice: Client, draft: ResourceRequest, hub_plan: Plan, batch_plan: Plan
) -> None:
    def fields(plan: Plan) -> list[str]:
        page = soup(as_alice.get(url(draft, "edit/platforms/"), {"plan": plan.pk}))
        return [str(each["name"]) for each in page.select("form[method=post] .field input")]

    assert fields(hub_plan) == ["cpu", "hours", "gb", "months", "margin"]
    assert fields(batch_plan) == ["cpu", "hours", "months", "margin"]


def test_a_plan_that_costs_nothing_is_not_asked_for(
    as_alice: Client, draft: ResourceRequest, batch_platform: Any, now: datetime
) -> None:
    from tests.conftest import plan_on

    free = plan_on(batch_platform, "Free", {"vcpu_hour": "0"}, tier="platform", at=now)

    assert soup(as_alice.get(url(draft, "edit/platforms/"))).select("#id_plan option") == []
    page = words(as_alice.get(url(draft, "edit/platforms/"), {"plan": free.pk}))
    assert "It costs nothing for this workload, so there is nothing to ask for." in page
    refused = add(as_alice, draft, free, cpu=8, hours=60, months=6)

    assert refused.status_code == 422
    assert not draft.lines.exists()


def test_two_plans_on_two_platforms_add_up(
    as_alice: Client, draft: ResourceRequest, hub_plan: Plan, batch_plan: Plan
) -> None:
    add(as_alice, draft, hub_plan, cpu=8, hours=60, gb=500, months=6)
    add(as_alice, draft, batch_plan, cpu=8, hours=60, months=6)

    page = as_alice.get(url(draft, "edit/platforms/"))
    assert page.context["total"] == credits("434.4")
    assert "[ 434.4 ]" not in words(page)
    assert "434.4" in words(page)
    assert stored(draft).amount == credits("434.4")


def test_a_changed_number_changes_the_price(
    as_alice: Client, complete_draft: ResourceRequest, batch_plan: Plan, hub_plan: Plan
) -> None:
    answer = change(as_alice, complete_draft, batch_plan, cpu=16, hours=60, months=6, save=batch_plan.pk)

    assert answer["Location"] == url(complete_draft, "edit/platforms/")
    assert complete_draft.lines.get(plan=batch_plan).amount == credits(288)
    assert complete_draft.lines.get(plan=hub_plan).amount == credits("290.4")


def test_a_line_is_removed(as_alice: Client, complete_draft: ResourceRequest, batch_plan: Plan) -> None:
    data = {"remove": batch_plan.pk}

    as_alice.post(url(complete_draft, "edit/platforms/"), data)
    again = as_alice.post(url(complete_draft, "edit/platforms/"), data)

    assert again.status_code == 302
    assert stored(complete_draft).amount == credits("290.4")


def test_a_line_of_a_plan_that_is_no_longer_offered_can_be_removed_and_not_changed(
    as_alice: Client, complete_draft: ResourceRequest, batch_plan: Plan
) -> None:
    batch_plan.is_listed = False
    batch_plan.save()

    refused = change(as_alice, complete_draft, batch_plan, cpu=16, hours=60, months=6, do="done")
    assert refused.status_code == 422
    assert any("no longer offered" in error for error in errors(refused))
    assert complete_draft.lines.get(plan=batch_plan).amount == credits(144)
    change(as_alice, complete_draft, batch_plan, cpu=16, hours=60, months=6, remove=batch_plan.pk)

    assert not complete_draft.lines.filter(plan=batch_plan).exists()


@pytest.mark.parametrize(
    "numbers",
    [
        {"cpu": "", "hours": 60, "months": 6},
        {"cpu": "x", "hours": 60, "months": 6},
        {"cpu": -1, "hours": 60, "months": 6},
        {"cpu": 8, "hours": 745, "months": 6},
        {"cpu": 8, "hours": "1e2", "months": 6},
        {"cpu": 8, "hours": 60, "months": 61},
        {"cpu": 8, "hours": "0", "months": 6},
    ],
)
def test_numbers_that_give_no_price_are_refused_beside_their_line(
    as_alice: Client, complete_draft: ResourceRequest, batch_plan: Plan, numbers: dict[str, object]
) -> None:
    before = list(complete_draft.lines.values())

    answer = change(as_alice, complete_draft, batch_plan, **numbers, do="done")

    assert answer.status_code == 422
    panel = soup(answer).select_one(f"section[aria-labelledby='plan-{batch_plan.pk}'] .error-summary")
    assert panel is not None
    assert list(complete_draft.lines.values()) == before


@pytest.mark.parametrize("button", [{"do": "done"}, {"do": "choose"}, {"save": "hub"}, {"remove": "hub"}])
def test_numbers_that_were_typed_are_kept_whatever_is_pressed(
    as_alice: Client, complete_draft: ResourceRequest, hub_plan: Plan, batch_plan: Plan, button: dict[str, str]
) -> None:
    sent = {name: hub_plan.pk if value == "hub" else value for name, value in button.items()}
    hub = {f"{hub_plan.pk}-{name}": value for name, value in {"cpu": 8, "hours": 60, "gb": 500, "months": 6}.items()}
    batch = {f"{batch_plan.pk}-{name}": value for name, value in {"cpu": 16, "hours": 60, "months": 6}.items()}

    answer = as_alice.post(url(complete_draft, "edit/platforms/"), {**hub, **batch, **sent, "another": batch_plan.pk})

    assert answer.status_code == 302
    assert complete_draft.lines.get(plan=batch_plan).amount == credits(288)
    assert complete_draft.lines.filter(plan=hub_plan).exists() == ("remove" not in button)


def test_done_saves_nothing_where_one_number_is_wrong(
    as_alice: Client, complete_draft: ResourceRequest, hub_plan: Plan, batch_plan: Plan
) -> None:
    before = list(complete_draft.lines.values())
    hub = {f"{hub_plan.pk}-{name}": value for name, value in {"cpu": 4, "hours": 60, "gb": 500, "months": 6}.items()}
    batch = {f"{batch_plan.pk}-{name}": value for name, value in {"cpu": "x", "hours": 60, "months": 6}.items()}

    answer = as_alice.post(url(complete_draft, "edit/platforms/"), {**hub, **batch, "do": "done"})

    assert answer.status_code == 422
    assert list(complete_draft.lines.values()) == before
    # What was typed for the other plan is there still.
    typed = soup(answer).select_one(f"input[name='{hub_plan.pk}-cpu']")
    assert typed is not None
    assert typed["value"] == "4"


def test_done_without_a_change_leaves_the_prices_of_the_day_they_were_asked(
    as_alice: Client, complete_draft: ResourceRequest
) -> None:
    before = list(complete_draft.lines.values())
    page = soup(as_alice.get(url(complete_draft, "edit/platforms/")))
    data = {str(each["name"]): str(each["value"]) for each in page.select("#lines .field input")}

    answer = as_alice.post(url(complete_draft, "edit/platforms/"), {**data, "do": "done"})

    assert answer["Location"] == url(complete_draft, "edit/")
    assert list(complete_draft.lines.values()) == before


def test_while_a_plan_is_added_there_is_no_number_of_another_to_lose(
    as_alice: Client, complete_draft: ResourceRequest, batch_plan: Plan
) -> None:
    complete_draft.lines.get(plan=batch_plan).delete()

    page = soup(as_alice.get(url(complete_draft, "edit/platforms/"), {"plan": batch_plan.pk}))

    assert page.select("#lines input:not([type=hidden])") == []
    assert "Save and continue" not in page.get_text()


def test_a_plan_that_stores_only_needs_no_price_for_machines(
    as_alice: Client, draft: ResourceRequest, batch_platform: Any, now: datetime
) -> None:
    from tests.conftest import plan_on

    store = plan_on(batch_platform, "Store", {"gb_month": "0.01"}, tier="platform", at=now)

    answer = add(as_alice, draft, store, gb=1000, months=3)

    assert answer.status_code == 302
    assert draft.lines.get().amount == credits(30)


@pytest.mark.parametrize("plan", ["", "x", "0", "9" * 30])
def test_a_plan_that_does_not_exist_is_not_found(as_alice: Client, draft: ResourceRequest, plan: str) -> None:
    assert as_alice.post(url(draft, "edit/platforms/"), {"plan": plan, "do": "save"}).status_code == 404
