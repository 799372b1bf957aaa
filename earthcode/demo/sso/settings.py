"""Settings of the demo single sign-on; each one that differs between machines comes from the environment."""

from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF

from earthcode.demo.sso.key import signing_key

env = environ.Env()

BASE_DIR = Path(__file__).resolve().parents[3]
SSO_DIR = Path(env.str("LOCAL_DIR", default=str(BASE_DIR / ".local"))) / "sso"

SSO_URL = env.str("SSO_URL", default="http://127.0.0.1:9000").rstrip("/")
ISSUER = f"{SSO_URL}/o"
SITE_URL = env.str("SITE_URL", default="http://127.0.0.1:8000").rstrip("/")
HUB_URL = env.str("HUB_URL", default="http://127.0.0.1:8001").rstrip("/")
#: What tokens for the marketplace's API name as their audience.
API_AUDIENCE = env.str("OIDC_API_AUDIENCE", default="nor-api")
WEB_CLIENT_SECRET = env.str("OIDC_CLIENT_SECRET", default="nor-web-demonstration-secret")
HUB_CLIENT_SECRET = env.str("HUB_CLIENT_SECRET", default="jupyterhub-demonstration-secret")

DEBUG = False
# Everything here is for demonstration on one machine; whoever can reach the port can sign in as anybody anyway.
SECRET_KEY = "demonstration-only-" + "fedcba9876543210" * 3
ALLOWED_HOSTS = [urlsplit(SSO_URL).hostname or "127.0.0.1"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "earthcode.demo.sso.urls"

INSTALLED_APPS = [
    "earthcode.demo.sso",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "csp",
    "oauth2_provider",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ],
            "builtins": ["django.templatetags.static"],
        },
    },
]
DATABASES = {
    "default": {
        **env.db_url("SSO_DATABASE_URL", default="postgres://earthcode@127.0.0.1:54329/sso"),
        # None is kept, so that PostgreSQL can stop when it is asked to.
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
    }
}

AUTHENTICATION_BACKENDS = ["earthcode.demo.sso.backend.PersonaBackend"]
LOGIN_URL = "/login/"
# Cookies ignore ports, and the site, the hub and this server share a host: each has its own names.
SESSION_COOKIE_NAME = "sso_session"
CSRF_COOKIE_NAME = "sso_csrf"
SESSION_COOKIE_AGE = 12 * 60 * 60

STATIC_URL = "/static/"
STATICFILES_DIRS = [(name, BASE_DIR / "static" / name) for name in ("fonts", "img")]
WHITENOISE_USE_FINDERS = True
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        # Choosing a person posts here and is sent on to the client; browsers apply form-action to that step too.
        "form-action": [SELF, SITE_URL, HUB_URL, "http://127.0.0.1:*"],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

OAUTH2_PROVIDER = {
    "OIDC_ENABLED": True,
    "OIDC_ISS_ENDPOINT": ISSUER,
    "OIDC_RSA_PRIVATE_KEY": signing_key(SSO_DIR / "signing-key.pem"),
    "OIDC_RESPONSE_TYPES_SUPPORTED": ["code"],
    "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
    "OIDC_RP_INITIATED_LOGOUT_ALWAYS_PROMPT": False,
    "OAUTH2_VALIDATOR_CLASS": "earthcode.demo.sso.validator.PersonaValidator",
    "OAUTH2_BACKEND_CLASS": "earthcode.demo.sso.validator.SessionAwareCore",
    "ACCESS_TOKEN_GENERATOR": "earthcode.demo.sso.tokens.access_token",
    "REFRESH_TOKEN_GENERATOR": "oauthlib.oauth2.rfc6749.tokens.random_token_generator",
    "ACCESS_TOKEN_EXPIRE_SECONDS": env.int("SSO_ACCESS_TOKEN_EXPIRE_S", default=15 * 60),
    "ID_TOKEN_EXPIRE_SECONDS": 60 * 60,
    "REFRESH_TOKEN_EXPIRE_SECONDS": 12 * 60 * 60,
    "ROTATE_REFRESH_TOKEN": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "PKCE_REQUIRED": True,
    "SCOPES": {
        "openid": "who you are",
        "profile": "your name",
        "email": "your e-mail address",
        "groups": "the groups you are in",
    },
    "DEFAULT_SCOPES": ["openid"],
    # RFC 9700, the current security practice for OAuth; all of it but https, which a loopback address does without.
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
}
