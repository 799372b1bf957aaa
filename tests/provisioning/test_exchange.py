"""Using credits that an award has free on a platform of the project's choice."""

import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from earthcode.audit.actors import CLOCK
from earthcode.audit.models import Event
from earthcode.catalogue import queries as catalogue
from earthcode.catalogue.models import Offering, Plan
from earthcode.catalogue.pricing import Quote, Workload
from earthcode.identity.models import GrantSource, RoleGrant, User
from earthcode.identity.roles import Role
from earthcode.ledger import actions as ledger
from earthcode.ledger.actions import InsufficientCredits
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.provisioning import actions
from earthcode.provisioning.models import Allocation, Operation, OperationKind
from earthcode.sponsorship.actions import PriceUnknown
from earthcode.sponsorship.checks import AwardOwes, NotPayable
from earthcode.sponsorship.models import Award
from tests.conftest import plan_on
from tests.support import allocations
from tests.support.credits import award_balance, award_held
from tests.support.people import fresh

pytestmark = pytest.mark.django_db

SMALL = Workload(vcpu=1, memory_gb=1, hours=Decimal(10), storage_gb=0, months=3)

Use = Callable[..., Allocation]


@pytest.fixture
def freed(award: Award, on_hub: Allocation, alice: User, now: datetime) -> Award:
    """An award whose credits for the hub were given back."""
    actions.end(on_hub, reason="Another platform is nearer to the data.", by=fresh(alice), at=now)
    allocations.close(on_hub, at=now)
    assert award_balance(award.reference) == on_hub.amount
    return award


@pytest.fixture
def near_the_data(batch_plan: Plan, now: datetime) -> Plan:
    """A plan that nobody asked for, at ten credits for ``SMALL`` in a month."""
    return plan_on(batch_plan.offering.platform, "Near", {"vcpu_hour": "1"}, tier="platform", at=now)


@pytest.fixture
def use(freed: Award, near_the_data: Plan, alice: User, now: datetime) -> Use:
    """Uses the free credits; what is not said is as it should be."""

    def exchange(**changes: object) -> Allocation:
        given: dict[str, object] = {
            "award": freed,
            "plan": near_the_data,
            "workload": SMALL,
            "key": uuid.uuid4(),
            "by": fresh(alice),
            "at": now,
        } | changes
        plan, workload = given["plan"], given["workload"]
        assert isinstance(plan, Plan)
        assert isinstance(workload, Workload)
        quote = catalogue.quote_plan(plan, workload, on=now.date())
        given.setdefault("expected", quote.total if isinstance(quote, Quote) else 0)
        return actions.exchange(given.pop("award"), given.pop("plan"), given.pop("workload"), **given)  # type: ignore[arg-type]

    return exchange


def state(award: Award) -> tuple[int, int, int, int, int]:
    """Everything a refusal must leave as it was."""
    return (
        award_balance(award.reference),
        award_held(award.reference),
        Allocation.objects.count(),
        Operation.objects.count(),
        Event.objects.count(),
    )


def test_free_credits_are_set_aside_on_another_platform(
    use: Use, freed: Award, near_the_data: Plan, alice: User
) -> None:
    free, held = award_balance(freed.reference), award_held(freed.reference)

    allocation = use()

    assert allocation.amount == 30_000_000
    assert award_balance(freed.reference) == free - allocation.amount
    assert award_held(freed.reference) == held + allocation.amount
    assert (allocation.plan, allocation.line, allocation.reference) == (near_the_data, None, f"{freed.reference}-3")
    # It starts with the award, which lies ahead.
    assert (allocation.starts_on, allocation.ends_on) == (freed.starts_on, date(2027, 3, 1))
    assert Quote.from_json(allocation.quote).total == allocation.amount
    assert Workload.from_json(allocation.workload) == SMALL
    assert allocation.operations.get().kind == OperationKind.PROVISION
    event = Event.objects.get(name="allocation.place", subject_id=str(allocation.pk))
    assert (event.actor_id, event.data["asked_for"]) == (alice.audit_id, False)


def test_it_starts_today_where_the_award_has_begun(use: Use, freed: Award) -> None:
    began = datetime.combine(freed.starts_on, datetime.min.time(), tzinfo=UTC) + timedelta(days=9, hours=12)

    allocation = use(at=began)

    assert (allocation.starts_on, allocation.ends_on) == (date(2026, 12, 10), date(2027, 3, 10))


