"""A page that a message is about, and that was opened."""

from __future__ import annotations

from django.utils import timezone

from earthcode.notifications import actions
from earthcode.web.parts.chrome import chrome_of
from earthcode.web.parts.signed_in import SignedInRequest


def page_opened(request: SignedInRequest) -> None:
    """Whoever reads the page that a message is about has read the news: their messages with this link are read now.

    Costs those nothing who have nothing unread: the bar counts that on every page.
    """
    chrome = chrome_of(request)
    if request.method == "GET" and chrome.unread:
        chrome.unread -= actions.mark_read(recipient=request.user.public_id, link=request.path, at=timezone.now())
