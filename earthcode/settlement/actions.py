"""Usage in. However it arrives, it goes through :func:`record_usage`; :func:`rate_waiting` looks again at what waited.

Reports on one platform are taken one after the other, under a lock of their own. So whoever sends the same line at the same
time finds it recorded, and the counters that lines are rated from need no lock each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Context, localcontext
from itertools import islice
from typing import Final

from django.db import connection, transaction

from earthcode.audit import actions as audit
from earthcode.audit.actors import Actor
from earthcode.catalogue.models import Platform
from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.lib.errors import NotPermitted, Refused
from earthcode.lib.wake import wake_after_commit
from earthcode.settlement import taking
from earthcode.settlement.events import UsageReportEvent
from earthcode.settlement.meters import Desk
from earthcode.settlement.models import Channel, Charge, UsageRecord, UsageReport
from earthcode.settlement.readers import Numbered
from earthcode.settlement.usage_lines import Refusal, UsageLine, read_line

#: The task that looks at what is used up, or not any more; also in ``settings.CELERY_BEAT_SCHEDULE``.
TELL_ALERTS: Final = "settlement.tell_alerts"

#: Digits enough for any quantity times any rate.
EXACT: Final = Context(prec=60)
#: Lines that are looked up, rated and stored together.
CHUNK: Final = 2_000
#: Refused lines that an answer names one by one.
REFUSALS_NAMED: Final = 1_000


class ReportRefused(Refused):
    """The report was to be taken whole or not at all, and some of its lines cannot be taken. Nothing was recorded."""

    code = "report_refused"

    def __init__(self, refusals: Sequence[Refusal], count: int) -> None:
        super().__init__(f"{count} of the lines cannot be taken, so nothing was recorded.", field="lines")
        self.refusals = refusals
        self.count = count


@dataclass
class Outcome:
    """What became of a report. ``refusals`` names the first of the lines that were refused; ``report`` counts them all."""

    report: UsageReport
    refusals: list[Refusal] = field(default_factory=list)


@transaction.atomic
def record_usage(
    platform: Platform,
    lines: Iterable[object],
    *,
    channel: Channel,
    by: Actor,
    at: datetime,
    source: str = "",
    feed: str = "",
    whole: bool = False,
    complete_until: datetime | None = None,
) -> Outcome:
    """Take lines of usage: each counts once, is rated by the terms of its allocation, and is taken from its hold.

    ``lines`` are mappings with the fields of ``usage_lines.FIELDS``, read as they come, with numbers of their own or
    numbered here, or refusals of what could not even be read. A line that is there already changes nothing; one with other
    content under the same id is refused (``conflict``), unless it has grown or replaces the first. What cannot be rated yet
    waits; what no hold covers becomes the award's debt. ``whole``: one refused line refuses all.

    Raises ``NotPermitted`` and, for a whole report, :class:`ReportRefused`. Whoever iterates ``lines`` may raise: nothing
    is recorded then.
    """
    if isinstance(by, User) and not by.may(Permission.USAGE_REPORT, platform):
        raise NotPermitted(f"Only the provider of {platform} can report its usage.")
    one_report_at_a_time(platform)
    report = UsageReport.objects.create(
        platform=platform, channel=channel, received_at=at, by=by.audit_id, complete_until=complete_until
    )
    with localcontext(EXACT):
        intake = _Intake(report, source=source, feed=feed, at=at)
        counted = enumerate(lines, start=1)
        numbered = (each if isinstance(each, Numbered) else Numbered(number, each) for number, each in counted)
        while chunk := list(islice(numbered, CHUNK)):
            intake.take(chunk)
        if whole and report.refused:
            raise ReportRefused(intake.refusals, report.refused)
        intake.finish(by=by)
    return Outcome(report, intake.refusals)


@transaction.atomic
def rate_waiting(platform: Platform, *, by: Actor, at: datetime) -> int:
    """Rate what has waited on this platform and can be rated now; returns how many records."""
    if isinstance(by, User) and not by.may(Permission.USAGE_REPORT, platform):
        raise NotPermitted(f"Only the provider of {platform} can do this.")
    one_report_at_a_time(platform)
    report = UsageReport(platform=platform, channel=Channel.PAGE, received_at=at, by=by.audit_id)
    with localcontext(EXACT):
        intake = _Intake(report, source="", feed="", at=at)
        waiting = UsageRecord.objects.filter(platform=platform).waiting().order_by("pk")
        rated = sum(intake.rate_again(record) for record in waiting.iterator(chunk_size=CHUNK))
        if rated:
            intake.finish(by=by)
    return rated


def one_report_at_a_time(platform: Platform) -> None:
    """Until the transaction ends, nobody else charges or gives back on this platform."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('settlement_platform'), %s)", [platform.pk])


