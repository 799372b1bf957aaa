"""A price that no list says: asked of the provider, given, accepted, and what the clock does to it."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import BytesIO, StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from pypdf import PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

from earthcode.catalogue import queries as catalogue
from earthcode.catalogue.models import Offering, Plan
from earthcode.catalogue.pricing import Quote
from earthcode.catalogue.terms import terms_from_json
from earthcode.catalogue.workload import Workload
from earthcode.identity.models import Organisation, Project, RoleGrant, User
from earthcode.lib.errors import InvalidInput, NotPermitted, Refused
from earthcode.lib.money import credits
from earthcode.lifecycle import WrongState
from earthcode.notifications.models import Message
from earthcode.provisioning import actions as provisioning
from earthcode.sponsorship import actions, attachments, calls, checks, quotations
from earthcode.sponsorship.lifecycle import QUOTATION
from earthcode.sponsorship.models import Attachment, Call, Quotation, QuotationStatus, RequestLine, ResourceRequest
from earthcode.sponsorship.quotations import PriceLine

WORDS = "We map floods in three deltas."
UNTIL = date(2026, 12, 31)


def pdf(*, script: str = "", password: str = "") -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    if script:
        action = DictionaryObject(
            {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject(script)}
        )
        writer.root_object[NameObject("/OpenAction")] = writer._add_object(action)
    if password:
        writer.encrypt(password)
    buffer = BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def upload(content: bytes | None = None, name: str = "price.pdf") -> attachments.Upload:
    return attachments.checked(name, BytesIO(pdf() if content is None else content))


def lines(*each: tuple[str, str, str, str]) -> list[PriceLine]:
    given = each or (
        ("vcpu_hour", "Batch processing", "1000", "0.066"),
        ("one_time", "An engineer, 3 days", "3", "480"),
    )
    return [
        PriceLine(metric, label, Decimal(quantity), Decimal(price) * 1_000_000)
        for metric, label, quantity, price in given
    ]


@pytest.fixture
def petra_of_batch(person: Any, other_provider: Organisation) -> User:
    """Looks after the offerings of the provider of ``unpriced_plan``."""
    from earthcode.identity.roles import Role

    return person(  # type: ignore[no-any-return]
        "pavel", "Pavel Nowak", organisation=other_provider, role=Role.PROVIDER_ADMINISTRATOR, role_for=other_provider
    )


@pytest.fixture
def asked(
    complete_draft: ResourceRequest,
    unpriced_plan: Plan,
    workload: Workload,
    petra_of_batch: User,
    alice: User,
    now: datetime,
) -> Quotation:
    return quotations.ask(complete_draft, plan=unpriced_plan, workload=workload, words=WORDS, by=alice, at=now)


@pytest.fixture
def answered(asked: Quotation, petra_of_batch: User, now: datetime) -> Quotation:
    quotations.answer(asked, lines=lines(), valid_until=UNTIL, by=petra_of_batch, at=now)
    return asked


def stored() -> list[Any]:
    return [
        list(model._default_manager.order_by("pk").values())
        for model in (Quotation, RequestLine, ResourceRequest, Attachment, Message)
    ]


# --- from the question to the price ----------------------------------------------------------------------------------


def test_a_plan_without_a_price_is_asked_for_and_told_to_the_provider(
    asked: Quotation, petra_of_batch: User, now: datetime
) -> None:
    line = RequestLine.objects.get(plan=asked.plan)
    assert (line.amount, line.is_priced) == (0, False)
    assert asked.answer_by == date(2026, 11, 9)
    assert list(Message.objects.values_list("recipient", flat=True)) == [petra_of_batch.public_id]
    assert ResourceRequest.objects.get().amount == credits("434.4")


def test_an_accepted_price_is_the_lines_with_its_terms(answered: Quotation, alice: User, now: datetime) -> None:
    assert answered.total == credits(1506)
    line = quotations.accept(answered, by=alice, at=now)
    assert (line.amount, line.is_priced, line.valid_until) == (credits(1506), True, UNTIL)
    assert ResourceRequest.objects.get().amount == credits("1940.4")
    assert answered.status == QuotationStatus.ACCEPTED


def test_usage_as_quoted_costs_what_was_quoted(
    answered: Quotation, call: Call, alice: User, maria: User, now: datetime
) -> None:
    quotations.accept(answered, by=alice, at=now)
    actions.submit(answered.resource_request, by=alice, at=now)
    award = provisioning.grant(answered.resource_request, reason="Good.", by=maria, at=now)
    assert award.amount == credits("1940.4")
    allocation = award.allocations.get(plan=answered.plan)
    used = {"vcpu_hour": Decimal(1000), "one_time": Decimal(3)}
    terms = terms_from_json(allocation.terms)
    assert sum(term.charged({0: used[term.metric]}) * term.micro_per_unit for term in terms) == allocation.amount  # type: ignore[operator]


def test_asking_the_same_again_is_one_question(
    asked: Quotation,
    complete_draft: ResourceRequest,
    unpriced_plan: Plan,
    workload: Workload,
    alice: User,
    now: datetime,
) -> None:
    again = quotations.ask(complete_draft, plan=unpriced_plan, workload=workload, words=WORDS, by=alice, at=now)
    assert again == asked
    other = quotations.ask(complete_draft, plan=unpriced_plan, workload=workload, words="More.", by=alice, at=now)
    assert other != asked
    asked.refresh_from_db()
    assert asked.status == QuotationStatus.WITHDRAWN
    assert RequestLine.objects.filter(plan=unpriced_plan).count() == 1


def test_the_applicant_asks_back_and_the_provider_answers_anew(
    answered: Quotation, petra_of_batch: User, alice: User, now: datetime
) -> None:
    quotations.ask_back(answered, note="Without the engineer.", by=alice, at=now)
    assert answered.status == QuotationStatus.ASKED
    cheaper = lines(("vcpu_hour", "Batch", "1000", "0.066"))
    quotations.answer(answered, lines=cheaper, valid_until=UNTIL, by=petra_of_batch, at=now)
    assert quotations.accept(answered, by=alice, at=now).amount == credits(66)


def test_a_provider_declines_with_a_reason(asked: Quotation, petra_of_batch: User, alice: User, now: datetime) -> None:
    with pytest.raises(InvalidInput):
        quotations.decline(asked, reason=" ", by=petra_of_batch, at=now)
    quotations.decline(asked, reason="No capacity.", by=petra_of_batch, at=now)
    assert Message.objects.filter(recipient=alice.public_id, subject__contains="no price").exists()
    with pytest.raises(WrongState):
        quotations.answer(asked, lines=lines(), valid_until=UNTIL, by=petra_of_batch, at=now)


def test_a_priced_line_in_its_place_takes_the_question_back(
    asked: Quotation, complete_draft: ResourceRequest, hub_plan: Plan, workload: Workload, alice: User, now: datetime
) -> None:
    line = RequestLine.objects.get(plan=asked.plan)
    actions.remove_line(complete_draft, line=line, by=alice, at=now)
    asked.refresh_from_db()
    assert (asked.status, asked.line) == (QuotationStatus.WITHDRAWN, None)


# --- sending and deciding --------------------------------------------------------------------------------------------


def test_a_request_is_sent_while_a_price_is_open_and_not_decided(
    asked: Quotation, call: Call, petra_of_batch: User, alice: User, maria: User, now: datetime
) -> None:
    resource_request = asked.resource_request
    actions.submit(resource_request, by=alice, at=now)
    with pytest.raises(Refused) as refused:
        provisioning.grant(resource_request, reason="Good.", by=maria, at=now)
    assert refused.value.code == "price_missing"

    quotations.answer(asked, lines=lines(), valid_until=UNTIL, by=petra_of_batch, at=now)
    quotations.accept(asked, by=alice, at=now)
    assert provisioning.grant(resource_request, reason="Good.", by=maria, at=now).amount == credits("1940.4")


def test_a_call_may_want_all_prices_first(
    asked: Quotation, call: Call, alice: User, maria: User, now: datetime
) -> None:
    calls.change_call(call, sent_with_open_quotations=False, by=maria, at=now)
    with pytest.raises(actions.Incomplete) as refused:
        actions.submit(asked.resource_request, by=alice, at=now)
    assert refused.value.field == "platforms"


def test_what_is_taken_back_or_rejected_needs_no_price(
    asked: Quotation, call: Call, alice: User, maria: User, now: datetime
) -> None:
    actions.submit(asked.resource_request, by=alice, at=now)
    actions.reject(asked.resource_request, reason="Not now.", by=maria, at=now)
    asked.refresh_from_db()
    assert asked.status == QuotationStatus.WITHDRAWN


def test_a_price_that_is_over_is_not_accepted_and_lapses_by_the_clock(
    answered: Quotation, alice: User, now: datetime
) -> None:
    later = now + timedelta(days=60)
    with pytest.raises(quotations.QuotationLapsed):
        quotations.accept(answered, by=alice, at=later)
    assert quotations.lapse_overdue(at=later) == 1
    assert quotations.lapse_overdue(at=later) == 0
    answered.refresh_from_db()
    assert answered.status == QuotationStatus.LAPSED
    assert Message.objects.filter(recipient=alice.public_id, subject__contains="lapsed").count() == 1


def test_an_accepted_price_that_is_over_is_a_check_that_does_not_hold(
    answered: Quotation, call: Call, alice: User, now: datetime
) -> None:
    quotations.accept(answered, by=alice, at=now)
    request = ResourceRequest.objects.get()
    codes = {
        day: {each.code: each.outcome for each in checks.findings_for(request, call, on=day)}
        for day in (UNTIL, UNTIL + timedelta(days=1))
    }
    assert [codes[day]["quotations_valid"] for day in codes] == ["pass", "fail"]


def test_a_promise_that_is_over_is_reminded_once(asked: Quotation, petra_of_batch: User, now: datetime) -> None:
    for _ in range(2):
        quotations.remind_overdue(at=now + timedelta(days=8))
    assert Message.objects.filter(recipient=petra_of_batch.public_id, subject__contains="overdue").count() == 1


# --- who may ---------------------------------------------------------------------------------------------------------

ATTEMPTS: dict[str, Callable[[Quotation, User, datetime], Any]] = {
    "answer": lambda q, by, at: quotations.answer(q, lines=lines(), valid_until=UNTIL, by=by, at=at),
    "decline": lambda q, by, at: quotations.decline(q, reason="No.", by=by, at=at),
    "ask_back": lambda q, by, at: quotations.ask_back(q, note="Less.", by=by, at=at),
    "accept": lambda q, by, at: quotations.accept(q, by=by, at=at),
}


@pytest.mark.parametrize(
    ("attempt", "who"),
    [
        ("answer", "alice"),
        ("answer", "petra"),
        ("answer", "maria"),
        ("answer", "stranger"),
        ("decline", "alice"),
        ("decline", "petra"),
        ("decline", "maria"),
        ("ask_back", "petra_of_batch"),
        ("ask_back", "stranger"),
        ("accept", "petra_of_batch"),
        ("accept", "maria"),
        ("accept", "stranger"),
    ],
)
def test_who_may_not_changes_nothing(
    answered: Quotation, attempt: str, who: str, request: pytest.FixtureRequest, now: datetime
) -> None:
    by = request.getfixturevalue(who)
    before = stored()
    with pytest.raises(Refused) as refused:
        ATTEMPTS[attempt](answered, by, now)
    assert refused.value.code in ("not_permitted", "provider_answers_itself")
    assert stored() == before


def test_somebody_outside_of_the_project_asks_for_nothing(
    complete_draft: ResourceRequest, unpriced_plan: Plan, workload: Workload, stranger: User, now: datetime
) -> None:
    before = stored()
    with pytest.raises(NotPermitted):
        quotations.ask(complete_draft, plan=unpriced_plan, workload=workload, words=WORDS, by=stranger, at=now)
    assert stored() == before


def test_where_a_provider_has_nobody_esa_records_what_came_by_mail(
    asked: Quotation, petra_of_batch: User, maria: User, now: datetime
) -> None:
    RoleGrant.objects.filter(user=petra_of_batch).delete()
    with pytest.raises(InvalidInput) as refused:
        quotations.answer(asked, lines=lines(), valid_until=UNTIL, by=maria, at=now)
    assert refused.value.field == "document"
    assert Quotation.objects.get().status == QuotationStatus.ASKED

    quotations.answer(asked, lines=lines(), valid_until=UNTIL, document=upload(), by=maria, at=now)

    assert (asked.is_recorded, asked.attachments.get().name) == (True, "price.pdf")


def test_who_sees_a_quotation(
    asked: Quotation, petra_of_batch: User, petra: User, alice: User, ben: User, maria: User, stranger: User
) -> None:
    ben.forget_grants()
    seen = {user: Quotation.objects.visible_to(user).exists() for user in (petra_of_batch, alice, ben, maria)}
    assert all(seen.values())
    assert not any(Quotation.objects.visible_to(user).exists() for user in (petra, stranger))


def test_the_open_steps_are_those_of_the_table(asked: Quotation, petra_of_batch: User, alice: User) -> None:
    assert [step.name for step in QUOTATION.open_to(asked, by=petra_of_batch)] == ["answer", "decline"]
    assert [step.name for step in QUOTATION.open_to(asked, by=alice)] == ["withdraw"]


# --- what cannot be --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([], "lines"),
        ([("vcpu_hour", "x", "0", "1")], "lines.0.quantity"),
        ([("vcpu_hour", "x", "-1", "1")], "lines.0.quantity"),
        ([("vcpu_hour", "x", "NaN", "1")], "lines.0.quantity"),
        ([("vcpu_hour", "x", "Infinity", "1")], "lines.0.quantity"),
        ([("vcpu_hour", "x", "1e30", "1")], "lines.0.quantity"),
        ([("vcpu_hour", "x", "1", "-1")], "lines.0.price"),
        ([("vcpu_hour", "x", "1", "1e30")], "lines.0.price"),
        ([("vcpu_hour", "x", "0.0000001", "1")], "lines.0.quantity"),
        ([("vcpu_hour", "x", "1", "1"), ("furlong", "x", "1", "1")], "lines.1.metric"),
        ([("vcpu_hour", "x" * 121, "1", "1")], "lines.0.label"),
        ([("vcpu_hour", "x", "1", "0")], "lines"),
        ([("vcpu_hour", "x", "1", "1")] * 31, "lines"),
    ],
)
def test_a_price_that_cannot_be_is_refused_by_line(
    asked: Quotation, petra_of_batch: User, now: datetime, given: list[Any], field: str
) -> None:
    before = stored()
    made = lines(*given) if given else []
    with pytest.raises(InvalidInput) as refused:
        quotations.answer(asked, lines=made, valid_until=UNTIL, by=petra_of_batch, at=now)
    assert refused.value.field == field
    assert stored() == before


@pytest.mark.parametrize("until", [date(2026, 11, 1), date(2026, 11, 15), date(2028, 1, 1)])
def test_a_price_is_valid_long_enough_to_decide(
    asked: Quotation, petra_of_batch: User, now: datetime, until: date
) -> None:
    with pytest.raises(InvalidInput) as refused:
        quotations.answer(asked, lines=lines(), valid_until=until, by=petra_of_batch, at=now)
    assert refused.value.field == "valid_until"


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"words": ""}, "words"),
        ({"words": "x" * 2001}, "words"),
        ({"work_days": -1}, "work_days"),
        ({"work_days": 999}, "work_days"),
    ],
)
def test_a_question_that_cannot_be_is_refused(
    complete_draft: ResourceRequest,
    unpriced_plan: Plan,
    workload: Workload,
    alice: User,
    now: datetime,
    terms: dict[str, Any],
    field: str,
) -> None:
    before = stored()
    with pytest.raises(InvalidInput) as refused:
        quotations.ask(
            complete_draft, plan=unpriced_plan, workload=workload, by=alice, at=now, **{"words": WORDS, **terms}
        )
    assert refused.value.field == field
    assert stored() == before


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MZ\x90\x00 a program that calls itself price.pdf",
        b"<html><script>alert(1)</script></html>",
        b"%PDF-1.7 and nothing that is one",
        pdf(script="app.alert('x')"),
        pdf(password="secret"),
        b"%PDF-1.4\n" + b"0" * (10 * 1024 * 1024),
        b"PK\x03\x04 an archive",
    ],
    ids=["empty", "program", "page", "broken", "script", "password", "large", "archive"],
)
def test_a_file_that_is_not_what_it_says_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        attachments.checked("price.pdf", BytesIO(content))
    assert refused.value.field == "document"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd.pdf"),
        ("C:\\prices\\a b.exe", "a b.pdf"),
        ("<script>.pdf", "script.pdf"),
        ("", "document.pdf"),
        ("x" * 300, "x" * 100 + ".pdf"),
    ],
)
def test_a_file_is_named_by_what_it_is(name: str, kept: str) -> None:
    assert upload(name=name).name == kept


def test_the_database_keeps_one_live_question_of_a_plan(asked: Quotation) -> None:
    asked.refresh_from_db()
    asked.pk = None
    asked.reference = "Q-2"
    with pytest.raises(IntegrityError), transaction.atomic():
        asked.save(force_insert=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        Quotation.objects.update(status=QuotationStatus.ACCEPTED)


# --- every real offering ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_real_offering_can_be_put_into_a_request(alice: User, project: Project, now: datetime) -> None:
    call_command("import_offerings", stdout=StringIO())
    offerings = Offering.objects.filter(is_listed=True, is_demonstration=False)
    assert offerings.count() >= 31
    ways = set()
    for offering in offerings:
        draft = actions.start(title=offering.name, project=project, by=alice, at=now)
        plan, workload, quote = min(
            (
                (plan, workload, catalogue.quote_plan(plan, workload, on=now.date()))
                for plan in offering.plans.filter(is_listed=True)
                for workload in [Workload(months=min(6, plan.months_max or 6), processing_units=Decimal(1000))]
            ),
            # One with a price where there is one.
            key=lambda each: not isinstance(each[2], Quote) or not each[2].total,
        )
        if isinstance(quote, Quote) and quote.total:
            actions.save_line(draft, plan=plan, workload=workload, by=alice, at=now)
        else:
            quotations.ask(draft, plan=plan, workload=workload, words=WORDS, work_days=2, by=alice, at=now)
        line = draft.lines.get()
        assert line.plan == plan
        ways.add(line.is_priced)
    assert ways == {True, False}
