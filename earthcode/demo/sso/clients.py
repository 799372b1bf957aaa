"""Who may ask the demo single sign-on to sign somebody in."""

from dataclasses import dataclass

from earthcode.demo.sso import settings


@dataclass(frozen=True)
class Client:
    client_id: str
    name: str
    #: Nothing for a program on somebody's own machine, which cannot keep a secret.
    secret: str
    redirect_uri: str
    #: Where its people may be sent after signing out; separated by spaces.
    after_logout: str
    #: Who its access tokens are for.
    audience: str


CLIENTS = {
    client.client_id: client
    for client in (
        Client(
            client_id="nor-web",
            name="Network of Resources",
            secret=settings.WEB_CLIENT_SECRET,
            redirect_uri=f"{settings.SITE_URL}/accounts/oidc/earthcode/login/callback/",
            after_logout=f"{settings.SITE_URL}/ {settings.SITE_URL}/accounts/signed-out/",
            audience=settings.API_AUDIENCE,
        ),
        Client(
            client_id="jupyterhub",
            name="JupyterHub",
            secret=settings.HUB_CLIENT_SECRET,
            redirect_uri=f"{settings.HUB_URL}/hub/oauth_callback",
            after_logout=f"{settings.SITE_URL}/",
            # For the userinfo endpoint and nothing else: a platform must not act at the marketplace as its users.
            audience=settings.ISSUER,
        ),
        Client(
            client_id="nor-cli",
            name="Programs of your own",
            secret="",
            # Any port of the loopback address (RFC 8252, section 7.3).
            redirect_uri="http://127.0.0.1/callback",
            after_logout="",
            audience=settings.API_AUDIENCE,
        ),
    )
}


def register() -> None:
    """Make the database agree with the table above."""
    from oauth2_provider.models import Application

    for client in CLIENTS.values():
        Application.objects.update_or_create(
            client_id=client.client_id,
            defaults={
                "name": client.name,
                "client_secret": client.secret,
                # The secrets stand in the settings for all to read; hashing them would only cost time.
                "hash_client_secret": False,
                "client_type": Application.CLIENT_CONFIDENTIAL if client.secret else Application.CLIENT_PUBLIC,
                "authorization_grant_type": Application.GRANT_AUTHORIZATION_CODE,
                "redirect_uris": client.redirect_uri,
                "post_logout_redirect_uris": client.after_logout,
                "skip_authorization": True,
                "algorithm": Application.RS256_ALGORITHM,
            },
        )
    Application.objects.exclude(client_id__in=CLIENTS).delete()
