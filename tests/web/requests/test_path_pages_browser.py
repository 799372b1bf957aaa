"""Asking and deciding in a real browser: accessible, light and dark, on a phone, by keyboard, without script."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Dialog, Page, expect

from earthcode.catalogue.models import Plan
from earthcode.catalogue.pricing import Workload
from earthcode.identity.models import Project, User
from earthcode.lib.money import credits
from earthcode.provisioning.models import Allocation
from earthcode.sponsorship import actions as sponsorship
from earthcode.sponsorship.models import Award, Call, RequestStatus, ResourceRequest
from tests.support.browser import AXE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
CASE = "We measure **snow mass**.\n\n## Data\n\n- Sentinel-1\n- field work\n"

Open = Callable[..., Page]


@pytest.fixture
def queue(
    project: Project, call: Call, hub_plan: Plan, batch_plan: Plan, workload: Workload, alice: User, now: datetime
) -> list[ResourceRequest]:
    """Three requests in review, the first one late."""
    sent = []
    for number, (title, days) in enumerate((("Alpine snow", 16), ("Sea ice", 12), ("Peat", 0))):
        at = now - timedelta(days=days)
        draft = sponsorship.start(title=title, project=project, by=alice, at=at)
        for plan in (hub_plan, batch_plan)[: 1 + number % 2]:
            sponsorship.save_line(draft, plan=plan, workload=workload, by=alice, at=at)
        sponsorship.save_period(draft, starts_on=date(2026, 12, 1), by=alice, at=at)
        sponsorship.save_case(draft, science_case=CASE, by=alice, at=at)
        sponsorship.save_declarations(
            draft, non_commercial=True, no_provider_tie=True, will_publish=number == 0, by=alice, at=at
        )
        sponsorship.submit(draft, by=alice, at=at)
        sent.append(draft)
    return sent


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (1280, "dark"), (390, "light"), (320, "dark")])
def test_a_page_can_be_used_by_everybody(
    visit: Open,
    complaints: list[str],
    queue: list[ResourceRequest],
    award: Award,
    hub_plan: Plan,
    batch_plan: Plan,
    unpriced_plan: Plan,
    alice: User,
    maria: User,
    tomas: User,
    project: Project,
    stranger: User,
    now: datetime,
    width: int,
    theme: str,
) -> None:
    fresh = sponsorship.start(title="Ice", project=project, by=alice, at=now)
    ready = sponsorship.copy(queue[1], by=alice, at=now)
    sponsorship.ask(queue[1], reason="Which sites?\n\nAnd why?", by=maria, at=now)
    sponsorship.reject(queue[2], reason="Too vague.", by=maria, at=now)
    project.technical_officer = tomas
    project.save()
    of_ready = f"/requests/{ready.reference}/edit"
    wrong = {}
    for person, paths in (
        (stranger, ["/requests/", "/requests/new/", "/projects/", "/projects/new/"]),
        (
            alice,
            [
                "/requests/",
                "/requests/?state=approved",
                f"/requests/new/?plan={hub_plan.pk}",
                f"/requests/new/?plan={unpriced_plan.pk}",
                f"/requests/{fresh.reference}/edit/",
                *(f"{of_ready}/{task}/" for task in ("project", "platforms", "period", "case", "check")),
                f"/requests/{fresh.reference}/edit/platforms/?plan={batch_plan.pk}",
                f"/requests/{fresh.reference}/edit/check/",
                *(f"/requests/{each.reference}/" for each in [*queue, award.resource_request, fresh]),
                "/projects/",
                "/projects/alpine-snow/",
            ],
        ),
        (tomas, [f"/requests/{queue[0].reference}/"]),
        (maria, ["/review/", f"/review/{queue[0].reference}/", "/review/?state=decided", "/review/?state=waiting"]),
    ):
        page = visit(person, width=width, theme=theme)
        for path in paths:
            page.goto(path)
            sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            found = Axe().run(page, options=AXE)
            if sideways > 0 or complaints or found.violations_count:
                report = found.generate_report() if found.violations_count else ""
                wrong[f"{path} for {person}"] = (sideways, list(complaints), report)
            complaints.clear()

    assert wrong == {}


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_from_an_estimate_to_a_decision(
    visit: Open,
    complaints: list[str],
    alice: User,
    maria: User,
    project: Project,
    call: Call,
    hub_plan: Plan,
    batch_plan: Plan,
    script: bool,
) -> None:
    page = visit(alice, script=script)
    page.goto(f"/requests/new/?plan={hub_plan.pk}&cpu=8&hours=60&gb=500&months=6")
    page.get_by_label("What is the work called?").fill("Alpine snow mass balance")
    page.get_by_role("button", name="Start the request").click()

    # The second platform is chosen from the list, and its numbers are changed before it is added.
    page.get_by_role("link", name="Platforms and cost").click()
    page.get_by_label("Platform and plan").select_option(label="Batch on Batch Cluster, Standard")
    page.get_by_role("button", name="Choose this plan").click()
    expect(page.get_by_role("button", name="Add for 144 credits")).to_be_visible()
    page.locator(f"#id_{batch_plan.pk}_cpu").fill("16")
    page.get_by_role("button", name="Add for 144 credits").click()
    expect(page.get_by_text("Batch on Batch Cluster, Standard: 288 credits.")).to_be_visible()
    expect(page.locator(".sum")).to_contain_text("578.4")
    page.get_by_role("button", name="Save and continue").click()

    page.get_by_role("link", name="Period").click()
    page.get_by_label("First day").fill("2026-12-01")
    page.get_by_role("button", name="Save and continue").click()
    page.get_by_role("link", name="Science case").click()
    page.get_by_label("Science case").fill(CASE)
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="Data")).to_be_visible()
    page.get_by_role("button", name="Save and continue").click()

    page.get_by_role("link", name="Check and submit").click()
    send = page.get_by_role("button", name="Submit request for 578.4 credits")
    send.click()
    expect(page.get_by_text("There is a problem")).to_be_visible()
    page.get_by_label("The work is research and earns no revenue.").check()
    page.get_by_label("Nobody in the project works for").check()
    send.click()
    expect(page.get_by_text("You hear from ESA by 16 Nov 2026.")).to_be_visible()

    officer = visit(maria, script=script)
    officer.goto("/review/")
    officer.get_by_label("Approve in full").check()
    officer.get_by_label("Reason").fill("Good science.")
    officer.get_by_role("button", name="Grant 578.4 credits").click()
    expect(officer.get_by_text("Nothing waits for a decision.")).to_be_visible()
    page.reload()

    expect(page.get_by_text("ESA granted 578.4 credits")).to_be_visible()
    expect(page.get_by_text("Setting up", exact=True)).to_have_count(2)
    assert Award.objects.get().amount == credits("578.4")
    assert Allocation.objects.count() == 2
    assert [said for said in complaints if "422" not in said] == []


def test_the_queue_is_walked_and_decided_by_keys(visit: Open, queue: list[ResourceRequest], maria: User) -> None:
    page = visit(maria)
    page.goto("/review/")

    page.keyboard.press("j")
    expect(page.get_by_role("heading", level=1, name="Sea ice")).to_be_visible()
    page.keyboard.press("k")
    expect(page.get_by_role("heading", level=1, name="Alpine snow")).to_be_visible()
    expect(page.get_by_role("button", name="Record the decision")).to_be_visible()
    for key, words in (("a", "Grant 290.4 credits"), ("q", "Ask the applicant"), ("r", "Reject the request")):
        page.keyboard.press(key)
        expect(page.get_by_role("button", name=words)).to_be_visible()
    # Typed into the reason, the same keys are letters.
    page.get_by_label("Reason").press_sequentially("quarterly")
    expect(page.get_by_label("Reject")).to_be_checked()
    page.get_by_role("button", name="Reject the request").click()

    expect(page.get_by_text(f"{queue[0].reference} is rejected.")).to_be_visible()
    assert ResourceRequest.objects.get(pk=queue[0].pk).status == RequestStatus.REJECTED


def test_keys_that_were_switched_off_do_nothing(
    visit: Open, queue: list[ResourceRequest], maria: User, live_server: object
) -> None:
    page = visit(maria)
    page.context.add_cookies([{"name": "nor_shortcuts", "value": "off", "url": str(live_server)}])
    page.goto("/review/")

    page.keyboard.press("a")
    page.keyboard.press("j")

    expect(page.get_by_label("Approve in full")).not_to_be_checked()
    expect(page.get_by_role("heading", level=2, name="Alpine snow")).to_be_visible()


def test_on_a_phone_the_list_and_the_dossier_are_two_pages(
    visit: Open, queue: list[ResourceRequest], maria: User
) -> None:
    page = visit(maria, width=390)
    page.goto("/review/")
    expect(page.get_by_role("heading", level=1, name="Review queue")).to_be_visible()
    expect(page.get_by_role("group", name="Decision")).to_be_hidden()

    page.get_by_role("link", name="Sea ice").click()
    expect(page.get_by_role("heading", level=1, name="Sea ice")).to_be_visible()
    expect(page.get_by_role("group", name="Decision")).to_be_visible()
    expect(page.locator("ul.queue")).to_be_hidden()
    page.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Review queue").click()

    expect(page.locator("ul.queue")).to_be_visible()


def test_an_error_is_announced_and_leads_to_its_field(visit: Open, queue: list[ResourceRequest], maria: User) -> None:
    page = visit(maria)
    page.goto(f"/review/{queue[0].reference}/")

    page.get_by_label("Reject").check()
    page.get_by_role("button", name="Reject the request").click()
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_role("alert").get_by_role("link").click()

    expect(page.get_by_label("Reason")).to_be_focused()


def test_leaving_with_unsaved_text_is_asked_about_and_words_are_counted(
    visit: Callable[..., Page], complete_draft: ResourceRequest, call: Call, alice: User
) -> None:
    page = visit(alice)
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.goto(f"/requests/{complete_draft.reference}/edit/case/")
    page.get_by_label("Science case").click()
    page.get_by_label("Science case").fill("word " * 301)
    expect(page.locator("[data-words]")).to_contain_text("301 of at most 300 words")
    expect(page.locator("[data-words] span")).to_be_visible()

    page.get_by_role("link", name="Back without saving").click(no_wait_after=True)
    expect(page.get_by_label("Science case")).to_be_visible()
    assert asked == ["beforeunload"]
    page.get_by_label("Science case").fill("Three short words")
    expect(page.locator("[data-words] span")).to_be_hidden()
    expect(page.locator("[data-words]")).to_contain_text("3 of at most 300 words")
    page.get_by_role("button", name="Save and continue").click()
    page.wait_for_url(f"**/requests/{complete_draft.reference}/edit/")
    assert asked == ["beforeunload"]
