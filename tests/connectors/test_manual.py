"""The connector whose platform are people: it asks, and takes their answer for what is there."""

from dataclasses import replace

import pytest

from earthcode.connectors.base import Answer, Ask, ConnectorError, NeedsPerson, SuspendStep
from earthcode.connectors.manual import Manual, ManualConfig
from tests.connectors.conftest import MakeOrder

PLACE = "https://go.example"


@pytest.fixture
def manual() -> Manual:
    return Manual(ManualConfig.read({}))


def test_each_operation_asks_and_takes_the_answer(manual: Manual, order: MakeOrder) -> None:
    ours = order()
    verbs = {
        Ask.ENSURE: manual.ensure,
        Ask.PEOPLE: manual.people,
        Ask.CHANGE: manual.change,
        Ask.SUSPEND: lambda each: manual.suspend(each, SuspendStep.READ_ONLY),
        Ask.RESUME: manual.resume,
        Ask.REVOKE: manual.revoke,
    }
    for asks, call in verbs.items():
        with pytest.raises(NeedsPerson) as caught:
            call(ours)
        assert caught.value.asks == asks

        answered = replace(ours, answers=(Answer(asks, True, access_url=PLACE),))
        assert call(answered) == call(answered), "asking again gives the same"

        declined = replace(ours, answers=(Answer(asks, False, reason="Full."),))
        with pytest.raises(ConnectorError, match="Full") as refused:
            call(declined)
        assert refused.value.permanent


def test_the_answer_to_one_question_is_none_to_another(manual: Manual, order: MakeOrder) -> None:
    with pytest.raises(NeedsPerson):
        manual.revoke(replace(order(), answers=(Answer(Ask.ENSURE, True, access_url=PLACE),)))


@pytest.mark.parametrize("days", [0, 366])
def test_a_promise_is_between_a_day_and_a_year(days: int) -> None:
    with pytest.raises(ConnectorError, match="promise_days"):
        ManualConfig.read({"promise_days": days})
