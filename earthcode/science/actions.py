"""Every write of this app: the import, and noting what a request is to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction

from earthcode.audit import actions as audit
from earthcode.audit.actors import Actor
from earthcode.catalogue.records import BrokenRecords
from earthcode.catalogue.search import plain_words
from earthcode.science.events import ScienceEvent
from earthcode.science.models import Kind, PlannedRun, Record
from earthcode.science.osc import BASE_URL, OscRecord, Reading, read

#: Any number nobody else uses: two imports at a time would each add the rows that both miss.
_IMPORT_LOCK = 7_226_012


@dataclass
class ImportReport:
    """What an import did, by kind and id; ``skipped`` says what was wrong with what was left out."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    skipped: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{len(self.added)} added, {len(self.changed)} changed, {len(self.unchanged)} unchanged, "
            f"{len(self.withdrawn)} withdrawn, {len(self.skipped)} faults skipped"
        )


def import_paths(
    paths: Iterable[Path],
    *,
    by: Actor,
    at: datetime,
    skip_bad: bool = False,
    base_url: str = BASE_URL,
    demonstration: bool = False,
) -> ImportReport:
    """Make the stored workflows and experiments say what the Open Science Catalog's files say; twice changes nothing.

    A folder or a file with many records is complete for the kinds it holds: what is not in it any more is withdrawn. Made-up
    and real records do not withdraw each other. Raises ``BrokenRecords`` that names file and line of each fault, and
    nothing has changed; with ``skip_bad`` the good ones are taken and the bad ones stay as they were.
    """
    reading = read(paths, base_url=base_url)
    if reading.problems and not skip_bad:
        raise BrokenRecords(reading.problems)
    return _store(reading, by=by, at=at, demonstration=demonstration)


@transaction.atomic
def _store(reading: Reading, *, by: Actor, at: datetime, demonstration: bool) -> ImportReport:
    with transaction.get_connection().cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_IMPORT_LOCK])
    stored = {(each.kind, each.osc_id): each for each in Record.objects.all()}
    report = ImportReport(skipped=tuple(reading.problems))
    workflows = _workflow_of_each(reading.records)
    # Workflows first: experiments point to them.
    for record in sorted(reading.records, key=lambda each: (each.kind != Kind.WORKFLOW, each.osc_id)):
        values = {**record.values, "is_demonstration": demonstration, "withdrawn_at": None, "words": _words_of(record)}
        if record.kind == Kind.EXPERIMENT:
            named = workflows.get(record.osc_id, "")
            values["workflow_named"] = named
            workflow = stored.get((Kind.WORKFLOW.value, named))
            values["workflow_id"] = workflow.pk if workflow else None
        row, verb, names = _write(stored.get(record.key), record, values, at)
        stored[record.key] = row
        _tell(report, verb, row, names, by=by, at=at)
    told = {record.key for record in reading.records} | reading.unusable
    for key, row in sorted(stored.items()):
        is_there = key in told or row.source_url in reading.unusable_addresses
        is_gone = row.kind in reading.complete and not is_there and row.withdrawn_at is None
        if is_gone and row.is_demonstration == demonstration:
            row.withdrawn_at = at
            row.save(update_fields=["withdrawn_at"])
            _tell(report, "withdrawn", row, [], by=by, at=at)
    return report


def _workflow_of_each(records: Iterable[OscRecord]) -> dict[str, str]:
    """Experiment → its workflow: as it says itself, else as a workflow says."""
    found: dict[str, str] = {}
    for record in records:
        for experiment in record.experiments:
            found.setdefault(experiment, record.osc_id)
    return found | {each.osc_id: each.workflow for each in records if each.kind == Kind.EXPERIMENT and each.workflow}


def _write(
    row: Record | None, record: OscRecord, values: Mapping[str, Any], at: datetime
) -> tuple[Record, str, list[str]]:
    if row is None:
        return Record.objects.create(kind=record.kind, osc_id=record.osc_id, fetched_at=at, **values), "added", []
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    if not changed:
        return row, "unchanged", []
    for name in changed:
        setattr(row, name, values[name])
    row.fetched_at = at
    row.save(update_fields=[*changed, "fetched_at"])
    return row, "changed", changed


def _tell(report: ImportReport, verb: str, row: Record, names: list[str], *, by: Actor, at: datetime) -> None:
    getattr(report, verb).append(f"{row.kind} {row.osc_id}")
    if verb != "unchanged":
        fields = [name for name in names if name != "words"]
        audit.record(
            ScienceEvent(f"science.{verb}"), by=by, about=row, at=at, data={"fields": fields} if fields else None
        )


def _words_of(record: OscRecord) -> str:
    """All that a record is found by."""
    values = record.values
    parts = [
        values["title"],
        record.osc_id,
        values["application_type"],
        values["osc_project"],
        *(name for key in ("keywords", "themes", "variables", "languages", "formats") for name in values[key]),
        *(link["title"] for link in values["platforms"]),
        values["description"],
    ]
    return plain_words("\n".join(parts))


@transaction.atomic
def plan_run(record: Record, *, reference: str, at: datetime) -> PlannedRun:
    """Note that a resource request is to run this record. Whoever may start the request may say so; once is enough."""
    planned, _created = PlannedRun.objects.get_or_create(
        reference=reference, defaults={"record": record, "planned_at": at}
    )
    return planned
