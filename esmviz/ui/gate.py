"""The way in over HTTP: every route and every connection is behind the door, and the page to sign in is before it."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Mapping
from importlib import resources
from string import Template
from urllib.parse import parse_qs, quote, urlsplit
from weakref import WeakKeyDictionary

from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.user_info import generate_login_redirect_url

from esmviz.addresses import came_from, household, networks
from esmviz.errors import AccessError
from esmviz.settings import Settings
from esmviz.ui import access, exhibits, origins
from esmviz.ui.access import SIGN_OUT, Door
from esmviz.ui.cookies import NEXT
from esmviz.ui.logins import COOKIE, DAYS, USER_COOKIE_NAME, Logins
from esmviz.ui.resources import shelf
from esmviz.ui.visitor import known, set_cookie

SIGN_IN, PROVIDER, LOGOUT = "/sign-in", "/sign-in/with", "/auth/logout"
# Probes of whoever runs the server, the numbers that have a rule of their own, and what st.login itself needs.
OPEN = frozenset(
    {"/healthz", "/readyz", "/metrics", "/_stcore/health", "/auth/login", LOGOUT, "/oauth2callback"}
)
MOST_BYTES = 4096  # of a form
PAGE = Template((resources.files("esmviz") / "assets" / "sign_in.html").read_text(encoding="utf-8"))


def address(scope: Scope, settings: Settings) -> str:
    """Where a request came from, one visitor's share of addresses."""
    client = scope["client"][0] if scope.get("client") else ""
    proxies = networks(settings.trusted_proxies or "", "ESMVIZ_TRUSTED_PROXIES")
    forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
    return household(came_from(client, forwarded, proxies))


def local(path: str | None) -> str:
    """A path of this server to go on to; nothing that a browser takes for another host.

    >>> local("/logits?protein=a"), local("//evil.test"), local("/\\\\evil.test"), local("https://evil.test")
    ('/logits?protein=a', '/', '/', '/')
    >>> local("//[")  # no address at all
    '/'
    """
    if not path or not path.isascii() or not path.isprintable() or "\\" in path or " " in path:
        return "/"
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/"
    return path if path[0] == "/" and path[1:2] != "/" and not (parts.scheme or parts.netloc) else "/"


def login_of(cookies: Mapping[str, str]) -> tuple[str, str]:
    """What a visitor signed in with."""
    return cookies.get(COOKIE, ""), cookies.get(USER_COOKIE_NAME, "")


class Connections:
    """The open websockets, so that who signs out in one tab is out in all of them."""

    def __init__(self) -> None:
        self._ends: WeakKeyDictionary[asyncio.Event, tuple[str, str]] = WeakKeyDictionary()

    def end(self, login: tuple[str, str]) -> None:
        """Hang up on everybody who signed in with this."""
        for event, mine in list(self._ends.items()):
            if mine == login:
                event.set()

    def until_ended(self, login: tuple[str, str], receive: Receive) -> Receive:
        """``receive`` of a websocket, which hears that the browser left once its login is over."""
        ended = asyncio.Event()
        self._ends[ended] = login

        async def receive_until_ended() -> Message:
            message, end = asyncio.ensure_future(receive()), asyncio.ensure_future(ended.wait())
            await asyncio.wait({message, end}, return_when=asyncio.FIRST_COMPLETED)
            end.cancel()
            if message.done():
                return message.result()
            message.cancel()
            return {"type": "websocket.disconnect", "code": 1008}

        return receive_until_ended


