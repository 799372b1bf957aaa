"""Programs of people. How a token names a person is tested in ``test_authentication``."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from rest_framework.test import APIClient

from tests.settlement.conftest import line, on_batch, on_hub, report  # noqa: F401  # fixtures

if TYPE_CHECKING:
    from earthcode.identity.models import User


@pytest.fixture
def api_of(clock: object) -> Callable[["User"], APIClient]:
    """Makes a client that speaks for a person: ``api_of(alice).get("/api/v1/allocations")``."""

    def make(user: "User") -> APIClient:
        client = APIClient()
        client.force_authenticate(user)
        return client

    return make
