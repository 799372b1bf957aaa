"""The files that the catalogue is filled from, read and checked.

A file is a JSON object with any of ``providers``, ``platforms`` and ``offerings``, each a list of records named by their
``slug``. Everything that is wrong is collected and told at once, by record and field; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, TypeVar

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db.models import Choices

from earthcode.catalogue.component_terms import TERMS, ComponentTerm, Kind
from earthcode.catalogue.metrics import Audience, Evidence, Metric
from earthcode.catalogue.models import PlanKind, Tier
from earthcode.catalogue.vocabulary import all_normalised
from earthcode.lib.errors import Refused
from earthcode.lib.reading import YEAR_MAX, YEAR_MIN, Unreadable, json_of
from earthcode.lib.text import has_address, lines

DATA: Final = Path(__file__).parent / "data"
#: The real offerings, with the sources of their facts.
BUNDLED: Final = (DATA / "platforms.json", DATA / "offerings.json")
#: Made-up offerings that the demonstration's own platforms serve.
DEMONSTRATION: Final = (DATA / "demonstration.json",)


class BrokenRecords(Refused):
    """Some records cannot be used; ``problems`` has one sentence for each fault, with the record's name and the field."""

    code = "broken_records"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class ProviderRecord:
    slug: str
    values: dict[str, Any]


@dataclass(frozen=True)
class PlatformRecord:
    """``connection`` holds what an installation may have set itself: it is only written where the file says it."""

    slug: str
    provider: str
    values: dict[str, Any]
    connection: dict[str, Any]


@dataclass(frozen=True)
class RateRecord:
    """The list price or, for an ``audience``, a discount. ``micro_low`` is the lower end of a range, where one is stated."""

    micro_per_unit: Decimal
    valid_from: date
    evidence: str
    source: str
    source_date: str
    micro_low: Decimal | None = None
    audience: str = ""
    reason: str = ""
    valid_until: date | None = None


@dataclass(frozen=True)
class ComponentRecord:
    metric: str
    label: str
    values: dict[str, Any]
    rate: RateRecord | None
    discounts: tuple[RateRecord, ...] = ()


@dataclass(frozen=True)
class PlanRecord:
    slug: str
    values: dict[str, Any]
    components: tuple[ComponentRecord, ...]


@dataclass(frozen=True)
class OfferingRecord:
    slug: str
    platform: str
    values: dict[str, Any]
    plans: tuple[PlanRecord, ...]


@dataclass
class Records:
    """What the files say, checked."""

    providers: list[ProviderRecord] = field(default_factory=list)
    platforms: list[PlatformRecord] = field(default_factory=list)
    offerings: list[OfferingRecord] = field(default_factory=list)


def read(paths: Iterable[Path]) -> Records:
    """The records of all files together; raises ``BrokenRecords`` that names every fault."""
    records = Records()
    problems: list[str] = []
    for path in paths:
        try:
            document = json_of(path.read_bytes())
        except Unreadable as error:
            at = f", line {error.line_number}" if error.line_number else ""
            problems.append(f"{path.name}{at}: {error}")
            continue
        except OSError as error:
            problems.append(f"{path.name}: cannot be read ({error})")
            continue
        if not isinstance(document, dict) or not document.keys() <= {"providers", "platforms", "offerings"}:
            problems.append(f"{path.name}: is no object with “providers”, “platforms” and “offerings”")
            continue
        records.providers += _each("provider", document, _provider, problems)
        records.platforms += _each("platform", document, _platform, problems)
        records.offerings += _each("offering", document, _offering, problems)
    problems += _repeated("provider", [record.slug for record in records.providers])
    problems += _repeated("platform", [record.slug for record in records.platforms])
    problems += _repeated("offering", [record.slug for record in records.offerings])
    if problems:
        raise BrokenRecords(problems)
    return records


def read_offering(data: Mapping[str, Any]) -> OfferingRecord:
    """One offering's record, checked as if it stood in a file; raises ``BrokenRecords`` that names every fault."""
    problems: list[str] = []
    record = _offering(_Reader("offering", data, problems))
    if problems:
        raise BrokenRecords(problems)
    return record


