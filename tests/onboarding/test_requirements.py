"""What is asked of a provider hangs together."""

from earthcode.onboarding.checks import CHECKS
from earthcode.onboarding.requirements import REQUIREMENTS, Form, Kind, applying_to, kinds_of


def test_each_kind_of_platform_is_asked_for_its_own_items_and_the_common_ones() -> None:
    asked = {kind: {each.code for each in applying_to(frozenset({kind}))} for kind in Kind}

    assert asked[Kind.OPEN_SCIENCE] & asked[Kind.INFRASTRUCTURE] == {
        "standing",
        "sso",
        "documentation",
        "data",
        "sla",
        "support",
    }
    assert asked[Kind.INFRASTRUCTURE] - asked[Kind.OPEN_SCIENCE] == {"registration", "execution", "access", "reporting"}
    assert asked[Kind.OPEN_SCIENCE] - asked[Kind.INFRASTRUCTURE] == {"development", "exploration", "publishing", "prr"}


def test_a_platform_of_both_kinds_is_asked_for_everything_once() -> None:
    both = kinds_of(is_open_science=True, is_infrastructure=True)

    assert [each.code for each in applying_to(both)] == list(REQUIREMENTS)


def test_every_address_has_a_check_that_exists_and_every_item_a_source() -> None:
    for requirement in REQUIREMENTS.values():
        assert requirement.source.url.startswith("https://")
        assert set(requirement.one_of) <= {field.name for field in requirement.fields}
        for field in requirement.fields:
            assert (field.form == Form.ADDRESS) == (field.check in CHECKS), f"{requirement.code}.{field.name}"
            assert bool(field.choices) == (field.form == Form.CHOICE)


def test_every_check_is_asked_for_somewhere() -> None:
    used = {field.check for requirement in REQUIREMENTS.values() for field in requirement.fields}

    assert set(CHECKS) == used - {""}
