"""A provider of sign-ins (OpenID Connect) that asks nobody anything: discovery, authorize, token, keys.

Whoever ``login_hint`` names is signed in; by default the first of its people.
"""

import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID = "picturedesk"
CLIENT_SECRET = "a secret of the tests"


class FakeProvider:
    """The provider's routes.

    Args:
        people: Claims of everybody who can sign in, by e-mail address.
    """

    def __init__(self, people: Mapping[str, Mapping[str, Any]]) -> None:
        self.url = ""
        self._people = people
        self._key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
        self._asked: dict[str, dict[str, str]] = {}
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/keys", self._keys),
            ]
        )

    async def _discovery(self, _: Request) -> Response:
        places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return JSONResponse(
            {
                "issuer": self.url,
                **{name: f"{self.url}/{path}" for name, path in places.items()},
                "response_types_supported": ["code"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def _authorize(self, request: Request) -> Response:
        asked, code = dict(request.query_params), secrets.token_hex(8)
        asked.setdefault("login_hint", next(iter(self._people)))
        self._asked[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        asked = self._asked.pop(str(form["code"]))
        email, begun = asked["login_hint"], int(time.time())
        about = {"iss": self.url, "aud": CLIENT_ID, "sub": email, "iat": begun, "exp": begun + 600}
        claims = {**about, "nonce": asked.get("nonce"), "email": email, **self._people[email]}
        id_token = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self._key)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "expires_in": 600, "id_token": id_token})

    async def _keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})


@contextmanager
def fake_provider(people: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Serve it on a free port of this machine; gives the address."""
    provider = FakeProvider(people)
    server = uvicorn.Server(uvicorn.Config(provider.app, port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        end = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < end, "the provider did not start"
            thread.join(0.01)
        provider.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        yield provider.url
    finally:
        server.should_exit = True
        thread.join()


def sign_in_settings(provider: str, desk: str) -> str:
    """The desk's settings for it, as TOML.

    Args:
        provider: Its address.
        desk: The address of the review page.
    """
    return f"""
[sign_in]
roles = {{"catalogue-leads" = "approver", "catalogue" = "reviewer"}}
allowed_domains = ["example.com"]
[sign_in.oidc]
client_id = "{CLIENT_ID}"
server_metadata_url = "{provider}/.well-known/openid-configuration"
redirect_uri = "{desk}/oauth2callback"
"""
