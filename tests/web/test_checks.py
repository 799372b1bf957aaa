"""A wrong setting is explained before the site starts."""

from typing import Any

import pytest
from django.core import checks as django_checks

from earthcode.web import checks


def found(*problems: django_checks.CheckMessage) -> set[str | None]:
    assert all(problem.hint for problem in problems)
    return {problem.id for problem in problems}


@pytest.mark.parametrize(
    ("site_url", "secret", "expected"),
    [
        ("http://127.0.0.1:8000", None, set()),
        ("http://localhost:8000", None, set()),
        ("https://nor.science.example", "its own", set()),
        ("nor.science.example", "its own", {"web.E001"}),
        ("https://nor.science.example/nor", "its own", {"web.E001"}),
        ("https://nor.science.example", None, {"web.E002"}),
        ("http://nor.science.example", "its own", {"web.W003"}),
        ("http://nor.science.example", None, {"web.E002", "web.W003"}),
    ],
)
def test_the_site_is_checked(settings: Any, site_url: str, secret: str | None, expected: set[str]) -> None:
    settings.DEMO = False
    settings.SITE_URL = site_url
    settings.SECRET_KEY = secret or settings.INSECURE_SECRET_KEY

    assert found(*checks.site()) == expected


def test_a_demo_on_the_network_is_named(settings: Any) -> None:
    settings.DEMO = True
    settings.SITE_URL = "https://nor.science.example"
    settings.SECRET_KEY = "its own"

    assert found(*checks.site()) == {"web.W012"}


@pytest.mark.parametrize(
    ("broker", "site_url", "expected"),
    [
        ("filesystem://", "http://127.0.0.1:8000", set()),
        ("redis://127.0.0.1:6379/0", "https://nor.science.example", set()),
        ("rediss://broker.science.example:6379/0", "https://nor.science.example", set()),
        ("amqps://broker.science.example//", "https://nor.science.example", set()),
        ("sqla+postgresql://db.science.example/x", "https://nor.science.example", set()),
        ("filesystem://", "https://nor.science.example", {"web.W005"}),
        ("redis://broker.science.example:port/0", "https://nor.science.example", {"web.E011"}),
        ("confluentkafka://broker.science.example//", "https://nor.science.example", {"web.E011"}),
        ("postgres://127.0.0.1/earthcode", "http://127.0.0.1:8000", {"web.E004"}),
        ("127.0.0.1:6379", "http://127.0.0.1:8000", {"web.E004"}),
        ("", "http://127.0.0.1:8000", {"web.E004"}),
    ],
)
def test_the_broker_is_checked(settings: Any, broker: str, site_url: str, expected: set[str]) -> None:
    settings.CELERY_BROKER_URL = broker
    settings.SITE_URL = site_url

    assert found(*checks.broker()) == expected


def test_libraries_that_pdfs_need_are_named_where_they_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(*checks.pdf()) == set()

    monkeypatch.setattr(checks, "find_library", lambda name: None if "pango" in name else name)

    (warning,) = checks.pdf()
    assert "no pango-1.0, no pangoft2-1.0." in warning.msg
    assert "apt install libpango-1.0-0" in str(warning.hint)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("earthcode.connectors.nothing.Nothing", {"web.E006"}),
        ("earthcode.connectors.base.Nothing", {"web.E006"}),
        ("nothing", {"web.E006"}),
        ("earthcode.connectors.base.ConnectorError", {"web.E007"}),
        ("earthcode.connectors.registry.secret_of", {"web.E007"}),
    ],
)
def test_a_connector_that_is_none_is_named(settings: Any, path: str, expected: set[str]) -> None:
    settings.CONNECTORS = {"odd": path}

    problems = checks.connectors()

    assert found(*problems) == expected
    assert path in problems[0].msg


@pytest.mark.parametrize(("lease", "expected"), [(59, {"web.E010"}), (60, {"web.E010"}), (61, set())])
def test_a_lease_outlasts_the_connectors(settings: Any, lease: int, expected: set[str]) -> None:
    settings.CONNECTORS = {"slow": "earthcode.connectors.base.Connector"}
    settings.OPERATION_TIME_S = lease

    assert found(*checks.connectors()) == expected


def test_the_connectors_of_the_settings_are_all_right() -> None:
    assert checks.connectors() == []


def test_the_checks_are_registered() -> None:
    registered = django_checks.registry.registry.get_checks()

    assert {checks.site, checks.broker, checks.connectors} <= set(registered)


@pytest.mark.parametrize(
    ("networks", "site_url", "expected"),
    [
        ([], "https://nor.science.example", set()),
        (["127.0.0.0/8", "::1/128"], "http://127.0.0.1:8000", set()),
        (["127.0.0.0/8"], "https://nor.science.example", {"web.W009"}),
        (["127.0.0.1/8"], "http://127.0.0.1:8000", {"web.E008"}),
        (["loopback"], "http://127.0.0.1:8000", {"web.E008"}),
    ],
)
def test_networks_of_our_own_are_asked_on_one_machine_only(
    settings: Any, networks: list[str], site_url: str, expected: set[str]
) -> None:
    settings.FETCH_ALLOWED_NETWORKS = networks
    settings.SITE_URL = site_url

    assert found(*checks.fetching()) == expected
