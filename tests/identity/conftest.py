from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import issuer as support


@pytest.fixture
def sso(settings: Any) -> Iterator[support.Issuer]:
    """A single sign-on that does what it is told."""
    with support.believed(settings) as issuer:
        yield issuer
