"""The benchmark works; its figures are for people (``make bench-ledger``)."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_benchmark_of_the_ledger_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.bench.ledger", "--smoke"],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=600,
    )

    assert done.returncode == 0, done.stderr
    for word in ("floor", "function, by pgbench", "django-hordak", "post_batch", "spans: ", "whole statement", "seal:"):
        assert word in done.stdout