def test_the_same_key_places_once(use: Use, freed: Award) -> None:
    key = uuid.uuid4()
    first = use(key=key)
    before = state(freed)

    assert use(key=key) == first
    with pytest.raises(InvalidInput, match="different values"):
        use(key=key, workload=Workload(months=2))

    assert state(freed) == before


def test_only_the_principal_investigator_uses_them(
    use: Use, freed: Award, ben: User, maria: User, petra: User, stranger: User
) -> None:
    before = state(freed)

    for somebody in (ben, maria, petra, stranger):
        with pytest.raises(NotPermitted):
            use(by=fresh(somebody))

    assert state(freed) == before


def refuse_by_not_listing(plan: Plan, **_: object) -> None:
    Plan.objects.filter(pk=plan.pk).update(is_listed=False)


def refuse_by_not_listing_the_offering(plan: Plan, **_: object) -> None:
    Offering.objects.filter(pk=plan.offering_id).update(is_listed=False)


def refuse_by_not_sponsoring(plan: Plan, **_: object) -> None:
    Offering.objects.filter(pk=plan.offering_id).update(sponsorable=False)


def refuse_by_a_tie(plan: Plan, member: User) -> None:
    User.objects.filter(pk=member.pk).update(organisation=plan.offering.platform.provider)


def refuse_by_looking_after_it(plan: Plan, member: User) -> None:
    provider = plan.offering.platform.provider
    RoleGrant.objects.create(
        user=member,
        role=Role.PROVIDER_ADMINISTRATOR,
        organisation=provider,
        source=GrantSource.SITE,
        given_by=member,
        granted_at=plan.offering.updated_at,
    )


def refuse_by_a_tier(plan: Plan, **_: object) -> None:
    Offering.objects.filter(pk=plan.offering_id).update(tier="resource")


@pytest.mark.parametrize(
    ("spoil", "refusal"),
    [
        (refuse_by_not_listing, InvalidInput),
        (refuse_by_not_listing_the_offering, InvalidInput),
        (refuse_by_not_sponsoring, NotPayable),
        (refuse_by_a_tie, NotPayable),
        (refuse_by_looking_after_it, NotPayable),
        (refuse_by_a_tier, NotPayable),
    ],
)
def test_the_rules_of_requests_hold(
    use: Use, freed: Award, near_the_data: Plan, ben: User, spoil: Callable[..., None], refusal: type[Refused]
) -> None:
    freed.call.endorsed_tiers = ["resource"]
    freed.call.save()
    spoil(plan=near_the_data, member=ben)
    before = state(freed)

    with pytest.raises(refusal) as raised:
        use(award=Award.objects.get(pk=freed.pk), plan=Plan.objects.get(pk=near_the_data.pk))

    assert raised.value.field == "plan"
    assert state(freed) == before


def test_it_costs_no_more_than_is_free(use: Use, freed: Award) -> None:
    before = state(freed)

    with pytest.raises(InsufficientCredits):
        use(workload=Workload(vcpu=1000, memory_gb=1, hours=Decimal(700), storage_gb=0, months=3))

    assert state(freed) == before


def test_it_ends_with_the_award(use: Use, freed: Award) -> None:
    before = state(freed)

    with pytest.raises(InvalidInput) as raised:
        use(workload=Workload(vcpu=1, memory_gb=1, hours=Decimal(10), storage_gb=0, months=7))
    assert raised.value.field == "months"
    with pytest.raises(actions.AwardOver):
        use(at=datetime.combine(freed.ends_on + timedelta(days=1), datetime.min.time(), tzinfo=UTC))

    assert state(freed) == before


def test_another_price_than_was_shown_is_refused(use: Use, freed: Award) -> None:
    before = state(freed)

    with pytest.raises(InvalidInput, match="30 credits now, not 29") as raised:
        use(expected=29_000_000)

    assert raised.value.field == "amount"
    assert state(freed) == before


def test_a_plan_without_a_price_is_refused(use: Use, freed: Award, near_the_data: Plan) -> None:
    component = near_the_data.components.get()
    component.in_use = False
    component.save()
    before = state(freed)

    with pytest.raises(PriceUnknown):
        use()

    assert state(freed) == before


def test_an_award_that_owes_places_nothing_new(use: Use, freed: Award, now: datetime) -> None:
    other = freed.allocations.get(platform__slug="batch")
    ledger.capture(other.hold_id, other.amount + 1, beyond=True, key=uuid.uuid4(), by=CLOCK, at=now)
    before = state(freed)

    with pytest.raises(AwardOwes):
        use()

    assert state(freed) == before
