"""A server that others reach: who asks for too much is told when to come back, and nobody else is."""

import pytest

from tests.browser.conftest import PATIENCE, App, Server

pytestmark = pytest.mark.slow


@pytest.fixture
def strict(tmp_path):
    settings = {"ESMVIZ_OPEN_TO_ALL": "1", "ESMVIZ_RESIDUES_PER_HOUR": "250"}
    with Server(tmp_path, settings, address="0.0.0.0") as running:
        yield running


def test_who_asks_for_too_much_is_told_when_to_come_back(opened, strict):
    app = opened(strict)
    for protein in ("HBA_HUMAN", "UBIQ_HUMAN"):
        app.open(protein=protein)
        app.chart("first-look")
    app.open(protein="CSPA_ECOLI")
    app.expect_text(r"You have had nearly 250 residues computed within an hour.*Come back in \d+ minutes\.")
    app.open(protein="HBA_HUMAN")  # known already
    app.chart("first-look")
    context = app.page.context.browser.new_context()
    other = App(context.new_page(), app.url).watch()
    other.open(protein="CSPB_ECOLI")
    other.chart("first-look")
    context.close()


@pytest.mark.parametrize(("trusted", "is_told_apart"), [("127.0.0.1", True), ("10.0.0.0/8", False)])
def test_a_new_cookie_does_not_help_an_address_that_a_trusted_proxy_names(
    browser, tmp_path, trusted, is_told_apart
):
    settings = {"ESMVIZ_RESIDUES_PER_HOUR": "250", "ESMVIZ_VISITORS_PER_ADDRESS": "1"}
    with Server(tmp_path, {**settings, "ESMVIZ_TRUSTED_PROXIES": trusted}) as server:

        def visit(address, protein):
            context = browser.new_context(extra_http_headers={"X-Forwarded-For": address})
            context.set_default_timeout(PATIENCE)
            app = App(context.new_page(), server.url)
            app.open(protein=protein)
            return app

        visit("198.51.100.1", "HBA_HUMAN").chart("first-look")
        visit("198.51.100.1", "MYG_HORSE").expect_text(r"Your network has had nearly 250 residues")
        other = visit("198.51.100.2", "HBB_HUMAN")
        if is_told_apart:
            other.chart("first-look")
        else:
            other.expect_text(r"Your network has had nearly 250 residues")
