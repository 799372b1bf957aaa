"""Groups over SCIM 2.0 (RFC 7643, RFC 7644): for platforms that admit whoever is in a group.

openEO back ends are such platforms: they have no API for accounts and read the person's groups from the single sign-on.

One group, the *admitting* one (``group``), is what the platform looks for; its administrators make it once and bind it to what
its members may do. Every allocation has a group of its own besides, ``nor-<reference>``, which gives no rights: it is our
record of who has access through which allocation. SCIM groups have no place for facts, so the record is in the group's
``externalId`` (see ``_Mark``). Nobody else writes either of them.

The record errs on the side of too many people: somebody joins the allocation's group first and the admitting one after, and
leaves them the other way round. Whatever an interrupted attempt gave can therefore be found and taken back. Somebody stays in
the admitting group for as long as an active allocation holds them.

People are made where the directory does not know them yet, by ``externalId`` (the subject of the single sign-on) and, where
that finds nobody, by ``userName``. They are never changed, deactivated or deleted: the directory is not ours.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, ClassVar, Self
from urllib.parse import quote

from django.utils.translation import gettext_lazy as _

from earthcode.connectors import reading, reasons
from earthcode.connectors.base import (
    Capabilities,
    Changeable,
    Connector,
    ConnectorError,
    Grant,
    Health,
    InventoryItem,
    InventoryPage,
    Order,
    Party,
    Person,
    Running,
    SuspendStep,
    Suspension,
)
from earthcode.connectors.configuration import Config, Kind, Secret, setting
from earthcode.connectors.rest import RestApi

OK, CREATED, NO_CONTENT = HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT
NOT_FOUND, CONFLICT, BAD_REQUEST = HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.BAD_REQUEST

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
#: Also what servers give at most where we ask for more; we ask on with what they gave.
PAGE = 50
#: Larger directories of ours than this are a mistake.
PAGES_MAX = 400
ACTIVE, ENDING = "active", "ending"


@dataclass(frozen=True, kw_only=True)
class ScimConfig(Config):
    api_url: str = setting(_("Address of the SCIM API"), kind=Kind.URL, example="https://directory.example.org/scim/v2")
    access_url: str = setting(
        _("Where people go"), kind=Kind.URL, example="https://editor.example.org", hint=_("The platform's own address")
    )
    group: str = setting(
        _("Group that the platform admits"),
        default="nor-users",
        hint=_("Made once by the platform's administrators; a plan may name another one"),
    )
    username: str = setting(
        _("User names are made of"),
        kind=Kind.CHOICE,
        choices=[
            ("preferred_username", _("the user name of the single sign-on")),
            ("subject", _("its subject")),
            ("email", _("the e-mail address")),
        ],
        default="preferred_username",
    )
    effective_after_s: int = setting(
        _("Seconds until somebody who was taken out is refused"),
        kind=Kind.WHOLE_NUMBER,
        default=3600,
        hint=_("How long the platform goes by the groups of an earlier sign-in"),
    )
    token: Secret = setting(_("Bearer token"), kind=Kind.SECRET, hint=_("May read and write users and groups"))


class Scim(Connector):
    kind: ClassVar[str] = "scim"
    title = _("Groups over SCIM 2.0")
    config_type = ScimConfig
    sentences = {
        "scim.no_server": _("What answers at the platform's address is not a SCIM 2.0 server."),
        "scim.no_patch": _("The platform's SCIM server cannot change groups in parts, which is needed."),
        "scim.no_group": _("The platform has no group “{group}”."),
        "scim.two_groups": _("The platform has more than one group “{group}”."),
        "scim.other_person": _("The platform knows somebody else under the user name of {person}."),
    }

    def __init__(self, config: ScimConfig) -> None:
        self._access_url = config.access_url
        self._group = config.group
        self._attribute = {"preferred_username": "username"}.get(config.username, config.username)
        self._effective_after_s = float(config.effective_after_s)
        self._api = RestApi(
            config.api_url,
            headers={
                "Authorization": f"Bearer {config.token.reveal()}",
                "Accept": "application/scim+json, application/json",
                "Content-Type": "application/scim+json",
            },
            timeout_s=self.timeout_s,
        )

    def close(self) -> None:
        self._api.close()

    # --- the contract ------------------------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            change=frozenset(Changeable),
            suspend=(SuspendStep.NO_NEW_WORK,),
            inventory=True,
            # Who leaves the admitting group is decided by reading the other allocations' groups.
            side_by_side=False,
        )

    def check(self) -> Health:
        try:
            answer = self._api.call("GET", "/ServiceProviderConfig", expect={OK})
            if "patch" not in answer.document:
                return Health(False, "scim.no_server", words=self.sentences)
            if not reading.flag(reading.mapping(answer.document["patch"]).get("supported")):
                return Health(False, "scim.no_patch", words=self.sentences)
            self._admitting(self._group)
        except ConnectorError as error:
            return Health.of(error)
        skew = (answer.platform_at - datetime.now(UTC)).total_seconds() if answer.platform_at else None
        return Health(True, skew_s=skew)

    def find(self, order: Order) -> Grant | None:
        own = self._own(order)
        if own is None or own.mark.key != _digest(order.key):
            return None
        admitting = self._admitting(self._admitting_name(order))
        step = own.mark.step
        if own.mark != _Mark.of(order, admitting.id, state=step.value if step else ACTIVE):
            return None
        names: dict[str, str] = {}
        there: dict[str, str] = {}
        for person in order.people:
            user = self._user_of(person)
            if user is None:
                return None
            names[person.subject] = there[user.id] = user.name
        if own.members != frozenset(there) or (step is None and not own.members <= admitting.members):
            return None
        return self._grant(order, names, step)

    def ensure(self, order: Order) -> Grant:
        admitting = self._admitting(self._admitting_name(order))
        state = order.suspended.value if order.suspended else ACTIVE
        own = self._record(order, _Mark.of(order, admitting.id, state=state))
        found, refused = self._users(order.people)
        # Taking away goes first: somebody new whom the directory refuses must not keep in somebody who has left.
        self._withdraw(own, own.members - {user.id for user in found.values()})
        joining = {user.id for user in found.values()}
        self._add(own.id, joining - own.members)
        if order.suspended:
            self._bar(own, joining, admitting.id)
        else:
            self._add(admitting.id, joining - admitting.members)
        self._prove(own.id, admitting.id, joining, admitted=order.suspended is None)
        if refused:
            raise refused[0]
        return self._grant(order, {subject: user.name for subject, user in found.items()}, order.suspended)

    def people(self, order: Order) -> Grant:
        return self.ensure(order)

    def change(self, order: Order) -> Grant:
        return self.ensure(order)

    def suspend(self, order: Order, step: SuspendStep) -> Suspension:
        if step not in self.capabilities.suspend:
            self._cannot(order)
        own = self._there(order)
        # First on record, so that another allocation's end does not take this one for a reason to leave somebody in.
        own = self._mark(own, replace(own.mark, state=step.value))
        self._bar(own, own.members, own.mark.admitting)
        return Suspension(step, Running.UNKNOWN, effective_after_s=self._effective_after_s)

    def resume(self, order: Order) -> Grant:
        own = self._there(order)
        own = self._mark(own, replace(own.mark, state=ACTIVE))
        self._add(own.mark.admitting, own.members)
        names = {person.subject: user.name for person in order.people if (user := self._user_of(person))}
        return self._grant(order, names, None)

    def revoke(self, order: Order) -> None:
        own = self._own(order)
        if own is None:
            return
        if own.mark.key != _digest(order.key):
            raise ConnectorError(reasons.NOT_OURS, permanent=True)
        # From here on this group is no reason to leave somebody in the admitting one, whatever becomes of us.
        own = self._mark(own, replace(own.mark, state=ENDING))
        self._withdraw(own, own.members)
        self._api.call("DELETE", f"/Groups/{_quoted(own.id)}", expect={NO_CONTENT, OK, NOT_FOUND})

    def inventory(self, cursor: str) -> InventoryPage:
        start = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 10 else 1
        groups, following = self._groups('externalId sw "nor:"', start)
        names: dict[str, str | None] = {}
        items = []
        for group in groups:
            for member in group.members - names.keys():
                names[member] = self._name_of(member)
            known = frozenset(name for member in group.members if (name := names[member]))
            items.append(
                InventoryItem(
                    external_id=group.name,
                    allocation=group.mark.allocation,
                    kind="group",
                    suspended=group.mark.step,
                    people=known,
                )
            )
        return InventoryPage(tuple(items), cursor="" if following is None else str(following))

    # --- groups ------------------------------------------------------------------------------------------------------

    def _admitting_name(self, order: Order) -> str:
        return str(order.settings.get("group") or self._group)

    def _admitting(self, name: str) -> _Group:
        groups, _following = self._groups(f"displayName eq {_literal(name)}", 1)
        # Filters compare without regard to case in some servers; display names need not be unique.
        exact = [group for group in groups if group.name == name]
        if not exact:
            raise ConnectorError("scim.no_group", permanent=True, words=self.sentences, group=name)
        if len(exact) > 1:
            raise ConnectorError("scim.two_groups", permanent=True, words=self.sentences, group=name)
        return exact[0]

    def _own(self, order: Order) -> _Group | None:
        """The allocation's group, whoever's key it carries."""
        found = [
            group
            for group in self._all(f"externalId sw {_literal(_Mark.beginning(order.allocation))}")
            if group.mark.allocation == order.allocation
        ]
        return min(found, key=lambda group: group.id) if found else None

    def _there(self, order: Order) -> _Group:
        own = self._own(order)
        if own is None:
            raise ConnectorError(reasons.NOT_THERE, permanent=True)
        if own.mark.key != _digest(order.key):
            raise ConnectorError(reasons.NOT_OURS, permanent=True)
        return own

    def _record(self, order: Order, mark: _Mark) -> _Group:
        """Make the allocation's group, or take it over from an interrupted attempt, and write its mark."""
        own = self._own(order)
        if own is None:
            made = {"schemas": [GROUP], "displayName": _name_of_group(order), "externalId": mark.written()}
            return _Group.read(self._api.call("POST", "/Groups", made, expect={CREATED}).document)
        if own.mark.key != mark.key:
            raise ConnectorError(reasons.NOT_OURS, permanent=True)
        if own.mark == mark:
            return own
        if own.mark.admitting != mark.admitting:
            self._bar(own, own.members, own.mark.admitting)
        return self._mark(own, mark)

    def _mark(self, own: _Group, mark: _Mark) -> _Group:
        if own.mark != mark:
            self._patch(
                own.id, {"op": "replace", "path": "externalId", "value": mark.written()}, expect={OK, NO_CONTENT}
            )
        return replace(own, mark=mark)

    def _add(self, group: str, users: Iterable[str]) -> None:
        if members := [{"value": each} for each in sorted(users)]:
            self._patch(group, {"op": "add", "path": "members", "value": members}, expect={OK, NO_CONTENT})

    def _bar(self, own: _Group, users: Iterable[str], admitting: str) -> None:
        """Take people out of the admitting group unless another active allocation admits them to it."""
        leaving = set(users)
        if not leaving:
            return
        for other in self._all('externalId sw "nor:"'):
            if other.id != own.id and other.mark.admitting == admitting and other.mark.state == ACTIVE:
                leaving -= other.members
        self._take_out(admitting, leaving)

    def _withdraw(self, own: _Group, users: Iterable[str]) -> None:
        leaving = sorted(users)
        self._bar(own, leaving, own.mark.admitting)
        self._take_out(own.id, leaving)

    def _take_out(self, group: str, users: Iterable[str]) -> None:
        """Right as well where there is no such person or group."""
        for user in sorted(users):
            path = f"members[value eq {_literal(user)}]"
            expect = {OK, NO_CONTENT, NOT_FOUND, BAD_REQUEST}
            # A server may answer 400 "noTarget" where nothing matches (RFC 7644, 3.5.2.2); reading back decides.
            if self._patch(group, {"op": "remove", "path": path}, expect=expect) == BAD_REQUEST:
                there = self._group_by_id(group)
                if there is not None and user in there.members:
                    raise ConnectorError(reasons.NOT_APPLIED, permanent=True)

    def _prove(self, own: str, admitting: str, users: set[str], *, admitted: bool) -> None:
        """Read back; a status code proves nothing."""
        record, group = self._group_by_id(own), self._group_by_id(admitting)
        if record is None or group is None or record.members != users or (admitted and not users <= group.members):
            raise ConnectorError(reasons.NOT_APPLIED)

    def _patch(self, group: str, operation: Mapping[str, Any], *, expect: set[HTTPStatus]) -> int:
        body = {"schemas": [PATCH], "Operations": [operation]}
        return self._api.call("PATCH", f"/Groups/{_quoted(group)}", body, expect=expect).status

    def _group_by_id(self, group: str) -> _Group | None:
        answer = self._api.call("GET", f"/Groups/{_quoted(group)}", expect={OK, NOT_FOUND})
        return None if answer.status == NOT_FOUND else _Group.read(answer.document)

    def _all(self, condition: str) -> Iterator[_Group]:
        start: int | None = 1
        for _page in range(PAGES_MAX):
            if start is None:
                return
            groups, start = self._groups(condition, start)
            yield from groups
        raise ConnectorError(reasons.TOO_LARGE)

    def _groups(self, condition: str, start: int) -> tuple[list[_Group], int | None]:
        """One page, and where the next one begins."""
        found, following = self._list("/Groups", condition, start)
        return [_Group.read(each) for each in found], following

    def _list(self, path: str, condition: str, start: int) -> tuple[list[dict[str, Any]], int | None]:
        params = {"filter": condition, "startIndex": str(start), "count": str(PAGE)}
        document = self._api.call("GET", path, params=params, expect={OK}).document
        total = reading.whole(document.get("totalResults"))
        # Left out where there is nothing (RFC 7644, 3.4.2).
        found = reading.mappings(document.get("Resources") or [])
        if total and not found and start <= total:
            raise reading.not_its_own()
        after = start + len(found)
        return found, after if after <= total else None

    # --- people ------------------------------------------------------------------------------------------------------

    def _username(self, person: Person) -> str:
        return (person.platform_name or str(getattr(person, self._attribute))).strip()

    def _users(self, people: Iterable[Person]) -> tuple[dict[str, _User], list[ConnectorError]]:
        """Those the directory has or takes, by subject; and why it does not take the others, whom nobody waits for."""
        found: dict[str, _User] = {}
        refused: list[ConnectorError] = []
        for person in people:
            try:
                user = self._user_of(person) or self._make(person)
            except ConnectorError as error:
                if error.for_whom != Party.PROJECT:
                    raise
                refused.append(error)
            else:
                if user.id in {each.id for each in found.values()}:
                    refused.append(self._refusal(reasons.SAME_USERNAME, person, other=user.name))
                else:
                    found[person.subject] = user
        return found, refused

    def _user_of(self, person: Person) -> _User | None:
        if user := self._user_with("externalId", person.subject):
            return user
        name = self._username(person)
        if not name:
            raise self._refusal(reasons.NO_USERNAME, person)
        user = self._user_with("userName", name)
        if user is not None and user.external_id not in {"", person.subject}:
            raise self._refusal("scim.other_person", person)
        return user

    def _user_with(self, attribute: str, value: str) -> _User | None:
        found, _following = self._list("/Users", f"{attribute} eq {_literal(value)}", 1)
        users = [_User.read(each) for each in found]
        exact = [user for user in users if attribute == "userName" or user.external_id == value]
        return exact[0] if exact else None

    def _make(self, person: Person) -> _User:
        body = {
            "schemas": [USER],
            "userName": self._username(person),
            "externalId": person.subject,
            "displayName": person.name,
            "active": True,
        }
        if person.email:
            body["emails"] = [{"value": person.email, "primary": True}]
        answer = self._api.call("POST", "/Users", body, expect={CREATED, CONFLICT, BAD_REQUEST})
        if answer.status == CREATED:
            return _User.read(answer.document)
        raise self._refusal(reasons.USERNAME_REFUSED, person, names=self._username(person))

    def _refusal(self, code: str, person: Person, **parameters: Any) -> ConnectorError:
        return ConnectorError(
            code, permanent=True, for_whom=Party.PROJECT, words=self.sentences, person=person.name, **parameters
        )

    def _name_of(self, user: str) -> str | None:
        """None: a member that the directory has deleted."""
        answer = self._api.call("GET", f"/Users/{_quoted(user)}", expect={OK, NOT_FOUND})
        return None if answer.status == NOT_FOUND else _User.read(answer.document).name

    def _grant(self, order: Order, names: Mapping[str, str], step: SuspendStep | None) -> Grant:
        name = _name_of_group(order)
        return Grant(
            external_id=name,
            access_url=self._access_url,
            facts={"group": name, "admitting_group": self._admitting_name(order)},
            names=dict(names),
            suspended=step,
        )


