"""What there is to review, for the bar of tabs on top of each of its lists."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy

from earthcode.identity.models import User
from earthcode.identity.roles import Permission
from earthcode.web.parts.statuses import Words

#: URL name, who sees it, and what it is called.
_LISTS: tuple[tuple[str, Permission, Words], ...] = (
    ("review", Permission.REQUEST_REVIEW, gettext_lazy("Requests")),
    ("quotations", Permission.REQUEST_DECIDE, gettext_lazy("Quotations")),
    ("applications", Permission.APPLICATION_VIEW, gettext_lazy("Applications of providers")),
    ("offering_approvals", Permission.OFFERING_PUBLISH, gettext_lazy("Offerings")),
    ("statements", Permission.STATEMENT_VIEW, gettext_lazy("Statements")),
)


def lists_for(user: User, current: str) -> list[dict[str, Any]]:
    """The lists this person may see, for ``components/tabs.html``; none where there is no choice."""
    tabs = [
        {"label": label, "url": reverse(name), "count": None, "current": name == current}
        for name, permission, label in _LISTS
        if user.may(permission)
    ]
    return tabs if len(tabs) > 1 else []
