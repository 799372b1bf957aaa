"""Theme, shortcuts and role: forms that work without script and come back."""

import pytest
from bs4 import BeautifulSoup
from django.http import HttpResponse
from django.test import Client

from earthcode.identity.models import Organisation, RoleGrant, User
from earthcode.identity.roles import Role


def html_of(response: HttpResponse) -> BeautifulSoup:
    page = BeautifulSoup(response.content, "html.parser")
    assert page.html is not None
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_chosen_theme_is_in_the_page_from_the_start(client: Client, theme: str) -> None:
    response = client.post("/theme/", {"theme": theme, "next": "/gallery/?a=b"})

    assert response.headers["Location"] == "/gallery/?a=b"
    page = html_of(client.get("/gallery/"))
    assert page.html is not None
    assert page.html["data-theme"] == theme


def test_without_a_choice_the_theme_is_the_systems(client: Client) -> None:
    page = html_of(client.get("/gallery/"))

    assert page.html is not None
    assert not page.html.has_attr("data-theme")


def test_going_back_to_the_systems_theme_forgets_the_choice(client: Client) -> None:
    client.post("/theme/", {"theme": "dark"})

    client.post("/theme/", {"theme": "system"})

    page = html_of(client.get("/gallery/"))
    assert page.html is not None
    assert not page.html.has_attr("data-theme")


def test_a_made_up_theme_changes_nothing(client: Client) -> None:
    client.cookies["nor_theme"] = '"><script>'

    page = html_of(client.get("/gallery/"))

    assert page.html is not None
    assert not page.html.has_attr("data-theme")


@pytest.mark.parametrize("target", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)", ""])
def test_setting_something_never_leads_to_another_site(client: Client, target: str) -> None:
    assert client.post("/theme/", {"theme": "dark", "next": target}).headers["Location"] == "/"


@pytest.mark.parametrize("url", ["/theme/", "/shortcuts/", "/audience/"])
def test_nothing_is_set_by_a_link(as_alice: Client, url: str) -> None:
    assert as_alice.get(url).status_code == 405


def test_a_form_of_another_site_sets_nothing() -> None:
    client = Client(enforce_csrf_checks=True)

    for url, cookie, form in [
        ("/theme/", "nor_theme", {"theme": "dark"}),
        ("/shortcuts/", "nor_shortcuts", {"shortcuts": "off"}),
    ]:
        client.post(url, form, headers={"Sec-Fetch-Site": "cross-site"})
        assert cookie not in client.cookies
        client.post(url, form, headers={"Sec-Fetch-Site": "same-origin"})
        assert cookie in client.cookies
    assert client.post("/audience/", {"audience": "provider"}).status_code == 403


def test_single_keys_can_be_switched_off_and_on(client: Client) -> None:
    client.post("/shortcuts/", {"shortcuts": "off"})
    off = html_of(client.get("/gallery/"))
    client.post("/shortcuts/", {"shortcuts": "on"})
    on = html_of(client.get("/gallery/"))

    assert off.html is not None
    assert off.html["data-shortcuts"] == "off"
    assert on.html is not None
    assert not on.html.has_attr("data-shortcuts")


def test_a_person_with_two_roles_chooses_one(maria: User, as_maria: Client) -> None:
    before = [link.get_text(strip=True) for link in html_of(as_maria.get("/gallery/")).select(".navigation a")]

    as_maria.post("/audience/", {"audience": "scientist"})

    after = html_of(as_maria.get("/gallery/"))
    assert "Review" in before
    assert "Review" not in [link.get_text(strip=True) for link in after.select(".navigation a")]
    assert "Acting as Scientist" in after.get_text()


def test_nobody_chooses_a_role_they_do_not_have(as_alice: Client) -> None:
    as_alice.post("/audience/", {"audience": "esa_manager"})

    assert "Acting as Scientist" in html_of(as_alice.get("/gallery/")).get_text()


def test_a_role_that_was_taken_away_is_not_acted_in(maria: User, as_maria: Client) -> None:
    as_maria.post("/audience/", {"audience": "esa_manager"})
    RoleGrant.objects.filter(user=maria).delete()

    assert "Acting as Scientist" in html_of(as_maria.get("/gallery/")).get_text()


def test_choosing_a_role_needs_an_account(client: Client) -> None:
    response = client.post("/audience/", {"audience": "scientist"})

    assert response.status_code == 302
    assert "/accounts/" in response.headers["Location"]


def test_every_role_has_a_name_in_the_menu(person: object, provider: Organisation, signed_in: object) -> None:
    everything = person("olga")  # type: ignore[operator]
    for role in Role:
        owner = provider if role is Role.PROVIDER_ADMINISTRATOR else None
        RoleGrant.objects.create(
            user=everything, role=role, organisation=owner, claim="groups=x", granted_at=everything.created_at
        )

    page = html_of(signed_in(everything).get("/gallery/"))  # type: ignore[operator]

    choices = [button.get_text(strip=True) for button in page.select('button[name="audience"]')]
    assert choices == ["ESA officer", "Technical Officer", "Reviewer", "Provider", "Auditor", "Scientist"]
