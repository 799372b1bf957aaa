"""Checks wait as rows and are carried out once, whatever becomes of the worker."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from earthcode.identity.models import User
from earthcode.onboarding import actions as onboarding
from earthcode.onboarding import running
from earthcode.onboarding.checks import Finding
from earthcode.onboarding.models import Application, CheckRun, Outcome
from tests.support.onboarding import EVIDENCE
from tests.support.sites import Answer, serving

pytestmark = pytest.mark.django_db(transaction=True)


def give(application: Application, address: str, *, by: User, at: datetime) -> CheckRun:
    evidence = {"documentation_url": address, "covers": "Everything."}
    onboarding.give(application, "documentation", evidence=evidence, by=by, at=at)
    return CheckRun.objects.latest("pk")


def clock(at: datetime) -> Callable[[], datetime]:
    return lambda: at


def test_what_was_seen_is_kept_with_its_time(
    application: Application, stranger: User, now: datetime, settings: Any
) -> None:
    settings.FETCH_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    pages: dict[str, Answer] = {"/docs": (200, {"Content-Type": "text/html"}, "<title>Docs</title>")}
    with serving(pages) as site:
        run = give(application, f"{site}/docs", by=stranger, at=now)

        assert running.run_due(clock=clock(now + timedelta(seconds=5))) == 1

    run.refresh_from_db()
    assert (run.outcome, run.sentence) == (Outcome.PASS, "It answers with the page “Docs”.")
    assert run.done_at == now + timedelta(seconds=5)
    assert run.seen["title"] == "Docs"
    assert running.run_due(clock=clock(now + timedelta(hours=1))) == 0


def finds_nothing(*_: object) -> Finding:
    return Finding(Outcome.PASS, "It is there.")


def test_a_check_whose_evidence_changes_meanwhile_records_nothing(
    application: Application, stranger: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(application, "https://docs.glacier.example/", by=stranger, at=now)
    asked: list[str] = []

    def changes_meanwhile(run: CheckRun) -> Finding:
        asked.append(run.address)
        if len(asked) == 1:
            give(application, "https://elsewhere.example/", by=stranger, at=now)
        return finds_nothing()

    monkeypatch.setattr(running, "look_at", changes_meanwhile)
    running.run_due(clock=clock(now))

    assert asked == ["https://docs.glacier.example/", "https://elsewhere.example/"]
    assert CheckRun.objects.get().address == "https://elsewhere.example/"


def test_a_worker_that_dies_leaves_its_check_to_the_next_one(
    application: Application, stranger: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(application, "https://docs.glacier.example/", by=stranger, at=now)

    def dies(run: CheckRun) -> Finding:
        raise SystemExit("killed")

    monkeypatch.setattr(running, "look_at", dies)
    with pytest.raises(SystemExit):
        running.run_due(clock=clock(now))
    monkeypatch.setattr(running, "look_at", finds_nothing)

    assert running.run_due(clock=clock(now)) == 0
    assert running.run_due(clock=clock(now + running.LEASE)) == 1


def test_a_check_that_takes_its_workers_down_is_given_up(
    application: Application, stranger: User, now: datetime
) -> None:
    run = give(application, "https://docs.glacier.example/", by=stranger, at=now)
    CheckRun.objects.filter(pk=run.pk).update(attempts=running.ATTEMPTS_MAX)

    running.run_due(clock=clock(now))

    run.refresh_from_db()
    assert (run.outcome, run.sentence) == (Outcome.UNKNOWN, "This could not be checked.")


def test_slow_addresses_keep_one_worker_busy_and_no_more(
    application: Application, stranger: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(application, "https://docs.glacier.example/", by=stranger, at=now)
    onboarding.give(application, "sso", evidence=EVIDENCE["sso"], by=stranger, at=now)
    meanwhile: list[int] = []

    def takes_its_time(run: CheckRun) -> Finding:
        meanwhile.append(running.run_due(clock=clock(now)))  # another worker is woken
        return finds_nothing()

    monkeypatch.setattr(running, "look_at", takes_its_time)

    assert running.run_due(clock=clock(now)) == 2
    assert meanwhile == [0, 0]


def test_a_run_comes_to_an_end_and_leaves_the_rest_to_the_next(
    application: Application, stranger: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(application, "https://docs.glacier.example/", by=stranger, at=now)
    onboarding.give(application, "sso", evidence=EVIDENCE["sso"], by=stranger, at=now)
    hands = [now]

    def takes_its_time(run: CheckRun) -> Finding:
        hands[0] += running.RUN_FOR
        return finds_nothing()

    monkeypatch.setattr(running, "look_at", takes_its_time)

    assert running.run_due(clock=lambda: hands[0]) == 1
    assert running.run_due(clock=lambda: hands[0]) == 1
    assert running.run_due(clock=lambda: hands[0]) == 0
