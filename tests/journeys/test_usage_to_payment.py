"""From use to payment on real parts: a notebook runs, is metered, runs out of credits, is given some back, and is paid.

The hub, the single sign-on, the worker, the broker and the browser are real. What people do on pages that other tests walk is
done by the actions themselves, in the site's own process environment, so that the month can end without waiting for it.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from earthcode.demo.config import BASE_DIR
from earthcode.demo.stack import Stack
from tests.journeys.test_first_path import Walker, server_of, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.platform, pytest.mark.slow]

_BEGIN = """
import json, uuid
from datetime import UTC, datetime, timedelta
import django
django.setup()
from django.core.management import call_command
from django.utils import timezone
from earthcode.audit.actors import CLOCK
from earthcode.catalogue.models import Plan
from earthcode.catalogue.pricing import Workload
from earthcode.identity import projects
from earthcode.identity.models import User
from earthcode.ledger import queries as books
from earthcode.notifications.models import Message
from earthcode.provisioning import actions as provisioning
from earthcode.provisioning.models import Allocation
from earthcode.settlement import polling, refunds, statements, tasks
from earthcode.settlement.actions import record_usage
from earthcode.settlement.models import Channel, Charge, Feed, Statement
from earthcode.sponsorship import actions as sponsorship
now = timezone.now()
alice, maria, petra = (User.objects.get(preferred_username=name) for name in ("alice", "maria", "petra"))
told = None
"""

GRANT = """
project = projects.create_project(title="Firn lines", summary="Where snow stays.", by=alice, at=now)
alice.forget_grants()
request = sponsorship.start(title="Firn lines of ten glaciers", project=project, by=alice, at=now)
plan = Plan.objects.get(offering__platform__slug="demo-hub", slug="pay-per-use")
workload = Workload.from_params({"cpu": "2", "ram": "4", "hours": "10", "gb": "10", "months": "1"})
sponsorship.save_line(request, plan=plan, workload=workload, by=alice, at=now)
sponsorship.save_period(request, starts_on=now.date(), by=alice, at=now)
sponsorship.save_case(request, science_case="We map firn lines.", by=alice, at=now)
sponsorship.save_declarations(request, non_commercial=True, no_provider_tie=True, will_publish=True, by=alice, at=now)
sponsorship.submit(request, by=alice, at=now)
told = provisioning.grant(request, reason="Good science.", by=maria, at=now).allocations.get().reference
"""

#: What follows names the allocation that GRANT made.
_FOUND = "found = Allocation.objects.select_related('platform').get(reference={reference!r})\n"

POLL = """
polling.open_feeds(at=now)
Feed.objects.filter(allocation=found).update(due_at=now - timedelta(days=1))
polling.read_next(clock=timezone.now)
told = Charge.objects.filter(allocation=found, record__report__channel="poll").count()
"""

REPORT = """
term = next(each for each in found.terms if each["metric"] == {metric!r})
line = {{
    "id": {record!r}, "allocation": found.reference, "component": term["label"], "unit": {metric!r},
    "quantity": f"{{found.amount * {percent} / 100 / float(term['micro_per_unit']):.3f}}",
    "used_from": found.active_from, "used_until": timezone.now(), "person": "alice",
}}
outcome = record_usage(found.platform, [line], channel=Channel.API, by=petra, at=timezone.now())
assert not outcome.refusals, outcome.refusals
tasks.tell_alerts()
told = list(Message.objects.filter(key__startswith=f"{{found.reference}}:used-", recipient=alice.public_id)
            .order_by("pk").values_list("subject", flat=True))
