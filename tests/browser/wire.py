"""A line between browser and server that can be cut and mended."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit


class Wire:
    """Passes bytes on between its own ``url`` and a server's."""

    def __init__(self, url: str) -> None:
        self.target = (urlsplit(url).hostname, urlsplit(url).port)
        self.is_cut = False
        self.n_cut = 0
        self.ends: list[socket.socket] = []  # of lines that are in use, or were
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def __enter__(self) -> Wire:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self.listener.close()

    def cut(self) -> None:
        """Nothing passes any more, and whoever calls is hung up on."""
        self.is_cut = True
        for end in self.ends:
            with contextlib.suppress(OSError):  # over already
                end.shutdown(socket.SHUT_RDWR)
                self.n_cut += 1
        self.ends.clear()

    def mend(self) -> None:
        self.is_cut = False

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                near, _ = self.listener.accept()
                if self.is_cut:
                    near.close()
                    continue
                far = socket.create_connection(self.target)
                self.ends += [near, far]
                threading.Thread(target=self._pass_both_ways, args=(near, far), daemon=True).start()

    def _pass_both_ways(self, near: socket.socket, far: socket.socket) -> None:
        with near, far:
            back = threading.Thread(target=_pass_on, args=(far, near), daemon=True)
            back.start()
            _pass_on(near, far)
            back.join()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(1 << 16):
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
