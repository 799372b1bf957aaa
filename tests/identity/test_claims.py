"""What the claims say about a person, and which roles they give. No database."""

from typing import Any

import pytest

from earthcode.identity.oidc import Claims, ClaimsUnusable, GrantedRole, roles_from
from earthcode.identity.roles import Role

ISSUER = "https://sso.science.example"

MAPPING = {
    "groups": {
        "nor-esa-managers": "esa_manager",
        "nor-auditors": "auditor",
        "nor-provider-{organisation}": "provider_administrator",
    },
    "realm_access.roles": {"nor-esa-managers": "esa_manager"},
    "https://sso.science.example/roles": {"reviewer": "reviewer"},
    "eduperson_entitlement": {"urn:geant:esa.example:group:nor-esa-managers#sso.esa.example": "esa_manager"},
}


def given(said: dict[str, Any]) -> set[tuple[str, str]]:
    return {(str(each.role), each.organisation) for each in roles_from(said, MAPPING)}


@pytest.mark.parametrize(
    ("said", "roles"),
    [
        ({}, set()),
        ({"groups": []}, set()),
        ({"groups": ["nor-esa-managers"]}, {("esa_manager", "")}),
        ({"groups": ["/nor-esa-managers"]}, {("esa_manager", "")}),
        ({"groups": "nor-auditors nor-esa-managers"}, {("esa_manager", ""), ("auditor", "")}),
        ({"groups": ["nor-provider-hub-house"]}, {("provider_administrator", "hub-house")}),
        (
            {"groups": ["nor-provider-hub-house", "nor-provider-cluster_works"]},
            {("provider_administrator", "hub-house"), ("provider_administrator", "cluster_works")},
        ),
        ({"realm_access": {"roles": ["nor-esa-managers"]}}, {("esa_manager", "")}),
        ({"https://sso.science.example/roles": ["reviewer"]}, {("reviewer", "")}),
        (
            {"eduperson_entitlement": ["urn:geant:esa.example:group:nor-esa-managers#sso.esa.example"]},
            {("esa_manager", "")},
        ),
    ],
)
def test_a_claim_gives_the_role_that_the_mapping_names(said: dict[str, Any], roles: set[tuple[str, str]]) -> None:
    assert given(said) == roles


@pytest.mark.parametrize(
    "said",
    [
        {"groups": ["nor-esa-managers-emeriti"]},
        {"groups": ["old-nor-esa-managers"]},
        {"groups": ["NOR-ESA-MANAGERS"]},
        {"groups": ["/science/nor-esa-managers"]},
        {"groups": ["nor-esa-managers friends"]},
        {"groups": ["nor-provider-"]},
        {"groups": ["nor-provider-hub/house"]},
        {"groups": [None, 7, {"name": "nor-esa-managers"}]},
        {"groups": {"nor-esa-managers": True}},
        {"groups": None},
        {"roles": ["nor-esa-managers"]},
        {"realm_access": ["nor-esa-managers"]},
        {"realm_access": {"roles": {"nor-esa-managers": {}}}},
        # Whoever runs a group service can make up a group of any name, under a namespace and an authority of their own.
        {"eduperson_entitlement": ["urn:geant:evil.example:group:nor-esa-managers#evil.example"]},
        {"eduperson_entitlement": ["urn:geant:esa.example:group:nor-esa-managers#evil.example"]},
        {"eduperson_entitlement": ["nor-esa-managers"]},
    ],
)
def test_a_claim_that_only_resembles_the_mapping_gives_nothing(said: dict[str, Any]) -> None:
    assert given(said) == set()


def test_two_claims_for_one_role_give_it_once_and_the_first_is_on_record() -> None:
    said = {"groups": ["nor-esa-managers"], "realm_access": {"roles": ["nor-esa-managers"]}}

    granted = roles_from(said, MAPPING)

    assert granted == [GrantedRole(Role.ESA_MANAGER, "", "groups=nor-esa-managers")]


