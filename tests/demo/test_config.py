from pathlib import Path

import pytest

from earthcode.demo.config import Config, ConfigError


def settings_of(config: Config) -> set[str]:
    return {port.setting for port in config.needed_ports}


def test_without_settings_everything_is_embedded(tmp_path: Path) -> None:
    config = Config.from_environment({"LOCAL_DIR": str(tmp_path)})

    assert config.site_url == "http://127.0.0.1:8000"
    assert config.issuer == "http://127.0.0.1:9000/o"
    assert config.hub_url == "http://127.0.0.1:8001"
    assert config.embedded_databases == ["earthcode", "sso"]
    assert settings_of(config) == {
        *("WEB_PORT", "DATABASE_PORT", "BROKER_PORT", "SSO_PORT", "HUB_PORT", "HUB_PROXY_PORT", "HUB_API_PORT"),
    }


def test_a_port_moves_the_address_with_it(tmp_path: Path) -> None:
    config = Config.from_environment({"LOCAL_DIR": str(tmp_path), "SSO_PORT": "9100", "DATABASE_PORT": "5500"})

    assert config.issuer == "http://127.0.0.1:9100/o"
    assert config.environment()["OIDC_ISSUER"] == "http://127.0.0.1:9100/o"
    assert config.database_url == "postgres://nor_site@127.0.0.1:5500/earthcode"
    assert config.owner_database_url == "postgres://earthcode@127.0.0.1:5500/earthcode"


@pytest.mark.parametrize("port", ["eighty", "0", "65536", "-1", ""])
def test_a_port_that_is_none_is_refused_by_name(tmp_path: Path, port: str) -> None:
    with pytest.raises(ConfigError, match=f"HUB_API_PORT is “{port}”"):
        Config.from_environment({"LOCAL_DIR": str(tmp_path), "HUB_API_PORT": port})


def test_one_port_for_two_is_refused_with_both_names(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="WEB_PORT and SSO_PORT are both 9000"):
        Config.from_environment({"LOCAL_DIR": str(tmp_path), "WEB_PORT": "9000"})


def test_an_issuer_of_one_s_own_replaces_the_single_sign_on(tmp_path: Path) -> None:
    given = {"LOCAL_DIR": str(tmp_path), "OIDC_ISSUER": "https://sso.science.example/realm"}

    config = Config.from_environment(given)

    assert not config.with_sso
    assert config.embedded_databases == ["earthcode"]
    assert config.environment()["OIDC_ISSUER"] == "https://sso.science.example/realm"
    assert "SSO_PORT" not in settings_of(config)


def test_a_broker_of_one_s_own_replaces_the_embedded_one(tmp_path: Path) -> None:
    address = "amqps://broker.science.example//"

    config = Config.from_environment({"LOCAL_DIR": str(tmp_path), "CELERY_BROKER_URL": address})

    assert config.environment()["CELERY_BROKER_URL"] == address
    assert not config.with_broker
    assert "BROKER_PORT" not in settings_of(config)


def test_a_database_of_one_s_own_leaves_the_embedded_one_to_the_single_sign_on(tmp_path: Path) -> None:
    address = "postgres://nor@db.science.example/nor"

    config = Config.from_environment({"LOCAL_DIR": str(tmp_path), "DATABASE_URL": address})

    assert config.database_url == config.owner_database_url == address
    assert config.serving_login == ""
    assert config.embedded_databases == ["sso"]


def test_databases_for_both_leave_nothing_embedded(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgres://db.example/nor", "SSO_DATABASE_URL": "postgres://db.example/sso"}

    config = Config.from_environment({"LOCAL_DIR": str(tmp_path), **given})

    assert config.embedded_databases == []
    assert "DATABASE_PORT" not in settings_of(config)


def test_the_hub_can_be_left_out(tmp_path: Path) -> None:
    config = Config.from_environment({"LOCAL_DIR": str(tmp_path), "DEMO_JUPYTERHUB": "0"})

    assert settings_of(config) == {"WEB_PORT", "DATABASE_PORT", "BROKER_PORT", "SSO_PORT"}


def test_the_hub_and_the_site_share_a_token_that_stays(tmp_path: Path) -> None:
    first, second = (Config.from_environment({"LOCAL_DIR": str(tmp_path)}).environment() for _ in range(2))

    assert first["NOR_SERVICE_TOKEN"] == first["CONNECTOR_SECRET_DEMO_HUB"] == second["NOR_SERVICE_TOKEN"]
    assert len(first["NOR_SERVICE_TOKEN"]) >= 32
    assert (tmp_path / "hub-token").stat().st_mode & 0o077 == 0


def test_a_demo_for_tests_uses_no_server_of_the_test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://of.the.test.run/")
    monkeypatch.setenv("OIDC_ISSUER", "https://of.the.test.run/")

    config = Config.on_free_ports(tmp_path, OPERATION_LEASE_S="3")

    ports = [port.number for port in config.needed_ports]
    assert len(set(ports)) == len(ports) == 7
    assert not {8000, 9000, 8001, 8002, 8081, 54329, 63799} & set(ports)
    environment = config.environment()
    assert "of.the.test.run" not in f"{environment['DATABASE_URL']} {environment['OIDC_ISSUER']}"
    assert environment["OPERATION_LEASE_S"] == "3"
