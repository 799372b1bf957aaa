"""What a page says."""

import re

from bs4 import BeautifulSoup, Tag
from django.http import HttpResponse


def soup(response: HttpResponse) -> BeautifulSoup:
    return BeautifulSoup(response.content, "html.parser")


def words(response: HttpResponse) -> str:
    """The text of the page's content, spaces made single."""
    main = soup(response).find("main")
    assert main is not None
    return in_one_line(main)


def errors(response: HttpResponse) -> list[str]:
    """What the error summary says."""
    return [in_one_line(each) for each in soup(response).select(".error-summary li")]


def in_one_line(part: Tag) -> str:
    """Its text; the narrow spaces in numbers stay as they are."""
    return re.sub(r"[ \n]+", " ", part.get_text(" ")).strip()
