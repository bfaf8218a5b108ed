"""Docs hold what they say: links lead somewhere, commands exist, examples are the ones that are tested."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from services.chassis.business import Business
from services.console.main import app
from services.console.serving import NAMES, SHIPPED, settings_of
from services.scoring.settings import ScoringSection

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
IN_LINE = re.compile(r"`((?:\.venv/bin/)?nps [^`]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []


def commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        text = page.read_text()
        lines = [line for kind, block in FENCED.findall(text) if kind in {"sh", ""} for line in block.splitlines()]
        for line in [*lines, *IN_LINE.findall(text)]:
            words = line.strip().removeprefix(".venv/bin/")
            if words.startswith("nps "):
                yield str(page.relative_to(ROOT)), words


@pytest.mark.parametrize(("page", "line"), sorted(set(commands())))
def test_every_command_that_is_named_exists(page: str, line: str) -> None:
    command: Any = typer.main.get_command(app)
    words = shlex.split(re.sub(r"\|\w+", "", line))[1:]
    while words and getattr(command, "commands", None):
        assert words[0] in command.commands, f"{page}: {line}"
        command = command.commands[words.pop(0)]
    options = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in options]
    assert unknown == [], f"{page}: {line}"


def test_the_readme_shows_the_example_that_is_run() -> None:
    example = (ROOT / "docs" / "examples" / "publish_over_http.sh").read_text()
    shown = "\n".join(line for line in example.splitlines() if not line.startswith("#"))
    assert shown in (ROOT / "README.md").read_text()


def test_the_readme_bears_the_trademark_line() -> None:
    line = "Net Promoter, NPS and Net Promoter Score are trademarks of Bain & Company, Satmetrix and Fred Reichheld."
    assert line in (ROOT / "README.md").read_text()


def test_every_promise_names_tests_that_exist() -> None:
    rows = [line for line in (ROOT / "docs" / "promises.md").read_text().splitlines() if line.startswith("| ")][1:]
    named = {row.split("|")[1].strip(): re.findall(r"`(test_\w+)`", row) for row in rows}
    defined = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(named) == 14
    assert all(named.values())
    assert {test for tests in named.values() for test in tests} <= defined


def test_the_tuning_in_the_guide_to_alerts_is_sound(tmp_path: Path) -> None:
    (block,) = [text for kind, text in FENCED.findall((ROOT / "docs/guides/alerts.md").read_text()) if kind == "yaml"]
    own = tmp_path / "nps.yaml"
    own.write_text(block)
    sections = Business.load(SHIPPED, own, frozenset(NAMES)).sections("scoring", ScoringSection)
    assert sections.of("default").alerts is None
    alerts = sections.of("demo-1").alerts
    assert alerts is not None
    assert alerts.watched == ("all", "country=FI", "channel=phone")
    assert alerts.band is None


def test_the_business_file_in_the_guide_is_sound(tmp_path: Path) -> None:
    (block,) = [
        text for kind, text in FENCED.findall((ROOT / "docs/guides/business-file.md").read_text()) if kind == "yaml"
    ]
    own = tmp_path / "nps.yaml"
    own.write_text(block)
    business = Business.load(SHIPPED, own, frozenset(NAMES))
    for name in ("intake", "scoring", "routing", "delivery", "outreach"):
        section = getattr(__import__(settings_of(name).__module__, fromlist=["*"]), f"{name.capitalize()}Section")
        assert business.sections(name, section).knows("default")
        assert not business.sections(name, section).knows("demo-1")
