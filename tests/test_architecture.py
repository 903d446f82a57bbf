"""Who may import whom, as a table; and how large things may grow."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A room is a package or module of esmviz, or several modules with one door.
ROOMS = {
    "structures": {"structures", "structure_limits", "drawing_text", "matching"},
    "sequences": {"sequences", "entries", "headers", "uploads", "label_tables", "protein_file"},
    "types": {"types", "arrays", "fold"},
    **{name: {name} for name in ("errors", "labels", "analysis", "models", "jobs", "views")},
    "settings": {"settings", "addresses"},
    "exhibit": {"exhibit", "damage"},
    "panels": {"panels"},
    "report": {"report"},
    "export": {"export", "writers", "zips", "part"},
    "workbench": {
        "workbench",
        "library",
        "answers",
        "checks",
        "embedding",
        "folding",
        "maps",
        "apart",
        "results",
    }
    | {"warming", "measuring", "sharing", "relief", "allocator"},
    "stores": {"stores"},
    "ui": {"ui"},
    "cli": {"cli", "commands", "runs", "tour", "run_report", "surroundings"},
    "operations": {"metrics", "logs"},
}
COMMON = {"types", "errors", "labels"}
ARROWS = {
    "app": {"ui"},
    "pages": {"ui", "panels", "views", "analysis"},
    # A figure is shown, captioned and offered as a file in one place, and a page waits on a Job: hence three more.
    "ui": {
        "workbench",
        "sequences",
        "structures",
        "settings",
        "views",
        "export",
        "jobs",
        "exhibit",
        "operations",
        "report",
        "panels",
    },
    "cli": {"workbench", "analysis", "export", "sequences", "settings", "panels", "exhibit", "report"},
    "panels": {"views", "analysis", "export", "exhibit"},
    "report": {"exhibit", "export", "views"},  # of views the two themes
    "workbench": {"models", "jobs", "stores", "analysis", "sequences", "settings", "exhibit"},
    **{
        room: set()
        for room in (
            "jobs",
            "settings",
            "models",
            "stores",
            "analysis",
            "views",
            "sequences",
            "structures",
            "export",
            "exhibit",
            "operations",
        )
    },
}
WITHIN_COMMON = {"types": set(), "errors": set(), "labels": {"types"}}

OUTSIDE = {
    "numpy": {"*"},
    "streamlit": {"app", "pages", "ui"},
    "starlette": {"ui"},
    "limits": {"ui"},
    "torch": {"models"},
    "transformers": {"models"},
    "safetensors": {"models"},
    "huggingface_hub": {"models"},
    "tqdm": {"models"},  # the hub reports a download through a bar of this class
    "esm": {"models"},
    "numba": {"models"},
    "llvmlite": {"models"},
    "httpx": {"models"},
    "kaleido": {"report"},
    "choreographer": {"report"},
    "plotly": {"views", "report"},  # the report carries plotly.js
    "umap": {"analysis"},
    "sklearn": {"analysis"},
    "scipy": {"analysis"},
    "biotite": {"sequences", "structures"},
    "h5py": {"export", "models"},  # files out; and weights of the former TensorFlow classes in
    "typer": {"cli"},
    "prometheus_client": {"operations"},
    "pandas": {"ui"},
    "pyarrow": {"ui"},
    "platformdirs": {"settings"},
    "sqlalchemy": {"stores"},
    "alembic": {"stores"},
    "fsspec": {"stores"},
}
SLOW = {"torch", "transformers", "umap", "sklearn", "scipy", "h5py", "numba", "esm"}
SLOW_FOR_THE_CLI = SLOW | {
    "plotly",
    "streamlit",
    "pandas",
    "biotite",
    "huggingface_hub",
    "safetensors",
    "httpx",
}

LINES_OF_A_MODULE, LINES_OF_A_PAGE, LINES_OF_THE_APP, LINES_OF_A_FUNCTION = 300, 80, 60, 40
LONGER = {"esmviz.models.half_kernel": 360}  # numba would not see a change in a second file


@dataclass(frozen=True)
class Import:
    """One imported name: its dotted path, and whether it runs when the module is imported."""

    name: str
    line: int
    at_import: bool


def imports(tree: ast.Module) -> Iterator[Import]:
    """Every import of a module, inside functions too; a relative one comes back with leading dots."""

    def walk(node: ast.AST, at_import: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(alias.name, child.lineno, at_import) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = "." * child.level + (child.module or "")
                yield from (Import(f"{base}.{alias.name}", child.lineno, at_import) for alias in child.names)
            else:
                runs = at_import and not isinstance(
                    child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
                )
                yield from walk(child, runs and not is_for_types(child))

    yield from walk(tree, True)


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def room_of(module: str) -> str | None:
    """Room of a dotted module; None for the package itself and for what is not ours."""
    top, _, rest = module.partition(".")
    if top in ("app", "pages"):
        return top
    if top != "esmviz" or not rest:
        return None
    name = rest.split(".")[0]
    return next((room for room, members in ROOMS.items() if name in members), name)


def targets(name: str, known: set[str]) -> set[str]:
    """The module of ours that an imported path means: ``esmviz.views.theme`` for a name inside it."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return {name} if name else set()


