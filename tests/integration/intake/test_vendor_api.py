"""Vendors' APIs over real HTTP: each status means one thing for the call that waits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from schemas.malformed import Malformed
from services.chassis.failures import Transient
from services.chassis.settings import load
from services.intake import http_vendor_api
from services.intake.http_vendor_api import HttpVendorApi, open_http_vendor_api
from services.intake.settings import IntakeSettings
from services.intake.sources.source import Access, Grant, bearer
from services.intake.vendor_api import TokenRefused
from tests.support.clocks import ManualClock
from tests.support.vendors import GRANTED, REFRESH_TOKEN, Vendor, standing_in

ANSWER = b'{"score": 9}'


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    async with standing_in(Vendor({"authorization": "Bearer t"}, {"/v1/answer": ANSWER})) as vendor:
        yield vendor


@pytest.fixture
async def api(clock: ManualClock) -> AsyncIterator[HttpVendorApi]:
    settings = load(IntakeSettings, master_key="A" * 43 + "=", source_api_timeout_s=20)
    async with open_http_vendor_api(settings, clock) as api:
        yield api


async def test_the_answer_is_fetched_with_our_token(api: HttpVendorApi, vendor: Vendor) -> None:
    assert await api.get(bearer(vendor.address, "t"), "v1/answer") == ANSWER
    assert vendor.asked == ["/v1/answer"]


@pytest.mark.parametrize(
    ("status", "failure", "reason"),
    [
        (401, TokenRefused, "answered 401, our token does not open it"),
        (403, TokenRefused, "answered 403, our token does not open it"),
        (404, Malformed, r"answer: the vendor has it no more \(404\)"),
        (410, Malformed, r"answer: the vendor has it no more \(410\)"),
        (400, Malformed, r"answer: the vendor does not give it \(400\)"),
        (408, Transient, "answered 408"),
        (429, Transient, "answered 429"),
        (500, Transient, "answered 500"),
        (503, Transient, "answered 503"),
        (301, Transient, "answered 301, this is not the address of its API"),
        (307, Transient, "answered 307, this is not the address of its API"),
    ],
)
async def test_every_other_status_means_one_thing(
    api: HttpVendorApi, vendor: Vendor, status: int, failure: type[Exception], reason: str
) -> None:
    vendor.failing.append(status)
    with pytest.raises(failure, match=reason) as failed:
        await api.get(bearer(vendor.address, "t"), "v1/answer")
    assert isinstance(failed.value, Transient) == (failure is not Malformed)
    assert vendor.asked == ["/v1/answer"], "a token is carried nowhere else"


async def test_an_answer_that_is_too_large_is_not_read_to_its_end(
    api: HttpVendorApi, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_vendor_api, "LARGEST_ANSWER", len(ANSWER))
    assert await api.get(bearer(vendor.address, "t"), "v1/answer") == ANSWER
    vendor.answers["/v1/answer"] = ANSWER + b" "
    with pytest.raises(Malformed, match="larger than 12 bytes"):
        await api.get(bearer(vendor.address, "t"), "v1/answer")


async def test_a_vendor_that_nobody_answers_for_is_away(api: HttpVendorApi) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Transient, match=r"127.0.0.1: Client"):
        await api.get(bearer(f"http://127.0.0.1:{port}", "t"), "v1/answer")


async def test_a_vendor_that_never_answers_is_not_waited_for_without_end(clock: ManualClock) -> None:
    settings = load(IntakeSettings, master_key="A" * 43 + "=", source_api_timeout_s=0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with asyncio.timeout(30), open_http_vendor_api(settings, clock) as api:
            with pytest.raises(Transient, match=r"127.0.0.1: .*Timeout"):
                await api.get(bearer(f"http://127.0.0.1:{silent.getsockname()[1]}", "t"), "v1/answer")


async def test_an_answer_that_is_cut_off_is_no_answer(api: HttpVendorApi) -> None:
    async def cut_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{")
        writer.close()

    async with await asyncio.start_server(cut_off, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Transient, match="ClientPayloadError"):
            await api.get(bearer(f"http://127.0.0.1:{port}", "t"), "v1/answer")


def granted(vendor: Vendor, refresh_token: str = REFRESH_TOKEN) -> Access:
    return Access(vendor.address, grant=Grant(f"{vendor.address}/token", "client", "secret", refresh_token))


async def test_a_token_that_lasts_is_exchanged_once_for_as_long_as_it_is_good(
    api: HttpVendorApi, vendor: Vendor, clock: ManualClock
) -> None:
    vendor.headers = {"authorization": f"Bearer {GRANTED}"}
    for _ in range(2):
        assert await api.get(granted(vendor), "v1/answer") == ANSWER
    assert vendor.granted == 1
    clock.advance(seconds=timedelta(minutes=59).total_seconds())
    assert await api.get(granted(vendor), "v1/answer") == ANSWER
    assert vendor.granted == 2


async def test_a_token_that_no_longer_opens_the_api_is_exchanged_anew(api: HttpVendorApi, vendor: Vendor) -> None:
    with pytest.raises(TokenRefused):
        await api.get(granted(vendor), "v1/answer")
    vendor.headers = {"authorization": f"Bearer {GRANTED}"}
    assert await api.get(granted(vendor), "v1/answer") == ANSWER
    assert vendor.granted == 2


async def test_a_token_that_nothing_is_given_for_is_ours_to_mend(api: HttpVendorApi, vendor: Vendor) -> None:
    with pytest.raises(TokenRefused, match=r"127.0.0.1: gives no token"):
        await api.get(granted(vendor, "revoked"), "v1/answer")
    assert vendor.asked == []
