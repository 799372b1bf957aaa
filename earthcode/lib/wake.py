"""Wake a worker after commit. A lost wake-up only delays: the clock wakes it again, and what must not be lost is a
row.
"""

import logging
import time
from typing import cast

from celery import current_app
from django.db import transaction
from kombu import Connection

logger = logging.getLogger(__name__)

#: A broker that failed is left alone for so long: somebody waits for each page, and the clock comes by anyway.
PAUSE_S = 5.0

_paused_until = 0.0


def wake_after_commit(task: str) -> None:
    """Send the Celery task of this name once the transaction commits. Whatever the broker does is logged, never raised."""
    transaction.on_commit(lambda: _wake(task))


def _wake(task: str) -> None:
    global _paused_until
    if time.monotonic() < _paused_until:
        return
    expected: tuple[type[BaseException], ...] = ()
    try:
        with current_app.pool.acquire(block=True) as pooled:
            connection = cast("Connection", pooled)  # the stubs mix up the pools
            try:
                expected = connection.recoverable_connection_errors + connection.recoverable_channel_errors
                # One try and no more.
                connection.ensure_connection(max_retries=0)
                current_app.send_task(task, connection=connection, retry=False, ignore_result=True)
            except BaseException:
                connection.close()  # or the pool would hand it out again as it is
                raise
    except Exception as error:
        _paused_until = time.monotonic() + PAUSE_S
        # Celery wraps what it expects of a broker in an OperationalError of its own, which is not among them.
        if isinstance(error, (*expected, ConnectionError, TimeoutError)) or isinstance(error.__cause__, expected):
            logger.warning("the broker did not take the wake-up for %s: %s", task, error)
        else:
            logger.exception("the wake-up for %s was not sent", task)
