"""Tabs and first pages read the groups of the states: a new state is in one of them, or it is missing by name."""

from datetime import date
from typing import Any

import pytest

from earthcode.lifecycle import Group
from earthcode.onboarding.models import ApplicationStatus
from earthcode.sponsorship.models import RequestStatus, ResourceRequest
from earthcode.web.requests.listing import TABS
from earthcode.web.requests.words import who_acts_next
from earthcode.web.review.applications import PARTS as APPLICATION_PARTS
from earthcode.web.review.requests import PARTS


def in_one_tab_each(tabs: list[tuple[str, ...]], states: list[str]) -> bool:
    return sorted(state for tab in tabs for state in tab) == sorted(states)


def test_every_state_of_a_request_is_in_one_tab_of_its_people() -> None:
    assert TABS[""][1] == tuple(RequestStatus.values)
    assert in_one_tab_each([states for key, (_label, states) in TABS.items() if key], RequestStatus.values)


def test_every_state_that_was_sent_is_in_one_tab_of_the_review() -> None:
    sent = [each.value for each in RequestStatus if each.group is not Group.PREPARING]
    assert in_one_tab_each([part.statuses for part in PARTS.values()], sent)

    sent = [each.value for each in ApplicationStatus if each.group is not Group.PREPARING]
    assert in_one_tab_each([states for _label, states, _order in APPLICATION_PARTS.values()], sent)


@pytest.mark.parametrize("status", RequestStatus)
def test_every_state_says_who_acts_next(sent_request: ResourceRequest, alice: Any, status: RequestStatus) -> None:
    sent_request.status, sent_request.offer_until = status, date(2026, 12, 1)

    assert who_acts_next(sent_request, [], user=alice, today=date(2026, 11, 23)).endswith(".")
