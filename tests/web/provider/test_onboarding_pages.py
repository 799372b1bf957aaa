"""Becoming a provider on the site, without JavaScript: both sides."""

import html
from datetime import datetime

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from earthcode.catalogue.models import Platform
from earthcode.identity.models import User
from earthcode.onboarding import actions as onboarding
from earthcode.onboarding.models import Application, ApplicationItem, ApplicationStatus, CheckRun, ItemStatus, Outcome
from tests.support.onboarding import EVIDENCE, START
from tests.support.pages import errors, in_one_line, words
from tests.support.queries import assert_queries_do_not_grow
from tests.support.visits import link, page_of

ABOUT = {
    "organisation_name": "Glacier Cloud",
    "country": "CH",
    "platform_name": "Glacier Cubes",
    "kinds": ["infrastructure"],
}


@pytest.fixture
def draft_application(stranger: User, now: datetime) -> Application:
    return onboarding.start(**START, by=stranger, at=now)


@pytest.fixture
def sent_application(draft_application: Application, stranger: User, now: datetime) -> Application:
    for requirement in draft_application.requirements:
        code = requirement.code
        onboarding.give(draft_application, code, evidence=EVIDENCE[code], by=stranger, at=now)
    onboarding.submit(draft_application, by=stranger, at=now)
    return draft_application


def test_a_visitor_reads_what_is_asked_and_finds_the_way_in(client: Client, db: None) -> None:
    page = page_of(client, "/providers/")

    assert "EarthCODE single sign-on" in in_one_line(page)
    begin = link(page, "Apply to become a provider")
    assert begin is not None
    assert client.get(str(begin["href"])).status_code == 302  # to the single sign-on
    assert link(page_of(client, "/"), "Providers") is not None


def test_from_the_application_to_a_provider_with_one_item_returned(
    as_stranger: Client, as_maria: Client, stranger: User
) -> None:
    response = as_stranger.post("/applications/new/", ABOUT)
    hub = response.headers["Location"]
    reference = hub.strip("/").rpartition("/")[2]
    assert "10 items are still to do" in words(as_stranger.get(hub))
    assert as_maria.get(f"/review/applications/{reference}/").status_code == 404

    tasks = [str(each["href"]) for each in page_of(as_stranger, hub).select(".task-list a")]
    for task in tasks:
        code = task.strip("/").rpartition("/")[2]
        assert as_stranger.post(task, EVIDENCE[code]).headers["Location"] == hub
    assert "10 of 10 done" in words(as_stranger.get(hub))
    as_stranger.post(f"{hub}send/")

    review = f"/review/applications/{reference}/"
    assert reference in words(as_maria.get("/review/applications/"))
    for task in tasks:
        code = task.strip("/").rpartition("/")[2]
        if code != "sla":
            as_maria.post(f"{review}items/{code}/", {"do": "accept", "comment": ""})
    answer = as_maria.post(f"{review}items/sla/", {"do": "return", "comment": "How is it measured?"})
    assert answer.headers["Location"] == f"{review}#sla"
    as_maria.post(review, {"decision": "return", "reason": "One item to mend."})

    page = words(as_stranger.get(hub))
    assert "ESA needs more" in page
    assert "How is it measured?" in page
    as_stranger.post(f"{hub}items/sla/", {**EVIDENCE["sla"], "availability": "99.5 %, from outside"})
    as_stranger.post(f"{hub}send/", {"answer": "It says so now."})
    as_maria.post(f"{review}items/sla/", {"do": "accept", "comment": "Thank you."})
    as_maria.post(review, {"decision": "accept", "reason": "All there."})

    for client in (as_stranger, as_maria):
        exchange = words(client.get(hub))
        for said in ("How is it measured?", "One item to mend.", "It says so now.", "Thank you.", "All there."):
            assert said in exchange
    assert "Provider administrator" in words(as_stranger.get("/account/"))
    assert link(page_of(as_stranger, "/providers/"), "Administrators : Glacier Cloud") is not None
    assert as_stranger.get("/provider/glacier-cloud/administrators/").status_code == 200


def test_a_name_that_is_missing_is_asked_for_and_nothing_typed_is_lost(as_stranger: Client) -> None:
    response = as_stranger.post("/applications/new/", {**ABOUT, "organisation_name": ""})

    assert response.status_code == 422
    assert errors(response) == ["Fill in “Organisation”."]
    assert b'value="Glacier Cubes"' in response.content


def test_somebody_elses_organisation_is_refused_beside_its_name(as_stranger: Client, petra: User) -> None:
    response = as_stranger.post("/applications/new/", {**ABOUT, "organisation_name": "Hub House"})

    assert response.status_code == 422
    assert errors(response)[0].startswith("Organisation: Hub House has administrators here already.")
    assert not Application.objects.exists()


