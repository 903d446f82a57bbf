"""The app as a visitor and a caller meet it: ``python -m benchmarks.app``; ``--runs`` repeats each measurement."""

import argparse
import os
import random
import shutil
import subprocess
import sys
import time

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.machine import description, seconds, table
from benchmarks.server import ROOT, server, wait_for

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE_MS = 120_000
PICTURE = ".st-key-{} .js-plotly-plot .main-svg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = range(parser.parse_args().runs)
    rows = [("`esmviz --help`", seconds([time_of_help() for _ in runs]), "0.5 s")]
    with sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        starts = [time_from_start(browser) for _ in runs]
        rows.append(("`streamlit run` to the page", seconds([page for page, _ in starts]), "–"))
        rows.append(
            ("`streamlit run` to the example's first figure", seconds([both for _, both in starts]), "8 s")
        )
        rows.append(
            (
                "1024 × 1024 heatmap, click to first paint",
                seconds([time_of_heatmap(browser) for _ in runs]),
                "2 s",
            )
        )
        browser.close()
    rows.append(
        ("rerun with cached results, server time", seconds(times_of_reruns(10 * len(runs))), "0.15 s")
    )
    print(f"{time.strftime('%Y-%m-%d')}. {description()}\n\n{table(rows)}")


def time_of_help() -> float:
    """Seconds of a fresh process that prints its help."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "esmviz.cli", "--help"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - start


def visit(browser: Browser) -> Page:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    return page


def time_from_start(browser: Browser) -> tuple[float, float]:
    """Seconds from the command to the page with the example listed, and to its first figure."""
    page, start = visit(browser), time.perf_counter()
    with server() as running:
        url = running.url
        wait_for(url)
        page.goto(url)
        page.locator(".st-key-records").wait_for()
        listed = time.perf_counter() - start
        page.locator(PICTURE.format("first-look")).first.wait_for()
        drawn = time.perf_counter() - start
        page.close()
    return listed, drawn


def time_of_heatmap(browser: Browser) -> float:
    """Seconds from opening Similarity for 1024 residues, once computed, to the drawn map."""
    letters = random.Random(0).choices("ACDEFGHIKLMNPQRSTVWY", k=1024)
    page = visit(browser)
    with server() as running:
        url = running.url
        wait_for(url)
        page.goto(url)
        page.locator(PICTURE.format("first-look")).first.wait_for()
        page.locator(".st-key-paste textarea").fill(f">long\n{''.join(letters)}\n")
        page.locator(".st-key-run button").click()
        page.get_by_text("Pasted text: 1 protein").wait_for()
        similarity = page.get_by_test_id("stTopNavLink").filter(has_text="Similarity")
        similarity.click()
        page.locator(PICTURE.format("similarity")).first.wait_for()
        page.get_by_test_id("stTopNavLink").filter(has_text="Models").click()
        page.locator(".st-key-models").wait_for()
        start = time.perf_counter()
        similarity.click()
        page.locator(PICTURE.format("similarity")).first.wait_for()
        took = time.perf_counter() - start
        page.close()
    return took


def times_of_reruns(n_runs: int) -> list[float]:
    """Seconds of the script of the similarity page, with everything computed before."""
    from streamlit.testing.v1 import AppTest

    test = AppTest.from_file(str(ROOT / "pages" / "similarity.py"), default_timeout=PATIENCE_MS / 1000)
    test.run()
    while not test.get("plotly_chart"):
        time.sleep(0.2)
        test.run()
    taken = []
    for _ in range(n_runs):
        start = time.perf_counter()
        test.run()
        taken.append(time.perf_counter() - start)
    return taken


if __name__ == "__main__":
    main()
