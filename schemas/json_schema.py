"""The contract as JSON Schema 2020-12: one document a type that crosses a topic or a door.

Readers' documents are open: a field added later is no error. A submission's is closed: a misspelt field is one.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from schemas.personal_data import PersonalData
from schemas.response import Submission
from schemas.sealed import Sealed
from schemas.topics import CATALOGUE

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
VERSION: Final = "v1"

Schema = dict[str, Any]  # JSON of any shape

TYPES: Final[tuple[type[BaseModel], ...]] = (
    Submission,
    *dict.fromkeys(topic.payload for topic in CATALOGUE),
    PersonalData,
    Sealed,
)
"""In flow order; what topics carry, what senders publish, and what lies sealed in both."""


class _Plain(GenerateJsonSchema):
    """Without a title a field: it would repeat the name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # the library's own core schemas
        """Never."""
        del schema
        return False


def name_of(model: type[BaseModel]) -> str:
    """The type's name in file names and ids: `OutreachRequest` is `outreach-request`."""
    return "".join("-" + char.lower() if char.isupper() else char for char in model.__name__).lstrip("-")


def urn_of(model: type[BaseModel]) -> str:
    """The id of a type's document."""
    return f"urn:nps-loop:schema:{name_of(model)}:{VERSION}"


def document(model: type[BaseModel]) -> Schema:
    """The JSON Schema of one type, complete in itself."""
    schema = plain_schema(model)
    first = {"$schema": DIALECT, "$id": urn_of(model), "title": model.__name__}
    last = {"$defs": schema.pop("$defs")} if "$defs" in schema else {}
    return first | {key: value for key, value in schema.items() if key != "title"} | last


def plain_schema(model: type[BaseModel]) -> Schema:
    """Pydantic's schema of a model, with what it leaves open closed and without repetitions."""
    schema = model.model_json_schema(schema_generator=_Plain)
    _close_maps(schema)
    return schema


def _close_maps(node: Any) -> None:  # any part of a schema
    """Keys that do not fit their pattern are errors to the model, and so they are to the document."""
    if isinstance(node, dict):
        if "patternProperties" in node:
            node["additionalProperties"] = False
        for value in node.values():
            _close_maps(value)
    elif isinstance(node, list):
        for value in node:
            _close_maps(value)