@dataclass(frozen=True)
class _Mark:
    """What a group's ``externalId`` says: ``nor:<allocation>:<key>:<terms>:<state>:<id of the admitting group>``.

    ``key`` and ``terms`` (amounts and end) are digests. An ``externalId`` that says something else belongs to nobody here:
    ``allocation`` is None.
    """

    allocation: str | None
    key: str = ""
    terms: str = ""
    state: str = ""
    admitting: str = ""

    @classmethod
    def of(cls, order: Order, admitting: str, *, state: str) -> Self:
        terms = {"ends_at": order.ends_at.astimezone(UTC).isoformat(), "quantities": dict(order.quantities)}
        return cls(order.allocation, _digest(order.key), _digest(json.dumps(terms, sort_keys=True)), state, admitting)

    @classmethod
    def read(cls, written: str) -> Self:
        parts = written.split(":", 5)
        return cls(*parts[1:]) if len(parts) == 6 and parts[0] == "nor" else cls(None)

    @staticmethod
    def beginning(allocation: str) -> str:
        return f"nor:{allocation}:"

    def written(self) -> str:
        return f"nor:{self.allocation}:{self.key}:{self.terms}:{self.state}:{self.admitting}"

    @property
    def step(self) -> SuspendStep | None:
        return SuspendStep(self.state) if self.state in set(SuspendStep) else None


@dataclass(frozen=True)
class _Group:
    id: str
    name: str
    mark: _Mark
    members: frozenset[str]

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Self:
        return cls(
            reading.text(said.get("id")),
            reading.text(said.get("displayName")),
            _Mark.read(reading.text(said.get("externalId") or "")),
            frozenset(reading.text(each.get("value")) for each in reading.mappings(said.get("members") or [])),
        )


@dataclass(frozen=True)
class _User:
    id: str
    name: str
    external_id: str

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Self:
        return cls(
            reading.text(said.get("id")), reading.text(said.get("userName")), reading.text(said.get("externalId") or "")
        )


def _name_of_group(order: Order) -> str:
    return f"nor-{order.allocation.lower()}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _literal(text: str) -> str:
    """As a filter writes it (RFC 7644, 3.4.2.2: the rules of JSON)."""
    return json.dumps(text, ensure_ascii=False)


def _quoted(part: str) -> str:
    return quote(part, safe="")
