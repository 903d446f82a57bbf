"""A crowd walks the pages of a real server over real websockets. Nothing is asserted on a clock."""

import asyncio

import pytest

from benchmarks.load import crowd
from benchmarks.server import server, wait_for
from benchmarks.tab import Tab

MIB = 2**20
SMALL = {"ESMVIZ_CACHE_MB": "16", "OMP_NUM_THREADS": "1"}  # full after the first round
VISITORS, ACTS = 20, 8


@pytest.mark.slow
def test_a_crowd_meets_no_error_and_leaves_nothing_behind():
    """Every round is the same walk of the same visitors, so that a later one needs no more memory than an earlier."""
    with server(SMALL) as running:
        wait_for(running.url)
        held = []
        for _ in range(5):
            found = asyncio.run(
                crowd(running, VISITORS, lambda visitor: visitor.n_acts >= ACTS, pause=0.5, ramp=2)
            )
            assert found.errors == {}, running.log.read_text()[-2000:]
            assert len(found.acts) >= VISITORS * ACTS
            assert found.seconds(cached=True)
            held.append(running.memory_bytes)
        assert running.process.poll() is None
        assert "reference" not in running.log.read_text()
    assert held[-1] - held[2] < 40 * MIB, [n // MIB for n in held]


@pytest.mark.slow
def test_what_the_visitors_do_is_what_the_pages_show():
    """The tab without a browser is no mock: it sees the figure, its widgets act, and an error is seen as one."""

    async def walk(url):
        async with Tab(url) as tab:
            assert "PlotlyChart" in (await tab.open()).kinds
            shown = await tab.upload("own.fasta", b">mine\nMKVLAWGHKTWYRRSTPL\n>yours\nMKKLLAAGHKT\n")
            assert (shown.errors, tab.options("protein")) == ([], ["mine", "yours"])
            assert "PlotlyChart" in (await tab.open("similarity")).kinds
            assert (await tab.slide("layer", 2)).errors == []
            assert not (await tab.slide("layer", 2)).waited
            assert (await tab.choose("protein", "yours")).errors == []
            [error] = (await tab.upload("none.fasta", b"") if await tab.open("") else None).errors
            assert "none" in error

    with server(SMALL) as running:
        wait_for(running.url)
        asyncio.run(walk(running.url))
