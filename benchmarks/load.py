"""Many visitors at once: ``python -m benchmarks.load --visitors 100 --seconds 300``.

Each walks the pages as a person does: looks for some seconds, then changes layer, head or protein, or goes to another
page; a few bring proteins of their own. The server is `streamlit run` with the embedded model, asked over real
websockets on loopback. An interaction is *cached* when no computation ran for it.
"""

import argparse
import asyncio
import os
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from benchmarks.machine import description
from benchmarks.server import Server, server, wait_for
from benchmarks.tab import Shown, Tab

PAGES = ("", "similarity", "attention", "logits", "clusters", "models")
LETTERS = "ACDEFGHIKLMNPQRSTVWY"
SAMPLE_SECONDS = 2.0
WARM_UP = 0.4  # of the time; the memory is flat when it does not grow after that
SETTINGS = {"ESMVIZ_CACHE_MB": "16"}  # the caches are full by then: what grows later is none of them
PATIENCE = 300  # seconds until an interaction counts as lost


@dataclass
class Found:
    """What a crowd met: ``acts`` are (what, seconds it took, whether it was computed, when it began)."""

    acts: list[tuple[str, float, bool, float]] = field(default_factory=list)
    start: float = field(default_factory=time.perf_counter)
    errors: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, int]] = field(default_factory=list)  # seconds since the start, bytes
    cpu_seconds: float = 0.0
    n_bytes: int = 0

    def seconds(self, *, cached: bool, since: float = 0.0) -> list[float]:
        """How long each interaction took that began so many seconds after the start."""
        return [took for _, took, computed, begun in self.acts if computed != cached and begun >= since]

    def growth(self) -> float:
        """Bytes that the server grows in a minute after its warm-up, by a straight line through its memory."""
        end = self.memory[-1][0]
        late = [(when, n) for when, n in self.memory if when > end * WARM_UP]
        slope, _ = np.polyfit(*map(np.array, zip(*late, strict=True)), 1)
        return float(slope) * 60


class Visitor:
    """One person at one tab."""

    def __init__(self, number: int, tab: Tab, found: Found, pause: float) -> None:
        self._chance = random.Random(number)
        self._brings = number % 10 == 3
        self._tab, self._found, self._pause = tab, found, pause
        self.n_acts = 0

    async def walk(self, is_over: Callable[[Self], bool]) -> None:
        """Visit, look, act, until it is over."""
        page = ""
        await self._timed("visit", self._tab.open())
        if self._brings:
            await self._look()
            await self._timed("upload", self._tab.upload("own.fasta", self._own_proteins()))
        while not is_over(self):
            await self._look()
            if self._chance.random() < 0.3:
                page = self._chance.choice([other for other in PAGES if other != page])
                await self._timed(f"to {page or 'home'}", self._tab.open(page))
            else:
                await self._change()
        self._found.n_bytes += self._tab.n_bytes

    async def _look(self) -> None:
        await asyncio.sleep(self._pause * self._chance.uniform(0.5, 1.5))

    async def _change(self) -> None:
        """Another layer, head or protein, whichever the page has."""
        keys = [key for key in ("layer", "head") if self._tab.range(key) is not None]
        key = self._chance.choice([*keys, "protein"])
        if key == "protein":
            name = self._chance.choice(self._tab.options("protein")[:20])  # people look at the top of a list
            await self._timed(key, self._tab.choose(key, name))
        else:
            low, high = self._tab.range(key) or (1, 1)
            await self._timed(key, self._tab.slide(key, self._chance.randint(int(low), int(high))))

    async def _timed(self, what: str, act: object) -> None:
        begun = time.perf_counter()
        try:
            shown: Shown = await asyncio.wait_for(act, PATIENCE)  # type: ignore[call-overload]
        except TimeoutError:
            self._found.errors[f"{what}: no answer in {PATIENCE} s"] += 1
            raise
        now = time.perf_counter()
        self.n_acts += 1
        self._found.acts.append((what, now - begun, shown.waited, begun - self._found.start))
        self._found.errors.update(f"{what}: {error}" for error in shown.errors)

    def _own_proteins(self) -> bytes:
        """A FASTA file of this visitor alone."""
        proteins = (
            "".join(self._chance.choices(LETTERS, k=self._chance.randint(60, 300))) for _ in range(12)
        )
        return "".join(f">own_{n}\n{sequence}\n" for n, sequence in enumerate(proteins)).encode()


