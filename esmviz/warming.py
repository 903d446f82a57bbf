"""What a server does before anybody asks: load the default model, have UMAP compiled."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable

from esmviz import maps
from esmviz.answers import PROJECTION
from esmviz.jobs import Context, Queue

PAUSE_SECONDS = 10  # compiling UMAP slows everything else for as long; the first figures come first


def warm_up(model: str, load: Callable[[str], object], queue: Queue) -> None:
    """Load a model, then compile UMAP, behind the scenes. What fails shows at first use."""

    def begin(context: Context) -> None:
        load(model)
        gc.collect()
        gc.freeze()  # what was imported stays: no later collection need walk its million objects
        compiling.start()

    compile_umap = (PROJECTION, "compile", lambda context: maps.warm_up())
    compiling = threading.Timer(PAUSE_SECONDS, queue.submit, compile_umap)
    compiling.daemon = True
    queue.submit(model, "load", begin)
