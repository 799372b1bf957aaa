"""From a platform's settings to a connector."""

from pathlib import Path

import pytest

from earthcode.connectors.base import ConnectorError
from earthcode.connectors.registry import connector_for, secret_of
from earthcode.connectors.simulated import Simulated


def test_a_secret_is_read_from_the_environment_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_SECRET_DEMO_HUB", "s3cret")

    assert secret_of("demo-hub") == secret_of("DEMO_HUB") == "s3cret"
    assert secret_of("other") == ""
    assert secret_of("") == ""


def test_a_known_kind_gives_its_connector(tmp_path: Path) -> None:
    assert isinstance(connector_for("simulated", {"state_folder": str(tmp_path)}, secret_name=""), Simulated)


@pytest.mark.parametrize("kind", ["", "carrier-pigeon"])
def test_an_unknown_kind_is_a_permanent_failure(kind: str) -> None:
    with pytest.raises(ConnectorError) as caught:
        connector_for(kind, {}, secret_name="")

    assert caught.value.permanent
