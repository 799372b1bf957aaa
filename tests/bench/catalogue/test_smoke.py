"""The bench itself works: a run over a few offerings, which says nothing about speed."""

import pytest
from django.test import Client

from earthcode.identity.models import User
from tests.bench.catalogue.bench_catalogue import costs_with
from tests.bench.catalogue.measure import as_table


@pytest.mark.slow
@pytest.mark.django_db
def test_the_bench_measures_every_page_and_none_makes_more_than_ten_queries(alice: User) -> None:
    scientist = Client()
    scientist.force_login(alice)

    costs = costs_with(40, 2, Client(), scientist)

    assert len(as_table(costs).splitlines()) == len(costs) + 2
    assert {each.page for each in costs} >= {"list", "filtered, priced", "one offering"}
    assert max(each.queries for each in costs) <= 10
