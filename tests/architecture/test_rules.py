"""Rules of how the source is laid out that no linter knows."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.topics import CATALOGUE
from tests.support.source import PACKAGES, ROOT, functions, modules, short, tree

LONGEST_FUNCTION = 45
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "base", "manager", "managers", "misc"}
PURE = (
    "alert_rules.py",
    "alert_texts.py",
    "alerts.py",
    "domain.py",
    "measuring.py",
    "news.py",
    "pace.py",
    "periods.py",
    "policy.py",
    "score.py",
    "spoken_scores.py",
    "standing_generations.py",
    "stop_words.py",
    "talk.py",
    "verdicts.py",
    "windows.py",
)
ASKS_THE_WORLD = {"now", "utcnow", "today", "uuid1", "uuid4", "open", "print", "input", "random", "token_hex"}


def test_import_rules_hold() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [short(path) for path in modules(*PACKAGES, "tests") if path.stem in SAYS_NOTHING] == []


@pytest.mark.parametrize("package", [*PACKAGES, "tests"])
def test_functions_are_short(package: str) -> None:
    long = [
        f"{short(path)}:{function.lineno} {function.name}: {lines} lines"
        for path in modules(package)
        if "migrations" not in path.parts  # lists of columns
        for function in functions(path)
        if (lines := _lines(function)) > LONGEST_FUNCTION
    ]
    assert long == []


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def test_what_decides_asks_no_clock_and_no_chance() -> None:
    asked = [
        f"{short(path)}:{call.lineno} {_name(call)}"
        for path in modules("services")
        if path.name in PURE or "playbooks" in path.parts
        for call in ast.walk(tree(path))
        if isinstance(call, ast.Call) and _name(call) in ASKS_THE_WORLD
    ]
    assert asked == []


def _name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def test_topics_are_named_in_the_catalogue_alone() -> None:
    names = {topic.name for topic in CATALOGUE}
    named = [
        f"{short(path)}:{node.lineno} {node.value}"
        for path in modules("services", "infra")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and node.value in names
    ]
    assert named == []


def test_migrations_are_numbered_without_gaps() -> None:
    for folder in sorted((ROOT / "services").rglob("migrations")):
        numbered = sorted(path.stem for path in folder.rglob("*_[0-9][0-9][0-9][0-9].py"))
        assert [int(name[-4:]) for name in numbered] == list(range(1, len(numbered) + 1)), short(folder)
