"""Estimates: making one, keeping it, asking for it."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from bs4 import BeautifulSoup, Tag
from django.test import Client
from psycopg.types.range import Range

from earthcode.catalogue import estimates
from earthcode.catalogue.estimates import Wanted
from earthcode.catalogue.models import Estimate, EstimateTally, Offering, Plan, Rate
from earthcode.catalogue.pricing import Workload
from earthcode.identity.models import Project, User
from earthcode.lib.money import credits
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import ResourceRequest
from earthcode.web.catalogue.estimates import PRESETS
from tests.support.catalogue import link, page_of, words
from tests.support.queries import assert_queries_do_not_grow, queries_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

Kept = Callable[..., Estimate]


@pytest.fixture
def both(hub_plan: Plan, batch_plan: Plan) -> str:
    """Part of an address: 290.4 credits on the hub and 144 on the cluster."""
    return f"plan={hub_plan.pk}&plan={batch_plan.pk}"


@pytest.fixture
def kept(hub_plan: Plan, batch_plan: Plan, workload: Workload, now: Any) -> Kept:
    """Keeps an estimate of both plans."""

    def save(by: User | None = None, **rest: Any) -> Estimate:
        wanted = [Wanted(hub_plan, workload), Wanted(batch_plan, workload)]
        return estimates.save(wanted, workload=workload, by=by, client="somebody", at=now, **rest)

    return save


def dearer(plan: Plan, day: date) -> None:
    """Twice the price from the next day on."""
    for rate in Rate.objects.filter(component__plan=plan, valid__contains=day):
        Rate.objects.filter(pk=rate.pk).update(valid=Range(rate.valid.lower, day + timedelta(days=1)))
        Rate.objects.create(
            component=rate.component,
            valid=Range(day + timedelta(days=1), None),
            micro_per_unit=rate.micro_per_unit * 2,
            evidence=rate.evidence,
        )


def items(page: BeautifulSoup) -> list[str]:
    return [words(each) for each in page.select(".estimate-item")]


# --- making one ------------------------------------------------------------------------------------------------------


def test_every_plan_is_priced_line_by_line_with_a_margin_on_the_sum(client: Client, both: str) -> None:
    page = page_of(client, f"/estimates/new/?{both}&margin=10")

    hub, batch = items(page)
    assert "vCPU-hours 480 vCPU-hours in each of 6 months 230.4" in hub
    assert "GB-months 500 GB-months in each of 6 months 60" in hub
    assert "Without 500 GB of storage" in batch
    total = words(page.select_one(".estimate-total"))
    assert total == "Sum of the plans 434.4 Margin of 10 percent 43.44 Total with the margin 477.84 credits"


def test_a_plan_may_have_numbers_of_its_own(client: Client, hub_plan: Plan, batch_plan: Plan, both: str) -> None:
    page = page_of(client, f"/estimates/new/?{both}&cpu=16&{batch_plan.pk}-cpu=4&{batch_plan.pk}-hours=10")

    hub, batch = items(page)
    assert "960 vCPU-hours in each of 6 months" in hub
    assert "40 vCPU-hours in each of 6 months" in batch
    field = page.select_one(f"#own-{batch_plan.pk}-cpu")
    assert field is not None
    assert (field["value"], field["placeholder"]) == ("4", "16")
    # Only the numbers that the plan's price depends on are asked for.
    assert page.select_one(f"#own-{batch_plan.pk}-gb") is None
    assert page.select_one(f"#own-{hub_plan.pk}-gb") is not None


def test_a_plan_that_cannot_be_priced_says_why(client: Client, both: str, unpriced_plan: Plan) -> None:
    page = page_of(client, f"/estimates/new/?{both}&plan={unpriced_plan.pk}")

    assert "Cannot be priced, because: The provider has not published a price." in items(page)[2]
    assert "Without 1 plan that cannot be priced." in words(page.select_one(".estimate-sum"))


def test_without_a_plan_it_offers_the_cheapest(client: Client, both: str) -> None:
    page = page_of(client, "/estimates/new/")

    assert "No plan chosen yet" in words(page.select_one("main"))
    found = [words(each) for each in page.select("#estimate-found .row-title")]
    # What leaves out the storage comes after what does not.
    assert found == ["Notebooks on Coastal Hub", "Batch on Batch Cluster"]
    assert not page.select("button[value=save]")


def test_offerings_to_add_are_found_by_words(client: Client, both: str) -> None:
    page = page_of(client, "/estimates/new/?find=coastal")
    nothing = page_of(client, "/estimates/new/?find=xyzzyq")

    assert [words(each) for each in page.select("#estimate-found .row-title")] == ["Notebooks on Coastal Hub"]
    assert "No offering with “xyzzyq”" in words(nothing.select_one("#estimate-found"))


def test_presets_keep_the_plans(client: Client, both: str) -> None:
    page = page_of(client, f"/estimates/new/?{both}&margin=5")

    links = page.select(".presets a")
    assert len(links) == len(PRESETS)
    query = parse_qs(urlsplit(str(links[4]["href"])).query)
    assert query["hours"] == ["0"]
    assert query["gb"] == ["5000"]
    assert len(query["plan"]) == 2
    assert query["margin"] == ["5"]
    chosen = page_of(client, str(links[4]["href"])).select_one(".presets [aria-current]")
    assert words(chosen) == "Storage only 5 TB for a year"


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_is_a_workload(name: str) -> None:
    assert Workload.from_params(PRESETS[name][2])


def test_htmx_gets_the_costs_alone_and_the_address_follows(client: Client, both: str) -> None:
    response = client.get(f"/estimates/new/?{both}&cpu=8&ram=32&gb=500&margin=10&find=", headers={"HX-Request": "true"})

    part = BeautifulSoup(response.content, "html.parser")
    assert part.html is None
    assert words(part.select_one("#estimate-status")) == "477.84 credits"
    assert response["HX-Replace-Url"] == f"/estimates/new/?{both}&margin=10"


@pytest.mark.parametrize(
    ("do", "leads_to"),
    [
        ({"do": "update"}, {"cpu": ["16"], "margin": ["10"]}),
        ({"do": "find", "find": "hub"}, {"cpu": ["16"], "margin": ["10"], "find": ["hub"]}),
    ],
)
def test_without_script_a_button_leads_to_the_address_of_what_was_typed(
    client: Client, hub_plan: Plan, do: dict[str, str], leads_to: dict[str, list[str]]
) -> None:
    response = client.post("/estimates/new/", {"plan": hub_plan.pk, "cpu": "16", "margin": "10", **do})

    assert response.status_code == 302
    assert parse_qs(urlsplit(response["Location"]).query) == {"plan": [str(hub_plan.pk)], **leads_to}


def test_plans_are_added_and_taken_out(client: Client, hub_plan: Plan, batch_plan: Plan) -> None:
    added = client.post("/estimates/new/", {"plan": hub_plan.pk, "add": batch_plan.pk})
    taken_out = client.post("/estimates/new/", {"plan": [hub_plan.pk, batch_plan.pk], "remove": hub_plan.pk})

    assert added["Location"] == f"/estimates/new/?plan={hub_plan.pk}&plan={batch_plan.pk}"
    assert taken_out["Location"] == f"/estimates/new/?plan={batch_plan.pk}"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("cpu=much", "Processors : Enter a whole number for processors, from 1 to 4\u202f096."),
        ("margin=200", "Enter a whole number from 0 to 100."),
        ("plan=99999999999999999", "A plan of this address is no longer offered and is left out."),
        ("plan=abc", "No plan chosen yet"),
    ],
)
def test_what_cannot_be_used_is_told(client: Client, query: str, told: str) -> None:
    assert told in words(page_of(client, f"/estimates/new/?{query}").select_one("main"))


def test_its_queries_do_not_grow_with_plans(as_alice: Client, batch_plan: Plan) -> None:
    url = f"/estimates/new/?plan={batch_plan.pk}"

    def rows(count: int) -> None:
        for number in range(Plan.objects.count(), count):
            Plan.objects.create(offering=batch_plan.offering, slug=f"more-{number}", name=f"More {number}")
        as_alice.get(url)

    assert_queries_do_not_grow(as_alice, url, rows=rows, most=10)


# --- keeping it ------------------------------------------------------------------------------------------------------


def test_anybody_keeps_an_estimate_and_nothing_says_who(client: Client, hub_plan: Plan, both: str) -> None:
    data = {"plan": [part.partition("=")[2] for part in both.split("&")], "cpu": "16", "margin": "10", "do": "save"}
    response = client.post("/estimates/new/", data)

    estimate = Estimate.objects.get()
    assert response["Location"] == f"/estimates/{estimate.token}/"
    assert estimate.created_by is None
    assert estimate.amount == credits("520.8") + credits(288)
    page = page_of(Client(), response["Location"])
    assert words(page.h1) == "Estimate: 889.68 credits"
    assert "These are the prices of 2 Nov 2026. This page never changes. They are the same today." in words(page)


def test_what_was_kept_by_somebody_does_not_name_them(as_alice: Client, alice: User, both: str) -> None:
    data = {"plan": [part.partition("=")[2] for part in both.split("&")], "do": "save"}
    address = as_alice.post("/estimates/new/", data)["Location"]

    assert Estimate.objects.get().created_by == alice
    for told in (Client().get(address), Client().get(f"/api/v1{address.rstrip('/')}")):
        assert told.status_code == 200
        text = told.content.decode()
        assert alice.full_name not in text
        assert alice.preferred_username not in text


@pytest.mark.parametrize("wrong", [{"cpu": "0"}, {"margin": "x"}, {}])
def test_a_form_that_cannot_be_kept_loses_no_input(client: Client, unpriced_plan: Plan, wrong: dict[str, str]) -> None:
    data = {"plan": unpriced_plan.pk, "hours": "77", "do": "save", **wrong}
    response = client.post("/estimates/new/", data)

    assert response.status_code == 422
    page = BeautifulSoup(response.content, "html.parser")
    hours = page.select_one("#workload-hours")
    assert hours is not None
    assert hours["value"] == "77"
    assert not Estimate.objects.exists()


def test_too_many_in_an_hour_are_refused_in_words(
    client: Client, hub_plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates, "PER_CLIENT_MAX", 1)
    data = {"plan": hub_plan.pk, "do": "save"}
    client.post("/estimates/new/", data)

    response = client.post("/estimates/new/", data)

    assert response.status_code == 422
    assert "Too many estimates were saved within an hour" in response.content.decode()
    assert Estimate.objects.count() == 1
    # What is counted is no address.
    assert EstimateTally.objects.get().client != "127.0.0.1"


def test_an_estimate_does_not_change_and_says_what_it_would_be_today(
    client: Client, kept: Kept, hub_plan: Plan, clock: Any
) -> None:
    estimate = kept(margin_percent=10)
    before = page_of(client, estimate.get_absolute_url())
    dearer(hub_plan, clock.now.date())
    Offering.objects.filter(pk=hub_plan.offering_id).update(name="Another name")
    clock.forward(days=1)

    page = page_of(client, estimate.get_absolute_url())

    assert words(page.h1) == words(before.h1) == "Estimate: 477.84 credits"
    assert words(page.select_one(".estimate-kept")) == words(before.select_one(".estimate-kept"))
    notice = words(page.select_one(".notice"))
    assert "Today it would be 797.28 credits" in notice
    assert "Notebooks on Coastal Hub, Standard: 581 credits, before 290." in notice
    new = link(page, "Make a new one")
    assert new is not None
    again = page_of(client, str(new["href"]))
    assert words(again.select_one("#estimate-total")) == "797.28 credits"


def test_a_plan_that_is_gone_is_still_in_the_estimate(client: Client, kept: Kept, hub_plan: Plan) -> None:
    estimate = kept()
    Plan.objects.filter(pk=hub_plan.pk).update(is_listed=False)

    page = page_of(client, estimate.get_absolute_url())

    assert "cannot be priced any more: This plan is no longer offered." in words(page.select_one(".notice"))
    assert words(page.select_one("#line-1")) == "Notebooks on Coastal Hub"
    assert page.select_one("#line-1 a") is None


def test_a_link_that_was_guessed_leads_nowhere(client: Client, kept: Kept) -> None:
    assert kept()
    assert client.get("/estimates/no-such-estimate/").status_code == 404


def test_a_kept_estimate_is_not_sent_again_and_not_indexed(
    client: Client, kept: Kept, hub_plan: Plan, clock: Any
) -> None:
    url = kept().get_absolute_url()
    first = client.get(url)
    assert first["X-Robots-Tag"] == "noindex"

    assert client.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 304
    dearer(hub_plan, clock.now.date())
    assert client.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_a_kept_estimate_makes_no_more_queries_with_more_plans(as_alice: Client, batch_plan: Plan, now: Any) -> None:
    made: dict[int, Estimate] = {}

    def page(count: int) -> str:
        for number in range(Plan.objects.count(), count):
            Plan.objects.create(offering=batch_plan.offering, slug=f"more-{number}", name=f"More {number}")
        wanted = [Wanted(plan, Workload()) for plan in Plan.objects.order_by("pk")[:count]]
        made[count] = estimates.save(wanted, workload=Workload(), by=None, client="x", at=now)
        return made[count].get_absolute_url()

    few, many = page(2), page(12)
    as_alice.get(few)
    assert len(queries_of(as_alice, few)) == len(queries_of(as_alice, many)) <= 10


# --- one's own -------------------------------------------------------------------------------------------------------


def test_ones_own_estimates_are_listed(as_alice: Client, as_ben: Client, alice: User, kept: Kept) -> None:
    kept(alice, margin_percent=20)
    kept()

    rows = [words(row) for row in page_of(as_alice, "/estimates/").select("tbody tr")]

    assert rows == ["Notebooks on Coastal Hub, Standard, and 1 more 521.28 with 20 percent margin 2 Nov 2026"]
    assert "No estimates yet" in words(page_of(as_ben, "/estimates/"))
    assert Client().get("/estimates/").status_code == 302


def test_the_list_pages_and_its_queries_do_not_grow(as_alice: Client, alice: User, kept: Kept, now: Any) -> None:
    def rows(count: int) -> None:
        for _number in range(Estimate.objects.count(), count):
            kept(alice)

    assert_queries_do_not_grow(as_alice, "/estimates/", rows=rows, few=2, many=60, most=8)
    assert "1 to 25 of 60" in words(page_of(as_alice, "/estimates/").select_one(".pager"))


# --- asking for it ---------------------------------------------------------------------------------------------------


def test_a_request_starts_with_all_lines_of_an_estimate(
    as_alice: Client, kept: Kept, project: Project, unpriced_plan: Plan
) -> None:
    estimate = kept()
    button = link(page_of(as_alice, estimate.get_absolute_url()), "Request this")
    assert button is not None
    page = page_of(as_alice, str(button["href"]))
    assert "Total 434.4 credits" in words(page.select_one("aside"))

    response = as_alice.post(str(button["href"]), {"title": "Snow", "project": project.pk})

    draft = ResourceRequest.objects.get()
    assert response["Location"] == f"/requests/{draft.reference}/edit/"
    assert [(line.plan.offering.name, line.amount) for line in draft.lines.order_by("pk")] == [
        ("Notebooks on Coastal Hub", credits("290.4")),
        ("Batch on Batch Cluster", credits(144)),
    ]
    assert draft.lines.first().workload == Workload.from_json(estimate.workload).as_json()  # type: ignore[union-attr]


def test_a_request_asks_for_the_margin_of_its_estimate(as_alice: Client, kept: Kept, project: Project) -> None:
    estimate = kept(margin_percent=10)
    url = f"/requests/new/?estimate={estimate.token}"
    said = words(page_of(as_alice, url).select_one("aside"))
    assert "Margin of 10 percent 43.44" in said
    assert "Total 477.84 credits" in said

    as_alice.post(url, {"title": "Snow", "project": project.pk})

    draft = ResourceRequest.objects.get()
    assert draft.amount == estimate.amount + estimate.margin == credits("477.84")
    page = page_of(as_alice, f"/requests/{draft.reference}/edit/platforms/")
    assert "Margin of 10 percent 29.04" in words(page)
    margins = {str(field["name"]): str(field["value"]) for field in page.select("input[name$=-margin]")}
    assert set(margins.values()) == {"10"}


def test_the_margin_of_a_line_can_be_changed(as_alice: Client, kept: Kept, project: Project) -> None:
    as_alice.post(f"/requests/new/?estimate={kept(margin_percent=10).token}", {"title": "Snow", "project": project.pk})
    draft = ResourceRequest.objects.get()
    url = f"/requests/{draft.reference}/edit/platforms/"
    page = page_of(as_alice, url)
    sent = {
        str(field["name"]): str(field.get("value", ""))
        for field in page.select("form#lines input")
        if field.get("name") not in (None, "csrfmiddlewaretoken")
    }
    line = draft.lines.order_by("pk").first()
    assert line is not None

    assert as_alice.post(url, sent | {f"{line.plan_id}-margin": "101"}).status_code == 422
    assert as_alice.post(url, sent | {f"{line.plan_id}-margin": "0"}).status_code == 302

    draft.refresh_from_db()
    assert [each.margin_percent for each in draft.lines.order_by("pk")] == [0, 10]
    assert draft.amount == credits("290.4") + credits("158.4")


def test_a_request_says_that_prices_have_changed_since_the_estimate(
    signed_in: Any, alice: User, kept: Kept, project: Project, hub_plan: Plan, batch_plan: Plan, clock: Any
) -> None:
    estimate = kept()
    dearer(hub_plan, clock.now.date())
    Plan.objects.filter(pk=batch_plan.pk).update(is_listed=False)
    clock.forward(days=1)
    as_alice = signed_in(alice)
    url = f"/requests/new/?estimate={estimate.token}"

    aside = words(page_of(as_alice, url).select_one("aside"))
    response = as_alice.post(url, {"title": "Snow", "project": project.pk}, follow=True)

    assert "On 2 Nov 2026 it was 434.4 credits. The request is made with today’s prices." in aside
    assert "Batch on Batch Cluster, Standard: there is nothing to ask for. This plan is no longer offered." in aside
    assert [line.amount for line in ResourceRequest.objects.get().lines.all()] == [credits("580.8")]
    text = words(BeautifulSoup(response.content, "html.parser"))
    assert "its plans cost 580.8 credits now, before 434.4" in text
    assert "were left out: Batch on Batch Cluster, Standard" in text


def test_an_estimate_that_does_not_exist_is_no_obstacle(as_alice: Client, project: Project) -> None:
    response = as_alice.get("/requests/new/?estimate=nothing")

    assert response.status_code == 200
    assert "Come with an estimate" in response.content.decode()


def test_decimal_margins_are_not_lost(client: Client, both: str) -> None:
    """A margin is whole percents: another is told, and never silently cut."""
    page = page_of(client, f"/estimates/new/?{both}&margin=7.5")

    field = page.select_one("#margin")
    assert isinstance(field, Tag)
    assert (field["value"], field["aria-invalid"]) == ("7.5", "true")
    assert Decimal("434.4") == Decimal(words(page.select_one("#estimate-total")).split()[0])


def test_it_is_added_to_a_request_that_has_been_started(
    as_alice: Client, draft: ResourceRequest, kept: Kept, hub_plan: Plan, alice: User, now: Any
) -> None:
    sponsorship.save_line(draft, plan=hub_plan, workload=Workload(months=1), by=alice, at=now)
    estimate = kept(margin_percent=10)

    page = page_of(as_alice, estimate.get_absolute_url())
    button = page.select_one(f"button[name=add_to][value='{draft.reference}']")
    assert button is not None
    assert button.parent is not None
    answer = as_alice.post(str(button.parent["action"]), {"add_to": draft.reference}, follow=True)

    assert [(line.amount, line.margin_percent) for line in draft.lines.order_by("amount")] == [
        (credits("158.4"), 10),
        (credits("319.44"), 10),
    ]
    assert "were replaced: Notebooks on Coastal Hub, Standard." in answer.content.decode()
    assert ResourceRequest.objects.count() == 1


def test_it_is_not_added_to_the_request_of_somebody_else(
    as_stranger: Client, draft: ResourceRequest, kept: Kept
) -> None:
    estimate = kept()

    assert page_of(as_stranger, estimate.get_absolute_url()).select("button[name=add_to]") == []
    answer = as_stranger.post(f"/requests/new/?estimate={estimate.token}", {"add_to": draft.reference})

    assert answer.status_code == 404
    assert not draft.lines.exists()


def test_an_estimate_that_a_request_cannot_take_whole_adds_nothing(
    as_alice: Client, draft: ResourceRequest, kept: Kept, batch_plan: Plan, now: Any
) -> None:
    estimate = kept()
    type(batch_plan.offering).objects.filter(pk=batch_plan.offering_id).update(retires_on=now.date())

    answer = as_alice.post(f"/requests/new/?estimate={estimate.token}", {"add_to": draft.reference}, follow=True)

    assert not draft.lines.exists()
    assert "alert" in answer.content.decode()
