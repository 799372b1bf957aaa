"""PostgreSQL and its clients killed with -9 at random moments: nothing acknowledged is lost, nothing happens twice."""

import json
import subprocess
import sys
from typing import Any

import pytest

from .crashes import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.ledger.crashes", "rounds", "25"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_nothing_acknowledged_is_lost_and_nothing_happens_twice(found: dict[str, Any]) -> None:
    report = found["rounds"]

    assert (report["lost"], report["doubled"], report["rules_broken"]) == (0, 0, [])
    assert report["server_kills"] + report["client_kills"] + report["upkeep_kills"] == 25
    assert report["in_the_middle_of_a_call"] > 0
    assert report["acknowledged"] > 100
    assert min(report["upkeep_kills"], report["seals"], report["spans"]) > 0


def test_the_control_that_answers_before_the_disk_loses_what_it_acknowledged(found: dict[str, Any]) -> None:
    control = found["control"]

    assert control["lost"] > 0, "the kills lose nothing even where they must: the test above proves nothing"
    assert (control["doubled"], control["rules_broken"]) == (0, [])
