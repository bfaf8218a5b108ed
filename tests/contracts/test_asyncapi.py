"""`asyncapi.yaml` is AsyncAPI 3.0, refers to what exists, and says what the catalogue says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from schemas.generate import HERE
from schemas.topics import CATALOGUE
from tests.support.asyncapi_schema import asyncapi_schema

Node = Any  # JSON of any shape


@pytest.fixture(scope="module")
def document() -> Node:
    return yaml.safe_load((HERE / "asyncapi.yaml").read_text())


def test_it_is_asyncapi(document: Node) -> None:
    errors = [
        f"{list(error.path)}: {error.message}" for error in Draft7Validator(asyncapi_schema()).iter_errors(document)
    ]
    assert errors == []


def test_every_reference_leads_somewhere(document: Node) -> None:
    references = list(_references(document))
    assert len(references) > len(CATALOGUE)
    assert [reference for reference in references if not _leads_somewhere(document, reference)] == []


def test_there_is_a_channel_for_every_topic_and_one_for_what_comes_in(document: Node) -> None:
    addresses = [channel["address"] for channel in document["channels"].values()]
    assert addresses == ["responses.{channel}", *(topic.name for topic in CATALOGUE)]


def test_every_topic_is_sent_by_its_writer_and_received_by_its_readers(document: Node) -> None:
    said = {
        (operation["action"], operation["tags"][0]["name"], _address(document, operation))
        for operation in document["operations"].values()
    }
    sends = {("send", topic.writer, topic.name) for topic in CATALOGUE}
    receives = {("receive", reader, topic.name) for topic in CATALOGUE for reader in topic.readers}
    inbound = {("send", "outside", "responses.{channel}"), ("receive", "intake", "responses.{channel}")}
    assert said == sends | receives | inbound


def test_every_message_names_the_type_of_its_event(document: Node) -> None:
    for topic, channel in zip(CATALOGUE, list(document["channels"].values())[1:], strict=True):
        (message,) = channel["messages"]
        headers = document["components"]["messages"][message]["headers"]["allOf"]
        assert headers[1]["properties"]["ce_type"]["const"] == topic.event_type


def _address(document: Node, operation: Node) -> str:
    address: str = document["channels"][operation["channel"]["$ref"].rpartition("/")[2]]["address"]
    return address


def _leads_somewhere(document: Node, reference: str) -> bool:
    file, _, pointer = reference.partition("#")
    if file and not (HERE / file).is_file():
        return False
    target: Node = json.loads((HERE / file).read_text()) if file else document
    for part in pointer.strip("/").split("/") if pointer else ():
        if part not in target:
            return False
        target = target[part]
    return True


def _references(node: Node) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
