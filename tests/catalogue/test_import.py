"""The import: what the files say is what the catalogue says, all or nothing, and twice is once."""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from earthcode.audit.models import Event
from earthcode.catalogue.metrics import Evidence
from earthcode.catalogue.models import Component, Offering, Plan, PlanKind, Platform, Rate
from earthcode.catalogue.pricing import CannotPrice, Quote, Workload
from earthcode.catalogue.queries import components_on, quote_plan
from earthcode.catalogue.records import BUNDLED, DEMONSTRATION, BrokenRecords, read
from earthcode.identity.models import Organisation
from earthcode.lib.money import credits
from tests.catalogue.conftest import AT, TODAY, Import, a_file, an_offering, rate

pytestmark = pytest.mark.django_db


NOT_PUBLISHED = CannotPrice(("The provider has not published a price.",))
AREA = Workload(area_km2=Decimal(5000))


def rows() -> list[int]:
    return [each.objects.count() for each in (Organisation, Platform, Offering, Plan, Component, Rate, Event)]


# --- the project's own files -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bundled() -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in (*BUNDLED, *DEMONSTRATION)]


def test_the_command_brings_all_31_offerings_in_and_a_second_run_changes_nothing() -> None:
    first, second = StringIO(), StringIO()

    call_command("import_offerings", stdout=first)
    before = rows()
    call_command("import_offerings", stdout=second)

    assert Offering.objects.listed().count() == 31
    assert first.getvalue().startswith("72 added, 0 changed")
    assert second.getvalue().startswith("0 added, 0 changed, 72 unchanged; 0 rates added, 0 closed")
    assert rows() == before


def test_the_demonstration_comes_only_when_asked_for() -> None:
    call_command("import_offerings", stdout=StringIO())
    assert not Offering.objects.filter(is_demonstration=True).exists()

    call_command("import_offerings", "--demonstration", stdout=StringIO())

    assert set(Offering.objects.filter(is_demonstration=True).values_list("slug", flat=True)) == {
        "demo-notebooks",
        "demo-batch-processing",
    }
    demonstration = Rate.objects.filter(component__plan__offering__is_demonstration=True)
    assert demonstration.exists()
    assert not demonstration.exclude(evidence=Evidence.DEMONSTRATION).exists()
    assert not Rate.objects.exclude(pk__in=demonstration).filter(evidence=Evidence.DEMONSTRATION).exists()
    hub = Platform.objects.get(slug="demo-hub")
    assert (hub.connector, hub.connector_secret, hub.provider.slug) == ("jupyterhub", "demo-hub", "demo-hub-provider")


def test_both_demonstration_offerings_price_the_usual_workload_completely() -> None:
    call_command("import_offerings", "--demonstration", stdout=StringIO())

    for slug, total in (("demo-notebooks", "273.12"), ("demo-batch-processing", "275.4")):
        answer = quote_plan(Plan.objects.get(offering__slug=slug, slug="pay-per-use"), Workload(), TODAY)
        assert isinstance(answer, Quote)
        assert (answer.total, answer.not_covered) == (credits(total), ())


def test_an_unknown_price_stays_unknown() -> None:
    call_command("import_offerings", stdout=StringIO())

    for slug in ("deepesdl", "edc-eoxhub", "creodias-iaas", "insula"):
        for plan in Plan.objects.filter(offering__slug=slug):
            answer = quote_plan(plan, Workload(), TODAY)
            assert answer == NOT_PUBLISHED


def test_a_free_tier_covers_what_it_holds_and_no_more() -> None:
    call_command("import_offerings", stdout=StringIO())
    free = Plan.objects.get(offering__slug="cdse-openeo-federation", slug="free")
    paid = Plan.objects.get(offering__slug="cdse-openeo-federation", slug="credits")

    small, large = Workload(), Workload(hours=Decimal(600))

    covered = quote_plan(free, small, TODAY)
    assert isinstance(covered, Quote)
    assert covered.is_free
    assert isinstance(quote_plan(free, large, TODAY), CannotPrice)
    charged = quote_plan(paid, small, TODAY)
    assert isinstance(charged, Quote)
    assert charged.total == credits("169.92")


def test_every_real_figure_has_a_source_and_a_date_or_says_that_it_has_none() -> None:
    call_command("import_offerings", stdout=StringIO())

    assert Rate.objects.count() == 54
    for each in Rate.objects.all():
        assert "https://" in each.source
        assert each.source_date
    assert not Component.objects.exclude(conversion={}).filter(conversion_source="").exists()
    # A price of nothing is only ever a stated free tier, and what is metered in it has a limit.
    for each in Rate.objects.filter(micro_per_unit=0).select_related("component"):
        assert each.component.limit is not None or each.component.metric == "subscription_month"


