"""Measures the catalogue with 1,000 and 10,000 offerings and prints what it found: ``make bench-catalogue``."""

import os
from pathlib import Path

import pytest
from django.db import connection
from django.template.base import Template
from django.test import Client

from earthcode.catalogue.models import Component, Offering, Plan, Platform, Rate
from earthcode.identity.models import Organisation, User
from tests.bench.catalogue.measure import (
    FILTERED,
    Cost,
    as_table,
    measure,
    measure_reading,
    measure_unchanged,
    pages,
)
from tests.bench.catalogue.plausible import make_offerings

SIZES = tuple(int(size) for size in os.environ.get("BENCH_SIZES", "1000,10000").split(","))
REQUESTS = int(os.environ.get("BENCH_REQUESTS", "60"))

#: Where the requests' own cost ends and the offerings' begins.
CPU_AIM_MS = 30
GROWTH_AIM = 1.5


def costs_with(count: int, requests: int, visitor: Client, scientist: Client) -> list[Cost]:
    """Every page, as a visitor and signed in, with this many offerings."""
    make_offerings(count)
    costs = [measure_reading(offerings=count)]
    for page in pages():
        costs.append(measure(visitor, "visitor", page, offerings=count, requests=requests))
    for page in list(pages())[:2]:
        costs.append(measure(scientist, "signed in", page, offerings=count, requests=requests))
    costs.append(measure_unchanged(visitor, offerings=count, requests=requests))
    return costs


@pytest.fixture
def _as_on_a_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what Django's test runner adds to each template to tell tests about it."""
    monkeypatch.setattr(Template, "_render", lambda template, context: template.nodelist.render(context))


@pytest.mark.django_db
@pytest.mark.usefixtures("_as_on_a_site")
def test_what_the_catalogue_costs(alice: User, capsys: pytest.CaptureFixture[str]) -> None:
    scientist = Client()
    scientist.force_login(alice)
    costs: list[Cost] = []
    for count in SIZES:
        _empty()
        costs += costs_with(count, REQUESTS, Client(), scientist)

    priced = {each.offerings: each for each in costs if each.page == "filtered, priced" and each.who == "visitor"}
    few, many = priced[min(SIZES)], priced[max(SIZES)]
    verdict = (
        f"{FILTERED} as a visitor: {many.cpu_ms:.1f} ms of processor time (aim: below {CPU_AIM_MS}), "
        f"{many.cpu_ms / few.cpu_ms:.2f} times that with {few.offerings:,} offerings (aim: at most {GROWTH_AIM})."
    )
    most = f"Most queries of a page: {max(each.queries for each in costs)} (aim: at most 10)."
    text = f"{as_table(costs)}\n\n{verdict}\n{most}"
    with capsys.disabled():
        print(f"\n\n{text}\n")  # noqa: T201  # what the command is for
    if target := os.environ.get("BENCH_OUTPUT"):
        Path(target).write_text(f"{text}\n", encoding="utf-8")


def _empty() -> None:
    tables = ", ".join(model._meta.db_table for model in (Rate, Component, Plan, Offering, Platform))
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(f"TRUNCATE {tables}, catalogue_searchword CASCADE")
        cursor.execute("SET LOCAL session_replication_role = origin")
    Organisation.objects.filter(slug__startswith="provider-").delete()
