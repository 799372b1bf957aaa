"""What every page shows around its content: navigation, balance, unread messages, theme.

Read when a template asks, so that a page that does not draw the bar (a fragment for htmx, an error page) costs nothing. The
whole of it takes at most two queries: unread, balance. Roles and memberships came with the person.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from earthcode.identity.models import User
from earthcode.identity.roles import Permission, Role
from earthcode.ledger import queries as books
from earthcode.ledger.queries import AtHand
from earthcode.lib.money import MicroCredits
from earthcode.notifications import queries as notifications
from earthcode.sponsorship.models import Award
from earthcode.web.parts.statuses import Words

THEME_COOKIE = "nor_theme"
SHORTCUTS_COOKIE = "nor_shortcuts"
AUDIENCE_KEY = "audience"


class Audience(StrEnum):
    """In which of their roles a person looks at the site. It chooses the navigation and nothing else."""

    SCIENTIST = "scientist"
    PROVIDER = "provider"
    ESA_MANAGER = "esa_manager"
    TECHNICAL_OFFICER = "technical_officer"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"


AUDIENCE_WORDS: dict[Audience, Words] = {
    Audience.SCIENTIST: _("Scientist"),
    Audience.PROVIDER: _("Provider"),
    Audience.ESA_MANAGER: _("ESA officer"),
    Audience.TECHNICAL_OFFICER: _("Technical Officer"),
    Audience.REVIEWER: _("Reviewer"),
    Audience.AUDITOR: _("Auditor"),
}

#: The first one that a person has is where they start; everybody is a scientist as well.
_AUDIENCE_OF_ROLE: dict[Role, Audience] = {
    Role.ESA_MANAGER: Audience.ESA_MANAGER,
    Role.TECHNICAL_OFFICER: Audience.TECHNICAL_OFFICER,
    Role.REVIEWER: Audience.REVIEWER,
    Role.PROVIDER_ADMINISTRATOR: Audience.PROVIDER,
    Role.AUDITOR: Audience.AUDITOR,
}

#: Label and URL name, at most five. A test asks for the page of each.
_VISITOR_ENTRIES: list[tuple[Words, str]] = [
    (_("Catalogue"), "catalogue"),
    (_("Science"), "science"),
    (_("Calls"), "calls"),
    (_("Providers"), "providers"),
]
_ENTRIES: dict[Audience, list[tuple[Words, str]]] = {
    Audience.SCIENTIST: [
        (_("Catalogue"), "catalogue"),
        (_("Science"), "science"),
        (_("Requests"), "requests"),
        (_("Allocations"), "allocations"),
        (_("Projects"), "projects"),
    ],
    Audience.PROVIDER: [
        (_("Orders"), "orders"),
        (_("Usage"), "usage"),
        (_("Offerings"), "offerings"),
        (_("Earnings"), "earnings"),
        (_("Catalogue"), "catalogue"),
    ],
    Audience.ESA_MANAGER: [
        (_("Review"), "review"),
        (_("Calls"), "calls"),
        (_("Allocations"), "allocations"),
        (_("Catalogue"), "catalogue"),
        (_("Audit"), "audit"),
    ],
    Audience.TECHNICAL_OFFICER: [
        (_("Requests"), "requests"),
        (_("Projects"), "projects"),
        (_("Catalogue"), "catalogue"),
    ],
    Audience.REVIEWER: [
        (_("Review"), "review"),
        (_("Calls"), "calls"),
        (_("Catalogue"), "catalogue"),
    ],
    Audience.AUDITOR: [
        (_("Requests"), "requests"),
        (_("Allocations"), "allocations"),
        (_("Audit"), "audit"),
    ],
}
#: The pages of these lists have the addresses of another one: an order is an allocation, seen by who provides it.
_PAGES_OF_LIST: dict[str, str] = {"orders": "allocations"}
_FOOT_ENTRIES: list[tuple[Words, str]] = [
    (_("Help"), "help"),
    (_("For providers"), "providers"),
    (_("API"), "api_docs"),
    (_("Accessibility"), "accessibility"),
    (_("Privacy"), "privacy"),
]


@dataclass(frozen=True)
class Link:
    """An entry of a menu; ``current`` marks where the reader is."""

    label: Words
    url: str
    current: bool = False


@dataclass(frozen=True)
class AudienceChoice:
    """A role that the reader can look at the site in."""

    value: Audience
    label: Words
    current: bool


def credits_of(user: User) -> AtHand:
    """What the person's projects have not used yet, set aside or not, and the most that can be placed from one award now."""
    place = user.grants.projects_with(Permission.ALLOCATION_PLACE)
    placeable = Award.objects.filter(project__in=place, ends_on__gte=timezone.localdate())
    awards = Award.objects.filter(project__in=user.grants.projects_with(Permission.ALLOCATION_VIEW))
    return books.at_hand(
        awards.order_by().values("reference"), placeable=placeable.order_by().values("reference"), at=timezone.now()
    )