def test_the_files_name_no_people_and_use_the_full_names_of_missions(bundled: list[dict[str, Any]]) -> None:
    text = json.dumps(bundled, ensure_ascii=False)

    assert re.findall(r"[\w.]+@[\w-]+\.\w+", text) == []
    assert re.findall(r"\bS5P\b|\bS2\b|\bS1\b", text) == []


def test_the_offerings_that_earthcode_lists_carry_their_registry_entry() -> None:
    call_command("import_offerings", stdout=StringIO())

    assert set(Platform.objects.exclude(registry_id="").values_list("registry_id", flat=True)) == {
        "cdse-openeo",
        "cocalc-edc",
        "deepesdl",
        "edc-eoxhub",
        "pangeo-edc",
        "polar-tep-edc",
    }
    assert Platform.objects.get(registry_id="deepesdl").features == [
        "xcube",
        "STAC",
        "Sentinel Hub",
        "JupyterLab",
        "Conda",
        "Git",
    ]


def test_the_70_ready_made_services_are_in_and_those_without_a_price_have_none() -> None:
    call_command("import_offerings", stdout=StringIO())
    services = Plan.objects.filter(kind=PlanKind.SERVICE)

    assert services.count() == 70
    unpriced = services.filter(components__isnull=True)
    assert unpriced.count() == 31
    assert all(quote_plan(plan, AREA, TODAY) == NOT_PUBLISHED for plan in unpriced)
    by_area = services.get(slug="worldcereal-crop-type")
    # 0.1 openEO credits of 0.01 EUR for each of 5 000 km².
    answer = quote_plan(by_area, AREA, TODAY)
    assert isinstance(answer, Quote)
    assert (answer.total, answer.evidence) == (credits(5), Evidence.DERIVED)


# --- another file ----------------------------------------------------------------------------------------------------


def test_a_file_of_ones_own_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(a_file(an_offering())), encoding="utf-8")

    call_command("import_offerings", str(path), stdout=StringIO())

    assert list(Offering.objects.values_list("slug", flat=True)) == ["cube"]


def test_names_are_written_in_one_way(imported: Import) -> None:
    imported(a_file(an_offering()))

    cube = Offering.objects.get()
    assert cube.datasets == ["Sentinel-5P", "Sentinel-2"]
    assert cube.interfaces == ["JupyterLab"]
    assert cube.service_types == ["Development environment (IDE)"]


def test_a_change_is_made_and_told_once(imported: Import) -> None:
    imported(a_file(an_offering()))
    later = AT + timedelta(days=1)

    report = imported(a_file(an_offering(summary="More snow.")), at=later)
    again = imported(a_file(an_offering(summary="More snow.")), at=later + timedelta(days=1))

    assert (report.changed, again.changed) == (["offering cube"], [])
    cube = Offering.objects.get()
    assert (cube.summary, cube.updated_at) == ("More snow.", later)
    event = Event.objects.get(name="offering.import", data__changed=["summary"])
    assert (event.actor_id, event.subject_label, event.at) == ("system:import", "Cube of snow", later)


def test_what_a_file_does_not_name_is_left_alone(imported: Import) -> None:
    imported(a_file(an_offering("cube"), an_offering("sphere", name="Sphere")))

    report = imported(a_file(an_offering("cube")))

    assert (report.changed, Offering.objects.listed().count()) == ([], 2)


def test_a_plan_that_is_gone_is_no_longer_listed_and_a_component_no_longer_metered(imported: Import) -> None:
    imported(a_file(an_offering()))
    changed = an_offering()
    changed["plans"][0]["components"] = changed["plans"][0]["components"][:1]
    changed["plans"].append({"slug": "daily", "name": "By the day"})
    imported(a_file(changed))
    hourly = Plan.objects.get(slug="hourly")
    answer = quote_plan(hourly, Workload(), TODAY)
    assert isinstance(answer, Quote)
    assert [line.metric for line in answer.lines] == ["vcpu_hour"]

    changed["plans"] = changed["plans"][1:]
    imported(a_file(changed))

    hourly.refresh_from_db()
    assert not hourly.is_listed
    assert [plan.slug for plan in Plan.objects.listed()] == ["daily"]
    assert Rate.objects.filter(component__plan=hourly).count() == 2


