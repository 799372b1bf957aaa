"""Walks through pages like a person without JavaScript: follows redirects, fills in forms, and leaves this machine never."""

from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import httpx
from bs4 import BeautifulSoup, Tag

LOOPBACK = {"127.0.0.1", "localhost"}
STEPS_MAX = 30


@dataclass
class Robot:
    """One browser. ``answers`` are what it writes into fields of these names, wherever they are."""

    answers: dict[str, str] = field(default_factory=dict)
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30), init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.client.close()

    def get(self, url: str) -> httpx.Response:
        """A page, with whatever it redirects to."""
        return self._follow(self._send("GET", url))

    def walk(self, url: str, *, to: str) -> httpx.Response:
        """From one page to the first that lies below ``to``, through every form in between."""
        page = self.get(url)
        for _ in range(STEPS_MAX):
            if str(page.url).startswith(to):
                return page
            page = self.submit(page)
        raise AssertionError(f"never came to {to}; the last page was {page.url}")

    def submit(self, page: httpx.Response, *, action: str = "") -> httpx.Response:
        """Fill in and send the page's form: the one for ``action``, or the one that asks for what we know."""
        form = _form(page, action, self.answers)
        data = _values(form, self.answers)
        target = urljoin(str(page.url), str(form.get("action") or page.url))
        # Like a browser: from a page that was sent with "no-referrer" or not, forms name their origin.
        address = urlsplit(str(page.url))
        headers = {"Referer": str(page.url), "Origin": f"{address.scheme}://{address.netloc}"}
        return self._follow(self._send("POST", target, data=data, headers=headers))

    def _follow(self, response: httpx.Response) -> httpx.Response:
        for _ in range(STEPS_MAX):
            if not response.is_redirect:
                return response
            response = self._send("GET", urljoin(str(response.url), response.headers["Location"]))
        raise AssertionError(f"{response.url} redirects for ever")

    def _send(
        self, method: str, url: str, *, data: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        # An error page may hold a form for somewhere else.
        assert urlsplit(url).hostname in LOOPBACK, f"{url} is not on this machine"
        return self.client.request(method, url, data=data, headers=headers)


def text(page: httpx.Response) -> str:
    return BeautifulSoup(page.text, "html.parser").get_text(" ", strip=True)


def _form(page: httpx.Response, action: str, answers: dict[str, str]) -> Tag:
    assert page.status_code < 500, f"{page.url} answers {page.status_code}: {text(page)[:500]}"
    forms = [
        form
        for form in BeautifulSoup(page.text, "html.parser").find_all(
            "form", method=lambda m: (m or "").lower() == "post"
        )
        if not action or urlsplit(urljoin(str(page.url), str(form.get("action") or ""))).path == action
    ]
    wanted = [form for form in forms if any(form.find(attrs={"name": name}) for name in answers)] or forms
    assert wanted, f"{page.url} has no form to send: {page.status_code} {text(page)[:500]}"
    return wanted[0]


def _values(form: Tag, answers: dict[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for control in form.find_all(["input", "button"]):
        name, kind = control.get("name"), control.get("type") or ("submit" if control.name == "button" else "text")
        if not name:
            continue
        if name in answers:
            values[str(name)] = answers[str(name)]
        elif kind not in {"submit", "button", "checkbox", "radio"}:
            values[str(name)] = str(control.get("value") or "")
    return values
