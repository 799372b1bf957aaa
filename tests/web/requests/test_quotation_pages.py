"""Asking for a price, giving it and accepting it, on the pages."""

from datetime import datetime
from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pypdf import PdfWriter

from earthcode.catalogue.models import Plan
from earthcode.identity.models import Organisation, RoleGrant, User
from earthcode.identity.roles import Role
from earthcode.lib.money import credits
from earthcode.sponsorship.models import Quotation, QuotationStatus, ResourceRequest
from tests.support.pages import words

pytestmark = pytest.mark.usefixtures("clock")

PRICE = {
    "lines-TOTAL_FORMS": "2",
    "lines-INITIAL_FORMS": "0",
    "lines-0-label": "Batch processing",
    "lines-0-metric": "vcpu_hour",
    "lines-0-quantity": "1000",
    "lines-0-price": "0.066",
    "lines-1-metric": "vcpu_hour",
    "valid_until": "2026-12-31",
}


@pytest.fixture
def pavel(person: Any, other_provider: Organisation) -> User:
    """Looks after the offerings of the provider of ``unpriced_plan``."""
    return person(  # type: ignore[no-any-return]
        "pavel", "Pavel Nowak", organisation=other_provider, role=Role.PROVIDER_ADMINISTRATOR, role_for=other_provider
    )


@pytest.fixture
def asked(as_alice: Client, complete_draft: ResourceRequest, unpriced_plan: Plan, pavel: User) -> Quotation:
    address = f"/requests/{complete_draft.reference}/edit/price/?plan={unpriced_plan.pk}&cpu=16"
    page = as_alice.get(address)
    assert page.status_code == 200
    assert "Ask for a price of" in page.content.decode()
    form = {"words": "We map <floods>.", "months": "3", "work_days": "2"}
    assert as_alice.post(address, form).status_code == 302
    return Quotation.objects.get()


def pdf() -> bytes:
    writer, buffer = PdfWriter(), BytesIO()
    writer.add_blank_page(10, 10)
    writer.write(buffer)
    return buffer.getvalue()


def test_a_price_is_asked_for_given_and_accepted(
    as_alice: Client, signed_in: Any, asked: Quotation, pavel: User
) -> None:
    as_pavel = signed_in(pavel)
    assert asked.reference in as_pavel.get("/quotations/").content.decode()
    page = as_pavel.get(f"/quotations/{asked.reference}/").content.decode()
    assert "We map &lt;floods&gt;." in page
    assert "2 days of work" in page
    assert "snow mass" not in page

    file = SimpleUploadedFile("price.pdf", pdf(), "text/html")
    assert as_pavel.post(f"/quotations/{asked.reference}/", {**PRICE, "document": file}).status_code == 302

    page = as_alice.get(f"/quotations/{asked.reference}/").content.decode()
    assert "Accept 66 credits" in page
    document = as_alice.get(f"/quotations/{asked.reference}/documents/{asked.attachments.get().pk}/")
    assert document["Content-Disposition"].startswith("attachment")
    assert document["Content-Type"] == "application/octet-stream"
    assert as_alice.post(f"/quotations/{asked.reference}/accept/").status_code == 302
    asked.refresh_from_db()
    assert asked.status == QuotationStatus.ACCEPTED
    assert ResourceRequest.objects.get().amount == credits("500.4")
    platforms = as_alice.get(f"/requests/{asked.resource_request.reference}/edit/platforms/").content.decode()
    assert asked.reference in platforms


def test_every_page_of_the_request_can_be_read_while_a_price_is_open(
    as_alice: Client, asked: Quotation, call: Any
) -> None:
    reference = asked.resource_request.reference
    for address in ("edit/", "edit/platforms/", "edit/period/", "edit/check/", ""):
        assert as_alice.get(f"/requests/{reference}/{address}").status_code in (200, 302)
    assert "No price yet" in as_alice.get(f"/requests/{reference}/edit/platforms/").content.decode()
    assert as_alice.get("/requests/").status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"lines-0-quantity": "-1"}, "id_lines-0-quantity"),
        ({"lines-0-quantity": "NaN"}, "id_lines-0-quantity"),
        ({"lines-0-price": "-5"}, "id_lines-0-price"),
        ({"lines-0-metric": "furlong"}, "id_lines-0-metric"),
        ({"valid_until": "2026-11-03"}, "id_valid_until"),
        ({"valid_until": "soon"}, "id_valid_until"),
    ],
)
def test_a_price_that_cannot_be_is_said_beside_its_field(
    signed_in: Any, asked: Quotation, pavel: User, change: dict[str, str], field: str
) -> None:
    answer = signed_in(pavel).post(f"/quotations/{asked.reference}/", {**PRICE, **change})
    assert answer.status_code == 422
    assert f'id="{field}_error"' in answer.content.decode()
    assert Quotation.objects.get().status == QuotationStatus.ASKED


def test_a_file_that_lies_is_refused_and_a_form_of_a_thousand_lines_too(
    signed_in: Any, asked: Quotation, pavel: User
) -> None:
    as_pavel = signed_in(pavel)
    file = SimpleUploadedFile("price.pdf", b"MZ a program", "application/pdf")
    answer = as_pavel.post(f"/quotations/{asked.reference}/", {**PRICE, "document": file})
    assert answer.status_code == 422
    assert "this one is something else" in answer.content.decode()
    many = as_pavel.post(f"/quotations/{asked.reference}/", {**PRICE, "lines-TOTAL_FORMS": "1000"})
    assert many.status_code == 422
    assert Quotation.objects.get().status == QuotationStatus.ASKED


def test_what_one_may_not_see_is_not_there(
    as_stranger: Client, as_petra: Client, asked: Quotation, now: datetime
) -> None:
    for client in (as_stranger, as_petra):
        assert client.get(f"/quotations/{asked.reference}/").status_code == 404
        assert client.post(f"/quotations/{asked.reference}/accept/").status_code == 404
        assert asked.reference not in client.get("/quotations/").content.decode()


def test_the_requests_lead_to_the_quotations(as_alice: Client) -> None:
    assert 'href="/quotations/"' in as_alice.get("/requests/").content.decode()


def test_esa_records_what_came_by_mail(as_maria: Client, asked: Quotation, pavel: User) -> None:
    RoleGrant.objects.filter(user=pavel).delete()
    page = as_maria.get(f"/quotations/{asked.reference}/").content.decode()
    assert "Record what the provider sent by mail" in page
    assert "Document (optional)" not in words(as_maria.get(f"/quotations/{asked.reference}/"))
    assert as_maria.post(f"/quotations/{asked.reference}/", PRICE).status_code == 422
    file = SimpleUploadedFile("mail.pdf", pdf(), "application/pdf")
    assert as_maria.post(f"/quotations/{asked.reference}/", {**PRICE, "document": file}).status_code == 302
    assert Quotation.objects.get().is_recorded
