"""A process of its own that draws figures with Kaleido, which drives a Chromium: whoever started it can end all of it.

It reads one JSON value from standard input and writes a line for each image. The browser may fetch nothing: a policy in
its page, a proxy that nobody serves, and no MathJax, which Kaleido would take from the internet.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Mapping
from typing import Any

_POLICY = (
    "default-src 'none'; script-src file: 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:"
)
_NOWHERE = "127.0.0.1:9"
# Kaleido's Chromium is told to let pages read files and other sites; ours has no need of either.
_UNWANTED = {"--allow-file-access-from-files", "--disable-web-security"}


async def draw(asked: Mapping[str, Any]) -> None:
    """Draw what was asked for, in its order.

    Parameters
    ----------
    asked : mapping
        ``chromium``, the path of the browser; ``images``: a ``figure`` each, and the ``options`` that Kaleido takes.
    """
    import kaleido
    from choreographer.browsers.chromium import Chromium

    class Page(kaleido.PageGenerator):  # type: ignore[misc]  # untyped
        header = kaleido.PageGenerator.header.replace(
            "<head>", f'<head><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        )

    class Ours(Chromium):
        def get_popen_args(self) -> dict[str, Any]:
            """In the group of this process, so that it ends with it."""
            return {**super().get_popen_args(), "start_new_session": False}

        def get_cli(self) -> list[str]:
            return [part for part in super().get_cli() if part not in _UNWANTED]

    browser = kaleido.Kaleido(
        path=asked["chromium"],
        browser_cls=Ours,
        page_generator=Page(mathjax=False),
        proxy_server=_NOWHERE,
        enable_extensions=False,
        timeout=None,  # the parent has the clock
    )
    async with browser:
        for image in asked["images"]:
            content = await browser.calc_fig(image["figure"], opts=image["options"])
            print(json.dumps(base64.b64encode(content).decode()), flush=True)


if __name__ == "__main__":
    asyncio.run(draw(json.load(sys.stdin)))