@pytest.mark.parametrize(
    ("code", "evidence", "label"),
    [
        (
            "documentation",
            {"documentation_url": "docs.glacier.example", "covers": "It <b>all</b>"},
            "Address of the documentation",
        ),
        (
            "documentation",
            {"documentation_url": "http://a:b@glacier.example/", "covers": "It <b>all</b>"},
            "Address of the documentation",
        ),
        ("execution", {"how": "It <b>all</b>"}, "openEO API"),
        ("access", {"rights": "It <b>all</b>"}, "Interface"),
    ],
)
def test_evidence_that_cannot_be_used_names_its_field_and_is_kept(
    code: str, evidence: dict[str, str], label: str, draft_application: Application, as_stranger: Client
) -> None:
    response = as_stranger.post(f"{draft_application.get_absolute_url()}items/{code}/", evidence)

    assert response.status_code == 422
    assert label in errors(response)[0]
    assert html.escape("It <b>all</b>") in response.content.decode()
    assert ApplicationItem.objects.get(code=code, application=draft_application).status == ItemStatus.TO_DO


def test_organisation_platform_and_kind_can_be_changed_until_it_is_sent(
    draft_application: Application, as_stranger: Client
) -> None:
    url = draft_application.get_absolute_url()

    as_stranger.post(f"{url}about/", {**ABOUT, "kinds": ["open_science", "infrastructure"]})

    assert "0 of 14 done" in words(as_stranger.get(url))
    assert "FAIR Open Science" in words(as_stranger.get(url))


def test_what_was_sent_can_be_read_and_not_changed(sent_application: Application, as_stranger: Client) -> None:
    url = sent_application.get_absolute_url()

    item = page_of(as_stranger, f"{url}items/documentation/")
    assert "It is there, and it works." in in_one_line(item)
    assert item.find("main").find("textarea") is None  # type: ignore[union-attr]
    assert as_stranger.get(f"{url}about/").headers["Location"] == url
    response = as_stranger.post(f"{url}items/documentation/", EVIDENCE["documentation"])
    assert response.status_code == 422
    assert "With ESA" in errors(response)[0]


def test_it_can_be_withdrawn_and_stays_to_read(sent_application: Application, as_stranger: Client) -> None:
    url = sent_application.get_absolute_url()

    as_stranger.post(f"{url}withdraw/")

    assert "Application withdrawn" in words(as_stranger.get(url))
    assert sent_application.reference in words(as_stranger.get("/providers/"))


def finds(item: str, outcome: Outcome, sentence: str, *, at: datetime) -> None:
    CheckRun.objects.filter(item__code=item).update(outcome=outcome, sentence=sentence, done_at=at)


def test_both_sides_read_what_a_machine_found(
    sent_application: Application, as_stranger: Client, as_maria: Client, now: datetime
) -> None:
    finds("documentation", Outcome.FAIL, "“glacier.example” has nothing at this address (code 404).", at=now)
    url, review = sent_application.get_absolute_url(), f"/review/applications/{sent_application.reference}/"

    assert "1 check failed" in words(as_stranger.get(url))
    assert "has nothing at this address" in words(as_stranger.get(f"{url}items/documentation/"))
    assert "has nothing at this address" in words(as_maria.get(review))
    refused = as_maria.post(f"{review}items/documentation/", {"do": "accept", "comment": ""})
    assert refused.status_code == 422
    assert errors(refused) == ["Comment: A check of this item fails. Say why you accept it all the same."]
    assert 'href="#documentation-comment"' in refused.content.decode()


def test_addresses_are_looked_at_again_on_demand(
    sent_application: Application, as_maria: Client, as_stranger: Client, now: datetime
) -> None:
    url = sent_application.get_absolute_url()
    soon = as_stranger.post(f"{url}check/", follow=True)
    assert "checked a moment ago" in soon.content.decode()
    CheckRun.objects.update(asked_at=now.replace(year=2025), outcome=Outcome.PASS, done_at=now)

    response = as_maria.post(f"{url}check/", {"from": "review"}, follow=True)

    assert "4 addresses are being checked" in response.content.decode()
    assert CheckRun.objects.filter(done_at=None).count() == 4