def test_what_an_installation_set_up_itself_is_kept(imported: Import) -> None:
    imported(a_file(an_offering()))
    platform = Platform.objects.get()
    platform.connector_config = {"api_url": "https://hub.example/hub/api"}
    platform.access_url = "https://hub.example/"
    platform.save()

    report = imported(a_file(an_offering()))

    platform.refresh_from_db()
    assert report.changed == []
    assert platform.connector_config == {"api_url": "https://hub.example/hub/api"}
    assert platform.access_url == "https://hub.example/"


# --- rates -----------------------------------------------------------------------------------------------------------


def with_rate(**of_rate: str) -> dict[str, Any]:
    offering = an_offering()
    offering["plans"][0]["components"] = [{"metric": "vcpu_hour", "rate": rate("0.05") | of_rate}]
    return a_file(offering)


def the_rates() -> list[tuple[str, date, date | None]]:
    return [
        (str(each.micro_per_unit.normalize()), each.valid.lower, each.valid.upper)
        for each in Rate.objects.order_by("valid")
    ]


def test_a_new_rate_closes_the_one_before_and_both_stay(imported: Import) -> None:
    imported(with_rate())

    report = imported(with_rate(credits="0.06", **{"from": "2026-10-01"}))

    assert (report.rates_added, report.rates_closed) == (1, 1)
    assert the_rates() == [("5E+4", date(2026, 1, 1), date(2026, 10, 1)), ("6E+4", date(2026, 10, 1), None)]
    plan = Plan.objects.get()
    before, after = (quote_plan(plan, Workload(), day) for day in (date(2026, 9, 30), date(2026, 10, 1)))
    assert isinstance(before, Quote)
    assert isinstance(after, Quote)
    assert (before.total, after.total) == (credits("144"), credits("172.8"))


def test_a_frozen_quote_does_not_change_with_the_rate(imported: Import) -> None:
    imported(with_rate())
    frozen = quote_plan(Plan.objects.get(), Workload(), TODAY)
    assert isinstance(frozen, Quote)
    stored = json.loads(json.dumps(frozen.as_json()))

    imported(with_rate(credits="0.5", **{"from": "2026-10-01"}))

    assert Quote.from_json(stored).total == credits(144)
    assert Rate.objects.get(pk=stored["lines"][0]["rate_id"]).micro_per_unit == 50_000


def test_an_older_file_does_not_bring_an_older_rate_back(imported: Import) -> None:
    imported(with_rate())
    imported(with_rate(credits="0.06", **{"from": "2026-10-01"}))
    before = the_rates()

    report = imported(with_rate())

    assert (report.changed, the_rates()) == ([], before)


def test_a_price_that_nobody_states_any_more_is_unknown_from_that_day_on(imported: Import) -> None:
    imported(with_rate())
    silent = with_rate()
    del silent["offerings"][0]["plans"][0]["components"][0]["rate"]

    imported(silent)

    plan = Plan.objects.get()
    assert isinstance(quote_plan(plan, Workload(), TODAY - timedelta(days=1)), Quote)
    assert isinstance(quote_plan(plan, Workload(), TODAY), CannotPrice)


@pytest.mark.parametrize(
    ("later", "problem"),
    [
        ({"credits": "0.06"}, "field “credits”: another rate is recorded from 2026-01-01 on"),
        ({"credits": "0.06", "from": "2025-12-01"}, "field “from”: a later rate than that of 2025-12-01 is recorded"),
    ],
)
def test_a_rate_is_never_edited_nor_put_before_another(imported: Import, later: dict[str, str], problem: str) -> None:
    imported(with_rate())
    before = rows(), the_rates()

    with pytest.raises(BrokenRecords) as broken:
        imported(with_rate(**later))

    [told] = broken.value.problems
    assert told.startswith("offering “cube”, plan “hourly”, component “vcpu_hour”, rate, ")
    assert problem in told
    assert (rows(), the_rates()) == before


# --- broken files ----------------------------------------------------------------------------------------------------

Break = Callable[[dict[str, Any]], None]


def _set(*path: str | int, to: object) -> Break:
    def change(document: dict[str, Any]) -> None:
        here: Any = document
        for step in path[:-1]:
            here = here[step]
        here[path[-1]] = to

    return change


PLAN = ("offerings", 0, "plans", 0)
COMPONENT = (*PLAN, "components", 0)


