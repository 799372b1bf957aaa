"""The contract's operations by name, so that each can be tried in the same way."""

from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from earthcode.connectors.base import Capabilities, Connector, ConnectorError, Order
from tests.connectors.peers import Peer
from tests.strict_plugin import NOT_APPLICABLE
from tests.support.faultproxy import Fault

VERBS: dict[str, Callable[[Connector, Order], Any]] = {
    "find": lambda connector, order: connector.find(order),
    "ensure": lambda connector, order: connector.ensure(order),
    "people": lambda connector, order: connector.people(order),
    "revoke": lambda connector, order: connector.revoke(order),
    "change": lambda connector, order: connector.change(order),
    "suspend": lambda connector, order: connector.suspend(order, connector.capabilities.suspend[0]),
    "resume": lambda connector, order: connector.resume(order),
    "usage": lambda connector, order: connector.usage(order, ""),
    "inventory": lambda connector, _order: connector.inventory(""),
}
every_verb = pytest.mark.parametrize("verb", VERBS)
#: What a platform may answer to any call, however it came to it; each has to end as a reason.
every_fault = pytest.mark.parametrize("fault", [each for each in Fault if each not in {Fault.NONE, Fault.LOST}])


def does_not_apply(why: str) -> NoReturn:
    """The test asks for what this kind of platform does not have, and its connector declares not to do."""
    pytest.skip(NOT_APPLICABLE + why)


def offered(verb: str, able: Capabilities) -> bool:
    """Whether this kind declares that it can do this."""
    return {"change": able.change, "suspend": able.suspend, "resume": able.suspend, "usage": able.usage}.get(
        verb, able.inventory if verb == "inventory" else True
    ) not in (False, (), frozenset())


def able(peer: Peer) -> Capabilities:
    with peer.connector() as connector:
        return connector.capabilities


def says_nothing_it_should_not(error: ConnectorError, peer: Peer) -> None:
    message = str(error)
    assert message.endswith(".")
    assert not [word for word in peer.unspeakable if word in message]
