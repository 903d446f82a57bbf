"""The documentation names what there is, and what it shows works."""

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from esmviz.models.catalog import CATALOG
from esmviz.settings import PREFIX, Settings
from esmviz.ui.frame import PAGES

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
MAKEFILE = (ROOT / "Makefile").read_text()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def default_in_words(value: object) -> str:
    return {None: "not set", True: "`1`", False: "`0`"}.get(value, f"`{value}`")


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: field.name)
def test_every_setting_is_described_with_its_default(field):
    [row] = [
        line for line in DOCS["settings.md"].splitlines() if f"`{PREFIX}{field.name.upper()}`" in line[:60]
    ]
    assert row.split("|")[2].strip() == default_in_words(field.default)


def test_no_document_names_a_setting_that_is_not_there():
    known = {PREFIX + field.name.upper() for field in fields(Settings)}
    named = set(re.findall(r"\bESMVIZ_[A-Z_]*[A-Z]\b", README + "".join(DOCS.values())))
    assert named <= known


def test_every_command_and_option_is_described():
    commands = re.findall(r"^  ([a-z]+) {2,}", run("-m", "esmviz.cli", "--help").stdout, re.MULTILINE)
    assert {"embed", "logits", "attention", "contacts", "models", "app"} <= set(commands)
    text = DOCS["command-line.md"]
    for command in commands:
        assert f"`esmviz {command}" in text
        for option in re.findall(r"--[a-z]+", run("-m", "esmviz.cli", command, "--help").stdout):
            assert option in ("--help", "--output", "--host", "--port") or option in text, option


def test_every_model_is_listed_with_its_size():
    rows = {line.split("`")[1]: line for line in DOCS["models.md"].splitlines() if line.startswith("| `")}
    assert rows.keys() == CATALOG.keys()
    for name, spec in CATALOG.items():
        assert f" {spec.n_layers} / {spec.n_heads} / {spec.d_model} " in rows[name]
        millions = spec.n_parameters / 1e6
        assert f"| {millions:.1f} |" in rows[name] or f"| {millions:.0f} |" in rows[name]
        spearman = spec.published_spearman
        assert spearman is None or f"{spearman:.3f}" in rows[name]


def test_every_page_is_in_the_readme():
    for page in PAGES:
        assert re.search(rf"^\| {page.title} \|", README, re.MULTILINE), page.title


def test_make_commands_of_the_documents_exist():
    named = set(
        re.findall(r"\bmake ([a-z][a-z-]*)\b", "".join(re.findall(r"```.*?```|`[^`]+`", README, re.DOTALL)))
    )
    targets = set(re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE))
    assert {"run", "install", "test"} <= named <= targets


def test_links_and_pictures_of_the_documents_are_there():
    for folder, text in [(ROOT, README), *((ROOT / "docs", text) for text in DOCS.values())]:
        for target in re.findall(r"\]\(([^)#]+)", text):
            assert target.startswith("https://") or (folder / target).exists(), target


def test_similar_residues_prints_ten_pairs():
    lines = run("examples/similar_residues.py").stdout.splitlines()
    assert len(lines) == 10
    assert all(re.fullmatch(r"[A-Z]\d+ [A-Z]\d+ -?[01]\.\d\d", line) for line in lines)


def test_map_of_a_set_writes_one_file(tmp_path):
    assert run("examples/map_of_a_set.py", str(tmp_path / "map.html")).stdout.startswith("58 proteins")
    text = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert "HBA_HUMAN" in text
    assert "plotly" in text


def test_the_examples_are_all_tested():
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == {
        "similar_residues.py",
        "map_of_a_set.py",
    }
