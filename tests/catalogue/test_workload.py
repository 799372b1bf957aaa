"""The one table of what a workload says."""

from dataclasses import fields

import pytest

from earthcode.catalogue.metrics import ONCE, Metric
from earthcode.catalogue.query_words import read
from earthcode.catalogue.workload import DECIDED_BY, FIXED, IN_WORDS, NUMBERS, PARAMETERS, UNSAYABLE, Workload

#: Parameter → a value of an address, other than the usual one.
SAID = dict.fromkeys(NUMBERS, "2") | {"gpu": "l4", "who": "first_time,esa_project"}


def test_every_field_of_a_workload_is_a_parameter() -> None:
    assert {each.field for each in PARAMETERS.values()} == {field.name for field in fields(Workload)}
    assert {each.code for each in IN_WORDS} == set(PARAMETERS) == set(SAID)


def test_every_metric_is_said_fixed_or_named_as_what_no_workload_says() -> None:
    rest = set(Metric) - DECIDED_BY.keys() - FIXED

    assert rest == UNSAYABLE == {"request", "platform_credit", "km2_observation", "km2_period"}


@pytest.mark.parametrize("code", PARAMETERS)
def test_a_parameter_is_written_read_worded_and_decides_its_metrics(code: str) -> None:
    parameter = PARAMETERS[code]
    workload = Workload.from_params({code: SAID[code]})

    assert getattr(workload, parameter.field) != getattr(Workload(), parameter.field)
    assert workload.changes() == {code: SAID[code]}
    assert workload.say(code)
    assert workload.say(code) in workload.summary
    assert parameter.label
    usual = Workload(gpu="a100") if code == "hours" else Workload()
    for metric in parameter.metrics:
        assert Workload.from_params(usual.as_params() | {code: SAID[code]}).in_a_month(metric) != usual.in_a_month(
            metric
        )
    # One that counts once in one metric and each month in another could not be said in words.
    assert len({metric in ONCE for metric in parameter.metrics}) <= 1


@pytest.mark.parametrize("code", [code for code in NUMBERS if code not in ("ram", "months")])
def test_what_people_write_in_words_is_read_again(code: str) -> None:
    said = Workload.from_params({code: "2", "months": "1"}).say(code)

    # "2 h a month", "2 GB stored": the sentences of the site are sentences that it reads.
    assert dict(read(said.replace(" out a month", " egress a month")).params).get(code) == "2", said
