"""The contract as an AsyncAPI 3.0 document, made from the catalogue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from pydantic import BaseModel

from schemas.cloudevents import JSON_TYPE, STRUCTURED_TYPE
from schemas.contract import KNOWN_CHANNELS
from schemas.json_schema import name_of
from schemas.response import Submission
from schemas.topic import INBOUND_PATTERN, INBOUND_PREFIX, INBOUND_RETENTION, Service, Topic
from schemas.topics import CATALOGUE

BINDING_VERSION: Final = "0.5.0"
PARTITIONS: Final = 16
FOR_EVER_MS: Final = -1

Document = dict[str, Any]  # JSON of any shape

_INTRODUCTION: Final = """\
Every topic of the loop: what it carries, who writes it and who reads it. `send` and `receive` are said from the side of
the service that tags the operation; `outside` is any program of yours.

Events are CloudEvents 1.0 in binary mode with JSON payloads and carry W3C `traceparent`. A reader ignores fields it
does not know and keeps the highest revision. Keys are length-prefixed (`7:default4:r-17`); the partition is CRC-32 of
the parts that must meet, modulo the number of partitions. A prefix of your cluster stands before every topic."""


def document() -> Document:
    """The whole document; schemas are referred to where they lie, beside it."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "nps-loop",
            "version": "1",
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": JSON_TYPE,
        "servers": {
            "local": {"host": "127.0.0.1:9092", "protocol": "kafka", "description": "the embedded or composed Kafka"}
        },
        "channels": {"inbound": _inbound_channel()} | {_channel_id(topic): _channel(topic) for topic in CATALOGUE},
        "operations": _operations(),
        "components": {
            "messages": _inbound_messages() | {_message_id(topic.payload): _message(topic) for topic in CATALOGUE},
            "schemas": {"cloudEventHeaders": _cloud_event_headers()},
        },
    }


def _channel_id(topic: Topic[Any]) -> str:  # whatever the payload
    return _camel(topic.name.removeprefix("nps."))


def _message_id(model: type[BaseModel]) -> str:
    return _camel(name_of(model))


def _camel(name: str) -> str:
    first, *others = name.replace("_", "-").split("-")
    return first + "".join(word.capitalize() for word in others)


def _channel(topic: Topic[Any]) -> Document:  # whatever the payload
    message = _message_id(topic.payload)
    meets_by = topic.meets_by or topic.key
    number = "one partition" if not topic.scaled else f"{PARTITIONS} partitions unless NPS_PARTITIONS says otherwise"
    return {
        "address": topic.name,
        "description": f"{_sentence(topic.meaning)} Records meet by {', '.join(meets_by)}; {number}.",
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": PARTITIONS if topic.scaled else 1,
                "topicConfiguration": {
                    "cleanup.policy": ["compact" if topic.compacted else "delete"],
                    "retention.ms": _ms(topic.retention) if topic.retention else FOR_EVER_MS,
                },
                "bindingVersion": BINDING_VERSION,
            }
        },
    }


def _message(topic: Topic[Any]) -> Document:  # whatever the payload
    message = _with_payload(topic.payload) | {
        "headers": {
            "allOf": [
                {"$ref": "#/components/schemas/cloudEventHeaders"},
                {"type": "object", "properties": {"ce_type": {"const": topic.event_type}}},
            ]
        }
    }
    key = f"length-prefixed parts: {', '.join(topic.key)}"
    return message | {"bindings": {"kafka": {"key": _text(key), "bindingVersion": BINDING_VERSION}}}


def _with_payload(model: type[BaseModel]) -> Document:
    summary = (model.__doc__ or "").partition("\n\n")[0].replace("\n    ", " ")
    return {
        "name": model.__name__,
        "summary": summary,
        "contentType": JSON_TYPE,
        "payload": {"$ref": f"./jsonschema/{name_of(model)}.json"},
    }


def _inbound_channel() -> Document:
    return {
        "address": INBOUND_PREFIX + "{channel}",
        "description": "Answers as a channel's apps publish them, with personal data in clear. Programs of yours write "
        f"here; intake reads every topic that matches `^{INBOUND_PATTERN}$` and deletes what it has taken over.",
        "parameters": {
            "channel": {
                "description": "where the answer was given; any other name of a-z, 0-9 and _ is accepted",
                "examples": list(KNOWN_CHANNELS),
            }
        },
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _inbound_messages()},
        "bindings": {
            "kafka": {
                "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": _ms(INBOUND_RETENTION)},
                "bindingVersion": BINDING_VERSION,
            }
        },
    }


def _inbound_messages() -> dict[str, Document]:
    """The three ways to write an answer."""
    payload = _with_payload(Submission)
    binary = {"title": "A CloudEvent in binary mode", "headers": {"$ref": "#/components/schemas/cloudEventHeaders"}}
    structured = {
        "title": "A CloudEvent in structured mode",
        "contentType": STRUCTURED_TYPE,
        "payload": {
            "type": "object",
            "required": ["specversion", "id", "source", "type", "data"],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": _text("with the source the id of this event"),
                "source": _text("the program that sends"),
                "type": _text("any"),
                "time": {"type": "string", "format": "date-time"},
                "data": payload["payload"],
            },
        },
    }
    return {
        "submission": payload | {"title": "Plain JSON"},
        "submissionBinary": payload | binary,
        "submissionStructured": payload | structured,
    }


def _operations() -> Document:
    operations = {
        "outsideSendsInbound": _operation("send", "inbound", "outside", "publishes answers"),
        "intakeReceivesInbound": _operation("receive", "inbound", "intake", "takes answers in"),
    }
    for topic in CATALOGUE:
        channel = _channel_id(topic)
        heading = channel[0].upper() + channel[1:]
        operations[f"{topic.writer}Sends{heading}"] = _operation("send", channel, topic.writer, "the one writer")
        for reader in sorted(topic.readers):
            operations[f"{reader}Receives{heading}"] = _operation("receive", channel, reader, "a reader")
    return operations


def _operation(action: str, channel: str, service: Service, role: str) -> Document:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": f"{service}: {role}",
        "tags": [{"name": service}],
    }


def _cloud_event_headers() -> Document:
    return {
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "content-type"],
        "properties": {
            "ce_specversion": {"const": "1.0"},
            "ce_id": _text("with the source the id of this event"),
            "ce_source": _text("what wrote it"),
            "ce_type": _text("type and major version of the payload"),
            "ce_time": {"type": "string", "format": "date-time", "description": "when it was written"},
            "content-type": {"const": JSON_TYPE},
            "traceparent": _text("W3C Trace Context: the trace from the way in to what goes out"),
        },
    }


def _text(description: str) -> Document:
    return {"type": "string", "description": description}


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
