"""CloudEvents 1.0 on Kafka: written in binary mode, read in binary and structured mode and as plain JSON.

Which of the three a record is, its content-type and `ce_` headers decide (CNCF, Kafka protocol binding 1.0.2 §3).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import BaseModel as _Model
from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from schemas.contract import Identifier, Moment
from schemas.malformed import Malformed

SPEC_VERSION: Final = "1.0"
JSON_TYPE: Final = "application/json"
STRUCTURED_TYPE: Final = "application/cloudevents+json"
ID_HEADER: Final = "ce_id"

Headers = Sequence[tuple[str, bytes]]

_NonEmpty = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


@dataclass(frozen=True, slots=True)
class Event:
    """One occurrence with its context. `id`, `source` and `type` are none where a sender used no envelope."""

    data: bytes
    id: str | None = None
    source: str | None = None
    type: str | None = None
    time: datetime | None = None
    content_type: str = JSON_TYPE


class _Envelope(_Model):
    """The attributes this project reads; extensions are allowed and passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    specversion: Annotated[str, StringConstraints(pattern=r"^1\.0$")]
    id: _NonEmpty
    source: Identifier
    type: _NonEmpty
    time: Moment | None = None
    datacontenttype: str | None = Field(default=None)


_ENVELOPE: Final = TypeAdapter(_Envelope)


def encode(event: Event) -> tuple[list[tuple[str, bytes]], bytes]:
    """Headers and value of a Kafka record in binary mode.

    Raises:
        ValueError: if the event has no id, source or type.
    """
    if not (event.id and event.source and event.type):
        raise ValueError("an event needs id, source and type")
    headers = [
        ("ce_specversion", SPEC_VERSION.encode()),
        (ID_HEADER, event.id.encode()),
        ("ce_source", event.source.encode()),
        ("ce_type", event.type.encode()),
        ("content-type", event.content_type.encode()),
    ]
    if event.time:
        headers.insert(4, ("ce_time", _rfc3339(event.time).encode()))
    return headers, event.data


def encode_structured(event: Event) -> tuple[list[tuple[str, bytes]], bytes]:
    """Headers and value in structured mode, as other programs may send it. The data must be JSON."""
    envelope = {"specversion": SPEC_VERSION, "id": event.id, "source": event.source, "type": event.type}
    if event.time:
        envelope["time"] = _rfc3339(event.time)
    body = {**envelope, "datacontenttype": event.content_type, "data": from_json(event.data)}
    return [("content-type", STRUCTURED_TYPE.encode())], to_json(body)


def decode(headers: Headers, value: bytes | None) -> Event:
    """The event a record holds, whichever way it was written.

    Raises:
        Malformed: if there is no value, or the envelope is broken.
    """
    if value is None:
        raise Malformed.of("body", "empty: a tombstone is no event")
    known = {name.lower(): content for name, content in headers}
    content_type = _text(known.get("content-type", b""), "content-type")
    if content_type.lower().startswith(STRUCTURED_TYPE):
        return _from_structured(value)
    if "ce_specversion" in known or ID_HEADER in known:
        return _from_binary(known, value, content_type)
    return Event(data=value)


def _from_binary(headers: dict[str, bytes], value: bytes, content_type: str) -> Event:
    attributes = {name[3:]: _text(content, name) for name, content in headers.items() if name.startswith("ce_")}
    return _event(attributes, value, content_type or JSON_TYPE, prefix="ce_")


def _from_structured(value: bytes) -> Event:
    try:
        envelope = from_json(value, allow_inf_nan=False)
    except ValueError as error:
        raise Malformed.of("body", f"not JSON: {error}") from error
    if not isinstance(envelope, dict):
        raise Malformed.of("body", "a CloudEvent in structured mode is a JSON object")
    return _event(envelope, _structured_data(envelope), envelope.get("datacontenttype") or JSON_TYPE, prefix="")


def _structured_data(envelope: dict[str, object]) -> bytes:
    if "data" in envelope:
        return to_json(envelope["data"])
    encoded = envelope.get("data_base64")
    if not isinstance(encoded, str):
        raise Malformed.of("data", "required")
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise Malformed.of("data_base64", "not base64") from error


def _event(attributes: dict[str, object] | dict[str, str], data: bytes, content_type: str, *, prefix: str) -> Event:
    try:
        envelope = _ENVELOPE.validate_python(attributes)
    except ValidationError as error:
        faults = Malformed.from_validation(error).faults
        raise Malformed([fault._replace(field=prefix + fault.field) for fault in faults]) from error
    return Event(
        data=data,
        id=envelope.id,
        source=envelope.source,
        type=envelope.type,
        time=envelope.time,
        content_type=content_type,
    )


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Malformed.of(name, "not UTF-8") from error


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def first_header(headers: Iterable[tuple[str, bytes]], name: str) -> str | None:
    """The first header of that name as text, or none; bytes that are no UTF-8 are replaced, never an error."""
    for key, content in headers:
        if key.lower() == name:
            return content.decode(errors="replace")
    return None