def test_evidence_is_shown_as_text_and_its_addresses_lead_nobody_astray(
    draft_application: Application, as_stranger: Client, stranger: User, now: datetime
) -> None:
    evidence = {"documentation_url": 'https://glacier.example/"><script>x</script>', "covers": "<script>x</script>"}
    onboarding.give(draft_application, "documentation", evidence=evidence, by=stranger, at=now)
    onboarding.withdraw(draft_application, by=stranger, at=now)

    page = as_stranger.get(f"{draft_application.get_absolute_url()}items/documentation/").content.decode()

    assert "<script>x" not in page
    anchor = BeautifulSoup(page, "html.parser").select_one("dl.answers a")
    assert anchor is not None
    assert "nofollow" in str(anchor["rel"])


@pytest.mark.parametrize("path", ["", "about/", "items/documentation/"])
def test_nobody_else_sees_a_draft(
    path: str, draft_application: Application, as_alice: Client, as_maria: Client
) -> None:
    for client in (as_alice, as_maria):
        assert client.get(f"{draft_application.get_absolute_url()}{path}").status_code == 404


def test_only_esa_has_a_list_of_applications(
    sent_application: Application, as_alice: Client, as_petra: Client, as_stranger: Client, as_maria: Client
) -> None:
    for client in (as_alice, as_petra, as_stranger):
        assert client.get("/review/applications/").status_code == 404
        assert client.get(f"/review/applications/{sent_application.reference}/").status_code == 404
    assert link(page_of(as_maria, "/review/"), "Applications of providers") is not None


def test_a_manager_who_wrote_it_is_told_why_they_do_not_decide(
    sent_application: Application, stranger: User, as_stranger: Client, now: datetime
) -> None:
    stranger.role_grants.create(role="esa_manager", claim="groups=x", granted_at=now)
    review = f"/review/applications/{sent_application.reference}/"

    page = page_of(as_stranger, review)

    assert "You wrote this application yourself." in in_one_line(page)
    assert page.select("main textarea") == []
    assert as_stranger.post(review, {"decision": "reject", "reason": "No."}).status_code == 422
    sent_application.refresh_from_db()
    assert sent_application.status == ApplicationStatus.SUBMITTED


def test_the_list_of_applications_does_not_ask_more_with_more_rows(
    sent_application: Application, stranger: User, as_maria: Client, now: datetime
) -> None:
    def rows(count: int) -> None:
        missing = count - Application.objects.count()
        made = Application.objects.bulk_create(
            Application(
                reference=f"APP-2025-{Application.objects.count() + number:04d}",
                status=ApplicationStatus.SUBMITTED,
                organisation_name="Glacier Cloud",
                platform_name=f"Cubes {number}",
                is_infrastructure=True,
                created_by=stranger,
                created_at=now,
                saved_at=now,
                submitted_by=stranger,
                submitted_at=now,
                status_since=now,
            )
            for number in range(missing)
        )
        ApplicationItem.objects.bulk_create(
            ApplicationItem(application=each, code="documentation", status_since=now) for each in made
        )

    assert_queries_do_not_grow(as_maria, "/review/applications/", rows=rows, many=60)


@pytest.mark.parametrize("side", ["applicant", "esa"])
def test_an_application_does_not_ask_more_with_more_items_and_a_longer_exchange(
    side: str, sent_application: Application, as_stranger: Client, as_maria: Client, stranger: User, now: datetime
) -> None:
    client = as_stranger if side == "applicant" else as_maria
    review = f"/review/applications/{sent_application.reference}/"
    url = sent_application.get_absolute_url() if side == "applicant" else review

    def rows(count: int) -> None:
        for _ in range(count):
            as_maria.post(f"{review}items/sla/", {"do": "return", "comment": "How?"})

    assert_queries_do_not_grow(client, url, rows=rows, few=1, many=5)


def test_the_accepted_platform_is_nowhere_in_the_catalogue_before_it_offers_something(
    sent_application: Application, as_maria: Client, client: Client
) -> None:
    review = f"/review/applications/{sent_application.reference}/"
    for requirement in sent_application.requirements:
        as_maria.post(f"{review}items/{requirement.code}/", {"do": "accept"})
    as_maria.post(review, {"decision": "accept", "reason": "All there."})

    assert Platform.objects.get(name="Glacier Cubes").provider.slug == "glacier-cloud"
    assert "Glacier Cubes" not in client.get("/catalogue/").content.decode()


def test_what_was_submitted_waits_on_the_first_page_of_those_who_decide(
    sent_application: Application, as_maria: Client, as_stranger: Client, maria: User, now: datetime
) -> None:
    address = f"/review/applications/{sent_application.reference}/"
    assert page_of(as_maria, "/home/").select_one(f'a[href="{address}"]') is not None
    assert page_of(as_stranger, "/home/").select_one(f'a[href="{address}"]') is None
    onboarding.reject(sent_application, reason="Not for research.", by=maria, at=now)
    assert page_of(as_maria, "/home/").select_one(f'a[href="{address}"]') is None
