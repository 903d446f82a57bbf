"""Who may come in: nobody past this door who has not signed in, where the settings name a password or a provider."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from functools import cache
from typing import Any

import streamlit as st
from streamlit import runtime
from streamlit.auth_util import get_secrets_auth_section
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner import get_script_run_ctx

from esmviz.addresses import is_loopback
from esmviz.settings import Settings
from esmviz.ui.errors import plain
from esmviz.ui.logins import COOKIE, Logins, is_let_in, vouched
from esmviz.ui.place import base as base

SIGN_OUT = "/sign-out"
EXPOSED = (
    "Anybody who reaches this address can use this machine: there is no login. "
    "Set ESMVIZ_PASSWORD or a login through a provider; or ESMVIZ_OPEN_TO_ALL=1, if that is meant."
)
log = logging.getLogger("esmviz")


class Door:
    """Knows who has signed in, by their cookies."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.logins = None if settings.password is None else Logins(settings.password)
        self.providers = ("default",) if settings.oidc_url else _providers_of_secrets()

    @property
    def is_locked(self) -> bool:
        """Whether there is a login at all."""
        return self.logins is not None or bool(self.providers)

    def account(self, cookies: Mapping[str, str]) -> dict[str, Any] | None:
        """What a provider says of a visitor, let in or not."""
        return vouched(cookies) if self.providers else None

    def admits(self, cookies: Mapping[str, str]) -> bool:
        """Whether a visitor may come in."""
        if not self.is_locked:
            return True
        if self.logins is not None and self.logins.knows(cookies.get(COOKIE, "")):
            return True
        said = self.account(cookies)
        return said is not None and is_let_in(said, self.settings.allowed_emails)


@cache
def door() -> Door:
    """The one door of this process."""
    return Door(Settings.from_env())


def provider_secrets(settings: Settings) -> dict[str, Any] | None:
    """What ``st.login`` reads, of the settings; None where they name no provider."""
    if settings.oidc_url is None:
        return None
    return {
        "auth": {
            "redirect_uri": f"{str(settings.public_url).rstrip('/')}/oauth2callback",
            "cookie_secret": settings.cookie_secret or secrets.token_hex(32),
            "client_id": settings.oidc_client_id,
            "client_secret": settings.oidc_client_secret,
            "server_metadata_url": settings.oidc_url,
        }
    }


def _providers_of_secrets() -> tuple[str, ...]:
    """The providers that Streamlit's own ``secrets.toml`` names."""
    section = get_secrets_auth_section()
    if "client_id" in section:
        return ("default",)
    return tuple(
        name for name, value in section.items() if isinstance(value, Mapping) and "client_id" in value
    )


def is_exposed() -> bool:
    """Whether others than this machine's own people can come in, and nothing stops them."""
    address = st.get_option("server.address")
    is_at_home = address is not None and is_loopback(str(address))
    return not (is_at_home or door().is_locked or door().settings.open_to_all)


def warn_of_exposure() -> None:
    """In the log, when the server starts."""
    if is_exposed():
        log.warning(EXPOSED)


def need_sign_in(*, is_snapshot: bool = False) -> None:
    """Draw nothing for somebody who has not signed in, and for the others how they came in.

    ``is_snapshot``: only what a link shares is drawn, which a setting opens to all who have the link.
    """
    if runtime.exists() and is_exposed():
        st.warning(plain(EXPOSED))
    if not door().is_locked:
        return
    cookies = st.context.cookies
    if not door().admits(cookies):
        if is_snapshot and door().settings.public_snapshots:
            return
        st.info("Please sign in to see this page.")
        st.button("Sign in", key="sign_in", on_click=go, args=(f"{base()}/sign-in",))
        st.stop()
    said = door().account(cookies) or {}
    name = str(said.get("email") or said.get("name") or "")
    with st.sidebar:
        if name:
            st.caption(plain(f"Signed in as {name}"))
        st.button("Sign out", key="sign_out", type="tertiary", on_click=go, args=(f"{base()}{SIGN_OUT}",))


def go(path: str) -> None:
    """Send the browser to a path of this server, as ``st.login`` and ``st.logout`` do."""
    context = get_script_run_ctx()
    if context is not None:
        message = ForwardMsg()
        message.auth_redirect.url = path
        context.enqueue(message)
