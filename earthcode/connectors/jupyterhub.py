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

Settings of the platform (``connector_config``):

- ``public_url``: where people go, for example ``https://hub.example.org`` (with the hub's prefix, where it has one)
- ``api_url``: the REST API; by default ``<public_url>/hub/api``
- ``group``: the role-bound group; a plan may name another one in its own settings, for larger servers
- ``username``: what the hub's user names are made of: ``preferred_username`` (default), ``subject`` or ``email``

The secret is a token of a hub service with the scopes of ``SCOPES``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import UTC
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

from earthcode.connectors.base import Connector, ConnectorError, Grant, Health, Order, Person
from earthcode.connectors.rest import NOT_ALLOWED, RestApi, url_of

OK, CREATED, ACCEPTED, NO_CONTENT = HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT
NOT_FOUND, CONFLICT = HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT

#: Allocations' groups begin with this; others may too (``nor-compute`` does), so their properties tell them apart.
PREFIX = "nor-"
SCOPES = frozenset({"admin:users", "admin:groups", "read:users", "read:groups", "read:servers", "delete:servers"})
STOP_POLL_S = 0.5

_ATTRIBUTES = {"preferred_username": "username", "subject": "subject", "email": "email"}


class JupyterHub(Connector):
    kind: ClassVar[str] = "jupyterhub"

    def __init__(self, config: Mapping[str, Any], *, secret: str) -> None:
        self._public_url = url_of(config, "public_url")
        api_url = url_of(config, "api_url", default=f"{self._public_url}/hub/api")
        self._group = str(config.get("group") or "nor-compute")
        username = str(config.get("username") or "preferred_username")
        if username not in _ATTRIBUTES:
            known = ", ".join(_ATTRIBUTES)
            raise ConnectorError(f"The setting “username” of the platform has to be one of: {known}.", permanent=True)
        self._attribute = _ATTRIBUTES[username]
        if not secret or not secret.isascii() or not secret.isprintable():
            raise ConnectorError("This site has no usable token for the platform.", permanent=True)
        self._api = RestApi(api_url, headers={"Authorization": f"token {secret}"}, timeout_s=self.timeout_s)

    def close(self) -> None:
        self._api.close()

    # --- the contract ------------------------------------------------------------------------------------------------

    def check(self) -> Health:
        try:
            version = self._api.call("GET", "/", expect={OK}).document.get("version")
            if not version:
                return Health(False, "What answers at the platform's address is not a JupyterHub.")
            # A token that the hub does not know is answered with 403, never with 401.
            scopes = self._api.call("GET", "/user", expect={OK}).document.get("scopes", [])
            if missing := sorted(SCOPES.difference(scopes)):
                return Health(False, f"The token lacks rights on the hub: {', '.join(missing)}.")
            group = self._group_named(self._group)
        except ConnectorError as error:
            return Health(False, str(error))
        if group is None:
            return Health(False, f"The hub has no group “{self._group}” that gives the right to start servers.")
        if group.get("roles") == []:
            return Health(False, f"The hub's group “{self._group}” has no role that gives the right to start servers.")
        return Health(True, f"JupyterHub {version}")

    def find(self, order: Order) -> Grant | None:
        group = self._group_named(_group_of(order))
        if group is None or group["properties"] != self._properties(order):
            return None
        names = self._usernames(order.people)
        role_bound = self._group_named(self._role_bound(order))
        if role_bound is None or set(group["users"]) != names or not names.issubset(role_bound["users"]):
            return None
        return self._grant(order)

    def provision(self, order: Order) -> Grant:
        group = self._record(order)
        # Taking away goes first: somebody new whom the hub refuses must not keep in somebody who has left.
        known = {name for person in order.people if (name := self._username(person))}
        self._withdraw(set(group["users"]) - known, order, role_bound=self._role_bound(order))
        names = self._usernames(order.people)
        if names:
            self._make_users(names)
            self._add(names, _group_of(order))
            self._add(names, self._role_bound(order))
        return self._grant(order)

    def sync_people(self, order: Order) -> Grant:
        return self.provision(order)

    def deprovision(self, order: Order) -> None:
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
            role_bound = properties.get("nor_group", role_bound)
        self._withdraw(people, order, role_bound=role_bound)
        if group is not None:
            self._api.call("DELETE", _path("groups", name), expect={NO_CONTENT, NOT_FOUND})

    # --- the allocation's group: our record on the hub ---------------------------------------------------------------

    def _record(self, order: Order) -> dict[str, Any]:
        """Make the allocation's group, or take it over from an interrupted attempt, and write its properties."""
        name, wanted = _group_of(order), self._properties(order)
        self._api.call("POST", _path("groups", name), expect={CREATED, CONFLICT})
        group = self._group_named(name)
        if group is None:
            raise ConnectorError("The platform's group for this allocation was removed while it was being set up.")
        properties = self._own_properties(group, order)
        if properties != wanted:
            former = properties.get("nor_group", self._role_bound(order))
            if former != self._role_bound(order):
                self._withdraw(group["users"], order, role_bound=former)
            self._put_properties(name, wanted)
        return group

    def _own_properties(self, group: Mapping[str, Any], order: Order) -> dict[str, Any]:
        """What the group says of itself; raises ``ConnectorError`` where it belongs to something else."""
        properties: dict[str, Any] = group["properties"] or {}
        # A group without properties is our own from an attempt that ended between making and describing it.
        if properties and properties.get("nor_key") != order.key:
            raise ConnectorError(
                "The platform's group of this allocation's name belongs to something else.", permanent=True
            )
        return properties

    def _properties(self, order: Order) -> dict[str, Any]:
        return {
            "nor_allocation": order.allocation,
            "nor_key": order.key,
            "nor_group": self._role_bound(order),
            "nor_state": "active",
            "nor_ends_at": order.ends_at.astimezone(UTC).isoformat(),
            "nor_quota": dict(order.quantities),
        }

    def _put_properties(self, name: str, properties: Mapping[str, Any]) -> None:
        self._api.call("PUT", _path("groups", name, "properties"), dict(properties), expect={OK})

    def _group_named(self, name: str) -> dict[str, Any] | None:
        answer = self._api.call("GET", _path("groups", name), expect={OK, NOT_FOUND})
        if answer.status == NOT_FOUND:
            return None
        group = answer.document
        # A hub leaves out what our token may not read.
        if "users" not in group or "properties" not in group:
            raise ConnectorError(NOT_ALLOWED, permanent=True)
        return group

    def _role_bound(self, order: Order) -> str:
        return str(order.settings.get("group") or self._group)

    def _grant(self, order: Order) -> Grant:
        name = _group_of(order)
        return Grant(
            external_id=name,
            access_url=self._access_url(),
            details={"group": name, "role_bound_group": self._role_bound(order)},
        )

    def _access_url(self) -> str:
        """Signs in where needed, starts the server where needed, and goes on to JupyterLab."""
        lab = f"{urlsplit(self._public_url).path}/hub/user-redirect/lab"
        return f"{self._public_url}/hub/spawn?{urlencode({'next': lab})}"

    # --- people ------------------------------------------------------------------------------------------------------

    def _username(self, person: Person) -> str:
        # The hub keeps user names in lower case.
        return str(getattr(person, self._attribute)).strip().lower()

    def _usernames(self, people: Iterable[Person]) -> set[str]:
        names: dict[str, str] = {}
        for person in people:
            name = self._username(person)
            if not name:
                raise ConnectorError(f"The single sign-on gives no user name for {person.name}.", permanent=True)
            if name in names:
                raise ConnectorError(
                    f"{person.name} and {names[name]} have the same user name on the platform.", permanent=True
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
            raise ConnectorError(f"The platform refuses a user name among: {', '.join(wanted)}.", permanent=True)

    def _add(self, names: set[str], group: str) -> None:
        answer = self._api.call(
            "POST", _path("groups", group, "users"), {"users": sorted(names)}, expect={OK, NOT_FOUND}
        )
        if answer.status == NOT_FOUND:
            raise ConnectorError(f"The platform has no group “{group}”.", permanent=True)
        if not names.issubset(answer.document.get("users", [])):
            raise ConnectorError("The platform gives people other user names than the single sign-on.", permanent=True)

    def _withdraw(self, names: Iterable[str], order: Order, *, role_bound: str) -> None:
        """Take people out of the role-bound group unless another allocation keeps them there, stop what they run unless
        another allocation lets them run it, and take them out of the allocation's group at last."""
        own = _group_of(order)
        stopping = []
        for name in sorted(names):
            user = self._user(name)
            if user is None:
                continue
            others = self._other_allocations(user, own)
            if role_bound not in others:
                self._remove(name, role_bound)
            if not others:
                self._stop_servers(user)
                stopping.append(name)
        for name in stopping:
            self._wait_until_stopped(name)
        for name in sorted(names):
            self._remove(name, own)

    def _other_allocations(self, user: Mapping[str, Any], own: str) -> set[str]:
        """The role-bound groups in which live allocations other than ``own`` keep this person."""
        kept = set()
        for name in user["groups"]:
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
            raise ConnectorError(NOT_ALLOWED, permanent=True)
        return user

    def _remove(self, name: str, group: str) -> None:
        """Take a person out of a group; right as well where there is no such person or group."""
        answer = self._api.call(
            "DELETE", _path("groups", group, "users"), {"users": [name]}, expect={OK, NOT_FOUND, HTTPStatus.BAD_REQUEST}
        )
        if answer.status == HTTPStatus.BAD_REQUEST and self._user(name) is not None:
            raise ConnectorError("The platform refuses to take somebody out of a group.", permanent=True)

    def _stop_servers(self, user: Mapping[str, Any]) -> None:
        for server in user["servers"]:
            path = _path("users", user["name"], *(("servers", server) if server else ("server",)))
            self._api.call("DELETE", path, expect={NO_CONTENT, ACCEPTED, NOT_FOUND})

    def _wait_until_stopped(self, name: str) -> None:
        """A slow stop is answered with 202 and goes on without us; access has ended only when it is through."""
        while (user := self._user(name)) is not None and user["servers"]:
            if self._api.time_left_s < 2 * STOP_POLL_S:
                raise ConnectorError("A server on the platform is still stopping.")
            time.sleep(STOP_POLL_S)


def _group_of(order: Order) -> str:
    return f"{PREFIX}{order.allocation.lower()}"


def _path(*parts: str) -> str:
    return "/" + "/".join(quote(part, safe="") for part in parts)
