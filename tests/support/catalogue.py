"""Reading the catalogue's pages as people do."""

import re

from bs4 import BeautifulSoup, Tag
from django.test import Client


def page_of(client: Client, url: str) -> BeautifulSoup:
    """The page at this address, which must be there."""
    response = client.get(url)
    assert response.status_code == 200, f"{url} answered {response.status_code}"
    return BeautifulSoup(response.content, "html.parser")


def words(part: Tag | None) -> str:
    """All that is written there, in one line; the narrow spaces in numbers stay as they are."""
    assert part is not None
    return re.sub(r"[ \n]+", " ", part.get_text(" ")).strip()


def link(part: Tag, text: str) -> Tag | None:
    """The link or button with these words, whatever icons it has."""
    return next((each for each in part.select("a, button") if words(each) == text), None)


def cards(page: BeautifulSoup) -> dict[str, Tag]:
    """The offerings in the list: name → card."""
    return {words(card.h3): card for card in page.select(".offering-card")}


def price_of(card: Tag) -> str:
    """What a card says about the price."""
    return words(card.select_one(".price"))
