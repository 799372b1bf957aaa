from decimal import Decimal

import pytest
from django.db import connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from earthcode.lib.money import amount_text, as_credits, as_text, credits, from_decimal

#: Quantities and rates with as many decimals as meters report, products of them, and exact halves.
EXACT = st.one_of(
    st.decimals(min_value=-(10**12), max_value=10**12, places=9),
    st.builds(
        lambda quantity, rate: quantity * rate,
        st.decimals(min_value=0, max_value=10**9, places=6),
        st.decimals(min_value=0, max_value=10**6, places=6),
    ),
    st.builds(lambda whole: Decimal(whole) + Decimal("0.5"), st.integers(-(10**15), 10**15)),
)


@pytest.mark.django_db
@settings(max_examples=300, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(EXACT, min_size=1, max_size=20))
@example([Decimal("0.5"), Decimal("1.5"), Decimal("2.5"), Decimal("-0.5"), Decimal("-2.5"), Decimal("0.499999999")])
def test_rounding_is_the_same_here_and_in_postgresql(amounts: list[Decimal]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT round(amount)::bigint FROM unnest(%s::numeric[]) WITH ORDINALITY AS given (amount, place) ORDER BY place",
            [amounts],
        )
        rounded = [row[0] for row in cursor.fetchall()]

    assert [from_decimal(amount) for amount in amounts] == rounded


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [("0.4", 0), ("0.5", 1), ("1.5", 2), ("2.5", 3), ("-0.5", -1), ("12503999.5", 12_504_000), ("1e3", 1000)],
)
def test_rounding_is_half_away_from_zero(exact: str, rounded: int) -> None:
    assert from_decimal(Decimal(exact)) == rounded


@pytest.mark.parametrize(
    ("amount", "micro"), [(1, 1_000_000), ("12.504", 12_504_000), (Decimal("0.000001"), 1), ("-3", -3_000_000)]
)
def test_credits_are_whole_micro_credits(amount: int | str | Decimal, micro: int) -> None:
    assert credits(amount) == micro
    assert as_credits(micro) == Decimal(amount)


def test_an_amount_finer_than_a_micro_credit_is_refused() -> None:
    with pytest.raises(ValueError, match="finer than one micro-credit"):
        credits("0.0000001")


@given(st.integers(-(2**63), 2**63 - 1))
def test_micro_credits_survive_the_way_out_and_back(micro: int) -> None:
    assert credits(as_credits(micro)) == micro


@pytest.mark.parametrize(
    ("micro", "decimals", "text"),
    [
        (12_504_000, None, "12.504"),
        (1_000_000, None, "1"),
        (0, None, "0"),
        (1_234_567_000_000, None, "1\u202f234\u202f567"),
        (-1_500_000, None, "\u22121.5"),
        (12_504_000, 2, "12.50"),
        (12_505_000, 2, "12.51"),
        (1, 2, "0.00"),
    ],
)
def test_numbers_of_credits_read_well(micro: int, decimals: int | None, text: str) -> None:
    assert as_text(micro, decimals=decimals) == text


@pytest.mark.parametrize(
    ("micro", "text"),
    [
        (352_800_000, "352.8"),
        (169_469_760, "169.47"),
        (-10_170_675, "\u221210.17"),
        (426_000_000, "426"),
        (12_505_000, "12.51"),
        (999_995_000, "1\u202f000"),
        (10_000, "0.01"),
        (9_999, "0.009999"),
        (1, "0.000001"),
        (0, "0"),
    ],
)
def test_amounts_are_read_to_a_hundredth_and_never_vanish(micro: int, text: str) -> None:
    assert amount_text(micro) == text
