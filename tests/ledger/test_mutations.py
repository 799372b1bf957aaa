"""A few guards taken away, so that ``make mutate-ledger``, which takes away all of them, keeps working."""

import subprocess
import sys

import pytest

from .mutations import ROOT


@pytest.mark.slow
def test_a_guard_that_is_taken_away_is_noticed() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.ledger.mutations"),
            "trigger ledger_seal_append_only",
            "refusal in ledger_release: there is no hold",
            "rule: every hold is",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert done.stdout.count("noticed   ") == 3, done.stdout + done.stderr
    assert "3 guards taken away, 0 of them unnoticed" in done.stdout
    assert done.returncode == 0