def test_a_person_is_issuer_and_subject() -> None:
    claims = Claims.from_answers(
        issuer=ISSUER,
        id_token={"sub": "a1", "name": "Old Name"},
        userinfo={"sub": "a1", "name": "Alice Martin", "email": "alice@science.example", "preferred_username": "alice"},
    )

    assert (claims.issuer, claims.subject) == (ISSUER, "a1")
    assert (claims.full_name, claims.email, claims.preferred_username) == (
        "Alice Martin",
        "alice@science.example",
        "alice",
    )


@pytest.mark.parametrize(
    ("id_token", "userinfo"),
    [
        ({"sub": "a1"}, {"sub": "b2"}),
        ({"sub": "a1"}, {"name": "Nobody"}),
        ({}, {}),
        ({"sub": ""}, {}),
        ({"sub": 7}, {}),
        ({"sub": "x" * 256}, {}),
        ({"sub": "a1\x00"}, {}),
    ],
)
def test_claims_that_do_not_name_one_person_are_refused(id_token: dict[str, Any], userinfo: dict[str, Any]) -> None:
    with pytest.raises(ClaimsUnusable):
        Claims.from_answers(issuer=ISSUER, id_token=id_token, userinfo=userinfo)


@pytest.mark.parametrize(
    ("said", "name", "email"),
    [
        ({"given_name": "Alice", "family_name": "Martin"}, "Alice Martin", ""),
        ({"name": "Alice\x00\nMartin "}, "Alice Martin", ""),
        ({"name": "A" * 300}, "A" * 200, ""),
        ({"name": ["Alice"]}, "", ""),
        ({"email": "not an address"}, "", ""),
        ({"email": "alice@science.example", "email_verified": False}, "", ""),
        ({"email": "alice@science.example", "email_verified": True}, "", "alice@science.example"),
    ],
)
def test_odd_names_and_addresses_do_not_keep_anybody_out(said: dict[str, Any], name: str, email: str) -> None:
    claims = Claims.from_answers(issuer=ISSUER, id_token={"sub": "a1", **said}, userinfo={})

    assert (claims.full_name, claims.email) == (name, email)


@pytest.mark.parametrize(
    "said", [False, "false", "False", 0, 1, "", "yes", "1", None, [], [True], {"is": True}], ids=repr
)
def test_only_true_makes_an_address_a_verified_one(said: Any) -> None:
    """Some providers send text, and a stranger with such an address became a member of a project."""
    claims = Claims.from_answers(
        issuer=ISSUER, id_token={"sub": "a1", "email": "alice@science.example", "email_verified": said}, userinfo={}
    )

    assert claims.email == ""


@pytest.mark.parametrize("said", [{"email_verified": True}, {"email_verified": "true"}, {}], ids=repr)
def test_an_address_is_kept_where_it_is_verified_or_nothing_is_said(said: dict[str, Any]) -> None:
    claims = Claims.from_answers(
        issuer=ISSUER, id_token={"sub": "a1", "email": "alice@science.example", **said}, userinfo={}
    )

    assert claims.email == "alice@science.example"


@pytest.mark.parametrize("value", [None, True, 5, 1.5, [], [5], ["x"], {}, {"a": "b"}, "\0", "\u202e"], ids=repr)
@pytest.mark.parametrize(
    "name",
    ["name", "given_name", "family_name", "email", "email_verified", "preferred_username", "groups", "realm_access"],
)
def test_a_claim_of_another_type_gives_nothing_and_breaks_nothing(name: str, value: Any) -> None:
    mapping = {"groups": {"esa": "esa_manager"}, "realm_access.roles": {"esa": "esa_manager"}}

    claims = Claims.from_answers(issuer=ISSUER, id_token={"sub": "a1", name: value}, userinfo={})

    assert roles_from(claims.said, mapping) == []
    assert claims.email == ""
    assert claims.full_name in {"", "x"}
    assert claims.preferred_username in {"", "x"}
