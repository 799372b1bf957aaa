"""From a platform's settings to a connector."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from earthcode.connectors import reasons, registry
from earthcode.connectors.base import ConnectorError
from earthcode.connectors.jupyterhub import JupyterHub
from earthcode.connectors.registry import connector_for, connector_type, kinds, secret_of, sentence
from earthcode.connectors.simulated import Simulated
from earthcode.lib.sealed import seal

HUB = {"public_url": "https://hub.example"}


class Shipped(Simulated):
    """As a provider's own package would bring it."""

    kind = "shipped"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    points: list[EntryPoint] = []
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == registry.ENTRY_POINTS else [])
    registry._installed.cache_clear()
    yield points
    registry._installed.cache_clear()


def test_a_secret_is_read_from_the_environment_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_SECRET_DEMO_HUB", "s3cret")

    assert secret_of("demo-hub") == secret_of("DEMO_HUB") == "s3cret"
    assert secret_of("other") == ""
    assert secret_of("") == ""


def test_a_known_kind_gives_its_connector(tmp_path: Path) -> None:
    assert isinstance(connector_for("simulated", {"state_folder": str(tmp_path)}), Simulated)


@pytest.mark.parametrize("kind", ["", "carrier-pigeon"])
def test_an_unknown_kind_is_a_permanent_failure(kind: str) -> None:
    with pytest.raises(ConnectorError) as caught:
        connector_for(kind, {})

    assert caught.value.permanent
    assert str(caught.value).endswith(".")


def test_the_secret_comes_from_the_site_or_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_SECRET_DEMO_HUB", "from-the-environment")

    for options in ({"secret_name": "demo-hub"}, {"sealed": seal({"token": "x"})}):
        with connector_for("jupyterhub", HUB, **options) as connector:
            assert isinstance(connector, JupyterHub)
    with pytest.raises(ConnectorError, match="token") as caught:
        connector_for("jupyterhub", HUB)
    assert caught.value.code == reasons.MISSING_SETTING


def test_a_secret_that_the_keys_do_not_open_any_more_is_asked_for_again() -> None:
    with pytest.raises(ConnectorError) as caught:
        connector_for("jupyterhub", HUB, sealed="damaged")

    assert caught.value.code == reasons.UNREADABLE_SECRET
    assert caught.value.permanent


def test_an_installed_package_brings_its_kind(installed: list[Any]) -> None:
    installed.append(EntryPoint("shipped", f"{__name__}:Shipped", registry.ENTRY_POINTS))

    assert "shipped" in kinds()
    assert connector_type("shipped") is Shipped


@pytest.mark.parametrize("value", ["no.such.module:Thing", f"{__name__}:HUB", f"{__name__}:Simulated"])
def test_a_package_that_is_broken_takes_no_other_kind_with_it(installed: list[Any], value: str) -> None:
    installed.append(EntryPoint("shipped", value, registry.ENTRY_POINTS))

    assert "shipped" not in kinds()
    assert connector_type("jupyterhub") is JupyterHub


def test_a_package_replaces_no_kind_of_the_settings(installed: list[Any]) -> None:
    installed.append(EntryPoint("simulated", f"{__name__}:Shipped", registry.ENTRY_POINTS))

    assert connector_type("simulated") is Simulated


def test_a_stored_reason_becomes_a_sentence_with_the_words_of_its_kind() -> None:
    assert "nor-x" in sentence("jupyterhub.no_group", {"group": "nor-x"}, kind="jupyterhub")
    assert "no_such_code" in sentence("no_such_code", {}, kind="jupyterhub")
    assert sentence(reasons.TOO_SLOW, {}, kind="gone") == reasons.sentence(reasons.TOO_SLOW)
    assert "?" in sentence(reasons.REFUSED, {})


def test_parameters_are_bounded_and_never_executed() -> None:
    error = ConnectorError(reasons.REFUSED, status="{0.__class__} \n" + "x" * 1000)

    assert len(error.parameters["status"]) == reasons.PARAMETER_MAX
    assert "{0.__class__}" in str(error)
