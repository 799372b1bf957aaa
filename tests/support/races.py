"""Several people or workers at the same moment, each on a connection of their own."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection

from earthcode.lib.errors import Refused


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """Run all of them in threads that start together; each outcome is what came back or what was refused."""
    start = threading.Barrier(len(actions))
    outcomes: list[Any] = [None] * len(actions)

    def run(place: int, action: Callable[[], Any]) -> None:
        try:
            start.wait(timeout=30)
            outcomes[place] = action()
        except Refused as refusal:
            outcomes[place] = refusal
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(place, action)) for place, action in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive()
    return outcomes