Made = TypeVar("Made")

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_COUNTRY = re.compile(r"[A-Z]{2}")
_is_url = URLValidator(schemes=["http", "https"])


class _Reader:
    """Takes one record apart field by field and notes what is wrong with it."""

    def __init__(self, kind: str, data: Mapping[str, Any], problems: list[str], *, inside: str = "") -> None:
        self._data = data
        self.problems = problems
        self._used = {"slug"}
        self.slug = data.get("slug", "")
        self.name = f"{inside}{kind} “{self.slug}”" if self.slug else f"{inside}{kind} without a slug"
        if not isinstance(self.slug, str) or not _SLUG.fullmatch(self.slug) or len(self.slug) > 80:
            self.wrong("slug", "is not a name of lower-case letters, digits and hyphens")

    def wrong(self, name: str, what: str) -> None:
        self.problems.append(f"{self.name}, field “{name}”: {what}")

    def take(self, name: str, kind: type | tuple[type, ...], default: Any, what: str) -> Any:
        self._used.add(name)
        value = self._data.get(name, default)
        if value is default:
            return default
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.wrong(name, f"is not {what}")
            return default
        return value

    def has(self, name: str) -> bool:
        return name in self._data

    def text(self, name: str, longest: int = 10_000, *, required: bool = False) -> str:
        value = lines(str(self.take(name, str, "", "text")))
        if required and not value:
            self.wrong(name, "is missing")
        if len(value) > longest:
            self.wrong(name, f"is longer than {longest} characters")
        if has_address(value):
            # What the catalogue says is public for good, so it names pages and forms, not people.
            self.wrong(name, "holds an e-mail address; name a page instead")
        return value

    def flag(self, name: str) -> bool:
        return bool(self.take(name, bool, False, "true or false"))

    def yes_no_unknown(self, name: str) -> bool | None:
        self._used.add(name)
        value = self._data.get(name)
        if value is None or isinstance(value, bool):
            return value
        self.wrong(name, "is not true, false or null")
        return None

    def url(self, name: str, longest: int = 200) -> str:
        value = self.text(name, longest)
        if value:
            try:
                _is_url(value)
            except ValidationError:
                self.wrong(name, f"is no address: {value}")
        return value

    def choice(self, name: str, choices: type[Choices], default: str | None = None) -> str:
        value = self.take(name, str, default, "text")
        if value is None:
            self.wrong(name, "is missing")
        elif value not in choices.values:
            self.wrong(name, f"is “{value}”, not one of {', '.join(choices.values)}")
        return str(value)

    def names(self, name: str, longest: int = 80) -> list[str]:
        value = self.take(name, list, [], "a list")
        if not all(isinstance(each, str) and each.strip() and len(each) <= longest for each in value):
            self.wrong(name, f"is not a list of names of at most {longest} characters")
            return []
        return all_normalised(value)

    def number(self, name: str, default: Decimal | None) -> Decimal | None:
        self._used.add(name)
        value = self._data.get(name)
        if value is None:
            return default
        try:
            number = Decimal(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
        except InvalidOperation:
            number = None
        # Its size first: a number with an exponent of hundreds cannot be rounded.
        if number is None or not number.is_finite() or not 0 <= number < 10**14 or number != round(number, 6):
            self.wrong(name, "is not a number of at least 0, in quotes, with at most six decimals")
            return default
        return number

    def whole(self, name: str) -> int | None:
        value = self.take(name, int, None, "a whole number")
        if value is not None and not 0 <= value <= 600:
            self.wrong(name, "is not a whole number from 0 to 600")
            return None
        return None if value is None else int(value)

    def day(self, name: str) -> date:
        try:
            found = date.fromisoformat(self.text(name, required=True))
        except ValueError:
            found = date.min
        if not YEAR_MIN <= found.year <= YEAR_MAX:
            self.wrong(name, f"is no date like 2026-03-01 from {YEAR_MIN} to {YEAR_MAX}")
        return found

    def term(self, term: ComponentTerm) -> Any:
        """A component's term, as its kind is written."""
        match term.kind:
            case Kind.AMOUNT:
                return self.number(term.name, term.absent)
            case Kind.MONTHS:
                return self.whole(term.name) or term.absent
            case Kind.TEXT:
                return self.text(term.name)
            case Kind.UNITS:
                return self.object(term.name)

    def object(self, name: str) -> dict[str, Any]:
        return dict(self.take(name, dict, {}, "an object"))

    def each(self, name: str) -> list[Any]:
        return list(self.take(name, list, [], "a list"))

    def source(self, *names: str) -> None:
        """Notes beside the facts that only people read: where they come from."""
        self._used.update(names)

    def finish(self) -> None:
        for name in self._data.keys() - self._used:
            self.wrong(name, "is not a field of such a record")


def _each(kind: str, document: Mapping[str, Any], make: Callable[[_Reader], Made], problems: list[str]) -> list[Made]:
    data = document.get(f"{kind}s", [])
    if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
        problems.append(f"“{kind}s” is not a list of objects")
        return []
    return [make(_Reader(kind, each, problems)) for each in data]


def _repeated(kind: str, slugs: Sequence[str], inside: str = "") -> list[str]:
    repeated = sorted({slug for slug in slugs if slugs.count(slug) > 1})
    return [f"{inside}{kind} “{slug}”, field “slug”: two records have this name" for slug in repeated]


def _country(reader: _Reader) -> str:
    country = reader.text("country", 2)
    if country and not _COUNTRY.fullmatch(country):
        reader.wrong("country", f"is “{country}”, not two capital letters")
    return country


def _provider(reader: _Reader) -> ProviderRecord:
    values = {
        "name": reader.text("name", 200, required=True),
        "country": _country(reader),
        "website": reader.url("website"),
    }
    reader.source("country_source")
    reader.finish()
    return ProviderRecord(reader.slug, values)


def _platform(reader: _Reader) -> PlatformRecord:
    provider = reader.text("provider", required=True)
    values = {
        "name": reader.text("name", 200, required=True),
        "is_open_science": reader.flag("is_open_science"),
        "is_infrastructure": reader.flag("is_infrastructure"),
        "earthcode_integrated": reader.flag("earthcode_integrated"),
        "registry_id": reader.text("registry_id", 80),
        "languages": reader.names("languages", 60),
        "features": reader.names("features"),
    }
    said: dict[str, Any] = {
        "access_url": reader.url("access_url"),
        "connector": reader.text("connector", 40),
        "connector_config": reader.object("connector_config"),
        "connector_secret": reader.text("connector_secret", 80),
    }
    connection = {name: value for name, value in said.items() if reader.has(name)}
    reader.source("source")
    reader.finish()
    return PlatformRecord(reader.slug, provider, values, connection)


#: What is not taken from a file without saying where it comes from.
_NEEDS_SOURCE: Final = (
    "place",
    "datasets",
    "hardware",
    "availability",
    "limits",
    "maturity",
    "certifications",
    "support_hours",
)


def _offering(reader: _Reader) -> OfferingRecord:
    platform = reader.text("platform", required=True)
    not_stated = reader.each("not_stated")
    sources = _sources(reader)
    values: dict[str, Any] = {
        "name": reader.text("name", 200, required=True),
        "code": reader.text("code", 5),
        "summary": reader.text("summary", required=True),
        "tier": reader.choice("tier", Tier),
        "service_types": reader.names("service_types", 60),
        "interfaces": reader.names("interfaces"),
        "protocols": reader.names("protocols"),
        "workflow_types": reader.names("workflow_types"),
        "datasets": reader.names("datasets", 120),
        "place": reader.text("place", 120),
        "country": _country(reader),
        **_location(reader),
        "sponsorable": reader.yes_no_unknown("sponsorable"),
        "access": reader.text("access"),
        "access_url": reader.url("access_url"),
        "documentation_url": reader.url("documentation_url"),
        "support": reader.text("support", 300),
        "support_hours": reader.text("support_hours", 200),
        "hardware": reader.text("hardware", 2000),
        "availability": reader.text("availability", 2000),
        "limits": reader.text("limits", 2000),
        "maturity": reader.text("maturity", 200),
        "certifications": reader.names("certifications", 120),
        "sources": sources,
        "not_stated": not_stated,
        "is_demonstration": reader.flag("is_demonstration"),
        "is_listed": True,
    }
    if not all(isinstance(each, str) and len(each) <= 200 for each in not_stated):
        reader.wrong("not_stated", "is not a list of texts of at most 200 characters")
    for name in _NEEDS_SOURCE:
        if values[name] and name not in sources and not values["is_demonstration"]:
            reader.wrong(name, "has no source")
    data = reader.each("plans")
    reader.finish()
    plans: list[PlanRecord] = []
    for each in data:
        if not isinstance(each, dict):
            reader.wrong("plans", "is not a list of objects")
            continue
        plans.append(_plan(_Reader("plan", each, reader.problems, inside=f"{reader.name}, ")))
    reader.problems += _repeated("plan", [plan.slug for plan in plans], inside=f"{reader.name}, ")
    return OfferingRecord(reader.slug, platform, values, tuple(plans))


def _location(reader: _Reader) -> dict[str, float | None]:
    """``location`` is longitude and latitude, as in GeoJSON."""
    location = reader.each("location")
    if not location:
        return {"longitude": None, "latitude": None}
    numbers = [float(each) for each in location if isinstance(each, int | float) and not isinstance(each, bool)]
    if len(location) != 2 or len(numbers) != 2 or abs(numbers[0]) > 180 or abs(numbers[1]) > 90:
        reader.wrong("location", "is not a longitude and a latitude")
        return {"longitude": None, "latitude": None}
    return {"longitude": numbers[0], "latitude": numbers[1]}


def _sources(reader: _Reader) -> dict[str, dict[str, str]]:
    sources = reader.object("sources")
    for name, found in sources.items():
        if (
            not isinstance(found, dict)
            or not found.get("source")
            or not found.keys() <= {"source", "date"}
            or not all(isinstance(each, str) for each in found.values())
        ):
            reader.wrong("sources", f"says nothing usable about “{name}”: it takes a “source” and a “date”")
    return sources


def _plan(reader: _Reader) -> PlanRecord:
    values = {
        "kind": reader.choice("kind", PlanKind, PlanKind.GENERAL),
        "name": reader.text("name", 200, required=True),
        "summary": reader.text("summary"),
        "audience": reader.text("audience", 200),
        "author": reader.text("author", 120),
        "endpoint_url": reader.url("endpoint_url", 300),
        "order_url": reader.url("order_url", 300),
        "included": reader.object("included"),
        "months_max": reader.whole("months_max"),
        "source": reader.text("source"),
        "source_date": reader.text("source_date", 20),
        "connector_settings": reader.object("connector_settings"),
        "is_listed": True,
    }
    data = reader.each("components")
    reader.finish()
    components = []
    for each in data:
        if isinstance(each, dict):
            components.append(_component(each, reader))
        else:
            reader.wrong("components", "is not a list of objects")
    names = [(component.metric, component.label) for component in components]
    if len(set(names)) < len(names):
        reader.wrong("components", "has two of the same metric and label")
    return PlanRecord(reader.slug, values, tuple(components))


def _component(data: Mapping[str, Any], plan: _Reader) -> ComponentRecord:
    # A component has no name of its own: its plan and its metric are its name.
    reader = _Reader("component", {**data, "slug": "component"}, plan.problems)
    reader.name = f"{plan.name}, component “{data.get('metric', '')}”"
    metric = reader.choice("metric", Metric)
    label = reader.text("label", 120)
    conversion, conversion_low = _conversion(reader)
    values = {
        **{term.name: reader.term(term) for term in TERMS.values() if term.kind is not Kind.UNITS},
        "conversion": conversion,
        "conversion_low": conversion_low,
        "in_use": True,
    }
    if conversion and not values["conversion_source"]:
        reader.wrong("conversion", "has no “conversion_source”")
    if values["block_months"] and not values["step"]:
        reader.wrong("block_months", "needs a “step”: only what is sold in blocks expires")
    found = reader.object("rate")
    discounts = reader.each("discounts")
    reader.finish()
    rate = _rate(found, reader, "rate") if found else None
    return ComponentRecord(metric, label, values, rate, _discounts(discounts, rate, reader))


def _conversion(reader: _Reader) -> tuple[dict[str, str], dict[str, str]]:
    """Units for one of each metric, at most and at least: a number, or the two ends of a range.

    The lower ends may also stand by themselves, in ``conversion_low``.
    """
    most: dict[str, str] = {}
    low: dict[str, str] = {}
    lower = reader.object("conversion_low")
    for name, units in reader.object("conversion").items():
        if name in lower:
            units = [lower[name], units]
        ends = units if isinstance(units, list) and len(units) == 2 else [units, units]
        try:
            first, last = (Decimal(str(end)) for end in ends)
            usable = name in Metric.values and 0 < first <= last
        except InvalidOperation:
            usable = False
        if usable:
            low[name], most[name] = str(ends[0]), str(ends[1])
        else:
            reader.wrong("conversion", f"cannot use “{name}”: {units}")
    return most, low if low != most else {}


def _discounts(data: list[Any], listed: RateRecord | None, component: _Reader) -> tuple[RateRecord, ...]:
    discounts = []
    for each in data:
        if not isinstance(each, dict):
            component.wrong("discounts", "is not a list of objects")
            continue
        discount = _rate(each, component, f"discount for “{each.get('audience', '')}”", is_discount=True)
        ended = listed and discount.valid_until and discount.valid_until <= listed.valid_from
        if listed is None or (discount.micro_per_unit >= listed.micro_per_unit and not ended):
            component.wrong("discounts", "has one that is not below a list price")
        discounts.append(discount)
    audiences = [discount.audience for discount in discounts]
    if len(set(audiences)) < len(audiences):
        component.wrong("discounts", "has two for the same audience")
    return tuple(discounts)


def _rate(data: Mapping[str, Any], component: _Reader, name: str, *, is_discount: bool = False) -> RateRecord:
    reader = _Reader("rate", {**data, "slug": "rate"}, component.problems)
    reader.name = f"{component.name}, {name}"
    if not reader.has("credits"):
        reader.wrong("credits", "is missing; a price nobody stated is left out with its whole rate")
    low, most = _credits(data, reader)
    record = RateRecord(
        micro_per_unit=most * 1_000_000,
        micro_low=low * 1_000_000 if low < most else None,
        valid_from=reader.day("from"),
        evidence=reader.choice("evidence", Evidence),
        source=reader.text("source"),
        source_date=reader.text("source_date", 20),
        audience=reader.choice("audience", Audience) if is_discount else "",
        reason=reader.text("reason", 500, required=True) if is_discount else "",
        valid_until=reader.day("until") if is_discount and reader.has("until") else None,
    )
    if record.evidence != Evidence.DEMONSTRATION and not record.source:
        reader.wrong("source", "is missing")
    if record.valid_until is not None and record.valid_until <= record.valid_from:
        reader.wrong("until", "is not after “from”")
    reader.finish()
    return record


def _credits(data: Mapping[str, Any], reader: _Reader) -> tuple[Decimal, Decimal]:
    """The price, or the two ends of a stated range: as a list, or the lower one beside the other."""
    given = data.get("credits")
    if reader.has("credits_low") and not isinstance(given, list):
        reader.source("credits_low")
        given = [data["credits_low"], given]
    if not isinstance(given, list):
        exact = reader.number("credits", Decimal(0)) or Decimal(0)
        return exact, exact
    reader.source("credits")
    ends = _Reader("rate", {"slug": "rate", **dict(zip(("low", "high"), given, strict=False))}, reader.problems)
    ends.name = f"{reader.name}, credits"
    low, high = ends.number("low", None), ends.number("high", None)
    if len(given) != 2 or low is None or high is None or low >= high:
        reader.wrong("credits", "is no range of a lower and a higher number")
        return Decimal(0), Decimal(0)
    return low, high
