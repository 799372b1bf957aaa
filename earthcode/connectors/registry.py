"""From a platform's settings to a connector."""

import os
from collections.abc import Mapping
from typing import Any, cast

from django.conf import settings
from django.utils.module_loading import import_string

from earthcode.connectors.base import Connector, ConnectorError


def secret_of(name: str) -> str:
    """The secret that the environment holds as ``CONNECTOR_SECRET_<NAME>``; the database stores only the name."""
    return os.environ.get(f"CONNECTOR_SECRET_{name.upper().replace('-', '_')}", "") if name else ""


def connector_for(kind: str, config: Mapping[str, Any], *, secret_name: str) -> Connector:
    """A connector ready to call, or ``ConnectorError`` saying what is missing."""
    if not kind:
        raise ConnectorError("This platform cannot set up access by itself yet.", permanent=True)
    path = settings.CONNECTORS.get(kind)
    if path is None:
        raise ConnectorError(f"This site cannot speak to platforms of the kind “{kind}”.", permanent=True)
    connector = cast("type[Connector]", import_string(path))
    return connector(config, secret=secret_of(secret_name))
