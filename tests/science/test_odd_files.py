"""Files that hold what nobody expects: each is taken, or refused by file and field, and never breaks a page."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from earthcode.audit.actors import System
from earthcode.catalogue.records import BrokenRecords
from earthcode.lib.text import without_addresses
from earthcode.science import actions
from earthcode.science.models import Kind, Record
from tests.science.conftest import AT, Import, a_link, a_record

ODD: list[Any] = [
    None,
    True,
    5,
    -1.5,
    10**30,
    "",
    "\0",
    "\u202e\u200b",
    "x" * 20_000,
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    [],
    [None, 5, {}, []],
    [{"concepts": 5}, {"concepts": [5, {"id": []}]}, {"name": {}}],
    {},
    {"name": 5, "env_file": [], "python_version": {}},
]
FIELDS = [
    "title",
    "description",
    "updated",
    "themes",
    "keywords",
    "formats",
    "license",
    "osc:project",
    "osc:status",
    "osc:variables",
    "osc:workflow",
    "application:type",
    "application:container",
    "application:language",
    "jupyter_kernel_info",
    "DOI",
    "sci:doi",
]


def problems_of(imported: Import, *records: object) -> tuple[str, ...]:
    try:
        imported(*records)
    except BrokenRecords as broken:
        return broken.problems
    return ()


@pytest.mark.parametrize("name", FIELDS)
def test_an_odd_value_is_taken_or_refused_by_file_and_field(
    imported: Import, client: Client, clock: object, name: str
) -> None:
    for value in ODD:
        for kind in ("workflow", "experiment"):
            record = a_record("odd", kind)
            record["properties"][name] = value
            for problem in problems_of(imported, record):
                assert problem.startswith("records.json, line "), (value, problem)
                assert f"“{name}”" in problem, (value, problem)
        for address in ("/science/", "/science/workflows/odd/", "/science/experiments/odd/", "/science/?q=odd"):
            assert client.get(address).status_code in {200, 404}


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:20])
def test_odd_links_and_parts_of_a_record_break_nothing(imported: Import, value: Any) -> None:
    for record in (
        {**a_record("odd"), "links": value},
        {**a_record("odd"), "links": [value]},
        {**a_record("odd"), "themes": value},
        {**a_record("odd"), "properties": value},
        {**a_record("odd"), "id": value},
        a_record("odd", links=[{"rel": value, "href": value, "title": value, "type": value}]),
        a_record("odd", links=[a_link("application", "https://a.example/", **{"application:type": value})]),
        value,
    ):
        assert all(each.startswith("records.json, line ") for each in problems_of(imported, record))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe{", "cannot be read"),
        (b"[" * 100_000, "deep"),
        (b'{"id": ' + b"9" * 400 + b"}", "digits"),
        (b'{"id": 1e400}', "too large"),
        (b'{"id": NaN}', "no number"),
        (b"", "no JSON"),
        (b'{\n"id": "x",\n}', "line 3"),
    ],
    ids=lambda content: repr(content)[:12],
)
def test_a_file_that_is_no_document_is_named(db: None, tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)

    with pytest.raises(BrokenRecords, match=words) as broken:
        actions.import_paths([path], by=System("import"), at=AT)

    assert broken.value.problems[0].startswith("broken.json")


# --- a checkout, as people keep it -----------------------------------------------------------------------------------


def put(metadata: Path, kind: str, folder: str, content: str) -> None:
    place = metadata / f"{kind}s" / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / "record.json").write_text(content, encoding="utf-8")


@pytest.mark.parametrize("osc_id", ["wetlands-(2019-2021)", "a+b", "snow,ice", "x~1", "v1.0_b"])
def test_ids_that_the_catalogue_takes_have_a_page(imported: Import, client: Client, clock: object, osc_id: str) -> None:
    imported(a_record(osc_id), a_record(osc_id, "experiment"))

    for record in Record.objects.all():
        assert client.get(record.get_absolute_url()).status_code == 200


def test_a_byte_order_mark_is_no_fault(db: None, tmp_path: Path) -> None:
    put(tmp_path, "workflow", "polar", "\ufeff" + json.dumps(a_record("polar")))

    assert actions.import_paths([tmp_path], by=System("import"), at=AT).added == ["workflow polar"]


def test_a_folder_may_have_another_name_than_its_record(db: None, tmp_path: Path) -> None:
    put(tmp_path, "workflow", "polar-ice", json.dumps(a_record("polar")))
    link = a_link("related", "../../workflows/polar-ice/record.json")
    put(tmp_path, "experiment", "run-1", json.dumps(a_record("first-run", "experiment", links=[link])))

    actions.import_paths([tmp_path], by=System("import"), at=AT)

    workflow = Record.objects.get(kind=Kind.WORKFLOW)
    assert (workflow.osc_id, workflow.source_url.split("/")[-2]) == ("polar", "polar-ice")
    assert Record.objects.get(kind=Kind.EXPERIMENT).workflow == workflow


@pytest.mark.parametrize(
    "broken", ["", "{", json.dumps({"id": "polar"}), json.dumps(a_record("polar", title=5)), "[]", "5"]
)
def test_a_broken_record_that_is_there_is_not_withdrawn(db: None, tmp_path: Path, broken: str) -> None:
    put(tmp_path, "workflow", "polar-ice", json.dumps(a_record("polar")))
    put(tmp_path, "workflow", "good", json.dumps(a_record("good")))
    actions.import_paths([tmp_path], by=System("import"), at=AT)
    put(tmp_path, "workflow", "polar-ice", broken)

    report = actions.import_paths([tmp_path], by=System("import"), at=AT, skip_bad=True)

    assert report.withdrawn == []
    assert not Record.objects.exclude(withdrawn_at=None).exists()


# --- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "blanked"),
    [
        ("Ask jane.doe+osc@esa.example.org.", "Ask X."),
        ("a@b.cc,d@e.ff", "X,X"),
        ("user@host", "user@host"),
        ("@esa.int and a@", "@esa.int and a@"),
    ],
)
def test_addresses_of_people_are_left_out(text: str, blanked: str) -> None:
    assert without_addresses(text, "X") == blanked


@pytest.mark.parametrize("text", ["a", "a.", "a@", "a@a.", "-@", "a@a-", "+"])
def test_blanking_looks_at_each_letter_once(text: str) -> None:
    """No stop-watch: of something quadratic, two million letters would not end."""
    long = text * (2_000_000 // len(text))

    assert len(without_addresses(long, "X")) <= len(long)