async def crowd(
    running: Server, visitors: int, is_over: Callable[[Visitor], bool], *, pause: float, ramp: float
) -> Found:
    """Let so many visitors walk until it is over for each, coming one after the other within ``ramp`` seconds."""
    found = Found()

    async def visit(number: int) -> None:
        await asyncio.sleep(ramp * number / visitors)
        try:
            async with Tab(running.url) as tab:
                await Visitor(number, tab, found, pause).walk(is_over)
        except Exception as error:  # noqa: BLE001 - a visitor who is lost is a finding; the others walk on
            found.errors[f"lost: {type(error).__name__}: {error}"] += 1

    async def watch() -> None:
        while True:
            found.memory.append((time.perf_counter() - found.start, running.memory_bytes))
            await asyncio.sleep(SAMPLE_SECONDS)

    watching, before = asyncio.create_task(watch()), running.cpu_seconds
    await asyncio.gather(*map(visit, range(visitors)))
    watching.cancel()
    found.cpu_seconds = running.cpu_seconds - before
    return found


def report(found: Found, seconds: float) -> str:
    """What was found, as Markdown."""
    lines = ["| interaction | n | median | p95 | p99 | longest |", "|---|---|---|---|---|---|"]
    kinds = {
        what: [took for kind, took, computed, _ in found.acts if kind == what and not computed]
        for what in sorted({kind for kind, *_ in found.acts})
    }
    late = found.memory[-1][0] * WARM_UP
    rows = {
        "all cached": found.seconds(cached=True),
        "cached, after the warm-up": found.seconds(cached=True, since=late),
        "computed": found.seconds(cached=False),
        **kinds,
    }
    for what, values in rows.items():
        if values:
            shown = (statistics.median(values), *np.percentile(values, [95, 99]), max(values))
            numbers = " | ".join(f"{value:.2f} s" for value in shown)
            lines.append(f"| {what} | {len(values)} | {numbers} |")
    memory = " → ".join(f"{found.memory[at][1] / 2**20:.0f}" for at in places(found))
    n = len(found.acts)
    lines += [
        "",
        f"{n / seconds:.1f} interactions/s; {found.cpu_seconds / n * 1000:.0f} ms of the server's CPU and "
        f"{found.n_bytes / n / 1024:.0f} KiB each; {found.cpu_seconds / seconds:.2f} cores busy.",
        f"Memory {memory} MiB at the start, after the warm-up and at the end; {found.growth() / 2**20:+.1f} MiB a minute.",
        f"Errors: {sum(found.errors.values())}.",
        *(f"- {count} × {error}" for error, count in found.errors.most_common(20)),
    ]
    return "\n".join(lines)


def places(found: Found) -> tuple[int, int, int]:
    """Of the samples of memory: the first, the first after the warm-up, the last."""
    end = found.memory[-1][0]
    return 0, next(at for at, (when, _) in enumerate(found.memory) if when > end * WARM_UP), -1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visitors", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--pause", type=float, default=8, help="mean seconds that a visitor looks at a page")
    parser.add_argument("--ramp", type=float, default=30, help="seconds in which they all come")
    parser.add_argument("--log", type=Path, help="keep the server's log here")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help=f"of the server, beside {SETTINGS}"
    )
    asked = parser.parse_args()
    settings = SETTINGS | dict(pair.split("=", 1) for pair in asked.set)
    if asked.log:
        settings |= {"ESMVIZ_LOG_FORMAT": "json"}
    with server(settings) as running:
        wait_for(running.url)
        before = os.getloadavg()[0]
        end = time.perf_counter() + asked.seconds
        walking = crowd(
            running, asked.visitors, lambda _: time.perf_counter() > end, pause=asked.pause, ramp=asked.ramp
        )
        found = asyncio.run(walking)
        if asked.log:
            asked.log.write_bytes(running.log.read_bytes())
    print(f"{time.strftime('%Y-%m-%d')}. {description()}, {before:.1f} before\n")
    print(f"{asked.visitors} visitors, {asked.seconds:.0f} s, {asked.pause:.0f} s between interactions")
    print(" ".join(f"{name}={value}" for name, value in settings.items()), end="\n\n")
    print(report(found, asked.seconds))


if __name__ == "__main__":
    main()
