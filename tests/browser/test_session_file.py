"""A session is saved, brought back in another browser, and forgotten."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import App

pytestmark = pytest.mark.slow

FASTA = b">alpha family=left\nMKVLAWGHMKVLAWGHMKVLAWGH\n>beta\nACDEFGHIKLMNPQRSTVWYACDEFGHIKL\n"


def unfold(app):
    app.page.get_by_text("Your session: save, bring back, forget").click()


def test_a_session_goes_to_another_browser_and_is_forgotten_in_all_tabs(app):
    app.open()
    app.upload("mine.fasta", FASTA)
    app.expect_text(r"mine\.fasta: 2 proteins")
    app.open_sidebar()
    app.choose("protein", "beta")
    unfold(app)
    name, content = app.download("session")
    assert name == "esmviz-session.json"

    context = app.page.context.browser.new_context()
    other = App(context.new_page(), app.url).watch()
    other.open()
    unfold(other)
    other.upload(name, content, key="saved_session")
    other.expect_text(r"mine\.fasta: 2 proteins")
    expect(other.page).to_have_url(re.compile("protein=beta"))
    second = App(context.new_page(), app.url).watch()
    second.open()
    second.expect_text(r"mine\.fasta: 2 proteins")

    other.page.get_by_role("button", name="Forget my data").click()
    other.keyed("forget").get_by_role("button").click()
    other.expect_text("Example: 58 proteins")
    second.page.reload()
    second.expect_text("Example: 58 proteins")
    assert not other.outside + second.outside + other.complaints
    context.close()
    app.page.reload()
    app.expect_text(r"mine\.fasta: 2 proteins")