class _Intake:
    """The lines of one report, on their way into the tables."""

    def __init__(self, report: UsageReport, *, source: str, feed: str, at: datetime) -> None:
        self.report, self.source, self.feed, self.at = report, source, feed, at
        self.desk = Desk(report.platform)
        self.refusals: list[Refusal] = []
        self.records: list[UsageRecord] = []
        self.charges: list[Charge] = []
        #: Records of the database that this chunk changed.
        self.changed: list[UsageRecord] = []

    def take(self, chunk: Sequence[tuple[int, object]]) -> None:
        self.report.lines += len(chunk)
        lines: list[UsageLine] = []
        for number, data in chunk:
            line = data if isinstance(data, Refusal) else read_line(number, data, at=self.at)
            if isinstance(line, Refusal):
                self._refuse(line)
            else:
                lines.append(line)
        ids = {line.record_id for line in lines} | {line.replaces for line in lines if line.replaces}
        versions = self._versions(ids)
        self.desk.fetch({line.allocation for line in lines})
        for line in lines:
            self._take_line(line, versions)
        self._store()

    def _versions(self, ids: set[str]) -> dict[str, list[UsageRecord]]:
        found: dict[str, list[UsageRecord]] = {}
        stored = UsageRecord.objects.filter(
            platform=self.report.platform, source=self.source, feed=self.feed, record_id__in=ids
        )
        for record in stored.select_related("allocation").order_by("version"):
            found.setdefault(record.record_id, []).append(record)
        return found

    def _take_line(self, line: UsageLine, versions: dict[str, list[UsageRecord]]) -> None:
        known = versions.get(line.record_id, [])
        digest = line.content_hash
        if any(bytes(each.content_hash) == digest for each in known):
            self.report.repeated += 1
            return
        last = known[-1] if known else None
        if last is not None and (refusal := _why_no_version(line, last)) is not None:
            self._refuse(refusal)
            return
        replaced = None
        if line.replaces:
            old = versions.get(line.replaces, [])
            replaced = old[-1] if old else None
            if (refusal := _why_no_correction(line, replaced)) is not None:
                self._refuse(refusal)
                return
        record = UsageRecord(
            platform=self.report.platform,
            source=self.source,
            feed=self.feed,
            record_id=line.record_id,
            version=1 if last is None else last.version + 1,
            content_hash=digest,
            report=self.report,
            line=line.number,
            allocation_name=line.allocation,
            component=line.component,
            quantity=line.quantity,
            unit=line.unit,
            used_from=line.used_from,
            used_until=line.used_until,
            person=line.person,
            job=line.job,
            kind=line.kind,
        )
        if not self._rate(record, earlier=last, replaced=replaced):
            return
        versions.setdefault(line.record_id, []).append(record)
        self.records.append(record)
        if replaced is not None:
            # Saved when the correction has its number.
            replaced.replaced_by = record
            self.changed.append(replaced)

    def _rate(self, record: UsageRecord, *, earlier: UsageRecord | None, replaced: UsageRecord | None) -> bool:
        """Rate the record or have it wait; False if it was refused."""
        charges = self.desk.rate(record, earlier=earlier, replaced=replaced, report=self.report, at=self.at)
        if isinstance(charges, Refusal):
            self._refuse(charges)
            return False
        self.charges += charges
        if record.waiting_for:
            self.report.waiting += 1
        else:
            self.report.charged += 1
        return True

    def rate_again(self, record: UsageRecord) -> bool:
        """Whether a record that waited is rated now."""
        before = record.waiting_for
        self.desk.fetch({record.allocation_name})
        record.waiting_for = ""
        # A growing record that waited counts whole, except for what an earlier version was charged.
        earlier = (
            UsageRecord.objects.filter(
                platform=record.platform_id,
                source=record.source,
                feed=record.feed,
                record_id=record.record_id,
                version__lt=record.version,
            )
            .select_related("allocation")
            .order_by("-version")
            .first()
        )
        charges = self.desk.rate(record, earlier=earlier, replaced=None, report=self.report, at=self.at)
        if isinstance(charges, Refusal) or record.waiting_for:
            record.waiting_for = before
            return False
        if self.report.pk is None:
            self.report.save(force_insert=True)
        self.charges += charges
        self.changed.append(record)
        self.report.lines += 1
        self.report.charged += 1
        self._store()
        return True

    def _refuse(self, refusal: Refusal) -> None:
        self.report.refused += 1
        if len(self.refusals) < REFUSALS_NAMED:
            self.refusals.append(refusal)

    def _store(self) -> None:
        UsageRecord.objects.bulk_create(self.records)
        for record in self.changed:
            record.save(update_fields=["replaced_by", "waiting_for", "allocation"])
        Charge.objects.bulk_create(self.charges)
        for charge in self.charges:
            self.desk.add_to_total(charge)
        self.records, self.charges, self.changed = [], [], []

    def finish(self, *, by: Actor) -> None:
        self.desk.save()
        self.report.amount = sum(self.desk.totals.values())
        self.report.refusals = [refusal.as_json() for refusal in self.refusals]
        self.report.save()
        taking.take(self.desk.totals, self.desk.by_pk, report=self.report, by=by, at=self.at)
        if any(self.desk.totals.values()):
            wake_after_commit(TELL_ALERTS)
        about = {
            "lines": self.report.lines,
            "charged": self.report.charged,
            "repeated": self.report.repeated,
            "waiting": self.report.waiting,
            "refused": self.report.refused,
            "amount": self.report.amount,
        }
        if self.report.lines:
            audit.record(UsageReportEvent.TAKE, by=by, about=self.report, at=self.at, data=about)


