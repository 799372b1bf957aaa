"""Settings. Each one that differs between installations comes from the environment; docs/settings.md lists them.

The defaults are those of the demo on one machine (``make demo``): replace ``DATABASE_URL``, ``CELERY_BROKER_URL`` and the
``OIDC_*`` settings one by one and the embedded parts fall away. ``earthcode/identity/checks.py`` and
``earthcode/web/checks.py`` explain a wrong one.
"""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import environ
from celery.schedules import crontab
from csp.constants import NONE, SELF
from kombu import Exchange, Queue

env = environ.Env()

BASE_DIR = Path(__file__).resolve().parent.parent
#: Everything a running site writes on one machine: git ignores it.
LOCAL_DIR = Path(env.str("LOCAL_DIR", default=str(BASE_DIR / ".local")))

# --- the site --------------------------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
SITE_URL = env.str("SITE_URL", default="http://127.0.0.1:8000").rstrip("/")
SITE_HOST = urlsplit(SITE_URL).hostname or ""
HTTPS = SITE_URL.startswith("https://")
#: The default serves the demo on loopback only; a check refuses it for any other SITE_URL.
INSECURE_SECRET_KEY = "demonstration-only-" + "0123456789abcdef" * 3
SECRET_KEY = env.str("SECRET_KEY", default=INSECURE_SECRET_KEY)
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
#: Encrypt what platforms' credentials are at rest, the key in use first; see earthcode/lib/sealed.py.
SEALING_KEYS = env.list("SEALING_KEYS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[SITE_HOST])
CSRF_TRUSTED_ORIGINS = [SITE_URL]

ROOT_URLCONF = "earthcode.urls"
WSGI_APPLICATION = "earthcode.wsgi.application"
ASGI_APPLICATION = "earthcode.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

#: The demo and the tests: invented people and offerings can be put into the database (``manage.py seed_demo``).
DEMO = env.bool("DEMO", default=False)

INSTALLED_APPS = [
    *(["earthcode.demo"] if DEMO else []),
    "earthcode.web",
    "earthcode.api",
    "earthcode.settlement",
    "earthcode.provisioning",
    "earthcode.sponsorship",
    "earthcode.onboarding",
    "earthcode.publishing",
    "earthcode.science",
    "earthcode.catalogue",
    "earthcode.identity",
    "earthcode.ledger",
    "earthcode.notifications",
    "earthcode.audit",
    "earthcode.lib",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "csp",
    "django_htmx",
    "drf_spectacular",
    "mozilla_django_oidc",
    "rest_framework",
]

MIDDLEWARE = [
    "earthcode.web.edge.RequestId",
    "django.middleware.security.SecurityMiddleware",
    # HTML on the wire; the secret against forged requests is masked anew in every page, which the length tells nothing about.
    "django.middleware.gzip.GZipMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "earthcode.web.edge.KeepableInput",
    "earthcode.web.edge.NoStore",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "earthcode.web.edge.Limits",
    "django.contrib.messages.middleware.MessageMiddleware",
    "earthcode.web.sso.middleware.RefreshSignIn",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "earthcode.web.parts.chrome.chrome",
            ],
            "builtins": ["django.templatetags.static", "earthcode.web.templatetags.nor"],
        },
    },
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# --- data ------------------------------------------------------------------------------------------------------------

#: Seconds after which the database ends a connection of a web server that nothing uses; 0 never. A thread that waits for a
#: request would else keep PostgreSQL from a shutdown that waits for everybody. Not of workers: they wait for platforms.
DATABASE_IDLE_S = env.int("DATABASE_IDLE_S", default=60) if env.bool("SERVES_PAGES", default=False) else 0
_database = env.db_url("DATABASE_URL", default="postgres://earthcode@127.0.0.1:54329/earthcode")
DATABASES = {
    "default": {
        **_database,
        "ENGINE": "earthcode.lib.postgresql",
        "CONN_MAX_AGE": env.int("DATABASE_CONN_MAX_AGE", default=60),
        "CONN_HEALTH_CHECKS": True,
        # What succeeded once is prepared the next time; without a number nothing ever is. Only the ledger's statements can be:
        # Django's own cursor writes parameters into the text. Not at first sight, because psycopg forgets a statement that
        # it prepared and that was refused, and the server keeps it.
        "OPTIONS": {
            **({"options": f"-c idle_session_timeout={DATABASE_IDLE_S * 1000}"} if DATABASE_IDLE_S else {}),
            **_database.get("OPTIONS", {}),
            "prepare_threshold": 1,
        },
        # Tests of several people on one machine need databases of their own.
        "TEST": {"NAME": env.str("TEST_DATABASE_NAME", default="test_earthcode")},
    }
}

