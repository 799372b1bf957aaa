"""What the single sign-on says about a person: claims, and the roles that they give.

Pure: no network and no database. ``issuer`` talks to the single sign-on, ``actions`` stores what it said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from earthcode.identity.roles import Role
from earthcode.lib import reading
from earthcode.lib.errors import Refused

#: Claim path → value → role; see ``settings.OIDC_ROLE_CLAIMS``.
RoleMapping = Mapping[str, Mapping[str, str]]

#: Stands in a mapping for the slug of the provider that a role is for.
ORGANISATION = "{organisation}"


class ClaimsUnusable(Refused):
    """What the single sign-on said names nobody, or contradicts itself."""

    code = "claims_unusable"


@dataclass(frozen=True)
class Claims:
    """Who signs in, and what the single sign-on says about them."""

    issuer: str
    subject: str
    full_name: str
    email: str
    preferred_username: str
    #: Everything said, from the ID token and from userinfo; where both speak, userinfo is the fresher one.
    said: Mapping[str, Any]

    @classmethod
    def from_answers(cls, *, issuer: str, id_token: Mapping[str, Any], userinfo: Mapping[str, Any]) -> Claims:
        """From a verified ID token and the userinfo answer of the same person; either may be empty, not both.

        Refuses answers about two different people (OpenID Connect Core 5.3.2), and names that are no names.
        """
        subjects = {said["sub"] for said in (id_token, userinfo) if said and "sub" in said}
        missing = any(said and "sub" not in said for said in (id_token, userinfo))
        if missing or len(subjects) != 1:
            raise ClaimsUnusable("The single sign-on did not say clearly who you are.")
        subject = subjects.pop()
        # ``sub`` is at most 255 ASCII characters (OpenID Connect Core 2). Cutting a longer one could make two people
        # one.
        if not (isinstance(subject, str) and 0 < len(subject) <= 255 and subject.isascii() and subject.isprintable()):
            raise ClaimsUnusable("The single sign-on sent a name for you that cannot be stored.")
        said = {**id_token, **userinfo}
        given_and_family = f"{_text(said, 'given_name')} {_text(said, 'family_name')}".strip()
        return cls(
            issuer=issuer,
            subject=subject,
            full_name=(_text(said, "name") or given_and_family)[:200],
            email=_email(said),
            preferred_username=_text(said, "preferred_username")[:150],
            said=said,
        )


@dataclass(frozen=True)
class GrantedRole:
    """A role that a claim gives; ``organisation`` is the slug of the provider it is for, else empty."""

    role: Role
    organisation: str
    #: The claim and the value that gave it, for the record.
    claim: str


def roles_from(said: Mapping[str, Any], mapping: RoleMapping) -> list[GrantedRole]:
    """The roles that these claims give under this mapping, each once, in the mapping's order.

    A path like ``realm_access.roles`` leads into nested claims; a claim whose own name has dots is found too. A claim
    is a list, or text in which spaces separate the values. The slash in front of Keycloak's group paths does not
    matter; everything else must match to the letter, so an entitlement URN is written in the mapping as it is sent,
    with its namespace and its authority: the last part of it alone could have been made up by anybody who runs a group
    service.
    """
    granted: dict[tuple[Role, str], GrantedRole] = {}
    for path, roles in mapping.items():
        values = list(_values(_at(said, path)))
        for pattern, role_name in roles.items():
            role = Role(role_name)
            for value in values:
                found = _pattern(pattern).fullmatch(value.removeprefix("/"))
                if found is None:
                    continue
                organisation = found.groupdict().get("organisation", "")
                granted.setdefault((role, organisation), GrantedRole(role, organisation, f"{path}={value}"[:255]))
    return list(granted.values())


def speaks_of(said: Mapping[str, Any], mapping: RoleMapping, *, claim: str) -> bool:
    """Whether these claims have the one that once gave a role; ``claim`` is what :class:`GrantedRole` kept.

    Whatever is in it: an empty list says "none", and so does ``realm_access`` without ``roles``. Only a claim that is not
    there says nothing. A path that is no longer in the mapping gives nothing any more, so it is spoken of.
    """
    path = next((path for path in mapping if claim.startswith(f"{path}=")), None)
    return path is None or path in said or path.partition(".")[0] in said


def _pattern(text: str) -> re.Pattern[str]:
    before, placeholder, after = text.removeprefix("/").partition(ORGANISATION)
    slug = "(?P<organisation>[-a-zA-Z0-9_]+)" if placeholder else ""
    return re.compile(re.escape(before) + slug + re.escape(after))


def _at(said: Mapping[str, Any], path: str) -> Any:
    if path in said:
        return said[path]
    name, _, rest = path.partition(".")
    inner = said.get(name)
    return _at(inner, rest) if rest and isinstance(inner, Mapping) else None


def _values(claim: Any) -> Iterator[str]:
    if isinstance(claim, str):
        yield from claim.split()
    elif isinstance(claim, list | tuple):
        yield from (value for value in claim if isinstance(value, str))


def _text(said: Mapping[str, Any], name: str) -> str:
    return reading.text(said.get(name))


def _email(said: Mapping[str, Any]) -> str:
    """Where messages go. An address that the issuer does not call verified may be somebody else's.

    ``email_verified`` is optional (OpenID Connect Core 5.1), so an issuer that says nothing about it is believed. One that
    says anything but "true" is not.
    """
    email = _text(said, "email")
    try:
        validate_email(email)
    except ValidationError:
        return ""
    is_verified = reading.flag(said["email_verified"]) is True if "email_verified" in said else True
    return email if is_verified and len(email) <= 254 else ""
