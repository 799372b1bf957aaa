"""Events, and a way around the triggers that guard them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any

import pytest
from django.db import connection, transaction

from earthcode.audit import actions
from earthcode.audit.actors import CLOCK
from earthcode.audit.models import Event
from earthcode.identity.models import Organisation
from tests.support.events import event

Record = Callable[..., Event]
Superuser = Callable[[], AbstractContextManager[Any]]


@pytest.fixture
def record(institute: Organisation, now: datetime) -> Record:
    """Records an event in a transaction of its own: ``record("organisation.note", data={…})``."""

    def make(name: str = "organisation.note", **changes: Any) -> Event:
        with transaction.atomic():
            return actions.record(event(name), **{"by": CLOCK, "about": institute, "at": now, **changes})

    return make


@pytest.fixture
def superuser() -> Superuser:
    """A cursor of somebody who owns the database and has switched its triggers off."""

    @contextmanager
    def make() -> Iterator[Any]:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            yield cursor

    return make
