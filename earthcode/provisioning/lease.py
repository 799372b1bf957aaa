"""Keeps an operation claimed while its worker lives.

A thread writes the lease forward in steps of a third of it, on a connection of its own. It stops with the work, with the
process, when somebody else has the claim, and after the longest time a connector may take: a worker that hangs for ever
loses its claim like one that died.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, connection

from earthcode.provisioning.models import Operation

logger = logging.getLogger(__name__)


@contextmanager
def kept(operation: Operation, *, clock: Callable[[], datetime]) -> Iterator[None]:
    """The claim is renewed until the block ends."""
    done = threading.Event()
    thread = threading.Thread(target=_renew, args=(operation, clock, done), daemon=True, name="lease")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=settings.OPERATION_LEASE_S)


def _renew(operation: Operation, clock: Callable[[], datetime], done: threading.Event) -> None:
    lease = timedelta(seconds=settings.OPERATION_LEASE_S)
    ends = time.monotonic() + settings.OPERATION_TIME_S
    try:
        while not done.wait(lease.total_seconds() / 3) and time.monotonic() < ends:
            try:
                mine = Operation.objects.filter(pk=operation.pk, claim_token=operation.claim_token)
                if not mine.update(claimed_until=clock() + lease):
                    return
            except DatabaseError:
                # The database may be back before the lease ends; if not, another worker takes over.
                logger.warning("the lease of operation %s could not be renewed", operation.pk)
                connection.close()
    finally:
        connection.close()
