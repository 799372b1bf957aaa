"""Why a platform did not do what was asked: stable codes, and the sentences that are made of them when they are shown.

Rows, audit and the API keep the code and its parameters; people read the sentence. A connector adds codes of its own,
named ``<kind>.<code>``, in its ``sentences``. A parameter is shown to scientists and providers, so it names no secret and no
inner address.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Sentence = str | Promise

#: A parameter may come from a platform; nobody reads more of it than this.
PARAMETER_MAX = 200

#: Parameters with these names say something of a person, and are written nowhere that cannot be blanked.
OF_PEOPLE = frozenset({"person", "other", "names", "reason"})

UNREACHABLE = "unreachable"
TOO_SLOW = "too_slow"
UNTRUSTED = "untrusted"
NOT_ITS_OWN = "not_its_own"
TOO_LARGE = "too_large"
NOT_ALLOWED = "not_allowed"
ELSEWHERE = "elsewhere"
BUSY = "busy"
REFUSED = "refused"
NO_CONNECTOR = "no_connector"
UNKNOWN_KIND = "unknown_kind"
BAD_SETTING = "bad_setting"
MISSING_SETTING = "missing_setting"
UNREADABLE_SECRET = "unreadable_secret"  # noqa: S105  # a code
NOT_OURS = "not_ours"
NOT_THERE = "not_there"
NOT_APPLIED = "not_applied"
NOT_SUPPORTED = "not_supported"
NO_USERNAME = "no_username"
SAME_USERNAME = "same_username"
USERNAME_REFUSED = "username_refused"
BAD_CURSOR = "bad_cursor"
CLOCK_SKEW = "clock_skew"
CONNECTOR_BROKEN = "connector_broken"
INTERRUPTED = "interrupted"
WORKS = "works"

SENTENCES: dict[str, Sentence] = {
    UNREACHABLE: _("The platform cannot be reached at the moment."),
    TOO_SLOW: _("The platform did not answer in time."),
    UNTRUSTED: _("The platform's certificate cannot be trusted, so nothing was sent to it."),
    NOT_ITS_OWN: _("The answer did not come from the platform itself; it may be restarting."),
    TOO_LARGE: _("The platform's answer was too large to be read."),
    NOT_ALLOWED: _("The platform does not accept our credentials, or they do not give the rights that are needed."),
    ELSEWHERE: _("The platform's API has moved; its address has to be changed here."),
    BUSY: _("The platform could not do this at the moment (code {status})."),
    REFUSED: _("The platform refused this (code {status})."),
    NO_CONNECTOR: _("This platform is not connected yet, so access to it cannot be set up."),
    UNKNOWN_KIND: _("This site cannot speak to platforms of the kind “{kind}”."),
    BAD_SETTING: _("The setting “{setting}” of the platform cannot be used: {problem}."),
    MISSING_SETTING: _("The setting “{setting}” of the platform is missing."),
    UNREADABLE_SECRET: _(
        "The platform's stored credentials cannot be read with the keys of this site. Enter them again."
    ),
    NOT_OURS: _("The platform has something else under this allocation's name."),
    NOT_THERE: _("The platform has nothing for this allocation."),
    NOT_APPLIED: _("The platform accepted the request, but did not do what was asked."),
    NOT_SUPPORTED: _("This platform has no way to do this."),
    NO_USERNAME: _("The single sign-on gives no user name for {person}."),
    SAME_USERNAME: _("{person} and {other} have the same user name on the platform."),
    USERNAME_REFUSED: _("The platform refuses a user name among: {names}."),
    BAD_CURSOR: _("The place up to which usage was read cannot be understood; it is read from the start."),
    CLOCK_SKEW: _("The platform's clock differs from ours by {seconds} seconds."),
    CONNECTOR_BROKEN: _("This site could not understand what the platform did. The technical team has the details."),
    INTERRUPTED: _("The work was interrupted again and again before the platform could answer."),
    WORKS: _("The platform answered and everything that is needed is there."),
}


def sentence(
    code: str, parameters: Mapping[str, object] | None = None, *, more: Mapping[str, Sentence] | None = None
) -> str:
    """The sentence for people, in the reader's language. ``more`` are a connector's own; an unknown code is said as such."""
    found = (more or {}).get(code, SENTENCES.get(code))
    if found is None:
        return str(_("The platform did not do this (reason “{code}”).")).format(code=code)
    return str(found).format_map(_Shown(parameters or {}))


def bounded(parameters: Mapping[str, object]) -> dict[str, str]:
    """As stored: text, and no more of it than anybody reads."""
    return {name: " ".join(str(value).split())[:PARAMETER_MAX] for name, value in parameters.items()}


class _Shown(dict[str, str]):
    """A parameter that is missing never breaks the sentence."""

    def __init__(self, parameters: Mapping[str, object]) -> None:
        super().__init__(bounded(parameters))

    def __missing__(self, name: str) -> str:
        return "?"
