"""Pages of those who run offerings, without JavaScript."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from earthcode.audit.models import Event
from earthcode.catalogue.models import Offering, Plan, Platform, Rate
from earthcode.identity.models import Organisation, User
from earthcode.publishing import actions as publishing
from earthcode.publishing import notices
from earthcode.publishing.models import Draft, DraftStatus, MaintenanceWindow
from earthcode.sponsorship.models import Award
from tests.conftest import Clock
from tests.support.pages import errors, in_one_line, soup, words
from tests.support.queries import assert_queries_do_not_grow


def fields_of(page: HttpResponse) -> dict[str, str]:
    """What a browser would send back from the page's main form."""
    form = soup(page).select_one("main form[method=post]:has(.field)")
    assert form is not None
    data: dict[str, str] = {}
    for field in form.select("input[name], textarea[name], select[name]"):
        name = str(field["name"])
        if field.name == "textarea":
            data[name] = field.get_text().removeprefix("\n")
        elif field.name == "select":
            chosen = field.select_one("option[selected]") or field.select_one("option")
            data[name] = str(chosen["value"]) if chosen else ""
        elif field.get("type") == "checkbox":
            if field.has_attr("checked"):
                data[name] = "on"
        else:
            data[name] = str(field.get("value", ""))
    return data


def fill(client: Client, url: str, **typed: str) -> HttpResponse:
    """Open the page, type, and send it."""
    page = client.get(url)
    assert page.status_code == 200, page
    return client.post(url, {**fields_of(page), **typed})


def test_from_a_new_offering_to_the_catalogue(
    as_petra: Client, as_maria: Client, as_marc: Client, hub_platform: Platform, client: Client
) -> None:
    answer = fill(as_petra, reverse("offering_new"), name="Tide notebooks", platform=str(hub_platform.pk))
    draft = Draft.objects.get()
    hub = reverse("offering_draft", args=[draft.pk])
    assert answer.headers["Location"] == hub
    answer = fill(
        as_petra,
        reverse("offering_draft_section", args=[draft.pk, "about"]),
        summary="Notebooks with tide gauges beside them.",
        tier="platform",
        service_types="Development environment (IDE)",
        sponsorable="yes",
    )
    assert answer.headers["Location"] == hub
    fill(
        as_petra,
        reverse("offering_draft_section", args=[draft.pk, "work"]),
        interfaces="JupyterLab\nR",
        datasets="S5P",
        place="Kiel",
        country="de",
    )
    new_plan = reverse("offering_draft_plan_new", args=[draft.pk])
    answer = fill(
        as_petra, new_plan, **{"name": "By the hour", "c-0-metric": "vcpu_hour", "c-0-credits": "0.1", "do": "save"}
    )
    assert answer.headers["Location"] == hub
    assert "Plans and prices 1 plan Completed" in words(as_petra.get(hub))

    # The provider asks, and ESA returns it.
    check = reverse("offering_draft_check", args=[draft.pk])
    assert "ESA approves this before it is public, because the offering is new" in words(as_petra.get(check))
    as_petra.post(check, {"note": "Our first."})
    assert "Tide notebooks" in words(as_maria.get(reverse("offering_approvals")))
    approval = reverse("offering_approval", args=[draft.pk])
    assert "Our first." in words(as_maria.get(approval))
    as_maria.post(approval, {"do": "send_back", "comment": "Say how people get help."})

    # Corrected, sent again, approved by somebody else.
    assert "Say how people get help." in words(as_petra.get(hub))
    fill(as_petra, reverse("offering_draft_section", args=[draft.pk, "access"]), support="A forum, on weekdays.")
    as_petra.post(check, {"note": ""})
    answer = as_marc.post(approval, {"do": "approve", "comment": ""})
    assert answer.headers["Location"] == reverse("offering_approvals")

    offering = Offering.objects.get(slug="tide-notebooks")
    page = words(client.get(offering.get_absolute_url()))
    assert "A forum, on weekdays." in page
    assert "Stated by Hub House" in page
    listed = words(client.get(reverse("catalogue"), {"q": "tide gauges"}))
    # 8 processors for 60 hours in each of 6 months at 0.1 credits.
    assert "Tide notebooks" in listed
    assert "288" in listed


def test_a_fault_names_its_field_and_loses_nothing(
    as_petra: Client, hub_plan: Plan, petra: User, now: datetime
) -> None:
    draft = publishing.edit(hub_plan.offering, by=petra, at=now)
    url = reverse("offering_draft_section", args=[draft.pk, "about"])

    answer = fill(as_petra, url, name="", summary="Ask help@hub.example.", tier="resource")

    assert answer.status_code == 422
    assert errors(answer) == [
        "Fill in “Name”.",
        "Summary: This is public for good: name a page or a form in place of an e-mail address.",
    ]
    assert fields_of(answer)["tier"] == "resource"
    draft.refresh_from_db()
    assert draft.content == draft.base


