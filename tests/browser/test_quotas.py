"""A server that others reach: who asks for too much is told when to come back, and nobody else is."""

import pytest

from tests.browser.conftest import App, Server


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
