"""Reading the Open Science Catalog's files: all their variants, their faults by file and line, and what disappeared."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from earthcode.audit.models import Event
from earthcode.catalogue.records import BrokenRecords
from earthcode.catalogue.search import catalogue_state
from earthcode.science.models import Kind, Record
from tests.science.conftest import AT, Import, a_link, a_record


def one() -> Record:
    return Record.objects.get()


def test_a_record_keeps_what_its_file_states(imported: Import) -> None:
    report = imported(
        a_record(
            "sea-ice.v1.0",
            **{
                "application:type": "jupyter-notebook",
                "application:container": True,
                "application:language": "Python",
                "osc:variables": ["sea-ice-concentration"],
                "osc:project": "ice",
                "osc:status": "completed",
                "formats": [{"name": "Zarr"}],
                "jupyter_kernel_info": {
                    "name": "ice",
                    "python_version": 3.12,
                    "env_file": "https://code.example/env.yml",
                },
                "links": [
                    a_link("vcs", "https://code.example/ice.git", "Source"),
                    a_link("input", "./input.yaml", "Input parameters"),
                    a_link("application-originating-platform", "https://cubes.example/", "Cubes platform"),
                    a_link("parent", "../catalog.json"),
                ],
            },
        )
    )

    record = one()
    assert report.added == ["workflow sea-ice.v1.0"]
    assert (record.kind, record.osc_id, record.title) == (Kind.WORKFLOW, "sea-ice.v1.0", "Title of sea-ice.v1.0")
    assert (record.application_type, record.type_is_derived) == ("Jupyter notebook", False)
    assert (record.in_container, record.languages, record.kernel) == (True, ["Python"], "ice, Python 3.12")
    assert (record.themes, record.variables, record.formats) == (["oceans"], ["sea-ice-concentration"], ["Zarr"])
    assert (record.license, record.osc_project, record.osc_status) == ("MIT", "ice", "completed")
    assert record.platforms == [{"role": "made", "title": "Cubes platform", "url": "https://cubes.example/"}]
    assert record.source_url.endswith("/workflows/sea-ice.v1.0/record.json")
    assert [(link["role"], link["url"]) for link in record.links] == [
        ("code", "https://code.example/ice.git"),
        ("input", record.source_url.replace("record.json", "input.yaml")),
        ("environment", "https://code.example/env.yml"),
    ]
    assert record.fetched_at == AT


@pytest.mark.parametrize(
    ("properties", "field", "value"),
    [
        ({"application:language": ["Python"]}, "languages", ["Python"]),
        ({"application:container": ["true"]}, "in_container", True),
        ({"application:container": "false"}, "in_container", False),
        ({"application:container": None}, "in_container", None),
        ({"application:type": "argo-workflow"}, "application_type", "Argo workflow"),
        ({"application:type": "snakemake"}, "application_type", "snakemake"),
        ({"themes": None}, "themes", []),
        ({"themes": [{"concepts": [{"id": "ocean"}, {"id": "oceans"}]}]}, "themes", ["oceans"]),
        ({"themes": None, "links": [a_link("related", "../../themes/land/catalog.json")]}, "themes", ["land"]),
        ({"keywords": "S5P"}, "keywords", ["Sentinel-5P"]),
        ({"osc:variables": []}, "variables", []),
        ({"formats": [{"name": "csv"}, {"name": "csv"}]}, "formats", ["csv"]),
        ({"updated": "last week"}, "updated_at", None),
        ({"description": "Ask ada@science.example."}, "description", "Ask (e-mail address left out)."),
        ({"description": "One\x00line"}, "description", "Oneline"),
    ],
)
def test_every_way_of_writing_it_is_understood(
    imported: Import, properties: dict[str, Any], field: str, value: object
) -> None:
    imported(a_record(**properties))

    assert getattr(one(), field) == value


@pytest.mark.parametrize(
    ("properties", "derived"),
    [
        (
            {"links": [a_link("application", "https://code.example/run.cwl", type="application/cwl")]},
            "OGC application package",
        ),
        ({"links": [a_link("application", "https://code.example/run.ipynb")]}, "Jupyter notebook"),
        ({"links": [a_link("process_graph", "https://graphs.example/one.json")]}, "openEO process graph"),
        (
            {"links": [a_link("related", "https://editor.openeo.org/?server=https://eo.example/")]},
            "openEO process graph",
        ),
        (
            {
                "links": [
                    a_link(
                        "application-platform",
                        "https://x.example/",
                        **{"application:platform_supports": ["argo-workflow"]},
                    )
                ]
            },
            "Argo workflow",
        ),
        ({"jupyter_kernel_info": {"name": "base"}}, "Jupyter notebook"),
        ({}, ""),
        # An example beside the program is not the program.
        ({"links": [a_link("related", "https://code.example/example.ipynb")]}, ""),
    ],
)
def test_a_type_that_is_not_stated_is_read_from_its_links_and_said_to_be(
    imported: Import, properties: dict[str, Any], derived: str
) -> None:
    imported(a_record(**properties))

    assert (one().application_type, one().type_is_derived) == (derived, bool(derived))


def test_a_title_and_themes_beside_the_properties_will_do(imported: Import) -> None:
    imported({**a_record(title=None, themes=None), "title": "Sea ice", "themes": ["land"]})

    assert (one().title, one().themes) == ("Sea ice", ["land"])


def test_only_addresses_of_web_pages_are_kept(imported: Import) -> None:
    imported(
        a_record(
            links=[
                a_link("vcs", "javascript:alert(1)"),
                a_link("application-platform", "ftp://files.example/"),
                a_link("git", "https://[broken"),
                a_link("related", "https://editor.openeo.org/?server=file:///etc/passwd", type="text/html"),
                "no link",
            ]
        )
    )

    assert (one().platforms, [link["url"] for link in one().links]) == (
        [],
        ["https://editor.openeo.org/?server=file:///etc/passwd"],
    )


def test_an_experiment_finds_its_workflow_whichever_of_the_two_says_so(imported: Import) -> None:
    imported(
        a_record("here", "experiment", **{"osc:workflow": "one"}),
        a_record("linked", "experiment", links=[a_link("related", "../../workflows/one/record.json")]),
        a_record("told", "experiment"),
        a_record("lost", "experiment", **{"osc:workflow": "nowhere"}),
        a_record("one", links=[a_link("child", "../../experiments/told/record.json")]),
    )

    workflow = Record.objects.get(kind=Kind.WORKFLOW)
    assert {each.osc_id: each.workflow for each in Record.objects.filter(kind=Kind.EXPERIMENT)} == {
        "here": workflow,
        "linked": workflow,
        "told": workflow,
        "lost": None,
    }
    assert Record.objects.get(osc_id="lost").workflow_named == "nowhere"


def test_a_second_import_changes_nothing(imported: Import) -> None:
    records = [a_record(), a_record("run", "experiment", **{"osc:workflow": "sea-ice"})]
    imported(*records)
    state = catalogue_state()

    report = imported(*records, at=AT + timedelta(days=1))

    assert (report.unchanged, report.added, report.changed, report.withdrawn) == (
        ["workflow sea-ice", "experiment run"],
        [],
        [],
        [],
    )
    assert set(Record.objects.values_list("fetched_at", flat=True)) == {AT}
    assert catalogue_state() == state


def test_a_change_is_stored_with_its_time_and_on_the_trail(imported: Import) -> None:
    imported(a_record())
    state = catalogue_state()

    report = imported(a_record(title="Sea ice, again"), at=AT + timedelta(days=1))

    assert report.changed == ["workflow sea-ice"]
    assert (one().title, one().fetched_at) == ("Sea ice, again", AT + timedelta(days=1))
    assert Event.objects.get(name="science.changed").data == {"fields": ["title"]}
    assert catalogue_state().number != state.number


def test_what_disappeared_is_withdrawn_and_comes_back(imported: Import) -> None:
    imported(a_record("stays"), a_record("goes"), a_record("run", "experiment"))

    report = imported(a_record("stays"), at=AT + timedelta(days=1))

    # The file holds no experiments at all, so it says nothing about them.
    assert report.withdrawn == ["workflow goes"]
    assert Record.objects.get(osc_id="goes").withdrawn_at == AT + timedelta(days=1)
    imported(a_record("stays"), a_record("goes"), at=AT + timedelta(days=2))
    assert Record.objects.get(osc_id="goes").withdrawn_at is None


def test_made_up_and_real_records_do_not_withdraw_each_other(imported: Import) -> None:
    imported(a_record("made-up"), demonstration=True)

    report = imported(a_record("real"))

    assert report.withdrawn == []
    assert not Record.objects.exclude(withdrawn_at=None).exists()


FAULTS = [
    ({"id": "a b", "properties": {"type": "workflow", "title": "x"}}, "“id” is not a name"),
    ({"id": "x", "properties": None}, "has no “properties”"),
    (a_record("x", "dataset"), "“type” is “dataset”"),
    (a_record("x", None), "“type” is missing"),  # type: ignore[arg-type]  # that is the fault
    (a_record("x", title=None), "“title” is missing"),
    ({**a_record("x"), "links": {}}, "“links” is no list"),
    (a_record("good"), "another record of this kind with this id"),
    ("no object", "is no object"),
]


@pytest.mark.parametrize(("record", "fault"), FAULTS)
def test_a_fault_names_file_and_line_and_changes_nothing(imported: Import, record: object, fault: str) -> None:
    with pytest.raises(BrokenRecords) as refusal:
        imported(a_record("good"), record)

    [problem] = refusal.value.problems
    assert problem.startswith("records.json, line "), problem
    assert fault in problem
    assert not Record.objects.exists()


def test_the_line_is_that_of_the_field(imported: Import) -> None:
    with pytest.raises(BrokenRecords) as refusal:
        imported(a_record("good"), a_record("bad", "dataset"))

    text = json.dumps([a_record("good"), a_record("bad", "dataset")], indent=1).splitlines()
    line = int(refusal.value.problems[0].split("line ")[1].split(",")[0])
    assert '"type"' in text[line - 1]
    assert line > text.index('  "id": "bad",')


def test_bad_records_can_be_skipped_and_are_not_withdrawn(imported: Import) -> None:
    imported(a_record("good"), a_record("bad"), a_record("gone"))

    report = imported(a_record("good", title="Better"), a_record("bad", title=None), skip_bad=True)

    assert (report.changed, report.withdrawn, len(report.skipped)) == (["workflow good"], ["workflow gone"], 1)
    assert Record.objects.get(osc_id="bad").withdrawn_at is None


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of the catalogue's metadata with one workflow and one experiment of the same id."""
    for folder, kind in (("workflows", "workflow"), ("experiments", "experiment")):
        place = tmp_path / "metadata" / folder / "polar"
        place.mkdir(parents=True)
        (place / "record.json").write_text(json.dumps(a_record("polar", kind)))
        (place.parent / "catalog.json").write_text("{}")
    return tmp_path / "metadata"


