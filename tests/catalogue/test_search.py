"""Finding offerings: words and misspellings, filters with counts, the headline price."""

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django.plugin import DjangoDbBlocker

from earthcode.catalogue import search
from earthcode.catalogue.models import Offering
from earthcode.catalogue.price_table import PriceTable, Total
from earthcode.catalogue.pricing import Workload
from earthcode.catalogue.search import OfferingPrice, PriceKind, Result, find, index_on
from earthcode.lib.money import credits
from tests.catalogue.conftest import TODAY

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module", autouse=True)
def catalogue(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The real offerings and those of the demonstration, once for all of these tests, which only read."""
    with django_db_blocker.unblock(), transaction.atomic():
        call_command("import_offerings", "--demonstration", stdout=StringIO())
        yield
        transaction.set_rollback(True)


def look(text: str = "", *, workload: Workload | None = None, sort: str = "relevance", **chosen: list[str]) -> Result:
    return index_on(TODAY).search(find(text), chosen, workload or Workload(), sort=sort)


def slugs(result: Result) -> list[str]:
    return [entry.slug for entry, _price in result.entries]


def counts(result: Result, facet: str) -> dict[str, int]:
    return {option.value: option.count for each in result.facets if each.name == facet for option in each.options}


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sentinel-2", "cdse-openeo-federation"),
        ("sentinal 2", "cdse-openeo-federation"),
        ("Sentinel2", "eodc-openeo"),
        ("S5P", "cdse-sentinel-hub"),
        ("jupiter", "deepesdl"),
        ("jupyter", "apex-jupyterlab"),
        ("pleiades", "up42"),
        ("Pléiades", "up42"),
        ("dask gateway", "pangeo-edc"),
        ("geohazzards", "gep-flex"),
        ("brockmann", "deepesdl"),
        ("worldcereal", "cdse-openeo-federation"),
        ("ferro", "creodias-iaas"),
        ("data next to sentinel-3", "eodc-openeo"),
    ],
)
def test_words_find_offerings_however_they_are_spelt(text: str, expected: str) -> None:
    found = slugs(look(text))

    assert expected in found
    assert len(found) < 25


@pytest.mark.parametrize(
    ("text", "first"),
    [("openeo platform", "openeo-platform"), ("deepesdl", "deepesdl"), ("creodias spot", "creodias-spot")],
)
def test_the_best_match_comes_first(text: str, first: str) -> None:
    assert slugs(look(text))[0] == first


def test_a_mission_is_not_taken_for_its_sister() -> None:
    found = look("sentinal 6")

    assert slugs(found) == ["cdse-data-access"]
    assert found.words.corrected == (("sentinal-6", "sentinel-6"),)


def test_all_words_count_and_some_are_better_than_none() -> None:
    both = look("openeo jupyterlab")
    impossible = look("openeo volcanoes")

    assert not both.words.is_partial
    assert {"openeo", "jupyterlab"} <= {
        option.value
        for each in both.facets
        if each.name == "interface"
        for option in each.options
        if option.count == len(both.entries)
    }
    assert impossible.words.is_partial
    assert {"gep-flex", "openeo-platform"} <= set(slugs(impossible))


def test_words_that_nobody_uses_find_nothing() -> None:
    assert slugs(look("xyzzyq")) == []
    assert slugs(look("!!! ???")) != []


@pytest.mark.parametrize(
    "text", ["'); DROP TABLE catalogue_offering; --", "a & b | !c <-> d:*", "\\", "%", "_" * 300, "é" * 300]
)
def test_what_is_typed_is_only_ever_words(text: str) -> None:
    find(text)

    assert Offering.objects.count() == 33


def test_a_search_takes_two_queries_and_none_without_words() -> None:
    with CaptureQueriesContext(connection) as without:
        find("  the of  ")
    with CaptureQueriesContext(connection) as with_words:
        find("sentinal 2 jupiter dask xyzzyq")

    assert (len(without), len(with_words)) == (0, 2)


# --- filters ---------------------------------------------------------------------------------------------------------


def test_a_count_says_what_choosing_it_would_leave() -> None:
    everything = look()

    for facet in everything.facets:
        for option in facet.options:
            assert len(look(**{facet.name: [option.value]}).entries) == option.count, (facet.name, option)


def test_counts_are_for_the_current_results() -> None:
    now = look(interface=["jupyterlab"], data=["sentinel-2"])

    for name in ("interface", "data", "service", "way"):
        for option in next(facet for facet in now.facets if facet.name == name).options:
            chosen = {"interface": ["jupyterlab"], "data": ["sentinel-2"]}
            chosen[name] = [*chosen.get(name, []), option.value]
            assert len(look(**chosen).entries) == option.count, option
    assert counts(now, "interface")["jupyterlab"] == len(now.entries)
    assert 0 in counts(now, "data").values()


def test_either_provider_will_do_but_both_missions_are_needed() -> None:
    eox, vito = (set(slugs(look(provider=[name]))) for name in ("eox", "vito"))
    assert set(slugs(look(provider=["eox", "vito"]))) == eox | vito
    # The other provider still says how many it would add.
    assert counts(look(provider=["eox"]), "provider")["vito"] == len(vito)

    sentinel, cryosat = (set(slugs(look(data=[name]))) for name in ("sentinel-2", "cryosat-2"))
    assert set(slugs(look(data=["sentinel-2", "cryosat-2"]))) == sentinel & cryosat


def test_a_filter_that_no_offering_has_finds_nothing() -> None:
    assert slugs(look(interface=["telepathy"])) == []
    assert slugs(look(provider=["nobody"])) == []


def test_words_and_filters_work_together() -> None:
    result = look("jupiter", provider=["eox"])

    assert set(slugs(result)) == set(slugs(look("jupiter"))) & set(slugs(look(provider=["eox"])))
    assert counts(result, "provider")["brockmann-consult"] == 1


def test_options_keep_their_place() -> None:
    before = [list(counts(look(), name)) for name in search.FACET_NAMES]

    assert [list(counts(look("openeo", interface=["openeo"]), name)) for name in search.FACET_NAMES] == before


# --- prices ----------------------------------------------------------------------------------------------------------


def price(slug: str, workload: Workload | None = None) -> OfferingPrice:
    return next(price for entry, price in look(workload=workload).entries if entry.slug == slug)


def test_the_headline_is_the_cheapest_plan_anybody_may_have() -> None:
    notebooks = price("demo-notebooks")
    openeo = price("cdse-openeo-federation")

    assert (notebooks.kind, notebooks.total) == (PriceKind.QUOTED, credits("273.12"))
    assert notebooks.plan is not None
    assert notebooks.plan.slug == "pay-per-use"
    # It stores nothing of the 500 GB, so it is not the cheapest of all.
    assert (openeo.kind, openeo.total) == (PriceKind.FREE_PART, None)
    assert price("cdse-openeo-federation", Workload(storage_gb=0)).kind == PriceKind.FREE
    assert openeo.beyond is not None
    assert openeo.plan_to_request is not None
    assert (openeo.beyond.total, openeo.plan_to_request.slug) == (credits("169.92"), "credits")


def test_what_only_some_may_have_is_nobodys_headline() -> None:
    # 400 × 8 × 1.62 + 400 × 8 × 1.07 = 8 608 openEO credits a month fit into the free tier for all …
    small = price("cdse-openeo-federation", Workload(hours=Decimal(400), memory_gb=8))
    # … and 12 912 only into the one of 20 000 for the users of the Copernicus Services.
    large = price("cdse-openeo-federation", Workload(hours=Decimal(600), memory_gb=8))

    assert (small.kind, large.kind) == (PriceKind.FREE_PART, PriceKind.QUOTED_PART)


@pytest.mark.parametrize(
    ("slug", "kind"),
    [
        ("cdse-sentinel-hub", PriceKind.FREE_TIER),
        ("earthcode-workspace", PriceKind.FREE_TIER),
        ("gep-flex", PriceKind.UNIT),
        ("up42", PriceKind.UNIT),
        ("deepesdl", PriceKind.UNKNOWN),
        ("titiler-openeo", PriceKind.UNKNOWN),
    ],
)
def test_what_cannot_be_priced_says_what_is_known(slug: str, kind: PriceKind) -> None:
    known = price(slug)

    assert (known.kind, known.total) == (kind, None)


def test_services_are_priced_when_the_workload_says_how_much() -> None:
    products = price("gep-flex", Workload(products=Decimal(10), storage_gb=0))

    assert (products.kind, products.total) == (PriceKind.QUOTED, credits(15))
    stored = price("gep-flex", Workload(products=Decimal(10)))
    assert (stored.kind, stored.total, stored.not_covered) == (PriceKind.QUOTED_PART, None, ("500 GB of storage",))
    unit = price("gep-flex").unit
    assert unit is not None
    assert (unit.metric, unit.low, unit.high) == ("product", credits("1.5"), credits(6))


def test_sorting_by_price_puts_totals_first_and_the_unknown_last() -> None:
    kinds = [price.kind for entry, price in look(sort="price").entries if not entry.is_demonstration]
    totals = [price.total for _entry, price in look(sort="price").entries if price.total is not None]

    assert totals == sorted(totals)
    of_part = [PriceKind.FREE_PART, PriceKind.FREE_TIER, PriceKind.QUOTED_PART]
    order = [PriceKind.FREE, PriceKind.QUOTED, *of_part, PriceKind.UNIT, PriceKind.UNKNOWN]
    assert kinds == sorted(kinds, key=order.index)


def test_sorting_by_name() -> None:
    names = [entry.name.casefold() for entry, _price in look(sort="name").entries]

    assert names == sorted(names)


# --- the memory ------------------------------------------------------------------------------------------------------


def test_only_what_the_filters_leave_is_priced_and_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    totals = PriceTable.totals

    def counted(self: PriceTable, workload: Workload, places: Sequence[int]) -> dict[int, Total | None]:
        asked.append(len(places))
        return totals(self, workload, places)

    monkeypatch.setattr(PriceTable, "totals", counted)
    workload = Workload(vcpu=3)

    some = look(workload=workload, interface=["openeo"])
    everything = look(workload=workload)
    look(workload=workload, sort="name")

    assert asked == [len(some.entries), len(everything.entries) - len(some.entries)]
    for vcpu in range(4, 60):
        look(workload=Workload(vcpu=vcpu))
    asked.clear()
    look(workload=workload)
    assert asked == [len(everything.entries)], "the prices of long ago are forgotten"


@pytest.mark.parametrize(
    "params", [{}, {"cpu": "16", "gpu": "l4"}, {"gb": "0"}, {"openeo": "500", "who": "esa_project"}]
)
def test_the_order_and_the_filters_agree_with_the_prices_that_are_shown(params: dict[str, str]) -> None:
    result = look(workload=Workload.from_params(params), sort="price")
    prices = [price for _entry, price in result.entries]
    keys = [(entry.is_demonstration, price.sort_key) for entry, price in result.entries]

    assert keys == sorted(keys)
    real = [price for entry, price in result.entries if not entry.is_demonstration]
    assert list(result.totals) == [price.total for price in real if price.total is not None]
    known = Counter(search.KNOWN[price.kind] for price in real)
    assert {each: count for each, count in result.known.by_known if count} == dict(known)
    assert result.known.demonstrations == len(prices) - len(real)
    shown = Counter(value for price in prices for value in search._PRICE_VALUES[price.kind])
    assert {value: count for value, count in counts(result, "price").items() if count} == dict(shown)
