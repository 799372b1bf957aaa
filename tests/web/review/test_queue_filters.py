"""Looking for requests in the review queue, and taking them along as a file."""

import csv
from io import StringIO
from typing import Any

import pytest
from django.test import Client

from earthcode.identity.models import Organisation
from earthcode.sponsorship.models import ResourceRequest

pytestmark = pytest.mark.usefixtures("clock")


@pytest.mark.parametrize(
    ("query", "is_shown"),
    [
        ("q=snow", True),
        ("q=SNOW+mass", True),
        ("q=alice", True),
        ("q=peat", False),
        ("call=open-science-2026", True),
        ("call=another", False),
        ("provider=hub-house", True),
        ("provider=alpine-institute", False),
        ("country=AT", True),
        ("country=PL", False),
        ("sort=most", True),
        ("sort=nonsense&q=%00", True),
        ("q=%00snow%EF%BF%BD&call=" + "x" * 500, False),
    ],
)
def test_the_queue_shows_what_is_looked_for(
    as_maria: Client, sent_request: ResourceRequest, query: str, is_shown: bool
) -> None:
    page = as_maria.get(f"/review/?{query}")
    assert page.status_code == 200
    assert (f"/review/{sent_request.reference}/" in page.content.decode()) is is_shown


def test_what_was_looked_for_stays_in_the_links_and_after_a_decision(
    as_maria: Client, sent_request: ResourceRequest
) -> None:
    address = f"/review/{sent_request.reference}/?q=snow&amp;sort=most"
    assert address in as_maria.get("/review/?q=snow&sort=most").content.decode()
    decided = as_maria.post(
        f"/review/{sent_request.reference}/?q=snow&sort=most", {"decision": "reject", "reason": "Not now."}
    )
    assert decided["Location"] == "/review/?q=snow&sort=most"


def test_the_queue_is_taken_along_as_a_file(
    as_maria: Client, as_alice: Client, sent_request: ResourceRequest, institute: Organisation
) -> None:
    ResourceRequest.objects.update(title="=HYPERLINK(1)")
    answer: Any = as_maria.get("/review/requests.csv?country=AT")
    (row,) = csv.DictReader(StringIO(b"".join(answer.streaming_content).decode()))
    assert (row["reference"], row["credits"], row["country"]) == (sent_request.reference, "434.4", "AT")
    assert row["title"].startswith("'=")
    assert as_alice.get("/review/requests.csv").status_code == 404
