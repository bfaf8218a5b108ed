"""The gate before the contract: what breaks a reader is found, what does not is let through."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas import generate
from schemas.compatibility import breaking, breaking_topics
from schemas.json_schema import TYPES, document, name_of

Schema = dict[str, Any]  # JSON of any shape

ANSWER: Schema = {
    "type": "object",
    "required": ["id", "op"],
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[a-z]+$"},
        "op": {"enum": ["submitted", "retracted"], "type": "string"},
        "kind": {"const": "answer", "default": "answer"},
        "score": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 10}, {"type": "null"}], "default": None},
        "rating": {"type": "number"},
        "at": {"type": "string", "format": "date-time"},
        "agent": {"$ref": "#/$defs/Agent"},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 20},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "segments": {"type": "object", "patternProperties": {"^[a-z]+$": {"type": "string"}}},
    },
    "$defs": {"Agent": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "team": {}}}},
}

Change = Callable[[Schema], object]


def _field(name: str, **keywords: Any) -> Change:  # values of any type
    return lambda schema: schema["properties"][name].update(keywords)


def _renamed(schema: Schema) -> None:
    schema["properties"]["identifier"] = schema["properties"].pop("id")


BREAKING: dict[str, tuple[Change, str]] = {
    "a field is removed": (lambda s: s["properties"].pop("rating"), "rating: gone"),
    "a field is renamed": (_renamed, "id: gone"),
    "a required field is added": (
        lambda s: (s["properties"].update(new={"type": "string"}), s["required"].append("new")),
        "new: now required",
    ),
    "a field becomes required": (lambda s: s["required"].append("rating"), "rating: now required"),
    "a field becomes optional": (lambda s: s["required"].remove("op"), "op: readers of the old version: now required"),
    "a number becomes an integer": (_field("rating", type="integer"), "rating: type narrowed"),
    "an integer becomes a number": (
        lambda s: s["properties"]["score"]["anyOf"][0].update(type="number"),
        "score: readers of the old version: type narrowed",
    ),
    "a type is replaced": (_field("rating", type="string"), "rating: type narrowed from number to string"),
    "null is no longer allowed": (
        lambda s: s["properties"].update(score={"type": "integer", "minimum": 0, "maximum": 10}),
        "score: no longer null",
    ),
    "null is newly allowed": (
        lambda s: s["properties"].update(rating={"anyOf": [{"type": "number"}, {"type": "null"}]}),
        "rating: readers of the old version: no longer null",
    ),
    "a value is removed": (_field("op", enum=["submitted"]), "op: no longer 'retracted'"),
    "a value is added": (
        _field("op", enum=["submitted", "retracted", "edited"]),
        "op: readers of the old version: no longer 'edited'",
    ),
    "a constant changes": (_field("kind", const="response"), "kind: no longer 'answer'"),
    "a default changes": (_field("kind", default="other"), "kind: default changed"),
    "a range is narrowed": (
        lambda s: s["properties"]["score"]["anyOf"][0].update(maximum=5),
        "score: maximum is 5, was 10",
    ),
    "a range is widened": (
        lambda s: s["properties"]["score"]["anyOf"][0].update(maximum=100),
        "score: readers of the old version: maximum is 10, was 100",
    ),
    "a length is bounded": (_field("at", maxLength=10), "at: maxLength is 10, was free"),
    "a pattern changes": (_field("id", pattern="^[0-9]+$"), "id: pattern is ^[0-9]+$"),
    "a format changes": (_field("at", format="date"), "at: format is date"),
    "a list takes fewer": (_field("tags", maxItems=5), "tags: maxItems is 5, was 20"),
    "what a list holds changes": (_field("tags", items={"type": "integer"}), "tags[]: type narrowed"),
    "what a mapping holds changes": (
        _field("counts", additionalProperties={"type": "string"}),
        "counts{}: type narrowed",
    ),
    "names of a mapping change": (
        _field("segments", patternProperties={"^[A-Z]+$": {"type": "string"}}),
        "segments: pattern of names changed",
    ),
    "something inside changes": (
        lambda s: s["$defs"]["Agent"]["required"].append("team"),
        "agent.team: now required",
    ),
    "other fields are refused": (lambda s: s.update(additionalProperties=False), "other fields are refused"),
}

HARMLESS: dict[str, Change] = {
    "nothing changes": lambda _s: None,
    "an optional field is added": lambda s: s["properties"].update(new={"type": "string"}),
    "an optional field is added inside": lambda s: s["$defs"]["Agent"]["properties"].update(new={"type": "string"}),
    "fields change places": lambda s: s.update(properties=dict(reversed(s["properties"].items()))),
    "values change places": _field("op", enum=["retracted", "submitted"]),
    "what is said to people changes": _field("op", description="what happened", title="Operation"),
    "a part gets another name": lambda s: (
        s["$defs"].update(Person=s["$defs"].pop("Agent")),
        s["properties"].update(agent={"$ref": "#/$defs/Person"}),
    ),
}


@pytest.mark.parametrize("kind", BREAKING)
def test_what_breaks_a_reader_is_found(kind: str) -> None:
    change, expected = BREAKING[kind]
    new = copy.deepcopy(ANSWER)
    change(new)
    found = breaking(ANSWER, new)
    assert any(expected in line for line in found), found


@pytest.mark.parametrize("kind", HARMLESS)
def test_what_breaks_nobody_is_let_through(kind: str) -> None:
    new = copy.deepcopy(ANSWER)
    HARMLESS[kind](new)
    assert breaking(ANSWER, new) == []


@pytest.mark.parametrize("kind", ["a field becomes optional", "a value is added", "a range is widened"])
def test_what_only_we_read_may_take_more_than_before(kind: str) -> None:
    closed = copy.deepcopy(ANSWER) | {"additionalProperties": False}
    new = copy.deepcopy(closed)
    BREAKING[kind][0](new)
    assert breaking(closed, new) == []
    assert breaking(new, closed) != []


@pytest.mark.parametrize("model", TYPES, ids=name_of)
def test_removing_any_field_of_the_contract_is_found(model: Any) -> None:  # pydantic's models share no other name
    old = document(model)
    for name in old["properties"]:
        new = copy.deepcopy(old)
        new["properties"].pop(name)
        assert f"{name}: gone" in breaking(old, new)


@pytest.mark.parametrize("what", ["payload", "key", "meets_by", "compacted"])
def test_a_topic_keeps_its_payload_key_and_partitioner(what: str) -> None:
    topics = generate.snapshot()["topics"]
    changed = copy.deepcopy(topics)
    changed["nps.tallies"][what] = "another"
    (line,) = breaking_topics(topics, changed)
    assert line.startswith(f"nps.tallies: {what} changed")


def test_a_topic_may_be_added_and_none_may_go() -> None:
    topics = generate.snapshot()["topics"]
    fewer = {name: topic for name, topic in topics.items() if name != "nps.alerts"}
    assert breaking_topics(topics, fewer) == ["nps.alerts: topic gone"]
    assert breaking_topics(fewer, topics) == []


def test_the_contract_breaks_no_released_version() -> None:
    assert generate.broken(generate.snapshot()) == []


def test_a_type_that_is_gone_breaks_a_released_version() -> None:
    current = generate.snapshot()
    del current["schemas"]["alert"]
    assert "breaks 0.1.0: alert: type gone" in generate.broken(current)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "schemas"
    (folder / "released").mkdir(parents=True)
    monkeypatch.setattr(generate, "HERE", folder)
    return folder


def test_a_stale_file_and_one_of_no_type_are_named(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    (elsewhere / "jsonschema" / "score.json").write_text("{}")
    (elsewhere / "jsonschema" / "guess.json").write_text("{}")
    assert generate.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "schemas/jsonschema/score.json: stale" in said
    assert "schemas/jsonschema/guess.json: of no type" in said
    assert "make contracts" in said


def test_a_release_is_kept_and_held_against_what_follows(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--release", "9.9.9"]) == 0
    assert generate.main(["--check"]) == 0
    kept = elsewhere / "released" / "9.9.9.json"
    released = json.loads(kept.read_text())
    released["schemas"]["alert"]["properties"]["gone_since"] = {"type": "string"}
    kept.write_text(json.dumps(released))
    assert generate.main(["--check"]) == 1
    assert "breaks 9.9.9: alert: gone_since: gone" in capsys.readouterr().err
