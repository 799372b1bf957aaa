"""Which offerings can run a workflow, and the reasons that are given."""

from earthcode.science.linking import (
    MADE,
    NAMED,
    OPENS,
    Linked,
    Place,
    Places,
    PlatformLink,
    Program,
    Strength,
    shared_data,
    types_run_by,
)

NOTEBOOKS, LAB_ONLY, GRAPHS, ARCHIVE, HUB_ARCHIVE = 1, 2, 3, 4, 5


def places() -> Places:
    made = Places()
    hub = {"names": ("Cubes of Snow",), "urls": ("https://hub.example/lab",)}
    made.add(place(NOTEBOOKS, 1, types={"Jupyter notebook"}), **hub)
    made.add(place(HUB_ARCHIVE, 1), **hub)
    made.add(place(LAB_ONLY, 2, interfaces={"JupyterLab"}), names=("Pangeo on the Cloud", ""), urls=("",))
    made.add(
        place(GRAPHS, 3, types={"openEO process graph"}), names=("Graphs",), urls=("https://www.graphs.example/eo",)
    )
    made.add(place(ARCHIVE, 4), names=("Archive",), urls=("https://archive.example/",))
    return made


def place(offering: int, platform: int, types: set[str] | None = None, interfaces: set[str] | None = None) -> Place:
    return Place(offering, platform, frozenset(types or ()), frozenset(interfaces or ()))


def linked(application_type: str, *links: PlatformLink) -> Linked:
    return places().for_program(Program(application_type, links))


def texts(found: Linked) -> dict[int, list[str]]:
    return {offering: [str(reason.text) for reason in reasons] for offering, reasons in found.reasons.items()}


def test_a_type_runs_where_an_offering_says_so_or_has_its_interface() -> None:
    found = linked("Jupyter notebook")

    assert texts(found) == {NOTEBOOKS: ["Runs Jupyter notebooks"], LAB_ONLY: ["Has JupyterLab"]}
    assert found.strength(NOTEBOOKS) < found.strength(LAB_ONLY)


def test_a_type_that_no_offering_names_runs_nowhere() -> None:
    assert texts(linked("snakemake")) == {}


def test_a_type_that_is_not_known_runs_only_where_a_platform_is_named() -> None:
    assert texts(linked("")) == {}
    assert texts(linked("", PlatformLink(NAMED, "Archive", "https://archive.example/x"))) == {
        ARCHIVE: ["Names “Archive” to run on"]
    }


def test_a_platform_is_known_by_its_address() -> None:
    found = linked("openEO process graph", PlatformLink(OPENS, "", "https://graphs.example/other"))

    assert texts(found) == {GRAPHS: ["Opens on this platform", "Runs openEO process graphs"]}
    assert found.strength(GRAPHS) == Strength.NAMED


def test_of_a_platform_the_offering_that_runs_such_programs_is_meant() -> None:
    found = linked("Jupyter notebook", PlatformLink(MADE, "Hub", "https://hub.example/"))

    assert texts(found)[NOTEBOOKS] == ["Made on “Hub”", "Runs Jupyter notebooks"]
    assert HUB_ARCHIVE not in found.reasons


def test_of_a_platform_that_says_nothing_every_offering_is_meant() -> None:
    found = linked("snakemake", PlatformLink(MADE, "Hub", "https://hub.example/"))

    assert set(found.reasons) == {NOTEBOOKS, HUB_ARCHIVE}


def test_a_platform_at_no_known_address_is_known_by_its_name_and_that_is_said() -> None:
    found = linked("Jupyter notebook", PlatformLink(NAMED, "Pangeo platform", "https://pangeo.example/"))

    assert texts(found)[LAB_ONLY] == ["Names “Pangeo platform” to run on (matched by its name)", "Has JupyterLab"]


def test_an_address_goes_before_a_name() -> None:
    found = linked("", PlatformLink(NAMED, "Pangeo", "https://archive.example/"))

    assert set(found.reasons) == {ARCHIVE}


def test_a_name_of_nothing_but_common_words_means_no_platform() -> None:
    link = PlatformLink(MADE, "The platform", "https://other.example/")

    found = linked("", link)

    assert (texts(found), found.elsewhere) == ({}, (link,))


def test_the_stronger_link_comes_first_and_two_of_a_kind_are_one_reason() -> None:
    hub = "https://hub.example/"

    found = linked(
        "", PlatformLink(MADE, "Hub", hub), PlatformLink(NAMED, "Hub", hub), PlatformLink(MADE, "The hub", hub)
    )

    assert texts(found)[NOTEBOOKS] == ["Names “Hub” to run on", "Made on “Hub”"]


def test_an_address_that_is_none_matches_nothing() -> None:
    assert texts(linked("", PlatformLink(MADE, "", "https://[broken"))) == {}


def test_an_offering_says_which_types_it_runs() -> None:
    assert types_run_by(place(1, 1, {"Evalscript"}, {"JupyterLab", "openEO"})) == [
        "Jupyter notebook",
        "openEO process graph",
        "Evalscript",
    ]


def test_data_that_the_record_names_and_the_offering_has() -> None:
    assert shared_data(["s2", "snow"], ["Sentinel-1", "Sentinel-2"]) == ["Sentinel-2"]
