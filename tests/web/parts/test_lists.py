"""Long lists in pages."""

import pytest
from django.test import RequestFactory

from earthcode.identity.models import Organisation
from earthcode.web.parts.lists import paginate


@pytest.fixture
def organisations(db: None) -> None:
    Organisation.objects.bulk_create(Organisation(slug=f"o{n:03}", name=f"Organisation {n:03}") for n in range(60))


@pytest.mark.usefixtures("organisations")
@pytest.mark.parametrize(
    ("asked", "first", "last", "previous_url", "next_url"),
    [
        ("", 1, 25, "", "/list/?page=2"),
        ("?page=2", 26, 50, "/list/", "/list/?page=3"),
        ("?page=3", 51, 60, "/list/?page=2", ""),
        ("?page=99", 51, 60, "/list/?page=2", ""),
        ("?page=x", 1, 25, "", "/list/?page=2"),
    ],
)
def test_a_page_says_where_it_is(asked: str, first: int, last: int, previous_url: str, next_url: str) -> None:
    page = paginate(RequestFactory().get(f"/list/{asked}"), Organisation.objects.order_by("slug"))

    assert (page.first, page.last, page.count, page.pages) == (first, last, 60, 3)
    assert (page.previous_url, page.next_url) == (previous_url, next_url)
    assert [each.slug for each in page] == [f"o{n:03}" for n in range(first - 1, last)]


@pytest.mark.usefixtures("organisations")
def test_links_keep_the_rest_of_the_query() -> None:
    page = paginate(RequestFactory().get("/list/?q=snow+ice&tag=a&tag=b&page=2"), Organisation.objects.order_by("slug"))

    assert page.previous_url == "/list/?q=snow+ice&tag=a&tag=b"
    assert page.next_url == "/list/?q=snow+ice&tag=a&tag=b&page=3"


@pytest.mark.django_db
def test_an_empty_list_is_one_empty_page() -> None:
    page = paginate(RequestFactory().get("/list/"), Organisation.objects.order_by("slug"))

    assert (len(page), page.count, page.first, page.last) == (0, 0, 0, 0)
    assert (page.previous_url, page.next_url) == ("", "")


@pytest.mark.usefixtures("organisations")
def test_a_page_costs_two_queries(django_assert_num_queries: object) -> None:
    with django_assert_num_queries(2):  # type: ignore[operator]  # a context manager of pytest-django
        list(paginate(RequestFactory().get("/list/?page=2"), Organisation.objects.order_by("slug")))