"""

REFUND = """
charge = Charge.objects.filter(allocation=found, kind="usage").order_by("-amount").first()
refunds.refund(charge, charge.amount // 2, reason="A failed job.", key=uuid.uuid4(), by=petra, at=now)
tasks.tell_alerts()
"""

PAY = """
later = (now.replace(day=1) + timedelta(days=32)).replace(day=2)
statements.issue_due(by=CLOCK, at=later)
line = Statement.objects.filter(lines__allocation=found).distinct().get()
lines = list(line.lines.filter(allocation=found, amount__gt=0).order_by("amount"))
statements.answer(line, {{lines[0].place: "We measured less."}}, by=petra, at=later)
statements.approve(line, by=maria, at=later)
statements.add_invoice(line, number=f"INV-{{line.number}}", by=petra, at=later)
statements.record_payment(line, paid_on=later.date(), reference="SEPA 7", by=maria, at=later)
line.refresh_from_db()
told = [line.status, len(lines), line.total, line.agreed, lines[0].amount]
"""

VERIFY = """
call_command("verify_ledger", verbosity=0, stdout=open("/dev/null", "w"))
call_command("verify_charges", verbosity=0, stdout=open("/dev/null", "w"))
told = True
"""


def on_site(stack: Stack, steps: str) -> Any:
    """Run steps as the site does, with its settings and its login; what they set ``told`` to."""
    done = subprocess.run(
        [sys.executable, "-c", f"{_BEGIN}{steps}\nprint(json.dumps(told))"],
        env=stack.config.environment(),
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def alice(stack: Stack, browser: Browser) -> Iterator[Walker]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield Walker(stack, context, "Alice Martin", scripted=True)
    context.close()


def test_usage_to_payment(stack: Stack, alice: Walker) -> None:
    reference = on_site(stack, GRANT)

    def after(steps: str, **values: Any) -> Any:
        return on_site(stack, _FOUND.format(reference=reference) + (steps.format(**values) if "{{" in steps else steps))

    def becomes(words: str) -> Callable[[], bool]:
        def look() -> bool:
            alice.page.goto(f"{alice.site}/allocations/{reference}/")
            return words in alice.page.locator(".object-head").inner_text()

        return look

    # Granted: the worker sets access up, and her server starts.
    alice.sign_in()
    wait_until(becomes("Active"), alice.page, "access is there")
    alice.sign_in_at_the_hub()
    assert alice.ask_hub("POST", "/hub/api/users/alice/server").status in (201, 202)
    wait_until(
        lambda: bool((server_of(stack, "alice") or {}).get("ready")), alice.page, "the server runs", timeout_s=120
    )

    # What the hub tells of it is charged; what the provider reports besides brings it past three quarters.
    assert after(POLL) > 0
    assert any("75%" in subject for subject in after(REPORT, record="j1", metric="vcpu_hour", percent=80))

    # All is used: nothing new starts at the hub.
    after(REPORT, record="j2", metric="gb_month", percent=2)
    assert any("All credits" in each for each in after(REPORT, record="j3", metric="vcpu_hour", percent=20))
    wait_until(becomes("Suspended"), alice.page, "it is suspended")
    expect(alice.page.locator(".process")).to_contain_text("No new work")
    # Whoever is suspended does not reach their server through the hub's API any more: its administrator stops it.
    stopped = httpx.delete(
        f"{stack.config.hub_url}/hub/api/users/alice/server",
        headers={"Authorization": f"token {stack.config.hub_token}"},
        timeout=30,
    )
    assert stopped.status_code in (202, 204)
    wait_until(lambda: server_of(stack, "alice") is None, alice.page, "the server is stopped")
    assert alice.ask_hub("POST", "/hub/api/users/alice/server").status == 403

    # The provider gives some back: it starts again.
    after(REFUND)
    wait_until(becomes("Active"), alice.page, "it is resumed")
    assert alice.ask_hub("POST", "/hub/api/users/alice/server").status in (201, 202)

    # The month ends: one line is disputed, the rest agreed, approved, invoiced and paid, and the books agree.
    status, lines, total, agreed, disputed = after(PAY)
    assert status == "paid"
    assert lines > 1
    assert agreed == total - disputed
    assert after(VERIFY)
    assert alice.visitor.complaints == []
