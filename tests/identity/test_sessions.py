"""A running session stays in touch with the single sign-on: claims are read again, and its end is the end here."""

import threading
from datetime import datetime, timedelta

import pytest
from django.db import connection

from earthcode.audit.models import Event
from earthcode.identity import actions as identity
from earthcode.identity.issuer import Tokens
from earthcode.identity.models import SignIn, User
from earthcode.identity.oidc import Claims
from tests.support.issuer import SUBJECT, Issuer

DUE = timedelta(minutes=5)


def signed_in(sso: Issuer, at: datetime) -> SignIn:
    claims = Claims.from_answers(issuer=sso.url, id_token={}, userinfo=sso.says)
    user = identity.sign_in(claims, at=at)
    return identity.open_session(user, Tokens("", "an ID token", sso.refresh_token, {}), at=at)


def roles() -> set[str]:
    return set(User.objects.get().role_grants.values_list("role", flat=True))


@pytest.fixture(autouse=True)
def _five_minutes(settings: "object") -> None:
    settings.OIDC_REFRESH_AFTER_S = DUE.total_seconds()  # type: ignore[attr-defined]


def test_nobody_is_asked_before_it_is_due(db: None, sso: Issuer, now: datetime) -> None:
    session = signed_in(sso, now)

    due = identity.refresh_session(session.pk, at=now + DUE - timedelta(seconds=1))

    assert due == now + DUE
    assert sso.asked["token"] == 0


def test_a_role_taken_away_is_gone_when_the_claims_are_read_again(db: None, sso: Issuer, now: datetime) -> None:
    sso.says["groups"] = ["nor-esa-managers"]
    session = signed_in(sso, now)
    sso.says["groups"] = ["nor-auditors"]

    due = identity.refresh_session(session.pk, at=now + DUE)

    assert roles() == {"auditor"}
    assert due == now + 2 * DUE
    assert (sso.asked["token"], sso.asked["userinfo"]) == (1, 1)
    assert Event.objects.filter(name="user.role_removed").count() == 1
    # A reading is no sign-in.
    assert Event.objects.filter(name="user.sign_in").count() == 1
    session.refresh_from_db()
    assert session.claims_read_at == User.objects.get().last_login == now + DUE


def test_it_is_asked_once_an_interval_and_with_the_newest_token(db: None, sso: Issuer, now: datetime) -> None:
    session = signed_in(sso, now)

    for seconds in range(0, 1_000, 60):
        identity.refresh_session(session.pk, at=now + timedelta(seconds=seconds))

    assert sso.asked["token"] == 3
    assert sso.replayed == 0
    session.refresh_from_db()
    assert session.refresh_token == "refresh-3"
    assert session.id_token != "an ID token"


def test_an_issuer_that_rotates_nothing_and_repeats_no_id_token_will_do(db: None, sso: Issuer, now: datetime) -> None:
    sso.gives_id_token = False
    session = signed_in(sso, now)

    identity.refresh_session(session.pk, at=now + DUE)

    session.refresh_from_db()
    assert session.id_token == "an ID token"
    assert session.claims_read_at == now + DUE


@pytest.mark.django_db(transaction=True)
def test_of_requests_at_the_same_time_one_asks(sso: Issuer, now: datetime) -> None:
    session = signed_in(sso, now)
    together = threading.Barrier(6)
    outcomes: list[object] = []

    def refresh() -> None:
        together.wait()
        try:
            outcomes.append(identity.refresh_session(session.pk, at=now + DUE))
        except BaseException as failure:
            outcomes.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=refresh) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes == [now + 2 * DUE] * 6
    assert sso.asked["token"] == 1
    assert sso.replayed == 0


def test_a_session_ended_at_the_single_sign_on_ends_here(db: None, sso: Issuer, now: datetime) -> None:
    session = signed_in(sso, now)
    sso.refresh_token = ""

    with pytest.raises(identity.SessionEnded):
        identity.refresh_session(session.pk, at=now + DUE)

    assert not SignIn.objects.exists()


