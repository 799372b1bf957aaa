"""Every write to the catalogue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from django.db import models, transaction
from django.db.models import Q
from psycopg.types.range import Range

from earthcode.audit import actions as audit
from earthcode.audit.actors import Actor
from earthcode.audit.events import EventName
from earthcode.catalogue.component_terms import RATE_TERMS
from earthcode.catalogue.events import OfferingEvent, PlatformEvent
from earthcode.catalogue.models import Audience, Component, Offering, Plan, Platform, Rate
from earthcode.catalogue.records import (
    BrokenRecords,
    ComponentRecord,
    OfferingRecord,
    PlanRecord,
    PlatformRecord,
    ProviderRecord,
    RateRecord,
    Records,
    read,
)
from earthcode.catalogue.versions import publish_versions
from earthcode.identity.events import OrganisationEvent
from earthcode.identity.models import Organisation

#: Any number nobody else uses: two imports at a time would each add the rows that both miss.
_IMPORT_LOCK = 7_226_011


@dataclass
class ImportReport:
    """What an import did. Names are kind and slug; an offering stands for its plans and rates, too."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    rates_added: int = 0
    rates_closed: int = 0

    def __str__(self) -> str:
        return (
            f"{len(self.created)} added, {len(self.changed)} changed, {len(self.unchanged)} unchanged; "
            f"{self.rates_added} rates added, {self.rates_closed} closed"
        )


def import_files(paths: Iterable[Path], *, by: Actor, at: datetime) -> ImportReport:
    """Make the catalogue say what the files say, in one transaction; a second run changes nothing.

    Offerings, platforms and providers that the files do not name are left alone. Within an offering they do name, a plan
    that is gone is no longer listed and a component that is gone is no longer metered. A rate that differs from the one
    in force closes it on its own first day and takes its place. Each offering that reads differently gets a version
    (``versions``). Raises ``BrokenRecords``, and nothing has changed.
    """
    return import_records(read(paths), by=by, at=at)


@transaction.atomic
def import_records(records: Records, *, by: Actor, at: datetime) -> ImportReport:
    """See :func:`import_files`."""
    with transaction.get_connection().cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_IMPORT_LOCK])
    return _Import(by, at).run(records)


