"""Carries out checks that wait, one at a time: claimed with a lease, done with no transaction open, then recorded.

A check reads other people's servers and may take its time; no page waits for it. Only one is carried out at a time, on all
workers together: whoever gives us slow addresses delays checks, and never the work on platforms beside them.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from earthcode.lib.claim import claim_next, still_mine
from earthcode.onboarding.checks import CHECKS, TIMEOUT_S, About, Finding
from earthcode.onboarding.models import CheckRun, Outcome

#: Longer than any check takes, so that nobody else begins while one is at it.
LEASE = timedelta(seconds=3 * TIMEOUT_S)
#: After so long a run leaves the rest to the clock's next one, so that its worker can do something else.
RUN_FOR = timedelta(seconds=TIMEOUT_S)
#: A check that takes its worker down with it is not tried for ever.
ATTEMPTS_MAX = 3


def run_due(*, clock: Callable[[], datetime]) -> int:
    """Carry out what waits; returns how many checks were done."""
    waiting = CheckRun.objects.filter(done_at=None).select_related("item__application__platform")
    done, ends = 0, clock() + RUN_FOR
    while (at := clock()) < ends and not waiting.filter(claimed_until__gt=at).exists():
        run = claim_next(waiting, at=at, lease=LEASE)
        if run is None:
            break
        _record(run, look_at(run), at=clock())
        done += 1
    return done


def look_at(run: CheckRun) -> Finding:
    """What there is to find at the run's address now. Raises nothing that an address could cause."""
    if run.attempts > ATTEMPTS_MAX:
        return Finding(Outcome.UNKNOWN, "This could not be checked.")
    requirement = run.item.requirement
    platform = run.item.application.platform
    about = About(
        address=run.address,
        evidence=run.item.evidence,
        issuer=settings.OIDC_ISSUER,
        connector=(
            (platform.connector, platform.connector_config, platform.connector_secret, platform.connector_sealed)
            if platform
            else None
        ),
    )
    return CHECKS[requirement.field(run.field).check](about)


@transaction.atomic(durable=True)
def _record(claimed: CheckRun, finding: Finding, *, at: datetime) -> None:
    run = still_mine(claimed)
    if run is None:
        return  # the evidence was changed meanwhile, or another worker has it
    run.outcome, run.sentence, run.seen = finding.outcome, finding.sentence[:500], dict(finding.seen)
    run.done_at, run.claimed_until, run.claim_token = at, None, None
    run.save(update_fields=["outcome", "sentence", "seen", "done_at", "claimed_until", "claim_token"])
