"""A wrong setting is explained before anybody signs in."""

from typing import Any

import pytest
from django.core import checks as django_checks

from earthcode.identity import checks


def found(*problems: django_checks.CheckMessage) -> set[str | None]:
    for problem in problems:
        assert problem.hint, f"{problem.id} does not say how to put it right"
        assert problem.hint.endswith("."), problem.hint
    return {problem.id for problem in problems}


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        ("https://sso.science.example", set()),
        ("https://sso.science.example/realms/earthcode", set()),
        ("http://127.0.0.1:9000/o", set()),
        ("http://localhost:9000", set()),
        ("http://[::1]:9000", set()),
        ("", {"identity.E001"}),
        ("sso.science.example", {"identity.E001"}),
        ("https://", {"identity.E001"}),
        ("ftp://sso.science.example", {"identity.E001"}),
        ("https://sso.science.example/.well-known/openid-configuration", {"identity.E002"}),
        ("https://sso.science.example/", {"identity.W003"}),
        ("https://sso.science.example?realm=x", {"identity.E004"}),
        ("http://sso.science.example", {"identity.E005"}),
    ],
)
def test_the_issuer_is_checked(settings: Any, issuer: str, expected: set[str]) -> None:
    settings.OIDC_ISSUER = issuer

    assert found(*checks.issuer()) == expected


def test_a_site_on_the_network_needs_a_single_sign_on_there(settings: Any) -> None:
    settings.SITE_URL = "https://nor.science.example"
    settings.OIDC_ISSUER = "http://127.0.0.1:9000/o"

    assert found(*checks.issuer()) == {"identity.E012"}

    settings.OIDC_ISSUER = "https://sso.science.example"
    assert found(*checks.issuer()) == set()


@pytest.mark.parametrize("name", ["OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_API_AUDIENCE"])
def test_an_empty_client_setting_is_named(settings: Any, name: str) -> None:
    assert found(*checks.client()) == set()

    setattr(settings, name, "")

    problems = checks.client()
    assert found(*problems) == {"identity.E006"}
    assert name in problems[0].msg


def test_scopes_need_openid(settings: Any) -> None:
    settings.OIDC_SCOPES = ["profile"]

    assert found(*checks.client()) == {"identity.E007"}


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ({}, set()),
        ({"groups": {"nor-esa-managers": "esa_manager"}}, set()),
        ({"groups": {"nor-provider-{organisation}": "provider_administrator"}}, set()),
        (["groups"], {"identity.E008"}),
        ({"groups": "esa_manager"}, {"identity.E008"}),
        ({"groups": {"nor-esa-managers": ["esa_manager"]}}, {"identity.E008"}),
        ({"groups": {"nor-esa-managers": "manager"}}, {"identity.E009"}),
        ({"groups": {"nor-providers": "provider_administrator"}}, {"identity.E010"}),
        ({"groups": {"nor-{organisation}": "esa_manager"}}, {"identity.E010"}),
        ({"groups": {"{organisation}-{organisation}": "provider_administrator"}}, {"identity.E010"}),
    ],
)
def test_the_role_mapping_is_checked(settings: Any, mapping: object, expected: set[str]) -> None:
    settings.OIDC_ROLE_CLAIMS = mapping

    assert found(*checks.role_claims()) == expected


@pytest.mark.parametrize("name", ["OIDC_REFRESH_AFTER_S", "OIDC_ROLES_VALID_S", "SESSION_COOKIE_AGE"])
def test_times_must_be_positive(settings: Any, name: str) -> None:
    assert found(*checks.times()) == set()

    setattr(settings, name, 0)

    assert found(*checks.times()) == {"identity.E011"}


def test_the_checks_are_registered() -> None:
    registered = django_checks.registry.registry.get_checks()

    assert {checks.issuer, checks.client, checks.role_claims, checks.times} <= set(registered)