class Gate:
    """ASGI middleware before the one door of this process, unless it is given another."""

    def __init__(self, app: ASGIApp, door: Door | None = None) -> None:
        self.app, self.door, self.base = app, door or access.door(), access.base()
        self.connections = Connections()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or not self.door.is_locked:
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(self.base)
        cookies = cookie_parser(Headers(scope=scope).get("cookie", ""))
        may_pass = path in OPEN or self.door.admits(cookies) or self._is_public(scope)
        answer: Response | None
        if path in (SIGN_OUT, LOGOUT) and not origins.is_own_click(Headers(scope=scope)):
            answer = PlainTextResponse("Sign out on a page of this server.", 403)
        elif path in (SIGN_IN, PROVIDER, SIGN_OUT):
            answer = await self._answer(path, Request(scope, receive), cookies)
        elif may_pass and path == "/" and NEXT in cookies:
            answer = self._away(local(cookies[NEXT]).removeprefix(self.base), clear=NEXT)
        elif may_pass and scope["type"] == "websocket":
            await self.app(scope, self.connections.until_ended(login_of(cookies), receive), send)
            return
        elif may_pass:
            await self.app(scope, receive, send)
            return
        else:
            answer = self._refusal(scope)
        if answer is None:
            await send({"type": "websocket.close", "code": 1008})
        else:
            await answer(scope, receive, send)

    def _is_public(self, scope: Scope) -> bool:
        """Snapshots that a setting opens to all who have the link: the pages themselves then ask who looks."""
        reads = scope["type"] == "websocket" or scope["method"] in ("GET", "HEAD")
        is_page = scope["type"] == "http" and "text/html" in Headers(scope=scope).get("accept", "")
        wants_it = not is_page or "s" in parse_qs(scope["query_string"].decode("latin-1"))
        return self.door.settings.public_snapshots and reads and wants_it

    def _refusal(self, scope: Scope) -> Response | None:
        """The page to sign in for a page, a word for anything else, and nothing for a websocket: it is closed."""
        if scope["type"] == "websocket":
            return None
        if scope["method"] != "GET" or "text/html" not in Headers(scope=scope).get("accept", ""):
            return PlainTextResponse("Sign in first.", 401)
        query = scope["query_string"].decode("latin-1")
        wanted = local(scope["path"] + (f"?{query}" if query else ""))
        return RedirectResponse(f"{self.base}{SIGN_IN}?next={quote(wanted, safe='')}", 303)

    async def _answer(self, path: str, request: Request, cookies: dict[str, str]) -> Response:
        if request.headers.get("sec-fetch-site") == "cross-site" and request.method == "POST":
            return PlainTextResponse("This comes from another site.", 403)
        if path == SIGN_OUT:
            return self._sign_out(cookies)
        if path == PROVIDER:
            return self._to_provider(request)
        if request.method == "POST" and self.door.logins is not None:
            return await self._sign_in(request, self.door.logins)
        return self._page(request, cookies, local(request.query_params.get("next")))

    def _sign_out(self, cookies: dict[str, str]) -> Response:
        if self.door.logins is not None:
            self.door.logins.leave(cookies.get(COOKIE, ""))
        if (browser := known(cookies)) is not None:
            for session in shelf().forget(browser):  # the next person at this computer finds nothing
                exhibits.leave(session)
        self.connections.end(login_of(cookies))
        return self._away(LOGOUT if self.door.providers else SIGN_IN, clear=COOKIE)

    def _to_provider(self, request: Request) -> Response:
        name = request.query_params.get("name", "default")
        if name not in self.door.providers:
            return PlainTextResponse("There is no such provider.", 404)
        response = RedirectResponse(generate_login_redirect_url(name), 303)
        wanted = quote(local(request.query_params.get("next")), safe="/?=&%")
        response.headers.append("set-cookie", set_cookie(NEXT, wanted, request.scope, seconds=600))
        return response

    async def _sign_in(self, request: Request, logins: Logins) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                return PlainTextResponse("This form is too large.", 413)
        form = parse_qs(body.decode("utf-8", "replace"))
        wanted = local(form.get("next", ["/"])[0])
        try:
            token = logins.enter(form.get("password", [""])[0], address(request.scope, self.door.settings))
        except AccessError as error:
            return self._page(request, {}, wanted, error=error)
        response = RedirectResponse(wanted, 303)
        response.headers.append(
            "set-cookie", set_cookie(COOKIE, token, request.scope, seconds=DAYS * 24 * 3600)
        )
        return response

    def _page(
        self, request: Request, cookies: dict[str, str], wanted: str, error: AccessError | None = None
    ) -> Response:
        """The page to sign in; it holds all of itself, since nothing else of the app is open."""
        said = self.door.account(cookies)
        note = "" if error is None else str(error)
        if said is not None and not self.door.admits(cookies):
            note = f"{said.get('email') or 'Your account'} is not among those who are let in here."
        links = "".join(
            f'<a class="way" href="{self.base}{PROVIDER}?name={quote(name)}&amp;next={quote(wanted, safe="")}">'
            f"Sign in with {'your account' if name == 'default' else html.escape(name)}</a>"
            for name in self.door.providers
        )
        form = (
            f'<form method="post" action="{self.base}{SIGN_IN}"><input type="hidden" name="next" '
            f'value="{html.escape(wanted)}"><label>Password<input type="password" name="password" required autofocus '
            'autocomplete="current-password"></label><button>Sign in</button></form>'
        )
        leave = f'<a href="{self.base}{SIGN_OUT}">Sign out</a>' if said is not None else ""
        page = PAGE.substitute(
            note=f'<p class="note" role="alert">{html.escape(note)}</p>' if note else "",
            form=form if self.door.logins is not None else "",
            links=links + leave,
        )
        return HTMLResponse(page, 200 if error is None else 403, headers={"cache-control": "no-store"})

    def _away(self, path: str, *, clear: str) -> Response:
        response = RedirectResponse(self.base + path, 303)
        response.delete_cookie(clear, path=self.base or "/", httponly=True, samesite="lax")
        return response
