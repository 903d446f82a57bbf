"""Signing in and out in a real browser: by the shared password, and through a provider that signs its tokens."""

import re
import socket
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE, Server
from tests.browser.provider import CLIENT, SECRET, STRANGERS_KEY, Provider

pytestmark = pytest.mark.slow

PASSWORD = "correct horse"


@pytest.fixture
def tab(page):
    page.set_default_timeout(PATIENCE)
    return page


def expect_page(tab):
    expect(tab.get_by_role("heading", level=1)).to_contain_text("What does a protein language model make")


def test_a_shared_password_opens_the_pages_until_the_visitor_leaves(tab, tmp_path):
    with Server(tmp_path, {"ESMVIZ_PASSWORD": PASSWORD}) as server:
        with pytest.raises(HTTPError) as refused:
            urlopen(f"{server.url}/static/js/index.js", timeout=30)
        assert refused.value.code == 401
        tab.goto(f"{server.url}/logits?protein=UBIQ_HUMAN")
        tab.get_by_label("Password").fill("wrong horse")
        tab.get_by_role("button", name="Sign in").click()
        expect(tab.get_by_role("alert")).to_contain_text("This is not the password.")
        tab.get_by_label("Password").fill(PASSWORD)
        tab.get_by_role("button", name="Sign in").click()
        expect(tab).to_have_url(re.compile("/logits.*protein=UBIQ_HUMAN"))
        expect(tab.get_by_role("heading", level=1)).to_contain_text("What does the model expect")
        tab.reload()
        expect(tab.get_by_role("heading", level=1)).to_contain_text("What does the model expect")
        second = tab.context.new_page()
        with second.expect_websocket() as connecting:
            second.goto(server.url)
        expect_page(second)
        tab.locator(".st-key-sign_out button").click()
        expect(tab.get_by_label("Password")).to_be_visible()
        while not connecting.value.is_closed():
            second.wait_for_timeout(50)
        tab.goto(server.url)
        expect(tab.get_by_label("Password")).to_be_visible()
        assert PASSWORD not in server.log.read_text()


def test_a_shared_link_opens_without_a_login_where_the_setting_says_so(tab, tmp_path):
    settings = {
        "ESMVIZ_PASSWORD": PASSWORD,
        "ESMVIZ_PUBLIC_SNAPSHOTS": "1",
        "ESMVIZ_DATA_DIR": str(tmp_path / "data"),
    }
    with Server(tmp_path, settings) as server:
        tab.goto(f"{server.url}/?protein=UBIQ_HUMAN")
        tab.get_by_label("Password").fill(PASSWORD)
        tab.get_by_role("button", name="Sign in").click()
        tab.locator(".st-key-first-look .main-svg").first.wait_for()
        tab.get_by_role("button", name="Share", exact=True).click()
        tab.locator(".st-key-make_link button").click()
        link = tab.get_by_role("dialog").locator("code").filter(has_text="?s=").first.inner_text()
        stranger = tab.context.browser.new_context().new_page()
        stranger.goto(link)
        expect(stranger.get_by_text("Snapshot of Home")).to_be_visible(timeout=PATIENCE)
        stranger.get_by_test_id("stTopNavLink").filter(has_text="Logits").click()
        expect(stranger.get_by_text("Please sign in to see this page.")).to_be_visible(timeout=PATIENCE)
        expect(stranger.locator(".js-plotly-plot")).to_have_count(0)
        stranger.goto(f"{server.url}/snapshots")
        expect(stranger.get_by_label("Password")).to_be_visible(timeout=PATIENCE)


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def behind(provider, tmp_path):
    """A server whose visitors the provider vouches for; it must know its own address beforehand."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "ESMVIZ_OIDC_URL": f"{provider.url}/.well-known/openid-configuration",
        "ESMVIZ_OIDC_CLIENT_ID": CLIENT,
        "ESMVIZ_OIDC_CLIENT_SECRET": SECRET,
        "ESMVIZ_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "ESMVIZ_ALLOWED_EMAILS": "@lab.example",
    }
    with Server(tmp_path, settings, port) as running:
        yield running


def come_in(tab):
    tab.get_by_role("link", name="Sign in with your account").click()
    tab.get_by_role("link", name="Continue as Ada").click()


def test_a_provider_vouches_for_a_visitor(tab, provider, behind):
    tab.goto(f"{behind.url}/similarity?protein=UBIQ_HUMAN")
    come_in(tab)
    expect(tab).to_have_url(re.compile("/similarity.*protein=UBIQ_HUMAN"))
    expect(tab.get_by_role("heading", level=1)).to_contain_text("Which residues does the model see alike?")
    expect(tab.get_by_text("Signed in as ada")).to_be_visible()
    assert [call for call in provider.calls if call != "discovery"] == ["authorize", "token", "jwks"]
    tab.reload()
    expect(tab.get_by_text("Signed in as ada")).to_be_visible()
    tab.locator(".st-key-sign_out button").click()
    expect(tab.get_by_role("link", name="Sign in")).to_be_visible()
    assert provider.calls[-1] == "end"
    log = behind.log.read_text()
    assert SECRET not in log
    assert "ada@" not in log


def test_an_account_that_is_not_let_in_is_told(tab, provider, behind):
    provider.claims["email"] = "eve@elsewhere.example"
    tab.goto(behind.url)
    come_in(tab)
    expect(tab.get_by_role("alert")).to_contain_text(
        "eve@elsewhere.example is not among those who are let in here."
    )
    tab.get_by_role("link", name="Sign out").click()
    expect(tab.get_by_role("alert")).to_have_count(0)


def test_a_token_that_somebody_else_signed_opens_nothing(tab, provider, behind):
    provider.key = STRANGERS_KEY
    tab.goto(behind.url)
    come_in(tab)
    expect(tab.get_by_role("link", name="Sign in")).to_be_visible()
    assert "token" in provider.calls
    assert "_streamlit_user" not in {cookie["name"] for cookie in tab.context.cookies()}


def test_a_server_that_everybody_reaches_says_so(tab, tmp_path):
    with Server(tmp_path, address="0.0.0.0") as server:
        tab.goto(server.url)
        expect(tab.get_by_text("Anybody who reaches this address can use this machine")).to_be_visible()
        assert "ESMVIZ_PASSWORD" in server.log.read_text()
