"""From a platform's settings to a connector.

Kinds come from ``settings.CONNECTORS`` and from installed packages: a provider's own package names its class as an entry
point of the group ``earthcode.connectors``. What the settings name is never replaced by a package.
"""

import logging
import os
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any, cast

from django.conf import settings
from django.utils.module_loading import import_string

from earthcode.connectors import reasons
from earthcode.connectors.base import Connector, ConnectorError, Party
from earthcode.connectors.configuration import Config, SettingRefused
from earthcode.lib.sealed import CannotUnseal, unseal

logger = logging.getLogger(__name__)

ENTRY_POINTS = "earthcode.connectors"


@lru_cache(maxsize=1)
def _installed() -> Mapping[str, type[Connector]]:
    """Those of packages. One that cannot be imported is logged and left out: it takes no other with it."""
    found: dict[str, type[Connector]] = {}
    for point in entry_points(group=ENTRY_POINTS):
        try:
            loaded = point.load()
        except Exception:  # somebody else's package
            logger.exception("the connector “%s” cannot be imported", point.name)
            continue
        if isinstance(loaded, type) and issubclass(loaded, Connector) and loaded.kind == point.name:
            found[point.name] = loaded
        else:
            logger.error("the entry point “%s” names no connector of this kind", point.name)
    return found


def kinds() -> list[str]:
    """All that this site can speak to."""
    return sorted({*settings.CONNECTORS, *_installed()})


def connector_type(kind: str) -> type[Connector]:
    """The class of a kind, or ``ConnectorError``."""
    if not kind:
        raise ConnectorError(reasons.NO_CONNECTOR, permanent=True)
    path = settings.CONNECTORS.get(kind)
    found = cast("type[Connector]", import_string(path)) if path is not None else _installed().get(kind)
    if found is None:
        raise ConnectorError(reasons.UNKNOWN_KIND, permanent=True, for_whom=Party.SITE, kind=kind)
    return found


def connector_for(kind: str, config: Mapping[str, Any], *, secret_name: str = "", sealed: str = "") -> Connector:
    """A connector ready to call, or ``ConnectorError`` saying what is missing.

    ``sealed`` are the settings that were entered on the site (``lib.sealed``); ``secret_name`` names one in the environment,
    for those whose platform has a single secret and who keep it out of the database.
    """
    found = connector_type(kind)
    return found(configured(found, config, secrets_of(found.config_type, secret_name=secret_name, sealed=sealed)))


def configured(found: type[Connector], config: Mapping[str, Any], secrets: Mapping[str, str]) -> Config:
    """The settings of this kind, checked; ``SettingRefused`` names the one that cannot be used."""
    return found.config_type.read(config, secrets=secrets)


def secrets_of(config_type: type[Config], *, secret_name: str, sealed: str) -> dict[str, str]:
    """The secret settings, in clear; raises ``ConnectorError`` where they cannot be opened."""
    try:
        secrets = unseal(sealed)
    except CannotUnseal:
        raise ConnectorError(reasons.UNREADABLE_SECRET, permanent=True) from None
    named = secret_of(secret_name)
    for name in sorted(config_type.secrets() - set(secrets)):
        if named:
            secrets[name] = named
    return secrets


def secret_of(name: str) -> str:
    """The secret that the environment holds as ``CONNECTOR_SECRET_<NAME>``; the database stores only the name."""
    return os.environ.get(f"CONNECTOR_SECRET_{name.upper().replace('-', '_')}", "") if name else ""


def sentence(code: str, parameters: Mapping[str, object], *, kind: str = "") -> str:
    """The sentence of a stored reason, with the words of the kind that gave it."""
    try:
        words = connector_type(kind).sentences if kind else {}
    except (ConnectorError, ImportError):
        words = {}
    return reasons.sentence(code, parameters, more=words)


__all__ = ["SettingRefused", "configured", "connector_for", "connector_type", "kinds", "secret_of", "sentence"]
