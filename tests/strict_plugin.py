"""In CI a skipped test is a failure, and so is a suite that did not run at all.

A suite that quietly skips because a browser or a server is missing looks green and proves nothing. ``CI=true`` turns
this on; ``REQUIRED_SUITES`` names the marks of which at least one test must have run. Only the contract's suite may skip, and
only what a connector declares not to do.
"""

import os
from collections import Counter

import pytest

#: How the contract's suite says that a test asks for what a kind of platform does not have.
NOT_APPLICABLE = "does not apply: "

_ran: Counter[str] = Counter()
_skipped: list[str] = []


def _strict() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail") and not _does_not_apply(report):
        _skipped.append(report.nodeid)
    elif report.when == "call":
        _ran.update(name for name in ("platform", "browser", "slow") if name in report.keywords)


def _does_not_apply(report: pytest.TestReport) -> bool:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    return report.nodeid.startswith("tests/connectors/test_") and NOT_APPLICABLE in reason


def _missing() -> list[str]:
    return [name for name in os.environ.get("REQUIRED_SUITES", "").split() if not _ran[name]]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _strict() and session.exitstatus == pytest.ExitCode.OK and (_skipped or _missing()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _strict():
        return
    for nodeid in _skipped:
        terminalreporter.write_line(f"SKIPPED, which fails here: {nodeid}", red=True)
    for name in _missing():
        terminalreporter.write_line(f"NOT RUN, which fails here: no test marked {name}", red=True)
