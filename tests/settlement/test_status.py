"""``manage.py status``: what waits too long is named, and the command fails by it."""

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from earthcode.celery import app
from earthcode.identity.models import User
from earthcode.notifications import actions as notifications
from earthcode.settlement import status
from earthcode.sponsorship.models import Award

pytestmark = pytest.mark.django_db


def _bad(at: datetime) -> set[str]:
    return {line.what for line in status.lines(at=at) if not line.holds}


def test_a_site_where_nothing_waits_is_well(award: Award, now: datetime) -> None:
    assert _bad(now) == set()
    assert {line.what: line.words for line in status.lines(at=now)}["Operations waiting"] == "2"


def test_what_nobody_does_is_named(award: Award, alice: User, now: datetime) -> None:
    later = now + status.LATE + timedelta(seconds=1)

    assert _bad(later) == {"Operations on platforms, oldest that is due", "Messages, oldest that is due"}


def test_a_broker_that_does_not_answer_is_named(settings: object, now: datetime) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"  # type: ignore[attr-defined]

    assert _bad(now) == {"Broker"}


def test_the_command_prints_each_and_fails_when_one_is_bad(alice: User, now: datetime) -> None:
    call_command("status", stdout=(well := StringIO()))
    assert "Database: of this release" in well.getvalue()
    assert "!!" not in well.getvalue()

    notifications.send(key="old", to=alice, subject="old", body="…", at=timezone.now() - timedelta(hours=1))
    with pytest.raises(SystemExit) as ended:
        call_command("status", stdout=(ill := StringIO()))

    assert ended.value.code == 1
    assert "!! Messages, oldest that is due: 1 h 0 min ago" in ill.getvalue()


def test_every_task_of_the_clock_is_there_and_has_a_lane() -> None:
    app.loader.import_default_modules()
    lanes = {queue.name for queue in settings.CELERY_TASK_QUEUES}

    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        assert entry["task"] in app.tasks
        assert app.amqp.router.route({}, entry["task"])["queue"].name in lanes


def _everything() -> dict[str, list[dict[str, Any]]]:
    """Every row, but for those that say when the books were verified."""
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for model in apps.get_models()
        if model.__module__.startswith("earthcode.") and model._meta.label != "ledger.Verification"
    }


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("task", sorted(each["task"] for each in settings.CELERY_BEAT_SCHEDULE.values()))
def test_a_second_clock_does_no_harm(task: str, award: Award) -> None:
    """What one wake-up has done, another one finds done."""
    app.loader.import_default_modules()
    app.tasks[task]()
    once = _everything()

    app.tasks[task]()

    assert _everything() == once
