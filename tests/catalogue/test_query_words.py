"""What people ask for in their own words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earthcode.catalogue.pricing import Workload
from earthcode.catalogue.query_words import phrase, read

#: Text → what is left to search for, the workload, and whether the cheapest is wanted.
EXAMPLES: list[tuple[str, str, dict[str, str], bool]] = [
    (
        "cheapest place to run 60 hours of a 16-core notebook next to Sentinel-2",
        "JupyterLab Sentinel-2",
        {"cpu": "16", "hours": "60", "months": "1"},
        True,
    ),
    (
        "16 core notebook 60 hours sentinel-2",
        "JupyterLab sentinel-2",
        {"cpu": "16", "hours": "60", "months": "1"},
        False,
    ),
    ("60 hours a month for 6 months", "", {"hours": "60", "months": "6"}, False),
    ("60 h/month", "", {"hours": "60"}, False),
    ("20 hours, 3 months", "", {"hours": "20", "months": "3"}, False),
    ("60 hours over 3 months", "", {"hours": "20", "months": "3"}, False),
    ("100 hours over 3 months", "", {"hours": "33.334", "months": "3"}, False),
    ("2000 hours", "", {"hours": "666.667", "months": "3"}, False),
    ("8 vCPU 32 GB ram 500GB storage", "", {"cpu": "8", "ram": "32", "gb": "500"}, False),
    ("memory of 64 GB", "", {"ram": "64"}, False),
    ("2 TB of data near openEO", "openEO", {"gb": "2000"}, False),
    ("1.5TB S3", "S3", {"gb": "1500"}, False),
    ("train on an A100 GPU for 2 years", "train", {"gpu": "a100", "months": "24"}, False),
    ("1 x NVIDIA L4", "", {"gpu": "l4"}, False),
    ("InSAR of 1,000 km² in Iceland", "InSAR Iceland", {"km2": "1000"}, False),
    ("10k km2", "", {"km2": "10000"}, False),
    ("5000 square kilometres", "", {"km2": "5000"}, False),
    ("250 hectares forest", "forest", {"ha": "250"}, False),
    ("12 tiles", "", {"tiles": "12"}, False),
    ("25 scenes Sentinel-1", "Sentinel-1", {"products": "25"}, False),
    ("80k processing units a month", "", {"pu": "80000"}, False),
    ("1000 openEO credits", "", {"openeo": "1000"}, False),
    ("100 GB egress", "", {"egress": "100"}, False),
    ("the lowest price for JupyterLab", "JupyterLab", {}, True),
]


@pytest.mark.parametrize(("text", "words", "params", "cheapest"), EXAMPLES, ids=[each[0] for each in EXAMPLES])
def test_a_sentence_is_a_workload_and_words(text: str, words: str, params: dict[str, str], cheapest: bool) -> None:
    asked = read(text)

    assert (asked.words, dict(asked.params), asked.cheapest) == (words, params, cheapest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sentinel 2",
        "Sentinel-2 L2A",
        "Landsat 8, 9",
        "openEO",
        "run the SNAP toolbox in the cloud",
        "S3",
        "GPU",
        "480 vCPU-hours",
        "a place for data",
        "0 cores",
        "99999 cores",
    ],
)
def test_what_is_no_number_with_a_unit_is_searched_for_as_it_was_typed(text: str) -> None:
    asked = read(text)

    assert (asked.words, asked.params, asked.cheapest) == (text, (), False)


@given(st.text(alphabet=st.sampled_from("0123456789 ,.-kxhgtbcoremnsapul²/"), max_size=60))
def test_whatever_is_typed_gives_a_workload_that_can_be_priced(text: str) -> None:
    asked = read(text)
    workload = Workload.from_params(dict(asked.params))

    for name, value in asked.params:
        assert workload.as_params()[name] == value
        assert phrase(name, workload)


def test_each_number_can_be_said_in_words() -> None:
    workload = Workload.from_params(
        {"cpu": "16", "hours": "60", "months": "1", "gpu": "l4", "km2": "1000", "gb": "2000"}
    )

    assert [phrase(name, workload) for name in ("cpu", "hours", "months", "gpu", "km2", "gb")] == [
        "16 vCPU",
        "60 h a month",
        "1 month",
        "1 × L4",
        "1\u202f000 km²",
        "2\u202f000 GB stored",
    ]


@pytest.mark.parametrize("text", ["1/2 year", "1⁄2 year", "2–3 years", "1:2 years", "a 3/4 year campaign"])
def test_a_part_of_a_fraction_or_of_a_range_is_no_number_of_its_own(text: str) -> None:
    assert read(text).params == ()