def arrow_faults(module: str, tree: ast.Module, known: set[str]) -> list[str]:
    """What a module imports against the tables."""
    room, faults = room_of(module), []
    allowed = {**ARROWS, **WITHIN_COMMON}.get(room or "", set()) | (
        set() if room in WITHIN_COMMON else COMMON
    )
    for found in imports(tree):
        where, top = f"{module}:{found.line} imports {found.name}", found.name.split(".")[0]
        if found.name.startswith("."):
            faults.append(f"{where}: absolute imports only")
        elif top in ("esmviz", "app", "pages", "training", "tests", "benchmarks"):
            ours = {room_of(target) for target in targets(found.name, known)} - {None, room}
            faults += [f"{where}: no arrow from {room} to {other}" for other in ours - allowed]
            faults += [f"{where}: esmviz stands alone"] if top in ("training", "tests", "benchmarks") else []
        elif top not in sys.stdlib_module_names and not {room, "*"} & OUTSIDE.get(top, set()):
            faults.append(f"{where}: {top} does not live in {room}")
    return faults


def size_faults(module: str, source: str, tree: ast.Module) -> list[str]:
    """Modules, pages and functions that grew too long."""
    limit = {"app": LINES_OF_THE_APP, "pages": LINES_OF_A_PAGE}.get(module.split(".")[0], LINES_OF_A_MODULE)
    limit = LONGER.get(module, limit)
    length = len(source.splitlines())
    faults = [f"{module} has {length} lines, more than {limit}"] if length > limit else []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = body_lines(node)
            if lines > LINES_OF_A_FUNCTION:
                faults.append(f"{module}.{node.name} has {lines} lines, more than {LINES_OF_A_FUNCTION}")
    return faults


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, its docstring not counted."""
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is not None:
        length -= (first.end_lineno or first.lineno) - first.lineno + 1
    return length


def loaded_with(start: str, trees: dict[str, ast.Module]) -> dict[str, str]:
    """Outside packages that importing ``start`` imports at once, each with the module of ours that does."""
    outside: dict[str, str] = {}
    waiting, seen = [start], set()
    while waiting:
        module = waiting.pop()
        if module in seen or module not in trees:
            continue
        seen.add(module)
        parents = module.split(".")
        waiting += [".".join(parents[:n]) for n in range(1, len(parents))]
        for found in imports(trees[module]):
            if not found.at_import:
                continue
            ours = targets(found.name, set(trees))
            waiting += ours
            if not ours:
                outside.setdefault(found.name.split(".")[0], module)
    return outside


def read_house() -> dict[str, str]:
    """Source of every module of the app, by dotted name."""
    paths = [ROOT / "app.py", *ROOT.glob("pages/*.py"), *ROOT.glob("esmviz/**/*.py")]
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths}
    return {name.removesuffix(".__init__"): path.read_text(encoding="utf-8") for path, name in names.items()}


SOURCES = read_house()
TREES = {module: ast.parse(source) for module, source in SOURCES.items()}


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_module_keeps_to_the_table(module: str) -> None:
    faults = arrow_faults(module, TREES[module], set(TREES))
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_module_and_its_functions_stay_small(module: str) -> None:
    faults = size_faults(module, SOURCES[module], TREES[module])
    assert not faults, "\n".join(faults)


def test_every_module_has_a_room() -> None:
    rooms = {room_of(module) for module in SOURCES} - {None}
    assert rooms <= ARROWS.keys() | WITHIN_COMMON.keys()


@pytest.mark.parametrize(
    ("start", "slow"),
    [
        ("esmviz.cli", SLOW_FOR_THE_CLI),
        ("esmviz.models.cache", SLOW_FOR_THE_CLI),
        ("esmviz.workbench", SLOW_FOR_THE_CLI),
        *[(module, SLOW) for module in sorted(SOURCES) if module.startswith(("app", "pages."))],
    ],
)
def test_slow_packages_wait_until_they_are_needed(start: str, slow: set[str]) -> None:
    assert start in TREES
    assert {name: by for name, by in loaded_with(start, TREES).items() if name in slow} == {}


def test_the_command_line_starts_without_slow_packages() -> None:
    code = f"import sys, esmviz.cli; print(sorted(set(sys.modules) & {SLOW_FOR_THE_CLI}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_outside_packages_are_pinned_in_the_requirements() -> None:
    pins = {}
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            pins[name] = version
    module_of = {"scikit-learn": "sklearn", "umap-learn": "umap"}
    listed = {module_of.get(name, name) for name in pins}
    used = {found.name.split(".")[0] for tree in TREES.values() for found in imports(tree)}
    comes_from_its_own_file = {"esm"}
    assert (used & OUTSIDE.keys()) - listed == comes_from_its_own_file & used
    constraints = (ROOT / "constraints.txt").read_text().lower().replace("_", "-").splitlines()
    assert [f"{n}=={v}" for n, v in pins.items() if f"{n}=={v}".replace("_", "-") not in constraints] == []


BAD = {
    "esmviz.analysis.similarity": "import torch\n",
    "esmviz.analysis.pooling": "def f():\n    from esmviz.models.cache import ModelCache\n",
    "esmviz.views.theme": "from esmviz import analysis\n",
    "esmviz.export": "import streamlit as st\n",
    "esmviz.types": "from esmviz.labels import caption\n",
    "esmviz.ui.frame": "from . import session\n",
    "pages.home": "if True:\n    from esmviz.workbench import Workbench\n",
    "esmviz.jobs": "import requests\n",
    "esmviz.cli": "from training import train\n",
}


@pytest.mark.parametrize("module", sorted(BAD))
def test_a_bad_import_is_caught(module: str) -> None:
    known = {"esmviz", "esmviz.analysis", "esmviz.models.cache", "esmviz.labels", "esmviz.workbench"}
    assert len(arrow_faults(module, ast.parse(BAD[module]), known)) == 1


def test_a_good_import_passes() -> None:
    source = (
        "import numpy as np\nfrom esmviz.types import FloatArray\nfrom esmviz import labels\nimport json\n"
    )
    assert arrow_faults("esmviz.analysis.pooling", ast.parse(source), {"esmviz.types", "esmviz.labels"}) == []


def test_a_long_module_page_and_function_are_caught() -> None:
    lines = "x = 1\n" * 81
    assert size_faults("esmviz.jobs", lines, ast.parse(lines)) == []
    assert size_faults("pages.home", lines, ast.parse(lines)) == ["pages.home has 81 lines, more than 80"]
    function = "def f():\n" + "    x = 1\n" * 40
    assert size_faults("esmviz.jobs", function, ast.parse(function)) == [
        "esmviz.jobs.f has 41 lines, more than 40"
    ]


def test_a_slow_import_is_found_through_other_modules_and_not_inside_functions() -> None:
    trees = {
        "esmviz.cli": ast.parse("from esmviz.workbench import Workbench\n"),
        "esmviz.workbench": ast.parse("import torch\ndef f():\n    import umap\n"),
    }
    assert loaded_with("esmviz.cli", trees) == {"torch": "esmviz.workbench"}
