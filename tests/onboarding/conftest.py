"""Applications in each state, and the people around them."""

from collections.abc import Mapping
from datetime import datetime

import pytest

from earthcode.identity.models import User
from earthcode.onboarding import actions as onboarding
from earthcode.onboarding.models import Application
from tests.support.onboarding import EVIDENCE, START


@pytest.fixture
def application(stranger: User, now: datetime) -> Application:
    """Sam's draft for an organisation that nobody knows here yet; every item is to do."""
    return onboarding.start(**START, by=stranger, at=now)


@pytest.fixture
def complete_application(application: Application, stranger: User, now: datetime) -> Application:
    """Nothing left to do but send."""
    give_all(application, EVIDENCE, by=stranger, at=now)
    return application


@pytest.fixture
def sent_application(complete_application: Application, stranger: User, now: datetime) -> Application:
    onboarding.submit(complete_application, by=stranger, at=now)
    return complete_application


@pytest.fixture
def approved_application(sent_application: Application, maria: User, now: datetime) -> Application:
    """Every item accepted, and the whole not decided."""
    for requirement in sent_application.requirements:
        onboarding.accept_item(sent_application, requirement.code, by=maria, at=now)
    return sent_application


def give_all(application: Application, evidence: Mapping[str, Mapping[str, str]], *, by: User, at: datetime) -> None:
    for requirement in application.requirements:
        onboarding.give(application, requirement.code, evidence=evidence[requirement.code], by=by, at=at)