@pytest.mark.parametrize(
    ("change", "record", "name"),
    [
        (_set("offerings", 0, "tier", to="gold"), "offering “cube”", "tier"),
        (_set("offerings", 0, "tier", to=None), "offering “cube”", "tier"),
        (_set("offerings", 0, "name", to=" "), "offering “cube”", "name"),
        (_set("offerings", 0, "slug", to="Cube of Snow"), "offering “Cube of Snow”", "slug"),
        (_set("offerings", 0, "interfaces", to="JupyterLab"), "offering “cube”", "interfaces"),
        (_set("offerings", 0, "sponsorable", to="planned"), "offering “cube”", "sponsorable"),
        (_set("offerings", 0, "documentation_url", to="javascript:alert(1)"), "offering “cube”", "documentation_url"),
        (_set("offerings", 0, "support", to="somebody@cube.example"), "offering “cube”", "support"),
        (_set("offerings", 0, "sources", to={}), "offering “cube”", "datasets"),
        (_set("offerings", 0, "sources", "datasets", to="a page"), "offering “cube”", "sources"),
        (_set("offerings", 0, "location", to=[200, 0]), "offering “cube”", "location"),
        (_set("offerings", 0, "platform", to="sphere"), "offering “cube”", "platform"),
        (_set("offerings", 0, "colour", to="white"), "offering “cube”", "colour"),
        (_set("platforms", 0, "provider", to="nobody"), "platform “cubes”", "provider"),
        (_set("providers", 0, "country", to="Austria"), "provider “snow-works”", "country"),
        (_set(*PLAN, "months_max", to=-1), "offering “cube”, plan “hourly”", "months_max"),
        (_set(*PLAN, "kind", to="gift"), "offering “cube”, plan “hourly”", "kind"),
        (_set(*COMPONENT, "metric", to="magic"), "plan “hourly”, component “magic”", "metric"),
        (_set(*COMPONENT, "limit", to="-1"), "plan “hourly”, component “vcpu_hour”", "limit"),
        (_set(*COMPONENT, "conversion", to={"vcpu_hour": "2"}), "plan “hourly”, component “vcpu_hour”", "conversion"),
        (_set(*COMPONENT, "rate", "credits", to=0.05), "component “vcpu_hour”, rate", "credits"),
        (_set(*COMPONENT, "rate", "credits", to="NaN"), "component “vcpu_hour”, rate", "credits"),
        (_set(*COMPONENT, "rate", "from", to="soon"), "component “vcpu_hour”, rate", "from"),
        (_set(*COMPONENT, "rate", "source", to=""), "component “vcpu_hour”, rate", "source"),
        (_set(*COMPONENT, "rate", "evidence", to="rumour"), "component “vcpu_hour”, rate", "evidence"),
    ],
)
def test_a_broken_record_is_named_with_its_field_and_nothing_changes(
    imported: Import, change: Break, record: str, name: str
) -> None:
    document = a_file(an_offering(), an_offering("sphere"))
    change(document)

    with pytest.raises(BrokenRecords) as broken:
        imported(document)

    assert any(record in told and f"field “{name}”" in told for told in broken.value.problems), broken.value.problems
    assert rows() == [0] * 7


def test_everything_that_is_wrong_is_told_at_once(imported: Import) -> None:
    document = a_file(an_offering(tier="gold"), an_offering("sphere", name=""))

    with pytest.raises(BrokenRecords) as broken:
        imported(document)

    assert [told.split(":")[0] for told in broken.value.problems] == [
        "offering “cube”, field “tier”",
        "offering “sphere”, field “name”",
    ]


def test_two_records_of_one_name_are_refused(imported: Import) -> None:
    with pytest.raises(BrokenRecords, match="offering “cube”, field “slug”: two records have this name"):
        imported(a_file(an_offering(), an_offering()))
    twice = an_offering()
    twice["plans"].append(deepcopy(twice["plans"][0]))
    with pytest.raises(BrokenRecords, match="plan “hourly”, field “slug”: two records have this name"):
        imported(a_file(twice))


@pytest.mark.parametrize("text", ["", "[]", '{"offerings": {}}', '{"offers": []}', '{"offerings": [NaN]}', "\x00"])
def test_what_is_no_such_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(BrokenRecords):
        read([path])


def test_the_command_names_the_broken_record_and_fails(tmp_path: Path) -> None:
    call_command("import_offerings", stdout=StringIO())
    before = rows()
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(a_file(an_offering(), an_offering("sphere", tier="gold"))), encoding="utf-8")

    with pytest.raises(CommandError) as failed:
        call_command("import_offerings", str(path), stdout=StringIO())

    assert "offering “sphere”, field “tier”" in str(failed.value)
    assert failed.value.returncode == 1
    assert rows() == before


