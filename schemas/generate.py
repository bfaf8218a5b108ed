"""Writes the contract's generated files: JSON Schema documents, `asyncapi.yaml`, and the snapshot of a release.

python -m schemas.generate                     writes what has changed
python -m schemas.generate --check             exits 1 if a file is stale, or the contract broke a released one
python -m schemas.generate --release 0.2.0     keeps the contract as it stands for later comparisons
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from schemas import asyncapi
from schemas.compatibility import breaking, breaking_topics
from schemas.json_schema import TYPES, Schema, document, name_of
from schemas.topics import CATALOGUE

HERE: Final = Path(__file__).parent
DOCUMENTS: Final = "jsonschema"
RELEASED: Final = "released"
HINT: Final = "run `make contracts`"
BUSINESS_FILE: Final = "nps.yaml.json"
PLAYBOOK_FILE: Final = "playbook.yaml.json"
CASES_FILE: Final = "playbook-cases.yaml.json"
FILES: Final = frozenset({BUSINESS_FILE, PLAYBOOK_FILE, CASES_FILE})
"""Lie among the documents and are made from what services read, which this package does not know."""

_BANNER: Final = "# Made from the catalogue and the models by `make contracts`; a change here is overwritten.\n"
_SAID_TO_PEOPLE: Final = frozenset({"description", "title", "$schema", "$id"})


def generated() -> dict[Path, str]:
    """Every generated file and what it must hold."""
    documents = {HERE / DOCUMENTS / f"{name_of(model)}.json": as_json(document(model)) for model in TYPES}
    written = yaml.safe_dump(asyncapi.document(), sort_keys=False, width=120, allow_unicode=True)
    return documents | {HERE / "asyncapi.yaml": _BANNER + written}


def as_json(content: object) -> str:
    """JSON for people: indented, in the order given, with a newline at the end."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def stale() -> list[str]:
    """A line for each file that is not as it must be."""
    wanted = generated()
    problems = [f"{path.relative_to(HERE.parent)}: stale" for path, text in wanted.items() if _read(path) != text]
    there = {path for path in (HERE / DOCUMENTS).glob("*.json") if path.name not in FILES}
    return problems + [f"{path.relative_to(HERE.parent)}: of no type" for path in sorted(there - wanted.keys())]


def snapshot() -> Schema:
    """The contract as programs see it: what is said to people alone is left out."""
    return {
        "schemas": {name_of(model): _for_programs(document(model)) for model in TYPES},
        "topics": {
            topic.name: {
                "payload": name_of(topic.payload),
                "key": list(topic.key),
                "meets_by": list(topic.meets_by or topic.key),
                "compacted": topic.compacted,
            }
            for topic in CATALOGUE
        },
    }


def broken(current: Schema) -> list[str]:
    """A line for each way in which the contract breaks a released version of itself."""
    problems = []
    for path in sorted((HERE / RELEASED).glob("*.json")):
        released = json.loads(path.read_text())
        found = breaking_topics(released["topics"], current["topics"])
        for name, old in released["schemas"].items():
            new = current["schemas"].get(name)
            reasons = ["type gone"] if new is None else breaking(old, new)
            found += [f"{name}: {reason}" for reason in reasons]
        problems += [f"breaks {path.stem}: {line}" for line in found]
    return problems


def _for_programs(schema: Any, *, names: bool = False) -> Any:  # any part of a schema
    """`names` says that the keys here are fields' names, which may be any word."""
    if isinstance(schema, dict):
        return {
            key: _for_programs(value, names=not names and key in {"properties", "$defs"})
            for key, value in schema.items()
            if names or key not in _SAID_TO_PEOPLE
        }
    return [_for_programs(value) for value in schema] if isinstance(schema, list) else schema


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def _write() -> None:
    for path, text in generated().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def _release(version: str) -> None:
    kept = snapshot()
    lines = [
        f"    {json.dumps(name)}: {json.dumps(schema, separators=(',', ':'), sort_keys=True)}"
        for name, schema in kept["schemas"].items()
    ]
    topics = [f"    {json.dumps(name)}: {json.dumps(topic)}" for name, topic in kept["topics"].items()]
    text = '{\n  "schemas": {\n' + ",\n".join(lines) + '\n  },\n  "topics": {\n' + ",\n".join(topics) + "\n  }\n}\n"
    (HERE / RELEASED / f"{version}.json").write_text(text)


def main(arguments: list[str] | None = None) -> int:
    """Writes, checks or keeps; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m schemas.generate", description="the contract's generated files")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale or breaking")
    what.add_argument("--release", metavar="VERSION", help="keep the contract as it stands as this version's")
    given = parser.parse_args(arguments)
    if given.release:
        _release(given.release)
    if not given.check:
        _write()
        return 0
    out_of_date, breaks = stale(), broken(snapshot())
    for line in (*out_of_date, *breaks):
        sys.stderr.write(line + "\n")
    if out_of_date:
        sys.stderr.write(f"{HINT}\n")
    if breaks:
        sys.stderr.write("make it a new version, and write and read both for one retention period\n")
    return 1 if out_of_date or breaks else 0


if __name__ == "__main__":
    sys.exit(main())