#: The role whose rights the site serves with; the login of DATABASE_URL is a member. See earthcode/lib/rights.py.
DATABASE_SITE_ROLE = env.str("DATABASE_SITE_ROLE", default="earthcode_site")

#: What is remembered for a while: the single sign-on's keys, and how often somebody asked. Processes that do not share it each
#: count for themselves.
CACHES = {"default": env.cache_url("CACHE_URL", default="locmemcache://")}
#: How often one person, else one address, may do what in which time; a scope that is left out has no limit.
RATE_LIMITS = {
    "sign_in": "120/min",
    "search": "300/min",
    "page": "1200/min",
    "post": "240/min",
    "api": "600/min",
} | env.json("RATE_LIMITS", default={})

# --- work in the background ------------------------------------------------------------------------------------------

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="redis://127.0.0.1:63799/0")
#: Pages wake workers: what the broker takes longer for than this is left to the clock.
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"socket_connect_timeout": 2, "socket_timeout": 3, "socket_keepalive": True, "health_check_interval": 25}
    if CELERY_BROKER_URL.startswith(("redis", "sentinel", "valkey"))
    else {}
)
#: Lanes: each may have workers of its own (``celery worker --queues=mail``), so that strangers who take their time (mail
#: servers, platforms, addresses that providers gave) keep back nothing but their own. Without ``--queues`` a worker does all.
CELERY_TASK_DEFAULT_QUEUE = "upkeep"
CELERY_TASK_QUEUES = [
    Queue(lane, Exchange(lane), routing_key=lane) for lane in ("upkeep", "mail", "platforms", "addresses")
]
CELERY_TASK_ROUTES = {
    "notifications.*": {"queue": "mail"},
    "provisioning.run_operations": {"queue": "platforms"},
    "onboarding.run_checks": {"queue": "addresses"},
}
# A worker that is at something long leaves what comes after it to the others.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(LOCAL_DIR / "celerybeat-schedule")
#: Every queue is also emptied by the clock, so that a lost wake-up only delays.
CELERY_BEAT_SCHEDULE = {
    # A wake-up that nobody heard by the time of the next one is useless: that one says the same.
    name: {"task": task, "schedule": timedelta(seconds=every_s), "options": {"expires": max(every_s, 10)}}
    for name, task, every_s in (
        ("run operations", "provisioning.run_operations", 5),
        ("send messages", "notifications.send_messages", 5),
        ("keep deadlines", "sponsorship.keep_deadlines", 60),
        ("give back credits", "ledger.give_back", 60),
        ("roll up accounts", "ledger.roll_up", 300),
        ("write spans", "ledger.write_spans", 300),
        ("tell announcements", "provisioning.tell_announcements", 60),
        ("seal the books", "ledger.seal", 300),
        ("write the heads", "settlement.write_heads", 3600),
        ("rate waiting usage", "settlement.rate_waiting", 300),
        ("read usage", "settlement.read_usage", 60),
        ("tell alerts", "settlement.tell_alerts", 60),
        ("issue statements", "settlement.issue_statements", 3600),
    )
}
CELERY_BEAT_SCHEDULE["verify the books"] = {
    "task": "settlement.verify_books",
    "schedule": crontab(hour="1", minute="30"),
    "options": {"expires": 12 * 60 * 60},
}
CELERY_BEAT_SCHEDULE["forget sessions"] = {
    "task": "identity.forget_sessions",
    "schedule": crontab(hour="3", minute="10"),
    "options": {"expires": 12 * 60 * 60},
}

# --- people ----------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "identity.User"
AUTHENTICATION_BACKENDS = ["earthcode.identity.backends.SessionBackend"]
LOGIN_URL = "/accounts/oidc/earthcode/login/"
LOGIN_REDIRECT_URL = "/home/"
LOGOUT_REDIRECT_URL = "/"

