"""What an offering said and when: versions, how they differ, and that nothing changes them."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from earthcode.audit.actors import System
from earthcode.audit.models import Event
from earthcode.catalogue import estimates
from earthcode.catalogue.models import Offering, OfferingVersion, Plan, Platform
from earthcode.catalogue.pricing import Workload
from earthcode.catalogue.versions import Change, content_of, difference, publish_version, publish_versions
from tests.catalogue.conftest import AT, Import, a_file, an_offering, rate

pytestmark = pytest.mark.django_db
EDITOR = System("editor")


@pytest.fixture
def cube(imported: Import) -> Offering:
    imported(a_file(an_offering()))
    return Offering.objects.get(slug="cube")


def numbers(offering: Offering) -> list[int]:
    return [version.number for version in offering.versions.order_by("number")]


# --- when there is a new one ------------------------------------------------------------------------------------------


def test_the_first_import_makes_the_first_version_with_all_that_is_shown(cube: Offering) -> None:
    version = cube.versions.get()

    assert version.number == 1
    assert version.content == content_of(cube)
    assert version.by == "system:import"
    assert version.published_at == AT
    plan = version.content["plans"][0]
    assert plan["components"][0]["rates"][0]["credits"] == "0.05"
    assert version.content["provider"]["name"] == "Snow Works"
    assert version.content["sources"]["datasets"]["source"] == "https://cube.example/data"
    assert Event.objects.filter(name="offering.publish", subject_id=str(cube.pk)).count() == 1


def test_an_import_that_changes_nothing_makes_no_version(cube: Offering, imported: Import) -> None:
    imported(a_file(an_offering()), at=AT + timedelta(days=1))

    assert numbers(cube) == [1]


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        (a_file(an_offering(summary="Other words.")), "summary"),
        (
            a_file(
                an_offering(),
                platforms=[{"slug": "cubes", "name": "Big Cubes", "provider": "snow-works"}],
            ),
            "platform/name",
        ),
        (
            {"providers": [{"slug": "snow-works", "name": "Ice Works", "country": "AT"}]},
            "provider/name",
        ),
    ],
)
def test_an_import_that_changes_the_offering_its_platform_or_its_provider_makes_one(
    changed: dict[str, Any], path: str, cube: Offering, imported: Import
) -> None:
    imported(changed, at=AT + timedelta(days=1))

    before, after = cube.versions.order_by("number")
    assert path in [change.path for change in difference(before.content, after.content)]


def test_publishing_twice_is_publishing_once(cube: Offering) -> None:
    Offering.objects.filter(pk=cube.pk).update(summary="Other words.")

    first = publish_version(cube, by=EDITOR, at=AT, note="Clearer.")
    second = publish_version(cube, by=EDITOR, at=AT + timedelta(hours=1), note="Again.")

    assert first == second
    assert (first.number, first.note, first.by) == (2, "Clearer.", "system:editor")


def test_what_is_no_longer_listed_or_metered_is_not_in_it(cube: Offering, imported: Import) -> None:
    plan = {"slug": "hourly", "name": "By the hour", "components": [{"metric": "gb_month", "rate": rate("0.02")}]}
    imported(a_file(an_offering(plans=[plan])), at=AT + timedelta(days=1))

    components = content_of(cube)["plans"][0]["components"]
    assert [component["metric"] for component in components] == ["gb_month"]


def test_a_platform_s_connection_is_in_no_version(cube: Offering) -> None:
    Platform.objects.update(connector="simulated", connector_config={"api": "https://inside.example"})

    assert "inside.example" not in str(content_of(cube))
    assert publish_version(cube, by=EDITOR, at=AT).number == 1


def test_comparing_many_with_their_versions_takes_as_many_queries_as_one(imported: Import) -> None:
    imported(a_file(*(an_offering(f"cube-{n}") for n in range(6))))
    pks = list(Offering.objects.order_by("pk").values_list("pk", flat=True))

    with CaptureQueriesContext(connection) as one:
        publish_versions(pks[:1], by=EDITOR, at=AT)
    with CaptureQueriesContext(connection) as all_of_them:
        publish_versions(pks, by=EDITOR, at=AT)

    assert len(all_of_them) == len(one)


# --- how two differ ---------------------------------------------------------------------------------------------------


def test_a_new_price_reads_as_the_end_of_one_rate_and_the_start_of_another(cube: Offering, imported: Import) -> None:
    dearer = an_offering()
    dearer["plans"][0]["components"][0]["rate"] = rate("0.06", "2026-12-01")
    imported(a_file(dearer), at=AT + timedelta(days=1))

    before, after = (version.content for version in cube.versions.order_by("number"))
    changes = difference(before, after)

    assert changes[0] == Change(
        path="plans/hourly/components/vcpu_hour/rates/2026-01-01/until",
        label="Plan “By the hour”, vCPU-hour, Rate from 2026-01-01, Until",
        before="",
        after="2026-12-01",
    )
    assert ("Plan “By the hour”, vCPU-hour, Rate from 2026-12-01, Credits", "", "0.06") in [
        (change.label, change.before, change.after) for change in changes
    ]


def test_values_read_as_people_write_them() -> None:
    before = {"tier": "resource", "sponsorable": None, "datasets": ["Sentinel-2"], "country": "AT"}
    after = {"tier": "platform", "sponsorable": False, "datasets": ["Sentinel-2", "Sentinel-3"], "country": ""}

    assert [(change.label, change.before, change.after) for change in difference(before, after)] == [
        ("Tier", "Resource Tier", "Platform Tier"),
        ("Data on site", "Sentinel-2", "Sentinel-2, Sentinel-3"),
        ("Country", "Austria", ""),
        ("ESA can sponsor it", "", "No"),
    ]


def test_another_order_of_plans_and_a_fact_nobody_states_are_no_difference() -> None:
    plans = [{"slug": "a", "name": "A", "components": []}, {"slug": "b", "name": "B", "components": []}]

    assert difference({"plans": plans}, {"plans": plans[::-1], "hardware": "", "limits": None}) == []


def test_from_nothing_on_everything_is_new(cube: Offering) -> None:
    changes = difference({}, content_of(cube))

    assert {change.before for change in changes} == {""}
    assert changes == difference({}, content_of(cube))
    assert changes[0].label == "Name in addresses"


# --- that nothing changes them ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE catalogue_offeringversion SET content = '{}'",
        "UPDATE catalogue_offeringversion SET number = 7",
        "DELETE FROM catalogue_offeringversion",
        "TRUNCATE catalogue_offeringversion CASCADE",
        (
            "INSERT INTO catalogue_offeringversion (offering_id, number, content, published_at, by, note)"
            " SELECT offering_id, 3, '{}', now(), 'somebody', '' FROM catalogue_offeringversion"
        ),
        (
            "INSERT INTO catalogue_offeringversion (offering_id, number, content, published_at, by, note)"
            " SELECT offering_id, 1, '{}', now(), 'somebody', '' FROM catalogue_offeringversion"
        ),
    ],
)
def test_the_database_refuses_to_change_remove_or_skip_a_version(statement: str, cube: Offering) -> None:
    before = list(OfferingVersion.objects.values())

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)

    assert list(OfferingVersion.objects.values()) == before


def test_a_version_cannot_be_changed_or_removed_through_the_orm(cube: Offering) -> None:
    version = cube.versions.get()

    with pytest.raises(DatabaseError, match="never changed or removed"), transaction.atomic():
        version.save()
    with pytest.raises(DatabaseError, match="never changed or removed"), transaction.atomic():
        version.delete()

    assert numbers(cube) == [1]


def test_an_estimate_cites_what_each_offering_said(hub_plan: Plan, workload: Workload) -> None:
    wanted = [estimates.Wanted(hub_plan, workload)]
    estimate = estimates.save(wanted, workload=workload, by=None, client="somebody", at=AT)
    Offering.objects.filter(pk=hub_plan.offering_id).update(summary="Quite another thing.")

    version = estimates.lines_of(estimate)[0].version

    assert version is not None
    assert version.content["summary"] == hub_plan.offering.summary
    assert publish_version(hub_plan.offering, by=EDITOR, at=AT).number == 2
