"""Access tokens that a resource server can check by itself: signed JWTs as RFC 9068 describes them."""

import json
import time
import uuid

from jwcrypto import jwt
from oauthlib.common import Request

from earthcode.demo.sso import settings
from earthcode.demo.sso.clients import CLIENTS
from earthcode.demo.sso.validator import claims_of


def access_token(request: Request) -> str:
    """A token for ``request.user``, readable by the API that its client is meant for.

    The key and its ``kid`` are those of the ID tokens. The toolkit stores a checksum of it, so the userinfo endpoint
    knows it too, as JupyterHub needs.
    """
    key = request.client.jwk_key
    claims = claims_of(request.user)
    now = int(time.time())
    payload = {
        "iss": settings.ISSUER,
        "sub": claims["sub"],
        "aud": CLIENTS[request.client.client_id].audience,
        "client_id": request.client.client_id,
        "azp": request.client.client_id,
        "iat": now,
        "exp": now + request.expires_in,
        "jti": str(uuid.uuid4()),
        "scope": " ".join(request.scopes),
    }
    if "profile" in request.scopes:
        payload["preferred_username"] = claims.get("preferred_username")
    if "groups" in request.scopes:
        payload |= {name: claims.get(name) for name in ("groups", "realm_access", "eduperson_entitlement")}
    token = jwt.JWT(header={"typ": "at+jwt", "alg": "RS256", "kid": key.thumbprint()}, claims=json.dumps(payload))
    token.make_signed_token(key)
    return str(token.serialize())
