"""How we reach a platform: who connects it, with which kind of connector and settings, and whether that works.

A platform that nobody connected is set up by people (``manual``): its orders go to the desk of its provider or, where the
provider has nobody here, to ESA's operators.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from earthcode.audit import actions as audit
from earthcode.catalogue.events import PlatformEvent
from earthcode.catalogue.models import Platform
from earthcode.connectors import reasons
from earthcode.connectors.base import Connector, ConnectorError, Health
from earthcode.connectors.configuration import SettingRefused
from earthcode.connectors.manual import Manual
from earthcode.connectors.registry import connector_for, connector_type, kinds, secrets_of, sentence
from earthcode.identity.models import User
from earthcode.identity.roles import Permission, Role
from earthcode.lib.errors import InvalidInput, NotPermitted
from earthcode.lib.sealed import seal

#: Kinds for tests and the demonstration, which nobody chooses on the site.
NOT_OFFERED = frozenset({"simulated"})


@dataclass(frozen=True)
class SetUp:
    """Whether access to a platform can be set up now, and by whom.

    ``by_people``: people do it, within ``promise_days``. ``by_esa``: the provider has nobody here, so an ESA operator does.
    ``code`` and ``parameters`` say why it cannot be set up, or that it works.
    """

    possible: bool
    code: str
    parameters: Mapping[str, str]
    by_people: bool = False
    by_esa: bool = False
    promise_days: int | None = None
    kind: str = ""

    @property
    def message(self) -> str:
        """For people, in their language."""
        return sentence(self.code, self.parameters, kind=self.kind)


def set_up_possible(platform: Platform) -> SetUp:
    """Whether an order on this platform would find somebody or something to set it up. Calls no platform.

    A connection that was never tested counts as working; one whose last test failed does not.
    """
    kind = kind_of(platform)
    try:
        with connector_of(platform) as connector:
            asks_people = connector.capabilities.asks_people
            promise = connector.config.promise_days if isinstance(connector, Manual) else None
    except ConnectorError as error:
        return SetUp(False, error.code, error.parameters, kind=kind)
    if asks_people:
        here = administrators_of(platform).exists()
        operators = operators_of_esa().exists()
        return SetUp(
            here or operators,
            "manual.people" if here or operators else "manual.nobody",
            {},
            by_people=True,
            by_esa=not here,
            promise_days=promise,
            kind=kind,
        )
    if platform.connector_ok is False:
        reason = platform.connector_reason
        return SetUp(False, reason.get("code", reasons.CONNECTOR_BROKEN), reason.get("parameters", {}), kind=kind)
    return SetUp(True, reasons.WORKS, {}, kind=kind)


def kind_of(platform: Platform) -> str:
    """The kind that serves the platform: ``manual`` where nobody chose one."""
    return platform.connector or Manual.kind


def connector_of(platform: Platform) -> Connector:
    """Ready to call, or ``ConnectorError`` saying what is missing."""
    return connector_for(
        kind_of(platform),
        platform.connector_config,
        secret_name=platform.connector_secret,
        sealed=platform.connector_sealed,
    )


def administrators_of(platform: Platform) -> Any:
    """The people here who run the platform."""
    return User.objects.filter(
        is_active=True,
        role_grants__role=Role.PROVIDER_ADMINISTRATOR,
        role_grants__organisation=platform.provider_id,
    ).distinct()


def operators_of_esa() -> Any:
    """Those at ESA who act where a provider has nobody here."""
    return User.objects.filter(is_active=True, role_grants__role=Role.ESA_MANAGER).distinct()


def offered_kinds() -> list[tuple[str, str]]:
    """Kinds that can be chosen on the site, with their titles; people first."""
    found = [(kind, str(connector_type(kind).title)) for kind in kinds() if kind not in NOT_OFFERED]
    return sorted(found, key=lambda each: (each[0] != Manual.kind, each[1]))


@transaction.atomic
def connect(
    platform: Platform, *, kind: str, config: Mapping[str, Any], secrets: Mapping[str, str], by: User, at: datetime
) -> None:
    """Choose how the platform is reached. ``secrets`` left out stay as they are while the kind stays.

    Raises ``NotPermitted``, and ``InvalidInput`` naming the setting. What was entered is checked for sense; whether it works
    is what ``test`` finds.
    """
    if not by.may(Permission.PLATFORM_CONNECT, platform):
        raise NotPermitted("Only the provider's administrators and ESA connect a platform.")
    locked = Platform.objects.select_for_update(no_key=True, of=("self",)).get(pk=platform.pk)
    if kind in NOT_OFFERED:
        raise InvalidInput("This kind cannot be chosen here.", field="kind")
    try:
        found = connector_type(kind)
        kept: dict[str, str] = {}
        if kind == locked.connector:
            kept = secrets_of(found.config_type, secret_name=locked.connector_secret, sealed=locked.connector_sealed)
        given = {name: value for name, value in secrets.items() if value}
        together = {name: value for name, value in {**kept, **given}.items() if name in found.config_type.secrets()}
        found.config_type.read(config, secrets=together)
    except SettingRefused as refused:
        raise InvalidInput(str(refused), field=refused.setting) from refused
    except ConnectorError as error:
        raise InvalidInput(str(error), field="kind") from error
    locked.connector = kind
    locked.connector_config = dict(config)
    # From now on the site keeps them; the environment's name is kept only while nothing was entered here.
    if given or kind != platform.connector:
        locked.connector_sealed = seal(together) if together else ""
        locked.connector_secret = ""
    locked.connector_ok = locked.connector_tested_at = None
    locked.connector_reason = {}
    locked.save()
    platform.refresh_from_db()
    audit.record(
        PlatformEvent.CONNECT,
        by=by,
        about=platform,
        at=at,
        data={"kind": kind, "settings": sorted(config), "secrets_entered": sorted(given)},
    )


def test(platform: Platform, *, by: User, at: datetime) -> Health:
    """Reach the platform now and keep what was found."""
    if not by.may(Permission.PLATFORM_CONNECT, platform):
        raise NotPermitted("Only the provider's administrators and ESA test a connection.")
    health = look_at(platform)
    with transaction.atomic():
        _keep(platform, health, at=at)
        audit.record(PlatformEvent.TEST, by=by, about=platform, at=at, data={"ok": health.ok, "code": health.code})
    return health


def look_at(platform: Platform) -> Health:
    """What ``check`` finds; every failure is an answer."""
    try:
        with connector_of(platform) as connector:
            return connector.check()
    except ConnectorError as error:
        return Health.of(error)


def _keep(platform: Platform, health: Health, *, at: datetime) -> None:
    Platform.objects.filter(pk=platform.pk).update(
        connector_ok=health.ok,
        connector_tested_at=at,
        connector_reason={"code": health.code, "parameters": dict(health.parameters)},
    )
    platform.refresh_from_db(fields=["connector_ok", "connector_tested_at", "connector_reason"])
