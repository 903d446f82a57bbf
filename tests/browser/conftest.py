"""A fresh server and a real Chromium; every test also fails on a console error or a request to another host."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180_000  # milliseconds; a loaded machine is slow, and no test measures time
PAGES = ("", "similarity", "attention", "logits", "clusters", "predictions", "structure", "models")
PAGES += ("snapshots", "report")

DRAWN = """node => {
    const first = node._fullData[0], z = first.z || [];
    return {
        type: first.type,
        rows: z.length,
        columns: z.length ? z[0].length : 0,
        points: node._fullData.reduce((n, trace) => n + (trace.x ? trace.x.length : 0), 0),
        notes: (node.layout.annotations || []).map(note => note.text).join(" "),
    };
}"""

expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


def chromium() -> str:
    """Path of a Chromium; its absence is an error, since these tests are not to be skipped unnoticed."""
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    found = next(filter(None, map(shutil.which, filter(None, names))), None)
    if found is None:
        raise RuntimeError("No Chromium: apt install chromium fonts-dejavu-core, or set CHROMIUM=/path.")
    return found


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, object]) -> dict[str, object]:
    quiet = "no-sandbox disable-gpu disable-quic no-first-run disable-background-networking"
    flags = ["--headless=new", *(f"--{flag}" for flag in quiet.split())]
    flags += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
    return {**browser_type_launch_args, "executable_path": chromium(), "args": flags}


@dataclass
class Server:
    """The app as `make run` starts it, on a free port, with an empty home and without network."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = 0
    address: str = "127.0.0.1"

    def __enter__(self) -> Server:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", self.port))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
        command += ["--server.address", self.address, "--server.headless", "true"]
        self.log = self.home / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment(), stdout=log, stderr=subprocess.STDOUT
            )
        self._wait_until_it_answers()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ESMVIZ_", "STREAMLIT_"))
        }
        one_thread = {"OMP_NUM_THREADS": "1"}  # two would wait for each other where the browser takes a core
        # Any library that calls out in spite of these meets a proxy that nobody serves.
        nowhere = {
            "http_proxy": "http://127.0.0.1:9",
            "https_proxy": "http://127.0.0.1:9",
            "no_proxy": "127.0.0.1",
        }
        return {
            **kept,
            **nowhere,
            "HOME": str(self.home),
            "HF_HUB_OFFLINE": "1",
            **one_thread,
            **self.settings,
        }

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.1)
        self.__exit__()
        raise RuntimeError(f"The server did not come up:\n{self.log.read_text()}")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that do not care what was asked of it before."""
    with Server(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[Server]:
    """A server that nobody has asked anything yet."""
    with Server(tmp_path) as running:
        yield running


@dataclass
class App:
    """The app in one tab, in the words of the tests."""

    page: Page
    url: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> App:
        """Note every request and every error of the console from now on."""
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        self.page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))
        return self

    @property
    def outside(self) -> list[str]:
        """Requests that left this server."""
        ours = urlsplit(self.url).netloc
        return [
            url
            for url in self.requests
            if urlsplit(url).scheme not in ("data", "blob", "about") and urlsplit(url).netloc != ours
        ]

    def open(self, path: str = "", **query: object) -> None:
        self.page.goto(f"{self.url}/{path}{'?' if query else ''}{urlencode(query)}")
        self.idle()

    def go(self, title: str) -> None:
        """Click a page's name in the navigation, and wait until it is that page: "run" is a key of two pages."""
        self.page.get_by_test_id("stTopNavLink").filter(has_text=title).click()
        path = "" if title == "Home" else title.lower()
        expect(self.page).to_have_url(re.compile(rf"^{re.escape(self.url)}/{path}(\?|$)"))

    def idle(self) -> None:
        self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=PATIENCE)

    def keyed(self, key: str) -> Locator:
        """The element whose widget key is ``key``."""
        return self.page.locator(f".st-key-{key}")

    def open_sidebar(self) -> None:
        """Unfold the sidebar where a narrow window folded it."""
        unfold = self.page.get_by_test_id("stExpandSidebarButton")
        if unfold.is_visible():
            unfold.click()

    def fold_sidebar(self) -> None:
        fold = self.page.get_by_test_id("stSidebarCollapseButton").get_by_role("button")
        self.page.get_by_test_id("stSidebar").hover()
        fold.click()

    def choose(self, key: str, text: str) -> None:
        """Pick an option of a selectbox."""
        self.keyed(key).get_by_role("combobox").click()
        self.page.get_by_role("option", name=text, exact=True).click()
        self.idle()

    def pick(self, key: str, text: str) -> None:
        """Pick one of a row of choices, as segmented controls and radio buttons show them."""
        self.keyed(key).get_by_text(text, exact=True).click()
        self.idle()

    def upload(self, name: str, content: bytes, key: str = "upload") -> None:
        zone = self.keyed(key).get_by_test_id("stFileUploaderDropzone")  # a label's tip is a button, too
        button = zone.locator("button:visible").first
        with self.page.expect_file_chooser() as chooser:
            button.click()
        chooser.value.set_files({"name": name, "mimeType": "text/plain", "buffer": content})

    def paste(self, text: str) -> None:
        area = self.keyed("paste").locator("textarea")
        area.fill(text)
        self.keyed("run").get_by_role("button").click()

    def chart(self, key: str) -> Locator:
        """The figure of that name, once it is drawn; not the greyed one of the run before."""
        figure = self.page.locator(f".st-key-{key}[data-stale=false] .js-plotly-plot").last
        expect(figure.locator(".main-svg").first).to_be_visible()
        return figure

    def data(self, key: str, **expected: object) -> dict[str, object]:
        """What the figure shows, as the browser holds it, once that is what is expected."""
        deadline = time.monotonic() + PATIENCE / 1000
        while True:
            drawn: dict[str, object] = self.chart(key).evaluate(DRAWN)
            is_late = time.monotonic() > deadline
            if is_late or {name: drawn[name] for name in expected} == expected:
                assert {name: drawn[name] for name in expected} == expected
                return drawn
            self.page.wait_for_timeout(100)

    def download(self, suffix: str) -> tuple[str, bytes]:
        """Press a download button; name and content of the file that came."""
        with self.page.expect_download(timeout=PATIENCE) as coming:
            self.keyed(f"download_{suffix}").get_by_role("button").click()
        return coming.value.suggested_filename, Path(coming.value.path()).read_bytes()

    def text(self) -> str:
        return self.page.get_by_test_id("stMain").inner_text()

    def expect_text(self, pattern: str) -> None:
        expect(self.page.get_by_test_id("stMain")).to_contain_text(re.compile(pattern))


Opening = Callable[[Server], App]


@pytest.fixture
def opened(page: Page) -> Iterator[Opening]:
    """Open a tab on a server; at the end nothing may have gone wrong or left the machine."""
    page.set_default_timeout(PATIENCE)
    apps: list[App] = []

    def opening(server: Server) -> App:
        apps.append(App(page, server.url).watch())
        return apps[-1]

    yield opening
    for app in apps:
        assert app.requests
        assert app.outside == []
        assert app.complaints == []


@pytest.fixture
def app(opened: Opening, server: Server) -> App:
    """A tab on the shared server, at 1440 x 900."""
    tab = opened(server)
    tab.page.set_viewport_size({"width": 1440, "height": 900})
    return tab


@pytest.fixture(scope="session")
def example() -> dict[str, str]:
    """Sequences of the packaged example, by id."""
    text = (ROOT / "esmviz" / "assets" / "example" / "example.fasta").read_text()
    entries = [entry.partition("\n") for entry in text.split(">")[1:]]
    return {header.split()[0]: body.replace("\n", "") for header, _, body in entries}
