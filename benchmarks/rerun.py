"""Processor time of a page whose results are known: ``python -m benchmarks.rerun``.

One visitor at one tab goes through the pages and changes the protein between four that every page has shown before. What
the server spends is counted, over all its threads.
"""

import argparse
import asyncio
import time

from benchmarks.load import PAGES
from benchmarks.machine import description
from benchmarks.server import Server, server, wait_for
from benchmarks.tab import Tab

PROTEINS = 4
SETTLED_SECONDS = 30  # the model is loaded and UMAP imported behind the scenes by then


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=40, help="of the protein, on each page")
    asked = parser.parse_args()
    print(f"{time.strftime('%Y-%m-%d')}. {description()}\n")
    with server() as running:
        wait_for(running.url)
        print(asyncio.run(walked(running, asked.changes)))


async def walked(running: Server, n: int) -> str:
    """Markdown: processor time and time of waiting for each page."""
    lines = ["| page | processor | answer |", "|---|---|---|"]
    async with Tab(running.url) as tab:
        await tab.open()
        await asyncio.sleep(SETTLED_SECONDS)
        names = tab.options("protein")[:PROTEINS]
        for page in PAGES:
            await tab.open(page)
            for name in names * 2:  # the first time computes
                await tab.choose("protein", name)
            spent, begun = running.cpu_seconds, time.perf_counter()
            for number in range(n):
                await tab.choose("protein", names[number % len(names)])
            each = (running.cpu_seconds - spent) / n, (time.perf_counter() - begun) / n
            lines.append(
                f"| {page or 'home'} | " + " | ".join(f"{1000 * took:.0f} ms" for took in each) + " |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
