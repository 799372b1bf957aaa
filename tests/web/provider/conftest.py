"""Allocations with usage, for the pages that show it."""

from tests.settlement.conftest import line, on_batch, on_hub, report  # noqa: F401  # fixtures