def test_a_fault_in_a_price_names_its_row_and_loses_nothing(
    as_petra: Client, hub_plan: Plan, petra: User, now: datetime
) -> None:
    draft = publishing.edit(hub_plan.offering, by=petra, at=now)
    url = reverse("offering_draft_plan", args=[draft.pk, "standard"])

    answer = fill(
        as_petra,
        url,
        **{"c-0-credits": "a lot", "c-1-evidence": "sourced", "c-1-first": "2026-01-02", "c-1-label": "SSD"},
    )

    assert answer.status_code == 422
    assert errors(answer) == [
        "vCPU-hour, Price: Enter a number for “Price”.",
        "GB-month, From: A price cannot begin in the past.",
        "GB-month, Source: Name the page or price list.",
        "GB-month, Date of the source: Say of when the source is.",
    ]
    assert fields_of(answer)["c-1-label"] == "SSD"
    draft.refresh_from_db()
    assert draft.content == draft.base


def test_opening_and_saving_a_plan_changes_nothing(
    as_petra: Client, hub_plan: Plan, petra: User, now: datetime
) -> None:
    draft = publishing.edit(hub_plan.offering, by=petra, at=now)

    fill(as_petra, reverse("offering_draft_plan", args=[draft.pk, "standard"]))
    for section in ("about", "work", "access"):
        fill(as_petra, reverse("offering_draft_section", args=[draft.pk, section]))

    draft.refresh_from_db()
    assert draft.content == draft.base


def test_the_second_of_two_is_told_and_loses_nothing(
    as_petra: Client, hub_plan: Plan, petra: User, person: Any, provider: Organisation, now: datetime
) -> None:
    from earthcode.identity.roles import Role

    paul = person("paul", "Paul Novak", role=Role.PROVIDER_ADMINISTRATOR, role_for=provider)
    draft = publishing.edit(hub_plan.offering, by=petra, at=now)
    url = reverse("offering_draft_section", args=[draft.pk, "access"])
    opened = fields_of(as_petra.get(url))
    publishing.save_section(draft, section="access", values={"support": "Paul's forum."}, by=paul, at=now)

    answer = as_petra.post(url, {**opened, "support": "Petra's forum."})

    assert answer.status_code == 422
    assert errors(answer)[0].startswith("Paul Novak saved this section at 10:00 UTC")
    assert "Support saved: Paul's forum., yours: Petra's forum." in words(answer)
    as_petra.post(url, fields_of(answer))
    draft.refresh_from_db()
    assert draft.content["support"] == "Petra's forum."


def test_facts_are_published_at_once(as_petra: Client, hub_plan: Plan, petra: User, now: datetime) -> None:
    as_petra.post(reverse("offering_edit", args=[hub_plan.offering.slug]))
    draft = Draft.objects.get()
    fill(as_petra, reverse("offering_draft_section", args=[draft.pk, "access"]), support="A forum.")
    check = reverse("offering_draft_check", args=[draft.pk])
    assert "These are facts: you publish them yourself." in words(as_petra.get(check))

    as_petra.post(check)

    assert Offering.objects.get(pk=hub_plan.offering_id).support == "A forum."


def test_further_facts_are_previewed_checked_and_compared(
    as_petra: Client, hub_plan: Plan, petra: User, now: datetime
) -> None:
    draft = publishing.edit(hub_plan.offering, by=petra, at=now)
    url = reverse("offering_draft_section", args=[draft.pk, "promises"])
    typed = {**fields_of(as_petra.get(url)), "availability": "99.5 % of each month", "limits": "8 vCPU each"}

    preview = as_petra.post(url, typed, headers={"HX-Request": "true"})
    refused = as_petra.post(url, {**typed, "maturity": "x" * 201, "certifications": "y" * 121})
    as_petra.post(url, typed)

    assert "Availability 99.5 % of each month" in in_one_line(soup(preview))
    assert errors(refused) == [
        "Shorten “Maturity” to 200 characters; it has 201 now.",
        "Certifications: “yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy…” is longer than 120 characters.",
    ]
    assert fields_of(refused)["availability"] == "99.5 % of each month"
    check = words(as_petra.get(reverse("offering_draft_check", args=[draft.pk])))
    assert "Availability" in check
    assert "what it gives at most changes" in check


