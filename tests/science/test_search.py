"""Words, misspellings and filters over workflows and experiments."""

from datetime import date

import pytest

from earthcode.catalogue.search import catalogue_state, index_on
from earthcode.science import queries
from earthcode.science.models import Record
from earthcode.science.queries import Found, Search
from tests.science.conftest import Import, a_record


@pytest.fixture
def records(imported: Import) -> None:
    imported(
        a_record("ice", title="Sea ice drift", keywords=["Sentinel-1"], **{"application:type": "jupyter-notebook"}),
        a_record("salt", title="Surface salinity", description="Of the sea.", **{"application:type": "argo-workflow"}),
        a_record("crop", title="Crops", themes=[{"concepts": [{"id": "land"}]}]),
        a_record("ice-run", "experiment", title="Drift in 2025", **{"osc:workflow": "ice"}),
    )


def found(text: str = "", **of_search: object) -> Found:
    state = catalogue_state()
    directory = queries.directory(index_on(date(2026, 11, 2), state), state)
    return queries.find(Search(text, **of_search), directory)  # type: ignore[arg-type]  # as a test writes it


def ids(result: Found) -> list[str]:
    rows = Record.objects.in_bulk(result.records)
    return [rows[pk].osc_id for pk in result.records]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["crop", "ice-run", "ice", "salt"]),
        ("sea", ["ice", "salt"]),
        ("sea ice", ["ice"]),
        ("drift", ["ice", "ice-run"]),
        ("sentinel 1", ["ice"]),
        ("S1", ["ice"]),
        ("salin", ["salt"]),
        ("100%", []),
        ("'; --", ["crop", "ice-run", "ice", "salt"]),
    ],
)
@pytest.mark.usefixtures("records")
def test_words_parts_of_words_and_other_spellings_are_found(text: str, expected: list[str]) -> None:
    assert sorted(ids(found(text))) == sorted(expected)


@pytest.mark.usefixtures("records")
def test_what_says_it_in_its_title_comes_first() -> None:
    assert ids(found("sea")) == ["ice", "salt"]


@pytest.mark.usefixtures("records")
def test_a_misspelt_word_is_taken_for_one_like_it_and_that_is_told() -> None:
    result = found("salnity")

    assert (ids(result), result.misspelt) == (["salt"], ("salnity",))
    assert found("salinity").misspelt == ()


@pytest.mark.usefixtures("records")
def test_filters_narrow_and_count_what_each_of_them_would_show() -> None:
    result = found(kinds=["workflow"], themes=["oceans"])

    assert ids(result) == ["ice", "salt"]
    assert {option.value: option.count for option in result.types} == {
        "argo-workflow": 1,
        "jupyter-notebook": 1,
        "not-known": 0,
    }
    assert {option.value: (option.count, option.checked) for option in result.themes} == {
        "land": (1, False),
        "oceans": (2, True),
    }
    assert {option.value: option.count for option in result.kinds} == {"experiment": 1, "workflow": 2}


@pytest.mark.usefixtures("records")
def test_an_experiment_is_of_the_type_of_its_workflow() -> None:
    assert ids(found(types=["jupyter-notebook"])) == ["ice-run", "ice"]


@pytest.mark.usefixtures("records")
def test_a_filter_that_nothing_has_finds_nothing() -> None:
    assert ids(found(themes=["space"])) == []


@pytest.mark.usefixtures("records")
def test_what_was_withdrawn_is_not_found(imported: Import) -> None:
    imported(a_record("crop"))

    assert "ice" not in ids(found())