def run(*arguments: str | Path, **options: Any) -> str:
    out = StringIO()
    call_command("import_science", *map(str, arguments), stdout=out, stderr=out, **options)
    return out.getvalue()


@pytest.mark.django_db
def test_the_command_reads_a_checkout(checkout: Path) -> None:
    assert "2 added, 0 changed" in run(checkout)
    assert sorted(Record.objects.values_list("kind", "osc_id")) == [("experiment", "polar"), ("workflow", "polar")]
    assert "2 unchanged" in run(checkout)


@pytest.mark.django_db
def test_the_command_names_the_broken_file_and_changes_nothing(checkout: Path) -> None:
    (checkout / "workflows" / "polar" / "record.json").write_text('{\n"id": "polar",\n}')

    with pytest.raises(CommandError, match=r"workflows/polar/record\.json, line [23]"):
        run(checkout)

    assert not Record.objects.exists()
    assert "1 added" in run(checkout, "--skip-bad")


@pytest.mark.django_db
def test_a_folder_that_holds_no_catalogue_withdraws_nothing(checkout: Path, tmp_path: Path) -> None:
    run(checkout)
    (tmp_path / "workflows").mkdir()

    for wrong in (tmp_path / "workflows", tmp_path / "nowhere"):
        with pytest.raises(CommandError):
            run(wrong)

    assert not Record.objects.exclude(withdrawn_at=None).exists()


@pytest.mark.django_db
def test_the_command_reads_the_demonstration_and_asks_for_something_to_read() -> None:
    assert "4 added" in run("--demonstration")
    assert not Record.objects.filter(is_demonstration=False).exists()
    with pytest.raises(CommandError, match="Give the paths"):
        run()


@pytest.mark.parametrize("values", [{"kind": "dataset"}, {"workflow_named": "other"}])
def test_the_database_holds_what_a_record_is(imported: Import, values: dict[str, str]) -> None:
    imported(a_record())

    with pytest.raises(IntegrityError), transaction.atomic():
        Record.objects.update(**values)