def test_the_preview_is_priced_with_what_was_typed(
    as_petra: Client, hub_plan: Plan, petra: User, now: datetime
) -> None:
    draft = publishing.edit(hub_plan.offering, by=petra, at=now)
    url = reverse("offering_draft_plan", args=[draft.pk, "standard"])
    typed = {**fields_of(as_petra.get(url)), "c-0-credits": "1"}

    answer = as_petra.post(url, typed, headers={"HX-Request": "true"})

    card = soup(answer).get_text(" ")
    # 2 880 vCPU-hours at 1 credit, and 500 GB for 6 months at 0.02.
    assert "2\u202f940" in card
    draft.refresh_from_db()
    assert draft.content == draft.base
    assert not Rate.objects.filter(micro_per_unit=1_000_000).exists()


@pytest.mark.parametrize("who", ["as_alice", "as_stranger"])
def test_those_who_provide_nothing_find_nothing(
    who: str, request: pytest.FixtureRequest, hub_plan: Plan, petra: User, now: datetime
) -> None:
    client: Client = request.getfixturevalue(who)
    draft = publishing.edit(hub_plan.offering, by=petra, at=now)

    for name, args in (
        ("offerings", []),
        ("offering_new", []),
        ("provider_trail", []),
        ("maintenance", []),
        ("offering_manage", [hub_plan.offering.slug]),
        ("offering_draft", [draft.pk]),
        ("offering_draft_check", [draft.pk]),
        ("offering_approvals", []),
        ("offering_approval", [draft.pk]),
    ):
        assert client.get(reverse(name, args=args)).status_code == 404, name


def test_a_provider_finds_nothing_of_another(
    as_petra: Client, batch_plan: Plan, person: Any, other_provider: Organisation, petra: User, now: datetime
) -> None:
    from earthcode.identity.roles import Role

    pavel = person("pavel", role=Role.PROVIDER_ADMINISTRATOR, role_for=other_provider)
    draft = publishing.edit(batch_plan.offering, by=pavel, at=now)
    window = notices.announce_maintenance(
        batch_plan.offering.platform, starts_at=now, ends_at=now + timedelta(hours=1), affects="Jobs", by=pavel, at=now
    )

    for name, args in (
        ("offering_manage", [batch_plan.offering.slug]),
        ("offering_draft", [draft.pk]),
        ("maintenance_window", [window.pk]),
    ):
        assert as_petra.get(reverse(name, args=args)).status_code == 404, name
    assert as_petra.post(reverse("offering_draft_step", args=[draft.pk, "discard"])).status_code == 404
    assert as_petra.post(reverse("offering_edit", args=[batch_plan.offering.slug])).status_code == 404
    assert "Batch" not in words(as_petra.get(reverse("provider_trail")))
    draft.refresh_from_db()
    assert draft.status == DraftStatus.DRAFT


def test_the_trail_is_paged_and_filtered(as_petra: Client, hub_plan: Plan, petra: User, now: datetime) -> None:
    draft = publishing.edit(hub_plan.offering, by=petra, at=now)
    for number in range(30):
        publishing.save_section(draft, section="access", values={"support": f"Forum {number}"}, by=petra, at=now)
    url = reverse("provider_trail")

    first = as_petra.get(url)
    older = soup(first).select_one("a[rel=next]")
    assert older is not None
    second = as_petra.get(str(older["href"]))

    assert len(soup(first).select("tbody tr")) == 25
    assert len(soup(second).select("tbody tr")) == Event.objects.filter(name__startswith="offering_draft.").count() - 25
    assert "Draft started" in words(as_petra.get(url, {"event": "offering_draft.start"}))
    assert "No events match" in words(as_petra.get(url, {"actor": "Nobody"}))


def test_maintenance_is_announced_and_cancelled(as_petra: Client, hub_plan: Plan, now: datetime) -> None:
    url = reverse("maintenance")
    typed = {"affects": "Sign-in", "where": f"offering-{hub_plan.offering_id}"}

    past = fill(as_petra, url, **typed, starts_at="2026-11-01T08:00", ends_at="2026-11-01T10:00")
    assert errors(past) == ["From (UTC): Maintenance cannot be announced for the past."]
    fill(as_petra, url, **typed, starts_at="2026-11-03T08:00", ends_at="2026-11-03T10:00")
    window = MaintenanceWindow.objects.get()
    assert "Sign-in" in words(as_petra.get(url))
    as_petra.post(reverse("maintenance_window", args=[window.pk]), {"do": "cancel"})

    window.refresh_from_db()
    assert window.cancelled_at == now


def test_retirement_is_announced_and_taken_back(as_petra: Client, hub_plan: Plan, batch_plan: Plan) -> None:
    slug = hub_plan.offering.slug
    url = reverse("offering_retire", args=[slug])

    early = fill(as_petra, url, retires_on="2026-11-20")
    assert "People need 60 days" in errors(early)[0]
    fill(as_petra, url, retires_on="2027-01-31", replaced_by=batch_plan.offering.slug)
    manage = reverse("offering_manage", args=[slug])
    assert "Retires on" in words(as_petra.get(manage))
    as_petra.post(reverse("offering_keep", args=[slug]))

    assert Offering.objects.get(slug=slug).retires_on is None