#: As the issuer writes itself: a person is this together with their subject.
OIDC_ISSUER = env.str("OIDC_ISSUER", default="http://127.0.0.1:9000/o")
OIDC_CLIENT_ID = env.str("OIDC_CLIENT_ID", default="nor-web")
OIDC_CLIENT_SECRET = env.str("OIDC_CLIENT_SECRET", default="nor-web-demonstration-secret")
OIDC_SCOPES = env.list("OIDC_SCOPES", default=["openid", "profile", "email", "groups"])
#: The audience that access tokens for our API must name.
OIDC_API_AUDIENCE = env.str("OIDC_API_AUDIENCE", default="nor-api")
#: Clients (``azp``, ``client_id``) whose access tokens the API takes; empty: every client that may ask for the audience.
OIDC_API_CLIENTS = env.list("OIDC_API_CLIENTS", default=[])
#: The scope that an access token needs to change something; empty: none.
OIDC_API_WRITE_SCOPE = env.str("OIDC_API_WRITE_SCOPE", default="")
#: How far the clocks of this site and the single sign-on may be apart.
OIDC_CLOCK_LEEWAY_S = env.int("OIDC_CLOCK_LEEWAY_S", default=60)
#: How old the claims of a signed-in person may get before they are read again with the refresh token.
OIDC_REFRESH_AFTER_S = env.int("OIDC_REFRESH_AFTER_S", default=5 * 60)
#: How long the API believes roles whose owner has not been back on the site, where the claims are read.
OIDC_ROLES_VALID_S = env.int("OIDC_ROLES_VALID_S", default=24 * 60 * 60)
#: Claim path → value → role. ``{organisation}`` stands for the slug of the provider a role is for.
OIDC_ROLE_CLAIMS = env.json(
    "OIDC_ROLE_CLAIMS",
    default={
        claim: {
            "nor-esa-managers": "esa_manager",
            "nor-technical-officers": "technical_officer",
            "nor-reviewers": "reviewer",
            "nor-auditors": "auditor",
            "nor-provider-{organisation}": "provider_administrator",
        }
        for claim in ("groups", "realm_access.roles", "eduperson_entitlement")
    },
)

# django-allauth runs the sign-in; earthcode/web/sso says who a person is and what may be reached.
ACCOUNT_ADAPTER = "earthcode.web.sso.adapters.AccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
# Nobody signs up or gives a password here, but allauth's checks want the two to agree.
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*"]
SOCIALACCOUNT_ADAPTER = "earthcode.web.sso.adapters.SocialAccountAdapter"
SOCIALACCOUNT_ONLY = True
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
# Signing in starts with a link, which works without JavaScript and lets the Content-Security-Policy keep forms at home.
# A foreign page can so send somebody to the single sign-on, at worst to be signed in as themselves. To sign them in as
# somebody else it would have to plant an answer, which state and PKCE, both bound to the browser's session, refuse.
SOCIALACCOUNT_LOGIN_ON_GET = True
# Its tokens are one for each person; identity.SignIn keeps one for each browser.
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "APPS": [
            {
                "provider_id": "earthcode",
                "name": "EarthCODE",
                "client_id": OIDC_CLIENT_ID,
                "secret": OIDC_CLIENT_SECRET,
                "settings": {
                    "server_url": OIDC_ISSUER,
                    "scope": OIDC_SCOPES,
                    "oauth_pkce_enabled": True,
                    "fetch_userinfo": True,
                    "token_auth_method": "client_secret_basic",
                },
            }
        ]
    }
}

# A browser takes a cookie of this prefix from this host alone, and only over TLS.
_COOKIE_PREFIX = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME = f"{_COOKIE_PREFIX}nor_session"
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_NAME = f"{_COOKIE_PREFIX}nor_csrf"
CSRF_COOKIE_SECURE = HTTPS
CSRF_FAILURE_VIEW = "earthcode.web.site.errors.csrf_failure"
#: A session ends so long after its sign-in at the latest, however busy it is.
SESSION_COOKIE_AGE = env.int("SESSION_COOKIE_AGE", default=12 * 60 * 60)
#: And so long after the last page that was asked for.
SESSION_IDLE_S = env.int("SESSION_IDLE_S", default=3 * 60 * 60)

