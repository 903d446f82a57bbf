"""Who has signed in: by the shared password, or through an identity provider whose word Streamlit keeps in a cookie."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from limits import RateLimitItemPerMinute
from streamlit.auth_util import get_cookie_with_chunks
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME as USER_COOKIE_NAME

from esmviz.errors import AccessError
from esmviz.labels import duration
from esmviz.ui.cookies import LOGIN
from esmviz.ui.rates import Rates

COOKIE = LOGIN
DAYS = 14
MOST = 10_000  # at a time
ATTEMPTS = RateLimitItemPerMinute(10, 15)  # 10 in 15 minutes, from one address


class Logins:
    """Those who knew the password, until they leave; a restart of the server signs everybody out."""

    def __init__(self, password: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._password = _digest(password)
        self._clock = clock
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}  # by digest of the cookie, the oldest first
        self._attempts = Rates()

    def enter(self, password: str, address: str) -> str:
        """The cookie of somebody who knows the password.

        Raises
        ------
        AccessError
            It is another one, or too many were tried from there; says when to come back.
        """
        if not self._attempts.allows(ATTEMPTS, address):
            seconds = self._attempts.seconds_left(ATTEMPTS, address)
            raise AccessError(
                "Too many passwords were tried from your address.",
                f"Come back in {duration(max(60.0, seconds))}.",
            )
        self._attempts.count(ATTEMPTS, address)
        if not hmac.compare_digest(_digest(password), self._password):
            raise AccessError("This is not the password.", "Ask whoever runs this server.")
        self._attempts.forgive(ATTEMPTS, address)
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._tidy()
            self._until[_digest(token)] = self._clock() + DAYS * 24 * 3600
        return token

    def knows(self, token: str) -> bool:
        """Whether this is the cookie of somebody who signed in and has not left."""
        with self._lock:
            return self._until.get(_digest(token), 0.0) > self._clock()

    def leave(self, token: str) -> None:
        """From now on nobody comes in with this cookie."""
        with self._lock:
            self._until.pop(_digest(token), None)

    def _tidy(self) -> None:
        now = self._clock()
        self._until = {digest: until for digest, until in self._until.items() if until > now}
        while len(self._until) >= MOST:
            del self._until[next(iter(self._until))]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def vouched(cookies: Mapping[str, str]) -> dict[str, Any] | None:
    """What the provider said of whoever sends these cookies; None for nobody, or a cookie that is not ours."""

    def one(name: str) -> bytes | None:
        value = cookies.get(name)
        if value is None:
            return None
        return decode_signed_value(get_cookie_secret(), name, value.encode("latin-1", "replace"))

    raw = get_cookie_with_chunks(one, USER_COOKIE_NAME)
    said: dict[str, Any] = json.loads(raw) if raw else {}
    return said if said.get("is_logged_in") is True else None


def is_let_in(said: Mapping[str, Any], allowed: str | None) -> bool:
    """Whether an account is among the allowed addresses and ``@domains``; an address counts once it is verified.

    >>> is_let_in({"email": "Ada@lab.example", "email_verified": True}, "@lab.example, bob@home.example")
    True
    >>> is_let_in({"email": "ada@lab.example"}, "@lab.example"), is_let_in({"email": "eve@evil.example"}, None)
    (False, True)
    """
    if allowed is None:
        return True
    email = str(said.get("email") or "").lower()
    names = {part.strip().lower() for part in allowed.split(",") if part.strip()}
    return said.get("email_verified") is True and bool(names & {email, "@" + email.rpartition("@")[2]})
