"""The first whole path, as three people walk it: from the catalogue to a running notebook, and back.

Everything is real: the site with its worker and clock, the single sign-on, the JupyterHub, the browser.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from playwright.sync_api import APIResponse, Browser, BrowserContext, Page, expect

from earthcode.demo.stack import Stack
from tests.support.browser import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.platform, pytest.mark.slow]

#: The ways to read the site that the path must work in.
WAYS: dict[str, dict[str, Any]] = {
    "desktop, light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "phone, dark, no JavaScript": {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "dark",
        "java_script_enabled": False,
    },
}

MINUTE_MS = 60_000


class Walker:
    """One person with a browser of their own."""

    def __init__(self, stack: Stack, context: BrowserContext, name: str, *, scripted: bool) -> None:
        self.stack = stack
        self.site = stack.config.site_url
        self.hub = stack.config.hub_url
        self.context = context
        self.name = name
        self.page: Page = context.new_page()
        self.page.set_default_timeout(30_000)
        self.visitor = Visitor(self.page, of=self.site, scripted=scripted)

    def go(self, path: str) -> None:
        self.page.goto(f"{self.site}{path}")
        self.visitor.check()

    def press(self, name: str) -> None:
        """Press the link or button of this name, and look at where it leads."""
        button = self.page.get_by_role("main").get_by_role("button", name=name)
        link = self.page.get_by_role("main").get_by_role("link", name=name)
        button.or_(link).first.click()
        self.page.wait_for_load_state()
        self.visitor.check()

    def sign_in(self) -> None:
        self.page.goto(f"{self.site}/accounts/login/?next=/home/")
        self.page.get_by_role("button", name=self.name).click()
        self.page.wait_for_url(f"{self.site}/home/")
        self.visitor.check()

    # --- at the hub --------------------------------------------------------------------------------------------------

    def sign_in_at_the_hub(self) -> None:
        """The same single sign-on lets the person in without asking again."""
        self.page.goto(f"{self.hub}/hub/home")
        self.page.wait_for_url(f"{self.hub}/hub/home")

    def ask_hub(self, method: str, path: str) -> APIResponse:
        """Ask the hub's API in this person's own browser session."""
        token = next(c["value"] for c in self.context.cookies(f"{self.hub}/hub/") if c["name"] == "_xsrf")
        return self.context.request.fetch(
            f"{self.hub}{path}",
            method=method,
            headers={"X-XSRFToken": token, "Referer": f"{self.hub}/hub/home"},
        )


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> dict[str, Any]:
    return WAYS[request.param]


@pytest.fixture
def walker(stack: Stack, browser: Browser, way: dict[str, Any]) -> Iterator[Callable[[str], Walker]]:
    contexts: list[BrowserContext] = []

    def make(name: str) -> Walker:
        contexts.append(browser.new_context(**way))
        return Walker(stack, contexts[-1], name, scripted=way.get("java_script_enabled", True))

    yield make
    for context in contexts:
        context.close()


def server_of(stack: Stack, username: str) -> dict[str, Any] | None:
    """The person's server as the hub's own administrator sees it; None if there is none."""
    answer = httpx.get(
        f"{stack.config.hub_url}/hub/api/users/{username}",
        headers={"Authorization": f"token {stack.config.hub_token}"},
        timeout=30,
    )
    server = answer.json().get("servers", {}).get("") if answer.status_code == 200 else None
    return server or None


def wait_until(holds: Callable[[], bool], page: Page, what: str, *, timeout_s: int = 60) -> None:
    for _ in range(timeout_s * 4):
        if holds():
            return
        page.wait_for_timeout(250)
    pytest.fail(f"did not happen within {timeout_s} s: {what}")


def test_first_path(stack: Stack, walker: Callable[[str], Walker], way: dict[str, Any]) -> None:
    scripted = way.get("java_script_enabled", True)

    # Alice is known at the hub and may not start a server there.
    alice = walker("Alice Martin")
    alice.go("/")
    alice.sign_in()
    alice.sign_in_at_the_hub()
    assert alice.ask_hub("POST", "/hub/api/users/alice/server").status == 403

    # She makes a project with a second member.
    alice.go("/projects/new/")
    title = f"Glacier melt {datetime.now(UTC):%H%M%S%f}"
    alice.page.get_by_label("Title").fill(title)
    alice.press("Start the project")
    alice.page.get_by_role("main").get_by_label("EarthCODE username").fill("ben")
    alice.press("Add to the project")
    expect(alice.page.get_by_role("main")).to_contain_text("Ben Okafor")

    # She finds the first platform in the catalogue, for her workload, misspelt, and takes it into a request.
    alice.go("/catalogue/?q=demonstraton+notebook&cpu=4&ram=16&hours=40&gb=100&months=3")
    alice.page.get_by_role("main").get_by_role("link", name=re.compile("Demonstration")).first.click()
    alice.visitor.check()
    alice.press("Request")
    alice.page.get_by_label("What is the work called?").fill(f"{title}: runoff")
    alice.page.get_by_label("Project").select_option(label=title)
    alice.press("Start the request")
    reference = re.search(r"NOR-\d{4}-\d{4,}", alice.page.url)
    assert reference is not None
    request_path = f"/requests/{reference[0]}/"

    # The hub of tasks: a second platform, the period, the case.
    alice.go(f"{request_path}edit/platforms/")
    plan = alice.page.get_by_label("Platform and plan")
    batch = plan.locator("option", has_text="batch").first.get_attribute("value")
    plan.select_option(value=batch)
    alice.press("Choose this plan")
    alice.press("Add")
    expect(alice.page.locator("main")).to_contain_text("credits")
    alice.press("Save and continue")
    alice.go(f"{request_path}edit/period/")
    alice.page.get_by_label("First day").fill(f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}")
    alice.press("Save and continue")
    alice.go(f"{request_path}edit/case/")
    alice.page.get_by_label("Science case").fill("We map **glacier runoff** from Sentinel-1 and Sentinel-2.")
    alice.press("Save and continue")

    # Check and submit.
    alice.go(f"{request_path}edit/check/")
    for declaration in ("earns no revenue", "a provider that this request would pay", "publish the results"):
        alice.page.get_by_label(re.compile(declaration)).check()
    alice.press("Submit request for")
    expect(alice.page.get_by_role("main")).to_contain_text("In review")

    # Maria sees it in the queue with its checks, and approves it.
    maria = walker("Maria Rossi")
    maria.sign_in()
    maria.go("/review/")
    maria.go(f"/review/{reference[0]}/")
    expect(maria.page.get_by_role("main")).to_contain_text("Nobody in the project belongs to a provider it asks for.")
    maria.page.get_by_label(re.compile("Approve")).check()
    maria.page.get_by_label("Reason").fill("Good science on open data.")
    maria.press("Grant")
    maria.go(f"/review/{reference[0]}/")
    expect(maria.page.get_by_role("main")).to_contain_text("Approved")

    # The worker sets up both platforms; Alice's page tells.
    for number, words in ((1, "Active"), (2, "Active")):
        path = f"/allocations/{reference[0]}-{number}/"

        def is_active(path: str = path, words: str = words) -> bool:
            alice.page.goto(f"{alice.site}{path}")
            return words in alice.page.locator("main").inner_text()

        wait_until(is_active, alice.page, f"{path} is {words}")
        alice.visitor.check()

    # She opens the platform: signed in by the same single sign-on, her server starts.
    hub_allocation = f"/allocations/{reference[0]}-1/"
    alice.go(hub_allocation)
    expect(alice.page.get_by_role("main")).to_contain_text("Demonstration notebooks")
    with alice.page.expect_popup() as popup:
        alice.page.get_by_role("main").get_by_role("link", name="Open platform").click()
    tab = popup.value
    if scripted:
        tab.wait_for_url(re.compile(r"/user/alice/lab"), timeout=2 * MINUTE_MS)
        expect(tab.locator("#jp-main-dock-panel")).to_be_visible(timeout=2 * MINUTE_MS)
    wait_until(
        lambda: bool((server_of(stack, "alice") or {}).get("ready")), alice.page, "Alice's server runs", timeout_s=120
    )

    # Maria ends the allocation; the hub stops the server and refuses again.
    maria.go(hub_allocation)
    maria.press("End allocation")
    maria.page.get_by_label("Reason").fill("The demonstration is over.")
    maria.press("End allocation")
    wait_until(lambda: server_of(stack, "alice") is None, maria.page, "Alice's server is stopped", timeout_s=120)

    def is_closed() -> bool:
        maria.page.goto(f"{maria.site}{hub_allocation}")
        return "Ended" in maria.page.locator("main").inner_text()

    wait_until(is_closed, maria.page, "the allocation is closed")
    alice.sign_in_at_the_hub()
    assert alice.ask_hub("POST", "/hub/api/users/alice/server").status == 403
    alice.go(hub_allocation)
    expect(alice.page.get_by_role("link", name="Open platform")).to_have_count(0)

    assert alice.visitor.complaints == []
    assert maria.visitor.complaints == []
    assert len(alice.visitor.seen) > 15
