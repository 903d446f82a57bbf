"""Nothing of ours unpickles: what a file may do is be read. bandit, in `make check`, looks at the other unsafe calls."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [
    ROOT / "app.py",
    *(path for room in ("pages", "esmviz", "training") for path in (ROOT / room).rglob("*.py")),
]
UNPICKLING = {
    "pickle",
    "shelve",
    "marshal",
    "dill",
    "cloudpickle",
    "joblib",
    "jsonpickle",
    "pandas.read_pickle",
}


def faults(tree: ast.Module) -> Iterator[str]:
    """Imports and calls that would unpickle, or that do not say that they will not."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name.split(".")[0] in UNPICKLING)
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in UNPICKLING:
                yield module
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr="load")) if owner in (
                "np",
                "numpy",
                "torch",
            ):
                name, value = ("weights_only", True) if owner == "torch" else ("allow_pickle", False)
                if not any(k.arg == name and getattr(k.value, "value", None) is value for k in node.keywords):
                    yield f"{owner}.load without {name}={value}"
            case ast.Attribute(attr="read_pickle" | "to_pickle"):
                yield node.attr
            case ast.keyword(arg="allow_pickle" | "fix_imports", value=ast.Constant(value=True)):
                yield f"{node.arg}=True"


def test_no_module_unpickles() -> None:
    found = {
        str(path.relative_to(ROOT)): list(faults(ast.parse(path.read_text(encoding="utf-8"))))
        for path in SOURCES
    }
    assert len(found) > 100
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.lib.format.read_array(stream, allow_pickle=True)",
        "frame.to_pickle(path)",
    ],
)
def test_what_unpickles_is_caught(source: str) -> None:
    assert list(faults(ast.parse(source)))


def test_bandit_refuses_unsafe_calls_with_the_settings_of_make_check(tmp_path: Path) -> None:
    (tmp_path / "unsafe.py").write_text("import pickle\npickle.loads(b'')\neval(input())\n")
    (tmp_path / "safe.py").write_text("import json\njson.loads('1')\n")
    command = [sys.executable, "-m", "bandit", "--quiet", "--configfile", str(ROOT / "pyproject.toml")]
    done = subprocess.run([*command, "-r", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "B301" in done.stdout
    assert "B307" in done.stdout
    assert "safe.py" not in done.stdout.replace("unsafe.py", "")