def test_the_end_of_one_browsers_session_leaves_the_others_alone(db: None, sso: Issuer, now: datetime) -> None:
    other = signed_in(sso, now)
    session = signed_in(sso, now)
    SignIn.objects.filter(pk=session.pk).update(refresh_token="of a session that was ended")
    sso.asked.clear()

    with pytest.raises(identity.SessionEnded):
        identity.refresh_session(session.pk, at=now + DUE)

    assert list(SignIn.objects.all()) == [other]


@pytest.mark.parametrize("path", ["token", "userinfo"])
def test_when_the_single_sign_on_fails_the_session_goes_on_until_the_next_interval(
    db: None, sso: Issuer, now: datetime, path: str
) -> None:
    sso.says["groups"] = ["nor-esa-managers"]
    session = signed_in(sso, now)
    sso.says["groups"] = []
    sso.broken[path] = 503

    assert identity.refresh_session(session.pk, at=now + DUE) == now + 2 * DUE
    assert identity.refresh_session(session.pk, at=now + DUE + timedelta(seconds=1)) == now + 2 * DUE

    assert roles() == {"esa_manager"}
    assert sso.asked[path] == 1

    del sso.broken[path]
    identity.refresh_session(session.pk, at=now + 2 * DUE)
    assert roles() == set()
    assert sso.replayed == 0


def test_a_single_sign_on_that_is_gone_leaves_the_session_as_it_is(db: None, sso: Issuer, now: datetime) -> None:
    sso.says["groups"] = ["nor-esa-managers"]
    session = signed_in(sso, now)
    sso.stop()

    assert identity.refresh_session(session.pk, at=now + DUE) == now + 2 * DUE
    assert roles() == {"esa_manager"}


@pytest.mark.parametrize("path", ["userinfo"])
def test_a_person_the_single_sign_on_no_longer_knows_is_signed_out(
    db: None, sso: Issuer, now: datetime, path: str
) -> None:
    session = signed_in(sso, now)
    sso.broken[path] = 401

    with pytest.raises(identity.SessionEnded):
        identity.refresh_session(session.pk, at=now + DUE)


def test_a_session_does_not_become_somebody_elses(db: None, sso: Issuer, now: datetime) -> None:
    session = signed_in(sso, now)
    sso.says = {"sub": "somebody-else", "name": "Mallory", "groups": ["nor-esa-managers"]}

    with pytest.raises(identity.SessionEnded):
        identity.refresh_session(session.pk, at=now + DUE)

    user = User.objects.get()
    assert (user.subject, user.full_name, roles()) == (SUBJECT, "Alice Martin", set())


def test_a_deactivated_person_is_signed_out(db: None, sso: Issuer, now: datetime) -> None:
    session = signed_in(sso, now)
    User.objects.update(is_active=False)

    with pytest.raises(identity.SessionEnded):
        identity.refresh_session(session.pk, at=now + DUE)


def test_without_a_refresh_token_nobody_is_asked_until_the_end(db: None, sso: Issuer, now: datetime) -> None:
    sso.refresh_token = ""
    session = signed_in(sso, now)

    assert identity.refresh_session(session.pk, at=now + DUE) == session.ends_at
    assert sso.asked["token"] == 0


def test_a_session_that_was_closed_is_over(db: None, sso: Issuer, now: datetime) -> None:
    session = signed_in(sso, now)

    assert identity.close_session(session.pk) == "an ID token"

    assert identity.close_session(session.pk) == ""
    with pytest.raises(identity.SessionEnded):
        identity.refresh_session(session.pk, at=now)


def test_what_browsers_left_behind_is_swept_at_the_next_sign_in(db: None, sso: Issuer, now: datetime) -> None:
    old = signed_in(sso, now)

    new = signed_in(sso, old.ends_at)

    assert list(SignIn.objects.all()) == [new]
