"""Wake a worker after commit. A lost wake-up only delays: the clock wakes it again, and what must not be lost is a
row.
"""

import logging
from typing import cast

from celery import current_app
from django.db import transaction
from kombu import Connection
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


def wake_after_commit(task: str) -> None:
    """Send the Celery task of this name once the transaction commits. A dead broker is logged, never raised."""
    transaction.on_commit(lambda: _wake(task))


def _wake(task: str) -> None:
    try:
        with current_app.pool.acquire(block=True) as pooled:
            connection = cast("Connection", pooled)  # the stubs mix up the pools
            # One try and no more: somebody waits for the page, and the clock comes by in a few seconds anyway.
            connection.ensure_connection(max_retries=0)
            current_app.send_task(task, connection=connection, retry=False, ignore_result=True)
    except (OperationalError, OSError) as error:
        # OperationalError is how Celery reports a broker that cannot be reached, OSError how the file queue does.
        logger.warning("the broker did not take the wake-up for %s: %s", task, error)
