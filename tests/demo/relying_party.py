"""A client of a single sign-on, written from the standards and not from the library we use on the site."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import jwt
from bs4 import BeautifulSoup


@dataclass
class Attempt:
    """One authorization request, with what has to be remembered until its answer comes."""

    parameters: dict[str, str]
    verifier: str
    nonce: str


class RelyingParty:
    def __init__(self, issuer: str, client_id: str, secret: str, redirect_uri: str) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self.secret = secret
        self.redirect_uri = redirect_uri
        self.discovery: dict[str, Any] = (
            httpx.get(f"{issuer}/.well-known/openid-configuration").raise_for_status().json()
        )

    def attempt(self, **more: str) -> Attempt:
        verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        digest = hashlib.sha256(verifier.encode()).digest()
        parameters = {
            "client_id": self.client_id,
            "response_type": "code",
            "scope": "openid profile email groups",
            "redirect_uri": self.redirect_uri,
            "state": secrets.token_urlsafe(16),
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return Attempt(parameters | more, verifier, nonce)

    def ask(self, browser: httpx.Client, attempt: Attempt, *, choose: str = "") -> dict[str, str]:
        """What comes back to the redirect URI; on the way the persona ``choose`` is chosen, if we are asked who we are."""
        page = browser.get(self.discovery["authorization_endpoint"], params=attempt.parameters)
        for _ in range(10):
            if page.has_redirect_location:
                to = page.url.join(page.headers["location"])
                if str(to).startswith(self.redirect_uri):
                    return dict(parse_qsl(to.query.decode()))
                page = browser.get(to)
            else:
                assert choose, f"asked who we are: {page.status_code} {page.text[:500]}"
                page = choose_persona(browser, page, choose)
        raise AssertionError("the single sign-on sends us round in circles")

    def token(self, **form: str) -> httpx.Response:
        if not self.secret:
            return httpx.post(self.discovery["token_endpoint"], data={"client_id": self.client_id, **form})
        return httpx.post(self.discovery["token_endpoint"], data=form, auth=(self.client_id, self.secret))

    def redeem(self, code: str, verifier: str) -> httpx.Response:
        return self.token(
            grant_type="authorization_code", code=code, redirect_uri=self.redirect_uri, code_verifier=verifier
        )

    def sign_in(self, browser: httpx.Client, username: str) -> dict[str, Any]:
        """The whole way: the tokens of somebody who chose to be this person."""
        attempt = self.attempt()
        answer = self.ask(browser, attempt, choose=username)
        assert answer["state"] == attempt.parameters["state"]
        tokens: dict[str, Any] = self.redeem(answer["code"], attempt.verifier).raise_for_status().json()
        assert self.verify(tokens["id_token"], audience=self.client_id)["nonce"] == attempt.nonce
        return tokens

    def verify(self, token: str, *, audience: str) -> dict[str, Any]:
        """The claims of a token, after its signature, issuer, audience and expiry were checked with the published keys."""
        published = httpx.get(self.discovery["jwks_uri"]).json()
        key = jwt.PyJWKSet.from_dict(published)[jwt.get_unverified_header(token)["kid"]]
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=["RS256"], audience=audience, issuer=self.issuer, options={"require": ["exp", "iat"]}
        )
        return claims

    def userinfo(self, access_token: str) -> httpx.Response:
        return httpx.get(self.discovery["userinfo_endpoint"], headers={"Authorization": f"Bearer {access_token}"})


def choose_persona(browser: httpx.Client, page: httpx.Response, username: str) -> httpx.Response:
    """Press the button of a person on the page that asks who we are, as a browser without JavaScript would."""
    form = BeautifulSoup(page.text, "html.parser").find("form")
    assert form is not None, page.text[:500]
    fields = {field["name"]: field.get("value", "") for field in form.find_all("input")}
    assert form.find("button", attrs={"value": username}), f"there is no button for {username}"
    to = page.url.join(str(form["action"]))
    # A page of an error must never send us to another host.
    assert urlsplit(str(to)).hostname == "127.0.0.1"
    return browser.post(to, data={**fields, "persona": username})