def _why_no_version(line: UsageLine, last: UsageRecord) -> Refusal | None:
    """Why the line is no later version of the record under the same id; None if it is."""
    same = (
        last.kind == "growing"
        and last.replaced_by_id is None
        and (line.allocation, line.component, line.unit) == (last.allocation_name, last.component, last.unit)
        and line.used_from == last.used_from
        and not line.replaces
    )
    if same and line.quantity >= last.quantity and line.used_until >= last.used_until:
        return None
    if same:
        return _refusal(line, "quantity", "went_back", "This record was larger before. To take usage back, replace it.")
    return _refusal(
        line,
        "id",
        "conflict",
        "This id is known with other content. Give new usage a new id; to correct it, send a new id that replaces this one.",
    )


def _why_no_correction(line: UsageLine, replaced: UsageRecord | None) -> Refusal | None:
    if replaced is None:
        return _refusal(line, "replaces", "unknown_record", "There is no record of this id to replace.")
    if replaced.replaced_by_id is not None or replaced.replaced_by is not None:
        return _refusal(line, "replaces", "already_replaced", "This was replaced already: replace what replaced it.")
    return None


def _refusal(line: UsageLine, name: str, code: str, message: str) -> Refusal:
    return Refusal(line.number, line.record_id, name, code, message)
