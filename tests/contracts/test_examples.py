"""One example a type, read by its model and by its JSON Schema, and one for each way an answer may come in."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from schemas import cloudevents
from schemas.generate import HERE
from schemas.json_schema import TYPES, document, name_of
from schemas.response import Submission
from schemas.topic import Topic, decode_json
from schemas.topics import CATALOGUE
from services.chassis.records import Cause, outgoing

EXAMPLES = HERE / "examples"
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)


def _example(model: type[BaseModel]) -> bytes:
    return (EXAMPLES / f"{name_of(model)}.json").read_bytes()


def test_every_example_has_a_type_and_every_type_an_example() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.json")) == sorted(map(name_of, TYPES))


def test_the_documents_are_json_schema() -> None:
    for model in TYPES:
        Draft202012Validator.check_schema(document(model))


@pytest.mark.parametrize("model", TYPES, ids=name_of)
def test_an_example_fits_its_model_and_its_document(model: type[BaseModel]) -> None:
    content = _example(model)
    validator = Draft202012Validator(document(model), format_checker=Draft202012Validator.FORMAT_CHECKER)
    validator.validate(json.loads(content))
    assert model.model_validate_json(content).model_dump_json(exclude_unset=True)


@pytest.mark.parametrize("model", TYPES, ids=name_of)
def test_an_example_survives_being_written_and_read(model: type[BaseModel]) -> None:
    one = model.model_validate_json(_example(model))
    assert model.model_validate_json(one.model_dump_json(exclude_none=True)) == one


@pytest.mark.parametrize("model", TYPES, ids=name_of)
def test_an_example_shows_every_field_that_has_no_reason_to_be_empty(model: type[BaseModel]) -> None:
    shown = json.loads(_example(model)).keys()
    assert shown <= model.model_fields.keys()
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    assert required <= shown


@pytest.mark.parametrize("topic", CATALOGUE, ids=lambda topic: topic.name)
def test_what_is_published_is_what_is_read(topic: Topic[Any]) -> None:
    payload = topic.payload.model_validate_json(_example(topic.payload))
    record = outgoing(topic, payload, "e-1", Cause("test", NOON))
    assert topic.decode(record.headers, record.value) == payload
    assert record.key == topic.key_of(payload)


@pytest.mark.parametrize("topic", CATALOGUE, ids=lambda topic: topic.name)
def test_what_may_be_empty_may_be_left_out_by_those_who_publish(topic: Topic[Any]) -> None:
    emptied = json.loads(_example(topic.payload))
    for name, field in topic.payload.model_fields.items():
        if _may_be_none(topic, name):
            assert not field.is_required(), f"{name}: what is none is not written, so it must not be required"
            emptied.pop(name, None)
    payload = topic.payload.model_validate_json(json.dumps(emptied))
    record = outgoing(topic, payload, "e-1", Cause("test", NOON))
    assert topic.decode(record.headers, record.value) == payload


def _may_be_none(topic: Topic[Any], name: str) -> bool:
    kinds = document(topic.payload)["properties"][name].get("anyOf", [])
    return {"type": "null"} in kinds


@pytest.mark.parametrize("topic", CATALOGUE, ids=lambda topic: topic.name)
def test_readers_ignore_what_they_do_not_know(topic: Topic[Any]) -> None:
    content = json.loads(_example(topic.payload)) | {"added_later": 1}
    assert "added_later" not in decode_json(topic.payload, json.dumps(content).encode()).model_dump()
    Draft202012Validator(document(topic.payload)).validate(content)


@pytest.mark.parametrize("path", sorted((EXAMPLES / "inbound").glob("*.json")), ids=lambda path: path.stem)
def test_an_answer_is_the_same_whichever_way_it_is_written(path: Path) -> None:
    record = json.loads(path.read_text())
    headers = [(name, text.encode()) for name, text in record["headers"].items()]
    event = cloudevents.decode(headers, json.dumps(record["value"]).encode())
    answer = decode_json(Submission, event.data)
    assert (answer.response_id, answer.score, answer.email) == ("w-1", 9, "kim@example.org")
    assert (event.id, event.time) == ((None, None) if path.stem == "plain" else ("w-1-1", NOON))


def test_examples_name_no_real_person() -> None:
    for path in EXAMPLES.rglob("*.json"):
        text = path.read_text()
        assert text.count("@") == text.count("@example.org"), path.name