def url_of(name: str) -> str:
    """The address of a page without arguments; empty if there is no such page."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


class Chrome:
    """What the bar and the footer show. Each part is read the first time it is asked for."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @cached_property
    def user(self) -> User | None:
        """The signed-in person. A request that failed early has no user at all."""
        user = getattr(self._request, "user", None)
        return user if isinstance(user, User) else None

    @property
    def theme(self) -> str:
        """``light`` or ``dark`` if the reader chose one, empty to follow their system."""
        chosen = self._request.COOKIES.get(THEME_COOKIE, "")
        return chosen if chosen in {"light", "dark"} else ""

    @property
    def shortcuts(self) -> bool:
        """Whether single keys do things; the reader may switch it off (WCAG 2.1.4)."""
        return self._request.COOKIES.get(SHORTCUTS_COOKIE) != "off"

    @property
    def here(self) -> str:
        """Where to come back to after switching something; the home page if this page was posted to."""
        return self._request.get_full_path() if self._request.method in {"GET", "HEAD"} else "/"

    @property
    def come_back(self) -> str:
        """Where signing in should come back to: here, unless this is the page that everybody sees first."""
        return "" if self._request.path in {"", self.urls["public_home"]} else self.here

    @cached_property
    def urls(self) -> dict[str, str]:
        """Addresses of the pages that the bar and the menus link to; empty for those that do not exist."""
        names = (
            "public_home",
            "home",
            "catalogue",
            "notifications",
            "account",
            "allocations",
            "estimates",
            "estimate_new",
        )
        return {name: url_of(name) for name in names} | {"sign_out": url_of("account_logout")}

    @cached_property
    def audiences(self) -> list[AudienceChoice]:
        """The roles this person can look at the site in, the current one marked; empty for visitors."""
        if self.user is None:
            return []
        choices = [each for role, each in _AUDIENCE_OF_ROLE.items() if self.user.has_role(role)]
        choices.append(Audience.SCIENTIST)
        session = getattr(self._request, "session", {})
        current = session.get(AUDIENCE_KEY)
        if current not in choices:
            current = choices[0]
        return [AudienceChoice(each, AUDIENCE_WORDS[each], each == current) for each in choices]

    @property
    def audience(self) -> AudienceChoice | None:
        """The role this person looks at the site in."""
        return next((each for each in self.audiences if each.current), None)

    @cached_property
    def navigation(self) -> list[Link]:
        """The entries of this reader's bar."""
        if self.audience is None:
            return [*self._links(_VISITOR_ENTRIES), *self._how_it_works()]
        return self._links(_ENTRIES[self.audience.value])

    @cached_property
    def foot(self) -> list[Link]:
        """The links at the end of every page."""
        return self._links(_FOOT_ENTRIES)

    @cached_property
    def unread(self) -> int:
        """How many messages the person has not read."""
        return 0 if self.user is None else notifications.unread_count(self.user.public_id)

    @cached_property
    def credits(self) -> AtHand:
        """What there is to spend, for those who look at the site as a scientist and have a project."""
        if self.user is None or self.audience is None or self.audience.value is not Audience.SCIENTIST:
            return AtHand(None, None)
        return credits_of(self.user) if self.user.grants.project_roles else AtHand(None, None)

    @property
    def balance(self) -> MicroCredits | None:
        """The credits left, set aside or not; None for those who have no award."""
        return self.credits.unspent

    def _links(self, entries: list[tuple[Words, str]]) -> list[Link]:
        path = self._request.path
        found = [
            (label, url, url_of(_PAGES_OF_LIST.get(name, name))) for label, name in entries if (url := url_of(name))
        ]
        # The longest address that this page lies under is where the reader is.
        under = [(address, url) for _label, url, pages in found for address in (url, pages) if path.startswith(address)]
        current = max(under, key=lambda each: len(each[0]), default=("", ""))[1]
        return [Link(label, url, url == current) for label, url, _pages in found]

    def _how_it_works(self) -> list[Link]:
        home = self.urls["public_home"]
        return [Link(_("How it works"), f"{home}#how")] if home else []


def chrome_of(request: HttpRequest) -> Chrome:
    """The same for the view and its templates, so that what it reads is read once a request."""
    kept: Chrome = request.__dict__.setdefault("_chrome", Chrome(request))
    return kept


def chrome(request: HttpRequest) -> dict[str, Chrome]:
    """Context processor: ``chrome`` in every template."""
    return {"chrome": chrome_of(request)}
