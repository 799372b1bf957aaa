"""A list of tasks: what a hub shows of each."""

from __future__ import annotations

from dataclasses import dataclass

from earthcode.web.parts.statuses import Words


@dataclass(frozen=True)
class Task:
    """One row of ``components/task_list.html``."""

    title: Words
    url: str
    state: str
    hint: Words = ""
