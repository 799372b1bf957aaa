"""Going to a page, and finding the way on from it."""

from bs4 import BeautifulSoup, Tag
from django.test import Client

from tests.support.pages import in_one_line, soup


def page_of(client: Client, url: str, status: int = 200) -> BeautifulSoup:
    """The page at this address, which must answer with this status."""
    response = client.get(url)
    assert response.status_code == status, f"{url} answered {response.status_code}"
    return soup(response)


def link(page: Tag, text: str) -> Tag | None:
    """The link or button with these words, whatever icons it has."""
    return next((each for each in page.select("a, button") if in_one_line(each) == text), None)