class _Import:
    """One import: what is stored, what was done, what was wrong."""

    def __init__(self, by: Actor, at: datetime) -> None:
        self._by = by
        self._at = at
        self._report = ImportReport()
        self._problems: list[str] = []
        self._platforms_changed: set[int] = set()
        self._providers_changed: set[int] = set()
        self._offerings_seen: set[int] = set()

    def run(self, records: Records) -> ImportReport:
        self._read_stored([each.slug for each in records.offerings])
        for provider in records.providers:
            self._provider(provider)
        for platform in records.platforms:
            self._platform(platform)
        for offering in records.offerings:
            self._offering(offering)
        if self._problems:
            raise BrokenRecords(self._problems)
        self._publish()
        return self._report

    def _publish(self) -> None:
        """A version of each offering that reads differently now, be it because its platform or provider does."""
        reads_differently = (
            Q(pk__in=self._offerings_seen)
            | Q(platform__in=self._platforms_changed)
            | Q(platform__provider__in=self._providers_changed)
        )
        pks = Offering.objects.filter(reads_differently).values_list("pk", flat=True)
        publish_versions(pks, by=self._by, at=self._at)

    def _read_stored(self, slugs: Sequence[str]) -> None:
        """Everything at once, so that an import of many offerings does not ask for each."""
        self._providers = {each.slug: each for each in Organisation.objects.all()}
        self._platforms = {each.slug: each for each in Platform.objects.all()}
        self._offerings = {each.slug: each for each in Offering.objects.filter(slug__in=slugs).defer("search")}
        self._plans: dict[int, dict[str, Plan]] = defaultdict(dict)
        self._components: dict[int, dict[tuple[str, str], Component]] = defaultdict(dict)
        self._rates: dict[int, list[Rate]] = defaultdict(list)
        for plan in Plan.objects.filter(offering__slug__in=slugs):
            self._plans[plan.offering_id][plan.slug] = plan
        for component in Component.objects.filter(plan__offering__slug__in=slugs):
            self._components[component.plan_id][component.metric, component.label] = component
        for rate in Rate.objects.filter(component__plan__offering__slug__in=slugs).order_by("valid", "pk"):
            self._rates[rate.component_id].append(rate)

    def _provider(self, record: ProviderRecord) -> None:
        row, fields = _write(self._providers.get(record.slug), Organisation, {"slug": record.slug}, record.values)
        self._providers[record.slug] = row
        if fields:
            self._providers_changed.add(row.pk)
        self._tell(OrganisationEvent.IMPORT, row, record.slug, fields)

    def _platform(self, record: PlatformRecord) -> None:
        provider = self._providers.get(record.provider)
        if provider is None:
            self._problems.append(f"platform “{record.slug}”, field “provider”: there is no “{record.provider}”")
            return
        values = {**record.values, **record.connection, "provider_id": provider.pk}
        row, fields = _write(self._platforms.get(record.slug), Platform, {"slug": record.slug}, values)
        self._platforms[record.slug] = row
        if fields:
            self._platforms_changed.add(row.pk)
        self._tell(PlatformEvent.IMPORT, row, record.slug, fields)

    def _offering(self, record: OfferingRecord) -> None:
        platform = self._platforms.get(record.platform)
        if platform is None:
            self._problems.append(f"offering “{record.slug}”, field “platform”: there is no “{record.platform}”")
            return
        stored = self._offerings.get(record.slug)
        key = {"slug": record.slug}
        values = {**record.values, "platform_id": platform.pk}
        if stored is not None and stored.is_retired_on(self._at.date()):
            # What was retired here stays off the list, whatever a file says.
            values["is_listed"] = False
        row, fields = _write(stored, Offering, key, values, updated_at=self._at)
        details = list(fields or ())
        plans = self._plans[row.pk]
        for plan in record.plans:
            details += self._plan(plan, row)
        for slug in sorted(plans.keys() - {plan.slug for plan in record.plans}):
            if _write(plans[slug], Plan, {}, {"is_listed": False})[1]:
                details.append(f"{slug}: no longer listed")
        if stored is not None and details:
            row.updated_at = self._at
            row.save(update_fields=["updated_at"])
        self._offerings_seen.add(row.pk)
        self._tell(OfferingEvent.IMPORT, row, record.slug, None if fields is None else details)

    def _plan(self, record: PlanRecord, offering: Offering) -> list[str]:
        key = {"offering_id": offering.pk, "slug": record.slug}
        row, fields = _write(self._plans[offering.pk].get(record.slug), Plan, key, record.values)
        details = [f"{record.slug}: added"] if fields is None else [f"{record.slug}: {name}" for name in fields]
        components = self._components[row.pk]
        for component in record.components:
            name = f"{record.slug}/{component.label or component.metric}"
            details += self._component(component, row, name, where=f"offering “{offering.slug}”, plan “{record.slug}”")
        for gone in sorted(components.keys() - {(each.metric, each.label) for each in record.components}):
            if _write(components[gone], Component, {}, {"in_use": False})[1]:
                details.append(f"{record.slug}/{gone[1] or gone[0]}: no longer metered")
        return details

    def _component(self, record: ComponentRecord, plan: Plan, name: str, *, where: str) -> list[str]:
        key = {"plan_id": plan.pk, "metric": record.metric, "label": record.label}
        row, fields = _write(
            self._components[plan.pk].get((record.metric, record.label)), Component, key, record.values
        )
        details = [f"{name}: added"] if fields is None else [f"{name}: {each}" for each in fields]
        rates: dict[str, list[Rate]] = defaultdict(list)
        for rate in self._rates[row.pk]:
            rates[rate.audience].append(rate)
        stated = {each.audience: each for each in (record.rate, *record.discounts) if each is not None}
        for audience, each in stated.items():
            words = f"{name}, {Audience(audience).label}" if audience else name
            place = f"{where}, component “{record.metric}”, {f'discount for “{audience}”' if audience else 'rate'}"
            details += self._rate(each, row, rates[audience], words, where=place)
        for audience in sorted(rates.keys() - stated.keys()):
            last = rates[audience][-1]
            if last.valid.upper is None or last.valid.upper > self._at.date():
                # Nobody states the price any more: it is unknown from today on.
                details.append(self._close(last, max(self._at.date(), last.valid.lower + timedelta(days=1)), name))
        return details

    def _rate(self, record: RateRecord, component: Component, rates: list[Rate], name: str, *, where: str) -> list[str]:
        details = []
        from_same_day = next((rate for rate in rates if rate.valid.lower == record.valid_from), None)
        if from_same_day is not None:
            if not _says_the_same(from_same_day, record):
                self._problems.append(
                    f"{where}, field “credits”: another rate is recorded from {record.valid_from} on; "
                    "a rate is never edited, so the new one needs a later “from”"
                )
                return []
            if record.valid_until is not None and from_same_day.valid.upper is None:
                return [self._close(from_same_day, record.valid_until, name)]
            return []
        if rates:
            last = rates[-1]
            if record.valid_from < (last.valid.upper or last.valid.lower):
                self._problems.append(
                    f"{where}, field “from”: a later rate than that of {record.valid_from} is recorded"
                )
                return []
            if last.valid.upper is None:
                if _says_the_same(last, record):
                    # The price was confirmed, not changed.
                    return []
                details.append(self._close(last, record.valid_from, name))
        Rate.objects.create(
            component=component,
            valid=Range(record.valid_from, record.valid_until),
            **{field: getattr(record, field) for field in RATE_TERMS},
        )
        self._report.rates_added += 1
        return [*details, f"{name}: rate from {record.valid_from}"]

    def _close(self, rate: Rate, day: date, name: str) -> str:
        rate.valid = Range(rate.valid.lower, day)
        rate.save(update_fields=["valid"])
        self._report.rates_closed += 1
        return f"{name}: rate closed on {day}"

    def _tell(self, event: EventName, row: models.Model, slug: str, details: Sequence[str] | None) -> None:
        """Count the row and, where something changed, put it on the record. None: the row is new."""
        kind, _dot, _import = event.value.partition(".")
        if details is not None and not details:
            self._report.unchanged.append(f"{kind} {slug}")
            return
        (self._report.created if details is None else self._report.changed).append(f"{kind} {slug}")
        audit.record(event, by=self._by, about=row, at=self._at, data={"changed": list(details or ["added"])})


def _says_the_same(rate: Rate, record: RateRecord) -> bool:
    return all(getattr(rate, field) == getattr(record, field) for field in RATE_TERMS)


Row = TypeVar("Row", bound=models.Model)


def _write(
    row: Row | None, model: type[Row], key: Mapping[str, Any], values: Mapping[str, Any], **only_when_new: Any
) -> tuple[Row, list[str] | None]:
    """Bring a row to these values and say which fields changed; None: the row is new."""
    if row is None:
        return model._default_manager.create(**key, **values, **only_when_new), None
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    if changed:
        for name in changed:
            setattr(row, name, values[name])
        row.save(update_fields=changed)
    return row, changed