# --- the API ---------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["earthcode.api.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "earthcode.api.pagination.Pages",
    "EXCEPTION_HANDLER": "earthcode.api.errors.problem",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Network of Resources API",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    # Several kinds of things have a field "status", each with words of its own.
    "ENUM_NAME_OVERRIDES": {
        "RequestStatus": "earthcode.sponsorship.models.RequestStatus",
        "AllocationStatus": "earthcode.provisioning.models.AllocationStatus",
        "OperationStatus": "earthcode.provisioning.models.OperationStatus",
        "StatementStatus": "earthcode.settlement.models.StatementStatus",
        "ChargeKind": "earthcode.settlement.models.ChargeKind",
    },
}

# --- offerings ------------------------------------------------------------------------------------------------------

#: Days between the publication of a higher price and the first day on which it holds.
PRICE_NOTICE_DAYS = env.int("PRICE_NOTICE_DAYS", default=30)
#: Days between the announcement of a retirement and its first day.
RETIREMENT_NOTICE_DAYS = env.int("RETIREMENT_NOTICE_DAYS", default=60)
#: Days before its beginning that maintenance is shown and told to those who use the platform.
MAINTENANCE_LEAD_DAYS = env.int("MAINTENANCE_LEAD_DAYS", default=7)

# --- platforms -------------------------------------------------------------------------------------------------------

#: Kind → class; further ones come as entry points of installed packages (docs/writing-a-connector.md). A platform names its
#: kind; its secrets are stored encrypted, or named and kept in the environment (``CONNECTOR_SECRET_<NAME>``).
CONNECTORS = {
    "jupyterhub": "earthcode.connectors.jupyterhub.JupyterHub",
    "manual": "earthcode.connectors.manual.Manual",
    "scim": "earthcode.connectors.scim.Scim",
    "simulated": "earthcode.connectors.simulated.Simulated",
}
#: Operations that may be under way on one platform at a time, where its connector allows several.
OPERATIONS_PER_PLATFORM = env.int("OPERATIONS_PER_PLATFORM", default=4)
#: How long a worker may hold an operation before another may take it. It is renewed while the worker lives and for no longer
#: than a connector may take, so that one that was killed is replaced within seconds.
OPERATION_LEASE_S = env.int("OPERATION_LEASE_S", default=9)
#: A connector's own time limit is below this; a worker that takes longer is stopped.
OPERATION_TIME_S = env.int("OPERATION_TIME_S", default=120)

#: The largest usage report that is taken at once; a longer one is cut into several.
USAGE_REPORT_MAX_BYTES = env.int("USAGE_REPORT_MAX_BYTES", default=500_000_000)

# --- addresses that providers give -------------------------------------------------------------------------------------

#: Networks of our own that may be asked all the same, for a demo on one machine; see earthcode/lib/fetch.py.
FETCH_ALLOWED_NETWORKS = env.list("FETCH_ALLOWED_NETWORKS", default=[])
FETCH_ALLOWED_PORTS = env.list("FETCH_ALLOWED_PORTS", cast=int, default=[80, 443, 8080, 8443])

# --- messages --------------------------------------------------------------------------------------------------------

vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"nor@{SITE_HOST}")
EMAIL_TIMEOUT = 20

# --- what shows later whether the past was rewritten ---------------------------------------------------------------------

#: A file outside the site's reach that the heads of audit trail and books are appended to every hour, and people who get them
#: every night. They are always logged. See earthcode/settlement/heads.py.
HEADS_FILE = env.str("HEADS_FILE", default="")
HEADS_MAIL = env.list("HEADS_MAIL", default=[])

# --- pages -----------------------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = LOCAL_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "earthcode.web.static_storage.StaticStorage"
        )
    },
}

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
#: What the pages are written in. Django's own words are there in many more, and would make a page of two languages.
LANGUAGES = [("en", "English")]
USE_THOUSAND_SEPARATOR = True
FORMAT_MODULE_PATH = ["earthcode.web.formats"]

_issuer = urlsplit(OIDC_ISSUER)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        # Signing out posts here and is sent on to the single sign-on; browsers apply form-action to that step too.
        "form-action": [SELF, f"{_issuer.scheme}://{_issuer.netloc}"],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_SSL_REDIRECT = HTTPS
# Asked from within, past the proxy.
SECURE_REDIRECT_EXEMPT = [r"^health/"]
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {request_id} {name}: {message}", "style": "{"}},
    "filters": {"request_id": {"()": "earthcode.lib.tracing.WithRequestId"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id"]}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    # It would log the inner address of a platform with each call.
    "loggers": {"httpx": {"level": "WARNING"}},
}
