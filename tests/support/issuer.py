"""A small single sign-on on a real port, for what the real ones of the platform tests cannot be told to do: count who
asks, answer wrongly, sign with any key, and disappear.
"""

import functools
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.core.cache import cache
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

CLIENT_ID = "nor-web"
AUDIENCE = "nor-api"
SUBJECT = "3f1c7a52-8e0b-4d55-9c1e-6a2b70d4e101"


@functools.cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """A key that costs its second once a run; the name tells one from another."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


class Issuer:
    """What it says and whom it knows can be changed between two questions; ``asked`` counts them by path."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.published: dict[str, Any] = {"first": rsa_key("first")}
        #: Claims of the one person it knows.
        self.says: dict[str, Any] = {"sub": SUBJECT, "name": "Alice Martin", "groups": []}
        #: Paths that answer with this status and no body.
        self.broken: dict[str, int] = {}
        self.gives_id_token = True
        self.id_token_says: dict[str, Any] = {}
        self.refresh_token = "refresh-0"
        self.replayed = 0
        self.more_discovery: dict[str, Any] = {}
        #: What userinfo answers instead of ``says`` as JSON: a media type and a body.
        self.userinfo_instead: tuple[str, str] | None = None
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self._issued = 0
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/realm"

    def start(self) -> None:
        """Start, or come back on the same port."""
        handler = type("Handler", (_Handler,), {"issuer": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def token(
        self, *, kid: str | None = "first", key: Any = None, alg: str = "RS256", typ: str = "at+jwt", **claims: Any
    ) -> str:
        """An access token for the API; a claim of None is left out."""
        now = int(time.time())
        usual = {"iss": self.url, "sub": SUBJECT, "aud": AUDIENCE, "iat": now, "exp": now + 300}
        payload = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        headers = {"typ": typ, **({"kid": kid} if kid is not None else {})}
        signing_key = key if key is not None else self.published[kid or "first"]
        return jwt.encode(payload, signing_key, algorithm=alg, headers=headers)

    def id_token(self, **claims: Any) -> str:
        return self.token(**{"typ": "JWT", "aud": CLIENT_ID, "sub": self.says["sub"], **claims})

    # --- what it answers ---

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "end_session_endpoint": f"{self.url}/logout",
            **self.more_discovery,
        }

    def keys(self) -> dict[str, Any]:
        return {"keys": [{**_as_jwk(key), "kid": kid, "use": "sig"} for kid, key in self.published.items()]}

    def tokens(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Each refresh token is good once; one that comes back ends the session, as RFC 9700 has it.

        The code ``good`` is good whenever it comes with the verifier of PKCE; what follows its colon is the nonce that the
        browser had brought along.
        """
        with self._lock:
            good, _colon, nonce = form.get("code", "").partition(":")
            is_good_code = good == "good" and form.get("code_verifier")
            if not is_good_code and form.get("refresh_token") != self.refresh_token:
                self.replayed += 1
                self.refresh_token = ""
                return 400, {"error": "invalid_grant", "error_description": "the session is over"}
            self._issued += 1
            self.refresh_token = f"refresh-{self._issued}"
        given = {"access_token": self.token(), "token_type": "Bearer", "refresh_token": self.refresh_token}
        says = {"nonce": nonce or None, **self.id_token_says}
        return 200, given | ({"id_token": self.id_token(**says)} if self.gives_id_token else {})


class _Handler(BaseHTTPRequestHandler):
    issuer: ClassVar[Issuer]

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._answer({name: values[0] for name, values in parse_qs(body).items()})

    def _answer(self, form: dict[str, str] | None = None) -> None:
        path = self.path.removeprefix("/realm/")
        self.issuer.asked[path] += 1
        status, said = 404, {}
        if path in self.issuer.broken:
            status = self.issuer.broken[path]
        elif path == ".well-known/openid-configuration":
            status, said = 200, self.issuer.discovery()
        elif path == "keys":
            status, said = 200, self.issuer.keys()
        elif path == "userinfo":
            status, said = 200, self.issuer.says
        elif path == "token" and form is not None:
            status, said = self.issuer.tokens(form)
        kind, content = "application/json", json.dumps(said).encode()
        if path == "userinfo" and status == 200 and self.issuer.userinfo_instead:
            kind, text = self.issuer.userinfo_instead
            content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name is the library's)
        """Nothing: the tests count instead."""


def _as_jwk(key: Any) -> dict[str, Any]:
    algorithm = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else RSAAlgorithm
    return dict(algorithm.to_jwk(key.public_key(), as_dict=True))


@contextmanager
def believed(settings: Any) -> Iterator[Issuer]:
    """One that runs as long as the block, and that the site believes."""
    issuer = Issuer()
    issuer.start()
    settings.OIDC_ISSUER = issuer.url
    settings.OIDC_CLIENT_ID = CLIENT_ID
    settings.OIDC_API_AUDIENCE = AUDIENCE
    cache.clear()
    try:
        yield issuer
    finally:
        issuer.stop()
        cache.clear()
