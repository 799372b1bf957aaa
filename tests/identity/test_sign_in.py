"""Who somebody is, and what their claims make of them."""

import logging
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.forms.models import model_to_dict

from earthcode.audit.models import Event
from earthcode.identity import actions as identity
from earthcode.identity.models import Organisation, RoleGrant, User
from earthcode.identity.oidc import Claims
from earthcode.identity.roles import Permission, Role

ISSUER = "https://sso.science.example/realms/earthcode"
OTHER_ISSUER = "https://sso.elsewhere.example"


def claims(subject: str = "a1", *, issuer: str = ISSUER, **said: Any) -> Claims:
    return Claims.from_answers(issuer=issuer, id_token={"sub": subject, **said}, userinfo={})


def events(name: str) -> list[dict[str, Any]]:
    return list(Event.objects.filter(name=name).values_list("data", flat=True))


def held(user: User) -> set[tuple[str, str | None]]:
    return set(user.role_grants.values_list("role", "organisation__slug"))


def test_the_first_sign_in_makes_a_person(db: None, now: datetime) -> None:
    said = {"name": "Alice Martin", "email": "alice@science.example", "preferred_username": "alice"}

    user = identity.sign_in(claims(**said), at=now)

    user.refresh_from_db()
    assert (user.issuer, user.subject, user.full_name) == (ISSUER, "a1", "Alice Martin")
    assert (user.email, user.preferred_username) == ("alice@science.example", "alice")
    assert user.created_at == user.last_login == now
    assert not user.has_usable_password()
    assert events("user.sign_in") == [{"first": True}]


def test_later_sign_ins_bring_the_person_up_to_date(db: None, now: datetime) -> None:
    first = identity.sign_in(claims(name="Alice Martin", email="alice@science.example"), at=now)

    later = identity.sign_in(claims(name="Alice Rossi", email="rossi@science.example"), at=now + timedelta(days=1))

    assert later.pk == first.pk
    assert (later.full_name, later.email) == ("Alice Rossi", "rossi@science.example")
    assert (later.created_at, later.last_login) == (now, now + timedelta(days=1))
    assert events("user.sign_in") == [{"first": True}, {"first": False}]


def test_an_email_address_identifies_nobody(db: None, now: datetime) -> None:
    shared = {"email": "team@science.example", "email_verified": True, "preferred_username": "team"}

    people = {identity.sign_in(claims(subject, **shared), at=now).pk for subject in ("a1", "b2")}

    assert len(people) == 2


def test_the_same_subject_at_another_issuer_is_somebody_else(db: None, now: datetime) -> None:
    manager = identity.sign_in(claims(groups=["nor-esa-managers"]), at=now)

    stranger = identity.sign_in(claims(issuer=OTHER_ISSUER), at=now)

    assert stranger.pk != manager.pk
    assert held(manager) == {("esa_manager", None)}
    assert held(stranger) == set()


def test_subjects_are_told_apart_by_case(db: None, now: datetime) -> None:
    assert identity.sign_in(claims("abc"), at=now).pk != identity.sign_in(claims("ABC"), at=now).pk


def test_roles_come_with_the_claim_and_go_with_it(db: None, provider: Organisation, now: datetime) -> None:
    groups = ["nor-esa-managers", "nor-provider-hub-house"]

    user = identity.sign_in(claims(groups=groups), at=now)

    assert held(user) == {("esa_manager", None), ("provider_administrator", "hub-house")}
    assert user.may(Permission.REQUEST_DECIDE)

    user = identity.sign_in(claims(groups=["nor-provider-hub-house"]), at=now)

    assert held(user) == {("provider_administrator", "hub-house")}
    assert not user.may(Permission.REQUEST_DECIDE)
    assert events("user.role_removed") == [{"role": "esa_manager", "claim": "groups=nor-esa-managers"}]
    assert {"role": "esa_manager", "claim": "groups=nor-esa-managers"} in events("user.role_granted")
    assert {
        "role": "provider_administrator",
        "claim": "groups=nor-provider-hub-house",
        "organisation": "hub-house",
    } in events("user.role_granted")


def test_a_claim_that_is_missing_altogether_takes_the_roles_away(db: None, now: datetime) -> None:
    identity.sign_in(claims(groups=["nor-esa-managers"]), at=now)

    user = identity.sign_in(claims(), at=now)

    assert held(user) == set()


def test_a_role_that_stays_is_left_alone(db: None, now: datetime) -> None:
    user = identity.sign_in(claims(groups=["nor-esa-managers"]), at=now)
    before = user.role_grants.get()

    identity.sign_in(claims(groups=["/nor-esa-managers"]), at=now + timedelta(days=1))

    assert model_to_dict(user.role_grants.get()) == model_to_dict(before)
    assert len(events("user.role_granted")) == 1
    assert events("user.role_removed") == []


def test_a_role_for_an_unknown_organisation_is_not_granted_and_is_logged(
    db: None, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="earthcode.identity.actions"):
        user = identity.sign_in(claims(groups=["nor-provider-nowhere", "nor-auditors"]), at=now)

    assert held(user) == {("auditor", None)}
    assert not Organisation.objects.filter(slug="nowhere").exists()
    assert "groups=nor-provider-nowhere grants nothing" in caplog.text


def test_roles_of_one_provider_do_not_reach_another(
    db: None, provider: Organisation, other_provider: Organisation, now: datetime
) -> None:
    user = identity.sign_in(claims(groups=["nor-provider-hub-house"]), at=now)

    assert user.may(Permission.OFFERING_EDIT, provider)
    assert not user.may(Permission.OFFERING_EDIT, other_provider)


def test_roles_come_and_go_by_the_single_sign_on_and_not_by_the_person(db: None, now: datetime) -> None:
    identity.sign_in(claims(groups=["nor-esa-managers"]), at=now)
    identity.sign_in(claims(), at=now)

    actors = Event.objects.filter(name__startswith="user.role_").values_list("actor_id", flat=True)

    assert set(actors) == {"system:single sign-on"}


def test_sign_in_refuses_a_deactivated_person_and_changes_nothing(db: None, now: datetime) -> None:
    user = identity.sign_in(claims(name="Alice Martin", groups=["nor-auditors"]), at=now)
    User.objects.filter(pk=user.pk).update(is_active=False)
    before = (User.objects.values().get(pk=user.pk), list(RoleGrant.objects.values()), Event.objects.count())

    with pytest.raises(identity.PersonDeactivated):
        identity.sign_in(claims(name="New Name", groups=["nor-esa-managers"]), at=now + timedelta(days=1))

    assert before == (User.objects.values().get(pk=user.pk), list(RoleGrant.objects.values()), Event.objects.count())


@pytest.mark.django_db(transaction=True)
def test_two_first_sign_ins_at_once_make_one_person_with_one_role(now: datetime) -> None:
    together = threading.Barrier(4)
    failures: list[BaseException] = []

    def sign_in() -> None:
        together.wait()
        try:
            identity.sign_in(claims(name="Alice Martin", groups=["nor-esa-managers"]), at=now)
        except BaseException as failure:
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=sign_in) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert held(User.objects.get()) == {("esa_manager", None)}
    assert sorted(event["first"] for event in events("user.sign_in")) == [False, False, False, True]
    assert len(events("user.role_granted")) == 1
    assert RoleGrant.objects.filter(role=Role.ESA_MANAGER).count() == 1