def test_a_failure_in_the_middle_leaves_nothing(imported: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*args: object, **kwargs: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(Rate.objects, "create", break_down)

    with pytest.raises(ConnectionError):
        imported(a_file(an_offering()))

    assert rows() == [0] * 7


def test_the_time_of_the_import_comes_from_outside(imported: Import) -> None:
    at = datetime(2030, 1, 1, tzinfo=AT.tzinfo)

    imported(a_file(an_offering()), at=at)

    assert Offering.objects.get().updated_at == at


# --- ranges, blocks and discounts -------------------------------------------------------------------------------------


def with_component(**of_component: Any) -> dict[str, Any]:
    component = {"metric": "processing_hour", "rate": rate("2"), **of_component}
    plan = {"slug": "hourly", "name": "By the hour", "components": [component]}
    return a_file(an_offering(plans=[plan]))


def a_discount(audience: str = "first_time", price: Any = "1.5", **of_rate: Any) -> dict[str, Any]:
    return {**rate(price), "audience": audience, "reason": "Welcome price", **of_rate}


def test_ranges_blocks_and_discounts_are_read(imported: Import) -> None:
    imported(
        with_component(
            step="100",
            block_months=3,
            rate=rate(["1.8", "2"]),
            conversion={"vcpu_hour": ["1", "1.5"]},
            conversion_source="https://prices.example/",
            discounts=[a_discount(until="2027-01-01"), a_discount("anybody", ["1.6", "1.7"])],
        )
    )

    [component] = components_on(Plan.objects.order_by(), TODAY)[Plan.objects.get().pk]
    assert (component.micro_low, component.micro_per_unit) == (credits("1.8"), credits(2))
    assert (component.step, component.block_months) == (100, 3)
    assert (component.conversion_low, component.conversion) == (
        (("vcpu_hour", Decimal(1)),),
        (("vcpu_hour", Decimal("1.5")),),
    )
    assert [(each.audience, each.micro_low, each.micro_per_unit) for each in component.discounts] == [
        ("anybody", credits("1.6"), credits("1.7")),
        ("first_time", None, credits("1.5")),
    ]


def test_a_second_import_of_discounts_changes_nothing(imported: Import) -> None:
    document = with_component(discounts=[a_discount(until="2027-01-01"), a_discount("anybody")])
    imported(document)

    again = imported(document, at=AT + timedelta(days=1))

    assert (again.changed, again.rates_added, again.rates_closed) == ([], 0, 0)


def test_a_discount_nobody_states_any_more_ends_and_the_list_price_stays(imported: Import) -> None:
    imported(with_component(discounts=[a_discount()]))

    report = imported(with_component(), at=AT + timedelta(days=1))

    assert report.rates_closed == 1
    assert [(each.audience, each.valid.upper) for each in Rate.objects.order_by("audience")] == [
        ("", None),
        ("first_time", TODAY + timedelta(days=1)),
    ]


@pytest.mark.parametrize(
    ("of_component", "field"),
    [
        ({"discounts": [a_discount("friends")]}, "audience"),
        ({"discounts": [a_discount(reason="")]}, "reason"),
        ({"discounts": [a_discount(price="2")]}, "discounts"),
        ({"discounts": [a_discount(), a_discount()]}, "discounts"),
        ({"discounts": [a_discount(until="2025-01-01")]}, "until"),
        ({"rate": rate(["2", "1"])}, "credits"),
        ({"rate": rate(["1"])}, "credits"),
        ({"block_months": 3}, "block_months"),
        ({"conversion": {"vcpu_hour": ["2", "1"]}, "conversion_source": "https://prices.example/"}, "conversion"),
    ],
)
def test_what_is_no_discount_range_or_block_is_refused_by_name(
    of_component: dict[str, Any], field: str, imported: Import
) -> None:
    with pytest.raises(BrokenRecords) as refusal:
        imported(with_component(**of_component))

    assert any(f"field “{field}”" in problem for problem in refusal.value.problems)
    assert not Offering.objects.exists()


# --- further facts ----------------------------------------------------------------------------------------------------

FACTS = {
    "hardware": "NVIDIA T4",
    "availability": "99 % of the month",
    "limits": "Two jobs at a time",
    "maturity": "Operational",
    "certifications": ["ISO 27001"],
    "support_hours": "Weekdays, 9 to 17",
}


def test_further_facts_are_read_with_their_sources(imported: Import) -> None:
    sources = {name: {"source": "https://cube.example/"} for name in (*FACTS, "datasets")}

    imported(a_file(an_offering(**FACTS, sources=sources)))

    offering = Offering.objects.get()
    assert {name: getattr(offering, name) for name in FACTS} == FACTS


@pytest.mark.parametrize("name", list(FACTS))
def test_a_further_fact_without_a_source_is_refused(name: str, imported: Import) -> None:
    with pytest.raises(BrokenRecords, match=f"field “{name}”: has no source"):
        imported(a_file(an_offering(**{name: FACTS[name]})))