def test_the_list_of_offerings_asks_as_much_for_many(
    as_petra: Client, hub_platform: Platform, petra: User, now: datetime
) -> None:
    assert_queries_do_not_grow(
        as_petra, reverse("offerings"), rows=_with_offerings(hub_platform, petra, now), few=2, many=20
    )


def _with_offerings(platform: Platform, petra: User, now: datetime) -> Callable[[int], None]:
    def make(count: int) -> None:
        for number in range(Offering.objects.count(), count):
            offering = Offering.objects.create(
                slug=f"offering-{number}",
                platform=platform,
                name=f"Offering {number}",
                summary="…",
                tier="platform",
                service_types=["IDE"],
                updated_at=now,
            )
            publishing.edit(offering, by=petra, at=now)

    return make


# --- what readers see -------------------------------------------------------------------------------------------------


def test_near_maintenance_is_on_the_offering_its_card_and_its_allocations(
    client: Client, as_alice: Client, award: Award, hub_plan: Plan, petra: User, now: datetime
) -> None:
    allocation = award.allocations.get(plan=hub_plan)
    pages = ["/catalogue/", hub_plan.offering.get_absolute_url(), allocation.get_absolute_url()]
    window = notices.announce_maintenance(
        hub_plan.offering.platform,
        starts_at=now + timedelta(days=2),
        ends_at=now + timedelta(days=2, hours=3),
        affects="Sign-in",
        by=petra,
        at=now,
    )

    for page in pages:
        assert "Maintenance 4 Nov, 10:00 to 13:00 UTC" in words(as_alice.get(page)), page
    assert "Maintenance" not in words(as_alice.get(award.allocations.exclude(plan=hub_plan).get().get_absolute_url()))

    notices.cancel_maintenance(window, by=petra, at=now)
    for page in pages:
        assert "Maintenance 4 Nov" not in words(as_alice.get(page)), page


def test_a_retired_offering_is_read_at_its_address_and_not_asked_for(
    client: Client, hub_plan: Plan, batch_plan: Plan, petra: User, now: datetime, clock: Clock
) -> None:
    address = hub_plan.offering.get_absolute_url()
    notices.retire(
        hub_plan.offering,
        retires_on=now.date() + timedelta(days=60),
        replaced_by=batch_plan.offering,
        by=petra,
        at=now,
    )
    assert "Retires on 1 Jan 2027" in words(client.get(address))
    assert "/requests/new/" in client.get(address).content.decode()

    notices.unlist_retired(at=clock.forward(days=61))

    page = client.get(address)
    assert "Retired on 1 Jan 2027" in words(page)
    assert soup(page).select_one(f'.notice a[href="{batch_plan.offering.get_absolute_url()}"]') is not None
    assert "/requests/new/" not in page.content.decode()
    assert hub_plan.offering.name not in words(client.get("/catalogue/"))


def test_news_is_on_the_offerings_page(
    client: Client, hub_plan: Plan, petra: User, now: datetime, clock: Clock
) -> None:
    notices.announce(hub_plan.offering, title="A new data centre", words="In Kiel.", by=petra, at=now)

    assert "A new data centre In Kiel." in words(client.get(hub_plan.offering.get_absolute_url()))


def test_the_review_queue_leads_to_offerings_to_approve(
    as_maria: Client, hub_plan: Plan, petra: User, now: datetime
) -> None:
    draft = publishing.edit(hub_plan.offering, by=petra, at=now)
    publishing.save_plan(draft, slug="", values={"name": "Large"}, by=petra, at=now)
    publishing.submit(draft, by=petra, at=now)

    queue = soup(as_maria.get(reverse("review")))
    assert queue.select_one(f'a[href="{reverse("offering_approvals")}"]') is not None


def test_what_was_published_is_read_with_the_days_it_was_published_with(
    signed_in: Callable[[User], Client],
    hub_plan: Plan,
    petra: User,
    maria: User,
    marc: User,
    now: datetime,
    clock: Clock,
) -> None:
    draft = publishing.edit(hub_plan.offering, by=petra, at=now)
    plan = draft.content["plans"][0]
    components = [{**each, "rate": {**each["rate"], "credits": "0.01"}} for each in plan["components"]]
    publishing.save_plan(draft, slug="standard", values={**plan, "components": components}, by=petra, at=now)
    publishing.submit(draft, by=petra, at=now)
    publishing.approve(draft, by=marc, at=now)

    clock.forward(days=30)

    page = words(signed_in(maria).get(reverse("offering_approval", args=[draft.pk])))
    assert "0.01 credits for each vCPU-hour from 2026-11-02" in page
    assert "Decide" not in page
