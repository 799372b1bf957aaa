"""JupyterHub, over its REST API (written against 6.1; the calls used exist since 4).

How access works on the hub: one group, the *role-bound* one (``group``, by default ``nor-compute``), has a role that
lets its members start servers. The hub's administrators bind it once; we only say who is in it. Every allocation has
a group of its own besides, ``nor-<reference>``. It gives no rights: it is our record on the hub of who has access
through which allocation, and its properties hold the allocation, the idempotency key, the end and the quota. A person
is in the role-bound group for as long as at least one allocation's group holds them, so ending one of two allocations
leaves the access.

The record always errs on the side of too many people: somebody joins the allocation's group first and the role-bound
group after, and leaves them the other way round. Whatever an interrupted attempt gave can therefore be found and
taken back.

The role-bound group is ours alone: whoever is put into it by hand leaves it with their last allocation. A hub whose
``Authenticator.manage_groups`` is on overwrites memberships at each sign-in and cannot be used with this connector.

Suspending takes people out of the role-bound group and leaves them in the allocation's, which says so in its properties:
the hub remembers who it was, and nothing has to be restored from elsewhere.

What is used is watched by asking which servers run (USAGE: the REST API keeps no history). A server that ran for less than
the time between two looks is not seen; a look that is late is told as a gap. A person who is in several allocations of one
hub is counted once, in the first of them by name.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

from django.utils.translation import gettext_lazy as _

from earthcode.connectors import reading, reasons, watching
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
from earthcode.connectors.usage import Gap, Meter, Note, RecordKind, Unit, UsagePage

OK, CREATED, ACCEPTED, NO_CONTENT = HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT
NOT_FOUND, CONFLICT = HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT

#: Allocations' groups begin with this; others may too (``nor-compute`` does), so their properties tell them apart.
PREFIX = "nor-"
SCOPES = frozenset({"admin:users", "admin:groups", "read:users", "read:groups", "read:servers", "delete:servers"})
STOP_POLL_S = 0.5
PAGE = 100
PAGED = {"Accept": "application/jupyterhub-pagination+json"}
POLL_EVERY_S = 60
#: Looks further apart than this leave a gap.
WATCHED_WITHIN = timedelta(seconds=5 * POLL_EVERY_S)

_ATTRIBUTES = {"preferred_username": "username", "subject": "subject", "email": "email"}


@dataclass(frozen=True, kw_only=True)
class JupyterHubConfig(Config):
    public_url: str = setting(
        _("Address of the hub"),
        kind=Kind.URL,
        example="https://hub.example.org",
        hint=_("Where people go, with the hub's prefix where it has one"),
    )
    api_url: str = setting(
        _("Address of its API"), kind=Kind.URL, default="", hint=_("Empty: /hub/api below the hub's address")
    )
    group: str = setting(
        _("Group that may start servers"),
        default="nor-compute",
        hint=_("Bound to a role once by the hub's administrators; a plan may name another one"),
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
    token: Secret = setting(
        _("Token"),
        kind=Kind.SECRET,
        hint=_("Of a hub service that may administer users and groups, and read and stop servers"),
    )


class JupyterHub(Connector):
    kind: ClassVar[str] = "jupyterhub"
    title = _("JupyterHub")
    config_type = JupyterHubConfig
    sentences = {
        "jupyterhub.no_hub": _("What answers at the platform's address is not a JupyterHub."),
        "jupyterhub.lacks_scopes": _("The token lacks rights on the hub: {scopes}."),
        "jupyterhub.no_group": _("The hub has no group “{group}” that gives the right to start servers."),
        "jupyterhub.no_role": _("The hub's group “{group}” has no role that gives the right to start servers."),
        "jupyterhub.group_removed": _(
            "The platform's group for this allocation was removed while it was being set up."
        ),
        "jupyterhub.other_names": _("The platform gives people other user names than the single sign-on."),
        "jupyterhub.keeps_somebody": _("The platform refuses to take somebody out of a group."),
        "jupyterhub.stopping": _("A server on the platform is still stopping."),
        "jupyterhub.not_watched": _(
            "The hub was not asked in this period, so servers that ran only then are not known."
        ),
    }

    def __init__(self, config: JupyterHubConfig) -> None:
        self._public_url = config.public_url
        self._group = config.group
        self._attribute = _ATTRIBUTES[config.username]
        self._api = RestApi(
            config.api_url or f"{config.public_url}/hub/api",
            headers={"Authorization": f"token {config.token.reveal()}"},
            timeout_s=self.timeout_s,
        )

    def close(self) -> None:
        self._api.close()

    # --- the contract ------------------------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            change=frozenset(Changeable),
            suspend=(SuspendStep.NO_NEW_WORK, SuspendStep.STOP_RUNNING),
            usage=(
                Meter(
                    metric="server_time",
                    unit=Unit.SECOND,
                    kind=RecordKind.GROWING,
                    source=watching.SOURCE,
                    poll_every_s=POLL_EVERY_S,
                    lag_usual_s=0,
                    lag_longest_s=POLL_EVERY_S,
                    per_person=True,
                    retained_days=0,
                    lost_on_revoke=True,
                ),
            ),
            inventory=True,
            # Two allocations may share the role-bound group and a person: who leaves it is decided by reading both.
            side_by_side=False,
        )

    def check(self) -> Health:
        try:
            answer = self._api.call("GET", "/", expect={OK})
            if not answer.document.get("version"):
                return Health(False, "jupyterhub.no_hub", words=self.sentences)
            # A token that the hub does not know is answered with 403, never with 401.
            scopes = reading.texts(self._api.call("GET", "/user", expect={OK}).document.get("scopes", []))
            if missing := sorted(SCOPES.difference(scopes)):
                return Health(False, "jupyterhub.lacks_scopes", {"scopes": ", ".join(missing)}, words=self.sentences)
            group = self._group_named(self._group)
        except ConnectorError as error:
            return Health.of(error)
        if group is None:
            return Health(False, "jupyterhub.no_group", {"group": self._group}, words=self.sentences)
        if group.get("roles") == []:
            return Health(False, "jupyterhub.no_role", {"group": self._group}, words=self.sentences)
        skew = (answer.platform_at - datetime.now(UTC)).total_seconds() if answer.platform_at else None
        return Health(True, skew_s=skew)

    def find(self, order: Order) -> Grant | None:
        group = self._group_named(_group_of(order))
        if group is None:
            return None
        properties = reading.mapping(group["properties"] or {})
        step = _step_of(properties)
        if properties != self._properties(order, step):
            return None
        names = self._usernames(order.people)
        role_bound = self._group_named(self._role_bound(order))
        if role_bound is None or set(group["users"]) != names:
            return None
        if step is None and not names.issubset(role_bound["users"]):
            return None
        return self._grant(order, step)

    def ensure(self, order: Order) -> Grant:
        group = self._record(order, order.suspended)
        # Taking away goes first: somebody new whom the hub refuses must not keep in somebody who has left.
        known = {name for person in order.people if (name := self._username(person))}
        self._withdraw(set(group["users"]) - known, order, role_bound=self._role_bound(order))
        names = self._usernames(order.people)
        if names:
            self._make_users(names)
            self._add(names, _group_of(order))
        if order.suspended is not None:
            self._bar(names, order, stop=order.suspended == SuspendStep.STOP_RUNNING)
        elif names:
            self._add(names, self._role_bound(order))
        return self._grant(order, order.suspended)

    def people(self, order: Order) -> Grant:
        return self.ensure(order)

    def change(self, order: Order) -> Grant:
        return self.ensure(order)

    def suspend(self, order: Order, step: SuspendStep) -> Suspension:
        if step not in self.capabilities.suspend:
            self._cannot(order)
        name = _group_of(order)
        group = self._group_named(name)
        if group is None:
            raise ConnectorError(reasons.NOT_THERE, permanent=True)
        properties = {key: value for key, value in self._own_properties(group, order).items() if key != "nor_step"}
        # First on record, so that another allocation's end does not take this one for a reason to leave somebody in.
        self._put_properties(name, {**properties, "nor_state": "suspended", "nor_step": step.value})
        self._bar(
            set(group["users"]),
            order,
            stop=step == SuspendStep.STOP_RUNNING,
            role_bound=str(properties.get("nor_group") or self._role_bound(order)),
        )
        return Suspension(step, Running.STOPPED if step == SuspendStep.STOP_RUNNING else Running.CONTINUES)

    def resume(self, order: Order) -> Grant:
        name = _group_of(order)
        group = self._group_named(name)
        if group is None:
            raise ConnectorError(reasons.NOT_THERE, permanent=True)
        properties = {key: value for key, value in self._own_properties(group, order).items() if key != "nor_step"}
        self._put_properties(name, {**properties, "nor_state": "active"})
        if group["users"]:
            self._add(set(group["users"]), str(properties.get("nor_group") or self._role_bound(order)))
        return self._grant(order, None)

    def revoke(self, order: Order) -> None:
        name = _group_of(order)
        group = self._group_named(name)
        # Whoever is in the project may be in the role-bound group although somebody removed the allocation's group.
        people = {username for person in order.people if (username := self._username(person))}
        role_bound = self._role_bound(order)
        if group is not None:
            properties = self._own_properties(group, order)
            # From here on this group is no reason to leave somebody in the role-bound one, whatever becomes of us.
            self._put_properties(name, {**properties, "nor_state": "ending"})
            people |= set(group["users"])
            role_bound = str(properties.get("nor_group", role_bound))
        self._withdraw(people, order, role_bound=role_bound)
        if group is not None:
            self._api.call("DELETE", _path("groups", name), expect={NO_CONTENT, NOT_FOUND})

    def inventory(self, cursor: str) -> InventoryPage:
        offset = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 10 else 0
        page = self._page("/groups", offset)
        found = []
        for group in page.items:
            properties = reading.mapping(group.get("properties") or {})
            if "nor_key" not in properties:
                continue
            allocation = properties.get("nor_allocation")
            found.append(
                InventoryItem(
                    external_id=reading.text(group.get("name")),
                    allocation=allocation if isinstance(allocation, str) else None,
                    kind="group",
                    suspended=_step_of(properties),
                    people=frozenset(reading.texts(group.get("users"))),
                )
            )
        return InventoryPage(tuple(found), cursor="" if page.next is None else str(page.next))

    # --- what was used -----------------------------------------------------------------------------------------------

    def usage(self, order: Order, cursor: str) -> UsagePage:
        watched, looked_at, notes = watching.watched(cursor)
        group = self._group_named(_group_of(order))
        running, platform_at = self._running(set(group["users"]) if group else set(), order)
        now = datetime.now(UTC)
        at = platform_at or now
        records, still = [], {}
        for (name, server, started), _user in running.items():
            record_id = f"{name}:{server}:{started}"
            still[record_id] = at.isoformat()
            records.append(watching.use(order, record_id, until=at, kind=RecordKind.GROWING, platform_at=at, now=now))
        for record_id, seen in watched.items():
            if record_id not in still:
                until = min(at, max(reading.moment(seen), self._last_activity(record_id) or reading.moment(seen)))
                records.append(
                    watching.use(order, record_id, until=until, kind=RecordKind.CLOSED, platform_at=at, now=now)
                )
        gaps: tuple[Gap, ...] = ()
        if looked_at is not None and at - looked_at > WATCHED_WITHIN:
            gaps = (Gap(watching.SOURCE, looked_at, at, "jupyterhub.not_watched"),)
        if group is None:
            notes = (*notes, Note(reasons.NOT_THERE))
        return UsagePage(
            records=tuple(records),
            cursor=json.dumps({"at": at.isoformat(), "open": still}, sort_keys=True),
            complete_until=at,
            platform_at=platform_at,
            gaps=gaps,
            notes=notes,
        )

    def _running(
        self, names: set[str], order: Order
    ) -> tuple[dict[tuple[str, str, str], Mapping[str, Any]], datetime | None]:
        """The servers that run now of the people whose use counts for this allocation."""
        found: dict[tuple[str, str, str], Mapping[str, Any]] = {}
        offset: int | None = 0
        platform_at: datetime | None = None
        while offset is not None:
            page = self._page("/users", offset, state="active")
            platform_at, offset = page.platform_at, page.next
            for user in page.items:
                name = reading.text(user.get("name"))
                if name not in names or not self._counts_here(user, order):
                    continue
                for server, facts in reading.mapping(user.get("servers") or {}).items():
                    started = reading.mapping(facts).get("started")
                    if started is not None:
                        found[name, server, reading.moment(started).isoformat()] = user
        return found, platform_at

    def _counts_here(self, user: Mapping[str, Any], order: Order) -> bool:
        """One server is paid once: by the first allocation in the alphabet that the person has here."""
        own = _group_of(order)
        others = [name for name in reading.texts(user.get("groups")) if name.startswith(PREFIX) and PREFIX < name < own]
        return not any(((self._group_named(name) or {}).get("properties") or {}).get("nor_key") for name in others)

    def _last_activity(self, record_id: str) -> datetime | None:
        name, server, _started = record_id.split(":", 2)
        path = _path("users", name) + "?include_stopped_servers=1"
        answer = self._api.call("GET", path, expect={OK, NOT_FOUND})
        if answer.status == NOT_FOUND:
            return None
        facts = reading.mapping(answer.document.get("servers") or {}).get(server) or {}
        # Another server of this name runs by now: its activity says nothing of the one that ended.
        if not reading.mapping(facts).get("stopped") or facts.get("last_activity") is None:
            return None
        return reading.moment(facts["last_activity"])

    def _page(self, path: str, offset: int, **more: str) -> _Page:
        """One page of a list. Without the header the hub cuts its lists without a word."""
        params = {**more, "offset": str(offset), "limit": str(PAGE)}
        answer = self._api.call("GET", path, params=params, headers=PAGED, expect={OK})
        document = answer.document
        following = reading.mapping(document.get("_pagination")).get("next")
        after = reading.whole(reading.mapping(following).get("offset")) if following else None
        if after is not None and after <= offset:
            raise reading.not_its_own()
        return _Page(reading.mappings(document.get("items")), after, answer.platform_at)

    # --- the allocation's group: our record on the hub ---------------------------------------------------------------

    def _record(self, order: Order, step: SuspendStep | None) -> dict[str, Any]:
        """Make the allocation's group, or take it over from an interrupted attempt, and write its properties."""
        name, wanted = _group_of(order), self._properties(order, step)
        self._api.call("POST", _path("groups", name), expect={CREATED, CONFLICT})
        group = self._group_named(name)
        if group is None:
            raise ConnectorError("jupyterhub.group_removed", words=self.sentences)
        properties = self._own_properties(group, order)
        if properties != wanted:
            former = str(properties.get("nor_group", self._role_bound(order)))
            if former != self._role_bound(order):
                self._withdraw(group["users"], order, role_bound=former)
            self._put_properties(name, wanted)
        return group

    def _own_properties(self, group: Mapping[str, Any], order: Order) -> dict[str, Any]:
        """What the group says of itself; raises ``ConnectorError`` where it belongs to something else."""
        properties = reading.mapping(group["properties"] or {})
        # A group without properties is our own from an attempt that ended between making and describing it.
        if properties and properties.get("nor_key") != order.key:
            raise ConnectorError(reasons.NOT_OURS, permanent=True)
        return properties

    def _properties(self, order: Order, step: SuspendStep | None = None) -> dict[str, Any]:
        found: dict[str, Any] = {
            "nor_allocation": order.allocation,
            "nor_key": order.key,
            "nor_group": self._role_bound(order),
            "nor_state": "suspended" if step else "active",
            "nor_ends_at": order.ends_at.astimezone(UTC).isoformat(),
            "nor_quota": dict(order.quantities),
        }
        return {**found, "nor_step": step.value} if step else found

    def _put_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        self._api.call("PUT", _path("groups", name, "properties"), dict(properties), expect={OK})

    def _group_named(self, name: str) -> dict[str, Any] | None:
        answer = self._api.call("GET", _path("groups", name), expect={OK, NOT_FOUND})
        if answer.status == NOT_FOUND:
            return None
        group = answer.document
        # A hub leaves out what our token may not read.
        if "users" not in group or "properties" not in group:
            raise ConnectorError(reasons.NOT_ALLOWED, permanent=True)
        reading.texts(group["users"])
        reading.mapping(group["properties"] or {})
        return group

    def _role_bound(self, order: Order) -> str:
        return str(order.settings.get("group") or self._group)

    def _grant(self, order: Order, step: SuspendStep | None = None) -> Grant:
        name = _group_of(order)
        return Grant(
            external_id=name,
            access_url=self._access_url(),
            facts={"group": name, "role_bound_group": self._role_bound(order)},
            names={person.subject: self._username(person) for person in order.people},
            suspended=step,
        )

    def _access_url(self) -> str:
        """Signs in where needed, starts the server where needed, and goes on to JupyterLab."""
        lab = f"{urlsplit(self._public_url).path}/hub/user-redirect/lab"
        return f"{self._public_url}/hub/spawn?{urlencode({'next': lab})}"

    # --- people ------------------------------------------------------------------------------------------------------

    def _username(self, person: Person) -> str:
        # The hub keeps user names in lower case.
        return (person.platform_name or str(getattr(person, self._attribute))).strip().lower()

    def _usernames(self, people: Iterable[Person]) -> set[str]:
        names: dict[str, str] = {}
        for person in people:
            name = self._username(person)
            if not name:
                raise ConnectorError(reasons.NO_USERNAME, permanent=True, for_whom=Party.PROJECT, person=person.name)
            if name in names:
                raise ConnectorError(
                    reasons.SAME_USERNAME,
                    permanent=True,
                    for_whom=Party.PROJECT,
                    person=person.name,
                    other=names[name],
                )
            names[name] = person.name
        return set(names)

    def _make_users(self, names: Iterable[str]) -> None:
        """People must exist on the hub before they can be in a group, and may never have signed in there."""
        wanted = sorted(names)
        answer = self._api.call(
            "POST", "/users", {"usernames": wanted}, expect={CREATED, CONFLICT, HTTPStatus.BAD_REQUEST}
        )
        if answer.status == HTTPStatus.BAD_REQUEST:
            raise ConnectorError(
                reasons.USERNAME_REFUSED, permanent=True, for_whom=Party.PROJECT, names=", ".join(wanted)
            )

    def _add(self, names: set[str], group: str) -> None:
        answer = self._api.call(
            "POST", _path("groups", group, "users"), {"users": sorted(names)}, expect={OK, NOT_FOUND}
        )
        if answer.status == NOT_FOUND:
            raise ConnectorError("jupyterhub.no_group", permanent=True, words=self.sentences, group=group)
        if not names.issubset(reading.texts(answer.document.get("users", []))):
            raise ConnectorError("jupyterhub.other_names", permanent=True, words=self.sentences)

    def _bar(self, names: Iterable[str], order: Order, *, stop: bool, role_bound: str = "") -> None:
        """Take people out of the role-bound group, and stop what they run, unless another allocation lets them."""
        own, role_bound = _group_of(order), role_bound or self._role_bound(order)
        stopping = []
        for name in sorted(names):
            user = self._user(name)
            if user is None:
                continue
            others = self._other_allocations(user, own)
            if role_bound not in others:
                self._remove(name, role_bound)
            if stop and not others:
                self._stop_servers(user)
                stopping.append(name)
        for name in stopping:
            self._wait_until_stopped(name)

    def _withdraw(self, names: Iterable[str], order: Order, *, role_bound: str) -> None:
        """Take people out of the role-bound group unless another allocation keeps them there, stop what they run unless
        another allocation lets them run it, and take them out of the allocation's group at last."""
        names = sorted(names)
        self._bar(names, order, stop=True, role_bound=role_bound)
        for name in names:
            self._remove(name, _group_of(order))

    def _other_allocations(self, user: Mapping[str, Any], own: str) -> set[str]:
        """The role-bound groups in which live allocations other than ``own`` keep this person."""
        kept = set()
        for name in reading.texts(user["groups"]):
            if name.startswith(PREFIX) and name != own:
                properties = (self._group_named(name) or {}).get("properties") or {}
                if properties.get("nor_state") == "active":
                    kept.add(str(properties.get("nor_group")))
        return kept

    def _user(self, name: str) -> dict[str, Any] | None:
        answer = self._api.call("GET", _path("users", name), expect={OK, NOT_FOUND})
        if answer.status == NOT_FOUND:
            return None
        user = answer.document
        if "groups" not in user or "servers" not in user:
            raise ConnectorError(reasons.NOT_ALLOWED, permanent=True)
        reading.mapping(user["servers"])
        return user

    def _remove(self, name: str, group: str) -> None:
        """Take a person out of a group; right as well where there is no such person or group."""
        answer = self._api.call(
            "DELETE", _path("groups", group, "users"), {"users": [name]}, expect={OK, NOT_FOUND, HTTPStatus.BAD_REQUEST}
        )
        if answer.status == HTTPStatus.BAD_REQUEST and self._user(name) is not None:
            raise ConnectorError("jupyterhub.keeps_somebody", permanent=True, words=self.sentences)

    def _stop_servers(self, user: Mapping[str, Any]) -> None:
        for server in user["servers"]:
            path = _path("users", reading.text(user.get("name")), *(("servers", server) if server else ("server",)))
            self._api.call("DELETE", path, expect={NO_CONTENT, ACCEPTED, NOT_FOUND})

    def _wait_until_stopped(self, name: str) -> None:
        """A slow stop is answered with 202 and goes on without us; access has ended only when it is through."""
        while (user := self._user(name)) is not None and user["servers"]:
            if self._api.time_left_s < 2 * STOP_POLL_S:
                raise ConnectorError("jupyterhub.stopping", words=self.sentences)
            time.sleep(STOP_POLL_S)


@dataclass(frozen=True)
class _Page:
    items: list[dict[str, Any]]
    next: int | None
    platform_at: datetime | None


def _group_of(order: Order) -> str:
    return f"{PREFIX}{order.allocation.lower()}"


def _path(*parts: str) -> str:
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _step_of(properties: Mapping[str, Any]) -> SuspendStep | None:
    step = properties.get("nor_step")
    return SuspendStep(step) if properties.get("nor_state") == "suspended" and step in set(SuspendStep) else None
