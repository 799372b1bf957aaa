"""A draft holds all that the catalogue says of an offering: publishing it unchanged changes nothing."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import call_command

from earthcode.audit.actors import System
from earthcode.catalogue import actions as catalogue
from earthcode.catalogue.models import Offering, Rate
from earthcode.catalogue.records import Records, read_offering
from earthcode.publishing.content import content_of, priced_plans

pytestmark = pytest.mark.django_db


def test_every_offering_comes_back_as_it_was_with_its_ranges_discounts_and_facts() -> None:
    call_command("import_offerings", "--demonstration", stdout=StringIO())
    assert Rate.objects.exclude(audience="").exists()
    assert Rate.objects.filter(micro_low__isnull=False).exists()
    Offering.objects.filter(slug="deepesdl").update(
        hardware="NVIDIA T4",
        maturity="Operational",
        certifications=["ISO 27001"],
        sources={
            name: {"source": "https://example.org/"}
            for name in ("hardware", "maturity", "certifications", "datasets", "place")
        },
    )
    records = [
        read_offering({**content_of(offering), "slug": offering.slug, "platform": offering.platform.slug})
        for offering in Offering.objects.select_related("platform")
    ]

    report = catalogue.import_records(
        Records(offerings=records), by=System("test"), at=datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    )

    assert (report.changed, report.created, report.rates_added, report.rates_closed) == ([], [], 0, 0)


def test_a_preview_prices_the_list_price_and_not_a_discount() -> None:
    call_command("import_offerings", "--demonstration", stdout=StringIO())

    plans = priced_plans(content_of(Offering.objects.get(slug="demo-batch-processing")))

    [blocks] = [plan for plan in plans if plan.slug == "hour-blocks"]
    hours = blocks.components[0]
    assert (hours.micro_low, hours.micro_per_unit, hours.block_months) == (1_200_000, 1_500_000, 3)
