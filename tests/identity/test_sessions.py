"""A running session stays in touch with the single sign-on: claims are read again, and its end is the end here."""

import json
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from earthcode.audit.models import Event
from earthcode.identity import actions as identity
from earthcode.identity import issuer
from earthcode.identity.issuer import Tokens
from earthcode.identity.models import SignIn, User
from earthcode.identity.oidc import Claims
from tests.support.issuer import CLIENT_ID, SUBJECT, Issuer, rsa_key

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


# --- tokens are kept sealed ------------------------------------------------------------------------------------------


def test_tokens_cannot_be_read_in_the_database(db: None, sso: Issuer, now: datetime, settings: Any) -> None:
    opened = signed_in(sso, now)
    table = SignIn._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id_token, refresh_token FROM {table}")
        kept = cursor.fetchone()

    assert not any(token in text for token in (opened.id_token, opened.refresh_token) for text in kept)
    again = SignIn.objects.get(pk=opened.pk)
    assert (again.id_token, again.refresh_token) == (opened.id_token, opened.refresh_token)

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another " * 8, [settings.SECRET_KEY]
    assert SignIn.objects.get(pk=opened.pk).refresh_token == opened.refresh_token
    settings.SECRET_KEY_FALLBACKS = []
    assert SignIn.objects.get(pk=opened.pk).refresh_token == ""


# --- what userinfo may be like ---------------------------------------------------------------------------------------


def signed(sso: Issuer, **claims: Any) -> tuple[str, str]:
    """As a national provider answers: a signed token that names issuer and audience and does not end."""
    said = {**sso.says, "typ": "JWT", "aud": CLIENT_ID, "exp": None, "iat": None, **claims}
    return "application/jwt; charset=utf-8", sso.token(**said)


def test_userinfo_may_be_a_signed_token(db: None, sso: Issuer, now: datetime) -> None:
    sso.userinfo_instead = signed(sso, name="Alice of the nation")

    assert issuer.userinfo("access")["name"] == "Alice of the nation"


@pytest.mark.parametrize(
    "answer",
    [
        lambda sso: signed(sso, aud="another-site"),
        lambda sso: signed(sso, aud=None),
        lambda sso: signed(sso, iss="https://elsewhere.example"),
        lambda sso: signed(sso, sub=None),
        lambda sso: signed(sso, key=rsa_key("stranger")),
        lambda sso: signed(sso, exp=1),
        lambda _sso: ("application/jwt", "not.a.token"),
        lambda _sso: ("application/jwt", "a.b.c.d.e"),
        lambda sso: ("application/jwt", json.dumps(sso.says)),
        lambda sso: ("application/json", sso.token()),
        lambda _sso: ("application/json", "[]"),
        lambda _sso: ("application/json", "[" * 100_000),
        lambda _sso: ("application/json", "{"),
        lambda _sso: ("text/html", "<html>"),
    ],
)
def test_what_cannot_be_understood_is_not_taken_for_a_passing_fault(sso: Issuer, answer: Any) -> None:
    sso.userinfo_instead = answer(sso)

    with pytest.raises(issuer.IssuerNotUnderstood):
        issuer.userinfo("access")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, issuer.GrantGone),
        (403, issuer.GrantGone),
        (404, issuer.IssuerNotUnderstood),
        (429, issuer.IssuerUnreachable),
        (503, issuer.IssuerUnreachable),
    ],
)
def test_each_status_of_userinfo_means_one_thing(sso: Issuer, status: int, kind: type[Exception]) -> None:
    sso.broken["userinfo"] = status

    with pytest.raises(kind):
        issuer.userinfo("access")


@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client", "unsupported_grant_type", None, 5])
def test_a_site_that_is_not_registered_is_refused_and_not_told_to_try_again(sso: Issuer, error: Any) -> None:
    sso.tokens = lambda _form: (400, {"error": error})  # type: ignore[method-assign]

    with pytest.raises(issuer.IssuerRefused):
        issuer.refresh("refresh-0")


@pytest.mark.parametrize("name", ["access_token", "id_token", "refresh_token"])
@pytest.mark.parametrize("value", [5, True, [], {}, ["token"]], ids=repr)
def test_a_token_that_is_no_text_is_not_made_one(sso: Issuer, name: str, value: Any) -> None:
    given = {"access_token": "a", "id_token": "b", "refresh_token": "c", name: value}
    sso.tokens = lambda _form: (200, given)  # type: ignore[method-assign]

    with pytest.raises(issuer.IssuerNotUnderstood):
        issuer.refresh("refresh-0")
