"""A small OpenID Connect provider on loopback: discovery, authorization code with PKCE, signed id tokens, sign-out."""

from __future__ import annotations

import base64
import hashlib
import html
import secrets
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "esmviz", "a secret of the client"
KEY = RSAKey.generate_key(2048, parameters={"kid": "one", "use": "sig", "alg": "RS256"})
STRANGERS_KEY = RSAKey.generate_key(2048, parameters={"kid": "one", "use": "sig", "alg": "RS256"})


@dataclass
class Provider:
    """One account; ``key`` signs its tokens, ``calls`` says what was asked."""

    claims: dict[str, Any] = field(
        default_factory=lambda: {
            "sub": "1",
            "email": "ada@lab.example",
            "email_verified": True,
            "name": "Ada",
        }
    )
    key: RSAKey = field(default_factory=lambda: KEY)
    calls: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __enter__(self) -> Provider:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        routes = [
            Route("/.well-known/openid-configuration", self.discovery),
            Route("/jwks", self.jwks),
            Route("/authorize", self.authorize),
            Route("/token", self.token, methods=["POST"]),
            Route("/end", self.end),
        ]
        self.server = uvicorn.Server(
            uvicorn.Config(Starlette(routes=routes), port=port, log_level="warning", lifespan="off")
        )
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join(10)

    def discovery(self, request: Request) -> Response:
        self.calls.append("discovery")
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
                "end_session_endpoint": f"{self.url}/end",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    def jwks(self, request: Request) -> Response:
        self.calls.append("jwks")
        return JSONResponse({"keys": [KEY.as_dict(private=False)]})

    def authorize(self, request: Request) -> Response:
        """The provider's own page; its button gives a code."""
        self.calls.append("authorize")
        asked = dict(request.query_params)
        assert asked["client_id"] == CLIENT
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe()
        self.codes[code] = asked
        back = f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
        return HTMLResponse(f'<a href="{html.escape(back)}">Continue as {self.claims["name"]}</a>')

    async def token(self, request: Request) -> Response:
        self.calls.append("token")
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        asked = self.codes.pop(form["code"])
        verifier = hashlib.sha256(form["code_verifier"].encode()).digest()
        assert request.headers["authorization"] == f"Basic {basic}"
        assert form["redirect_uri"] == asked["redirect_uri"]
        assert base64.urlsafe_b64encode(verifier).decode().rstrip("=") == asked["code_challenge"]
        now = int(time.time())
        claims = {**self.claims, "iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 600}
        id_token = jwt.encode({"alg": "RS256", "kid": "one"}, {**claims, "nonce": asked["nonce"]}, self.key)
        return JSONResponse(
            {"access_token": "x", "token_type": "Bearer", "expires_in": 600, "id_token": id_token}
        )

    def end(self, request: Request) -> Response:
        self.calls.append("end")
        return RedirectResponse(request.query_params["post_logout_redirect_uri"])
