"""CloudEvents in both directions and all modes, held against the SDK of their makers."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import (
    KafkaMessage,
    from_binary_event,
    from_structured_event,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import Event, decode, encode, encode_structured, first_header
from schemas.malformed import Malformed

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
EVENT = Event(b'{"score":9}', id="e-1", source="/shop", type="org.example.answered", time=NOON)
JSON = ("content-type", b"application/json")
STRUCTURED = ("content-type", b"application/cloudevents+json")

words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=50)
moments = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 the strategy adds the offset itself
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(words, values, max_size=5)
events = st.builds(
    Event,
    data=bodies.map(lambda body: json.dumps(body).encode()),
    id=words,
    source=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=50),
    type=words,
    time=st.none() | moments,
)


def _same(one: Event, other: Event) -> bool:
    """The same event, whatever the spaces in its JSON."""
    envelopes = [(e.id, e.source, e.type, e.time, e.content_type) for e in (one, other)]
    return envelopes[0] == envelopes[1] and json.loads(one.data) == json.loads(other.data)


@given(events)
def test_binary_mode_gives_back_what_was_written(event: Event) -> None:
    assert decode(*encode(event)) == event


@given(events)
def test_structured_mode_gives_back_what_was_written(event: Event) -> None:
    assert _same(decode(*encode_structured(event)), event)


@given(events)
def test_the_sdk_reads_what_we_write_in_binary_mode(event: Event) -> None:
    headers, value = encode(event)
    read = from_binary_event(KafkaMessage(dict(headers), None, value))
    assert (read.get_id(), read.get_source(), read.get_type()) == (event.id, event.source, event.type)
    assert read.get_data() == json.loads(event.data)
    if event.time:
        assert read.get_time() == event.time


@given(events)
def test_the_sdk_reads_what_we_write_in_structured_mode(event: Event) -> None:
    headers, value = encode_structured(event)
    read = from_structured_event(KafkaMessage(dict(headers), None, value))
    assert (read.get_id(), read.get_source(), read.get_type()) == (event.id, event.source, event.type)
    assert read.get_data() == json.loads(event.data)


def _of_the_sdk(body: dict[str, Any], time: datetime) -> CloudEvent:  # JSON of any shape
    attributes = {"id": "e-1", "source": "/shop", "type": "org.example.answered", "time": time}
    return CloudEvent(attributes | {"datacontenttype": "application/json", "partitionkey": "k"}, body)


@given(bodies, moments)
def test_we_read_what_the_sdk_writes_in_binary_mode(body: dict[str, Any], time: datetime) -> None:
    message = to_binary_event(_of_the_sdk(body, time))
    read = decode(list(message.headers.items()), message.value)
    assert _same(read, Event(json.dumps(body).encode(), "e-1", "/shop", "org.example.answered", time))


@given(bodies, moments)
def test_we_read_what_the_sdk_writes_in_structured_mode(body: dict[str, Any], time: datetime) -> None:
    message = to_structured_event(_of_the_sdk(body, time))
    read = decode(list(message.headers.items()), message.value)
    assert _same(read, Event(json.dumps(body).encode(), "e-1", "/shop", "org.example.answered", time))


def test_what_has_no_envelope_is_plain_json() -> None:
    assert decode([], b'{"score":9}') == Event(b'{"score":9}')
    assert decode([JSON], b'{"score":9}') == Event(b'{"score":9}')


def test_names_of_headers_are_read_in_any_case() -> None:
    headers, value = encode(EVENT)
    assert decode([(name.upper(), content) for name, content in headers], value) == EVENT
    structured, value = encode_structured(EVENT)
    assert _same(decode([("Content-Type", b"Application/CloudEvents+JSON; charset=UTF-8")], value), EVENT)
    assert structured == [STRUCTURED]


@pytest.mark.parametrize("missing", ["ce_id", "ce_source", "ce_type"])
def test_an_attribute_that_is_missing_in_binary_mode_is_named(missing: str) -> None:
    headers, value = encode(EVENT)
    with pytest.raises(Malformed, match=f"{missing}: required"):
        decode([header for header in headers if header[0] != missing], value)


@pytest.mark.parametrize("missing", ["specversion", "id", "source", "type"])
def test_an_attribute_that_is_missing_in_structured_mode_is_named(missing: str) -> None:
    _, value = encode_structured(EVENT)
    envelope = json.loads(value)
    del envelope[missing]
    with pytest.raises(Malformed, match=f"{missing}: required"):
        decode([STRUCTURED], json.dumps(envelope).encode())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ce_specversion", b"0.3"),
        ("ce_id", b""),
        ("ce_source", b""),
        ("ce_time", b"noon"),
        ("ce_time", b"2026-05-20T12:00:00"),
        ("ce_type", b"\xff"),
        ("content-type", b"\xff"),
    ],
)
def test_an_attribute_that_is_wrong_is_named(name: str, content: bytes) -> None:
    headers, value = encode(EVENT)
    with pytest.raises(Malformed, match=name):
        decode([(key, content if key == name else old) for key, old in headers], value)


def test_extensions_are_passed_over() -> None:
    headers, value = encode(EVENT)
    assert decode([*headers, ("ce_partitionkey", b"k"), ("ce_sampledrate", b"3"), ("x-own", b"\xff")], value) == EVENT


def test_a_tombstone_is_no_event() -> None:
    headers, _ = encode(EVENT)
    for some in (headers, [STRUCTURED], []):
        with pytest.raises(Malformed, match="body: empty"):
            decode(some, None)


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'"text"', b"\xff", b"NaN", b'{"data": NaN}'])
def test_structured_mode_takes_nothing_but_a_json_object(value: bytes) -> None:
    with pytest.raises(Malformed, match="body"):
        decode([STRUCTURED], value)


def _envelope(**more: Any) -> bytes:  # values of any type
    return json.dumps({"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "t", **more}).encode()


def test_data_in_base64_is_unpacked() -> None:
    packed = base64.b64encode(b'{"score":9}').decode()
    assert decode([STRUCTURED], _envelope(data_base64=packed)).data == b'{"score":9}'


@pytest.mark.parametrize(("more", "field"), [({}, "data"), ({"data_base64": "?"}, "data_base64")])
def test_a_structured_event_without_data_is_refused(more: dict[str, str], field: str) -> None:
    with pytest.raises(Malformed, match=f"^{field}: "):
        decode([STRUCTURED], _envelope(**more))


def test_a_content_type_that_is_no_text_is_refused() -> None:
    with pytest.raises(Malformed, match="datacontenttype"):
        decode([STRUCTURED], _envelope(data={}, datacontenttype=5))


@pytest.mark.parametrize("missing", ["id", "source", "type"])
def test_an_event_without_id_source_or_type_is_not_written(missing: str) -> None:
    with pytest.raises(ValueError, match="needs id, source and type"):
        encode(replace(EVENT, **{missing: None}))  # type: ignore[arg-type]  # none is what it is about


def test_a_header_is_found_in_any_case_and_never_an_error() -> None:
    headers = [("TraceParent", b"\xff-1"), ("traceparent", b"second")]
    assert first_header(headers, "traceparent") == "\ufffd-1"
    assert first_header([], "traceparent") is None


@given(st.lists(st.tuples(words, st.binary(max_size=20)), max_size=5), st.none() | st.binary(max_size=200))
def test_whatever_comes_is_an_event_or_malformed(headers: list[tuple[str, bytes]], value: bytes | None) -> None:
    for some in (headers, [*headers, STRUCTURED], [*headers, ("ce_id", b"e-1")]):
        with suppress(Malformed):
            assert decode(some, value).data is not None


@pytest.mark.parametrize("source", ["/" + "x" * 200, "/shop\n"])
def test_a_source_that_no_answer_could_carry_is_malformed(source: str) -> None:
    headers, value = encode(replace(EVENT, source=source))
    with pytest.raises(Malformed, match="ce_source: "):
        decode(headers, value)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-05:00"])
def test_a_time_that_utc_cannot_hold_is_malformed(time: str) -> None:
    headers = [(name, content) for name, content in encode(EVENT)[0] if name != "ce_time"]
    with pytest.raises(Malformed, match="ce_time: must lie between the years 1 and 9999 in UTC"):
        decode([*headers, ("ce_time", time.encode())], EVENT.data)
