"""The references of what we offer others: HTTP from the OpenAPI documents, events from the AsyncAPI document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from services.console.references import MADE

Document = dict[str, Any]  # an OpenAPI or AsyncAPI document, or a piece of one

_PROBLEM: Final = "ProblemDetails"


def http_page(documents: dict[str, Document]) -> str:
    """Every route of every service, and the shape of what goes in and comes out."""
    lines = ["# HTTP", "", MADE, ""]
    lines += [
        "Each service describes itself as OpenAPI 3.1 at `/openapi.json`; the same documents lie in",
        "[openapi](openapi). Every error is `application/problem+json` (RFC 9457): `errors` names each field and the",
        "reason. Besides, every service answers `/livez`, `/readyz`, `/metrics` and `/version`.",
    ]
    for name, document in documents.items():
        lines += ["", f"## {name}", ""]
        for method, path, operation in _operations(document):
            lines += _route(method, path, operation)
        lines += _models(name, document)
    return "\n".join(lines) + "\n"


def _operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, operation


def _route(method: str, path: str, operation: Document) -> Iterator[str]:
    yield f"### {method} {path}"
    yield ""
    yield _sentence(operation)
    yield ""
    body = operation.get("requestBody", {}).get("content", {})
    for media, content in body.items():
        shape = _type_of(content.get("schema", {}))
        yield f"* takes {f'{shape} as ' if shape else ''}`{media}`"
    for parameter in operation.get("parameters", []):
        needed = ", required" if parameter.get("required") else ""
        meaning = f": {_cell(parameter['description'])}" if parameter.get("description") else ""
        shape = _type_of(parameter.get("schema", {}))
        yield f"* `{parameter['name']}` in {parameter['in']}{needed}, {shape}{meaning}"
    for status, answer in operation["responses"].items():
        shapes = [_type_of(content.get("schema", {})) for content in answer.get("content", {}).values()]
        told = [shape for shape in shapes if shape and _PROBLEM not in shape]
        yield f"* {status}{f' with {told[0]}' if told else ''}: {answer['description']}"
    yield ""


def _models(service: str, document: Document) -> Iterator[str]:
    schemas = document.get("components", {}).get("schemas", {})
    if schemas:
        yield f"### Shapes of {service}"
    for name, schema in sorted(schemas.items()):
        yield ""
        yield f"**{name}**. {_sentence(schema)}"
        yield from _fields(schema)


def events_page(document: Document, schemas: dict[str, Document]) -> str:
    """Every channel with who writes it and who reads it, and the fields of each message."""
    lines = ["# Events", "", MADE, "", document["info"]["description"], ""]
    lines += [
        "The same for machines: `schemas/asyncapi.yaml`, and a JSON Schema for each payload in `schemas/jsonschema`."
    ]
    for name, channel in document["channels"].items():
        lines += ["", f"## {channel['address']}", "", _sentence(channel), ""]
        carried = [message["$ref"].rpartition("/")[2] for message in channel["messages"].values()]
        shapes = {document["components"]["messages"][message]["name"] for message in carried}
        lines.append(f"* carries {', '.join(sorted(shapes))}")
        lines += [f"* {_summary(operation)}" for operation in _about(document, name)]
    for name, schema in sorted(schemas.items()):
        lines += ["", f"## {name}", "", _sentence(schema), *_fields(schema)]
    return "\n".join(lines) + "\n"


def _about(document: Document, channel: str) -> list[Document]:
    """What is done on a channel: written first, then read."""
    found = [one for one in document["operations"].values() if one["channel"]["$ref"] == f"#/channels/{channel}"]
    return sorted(found, key=lambda one: (one["action"] != "send", one["summary"]))


def _summary(operation: Document) -> str:
    who, _, what = operation["summary"].partition(": ")
    return f"{'written' if operation['action'] == 'send' else 'read'} by {who}, {what}"


def _fields(schema: Document) -> Iterable[str]:
    """A table of what an object holds; nothing where it is none."""
    properties = schema.get("properties", {})
    if not properties:
        return
    yield ""
    yield "| field | type | meaning |"
    yield "|---|---|---|"
    for name, field in properties.items():
        needed = " *" if name in schema.get("required", []) else ""
        yield f"| `{name}`{needed} | {_cell(_type_of(field))} | {_cell(field.get('description', ''))} |"


def _type_of(schema: Document) -> str:
    """A type in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema or "oneOf" in schema:
        kinds = [_type_of(one) for one in schema.get("anyOf") or schema["oneOf"]]
        return " or ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{one}`" for one in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type_of(schema.get('items', {})) or 'anything'}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map to {_type_of(schema['additionalProperties']) or 'anything'}"
    return str(schema.get("format") or schema.get("type") or "")


def _sentence(schema: Document) -> str:
    text: str = schema.get("description") or schema.get("summary") or schema.get("title") or ""
    return " ".join(text.split())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
