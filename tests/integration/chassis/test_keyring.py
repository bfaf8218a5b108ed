"""The keyring on both databases: one key a person, what erasing means, and who is one person."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, event, func, select

from infra.local.kafka_broker import free_port
from schemas.sealed import Sealed
from services.chassis.failures import Halt, Transient
from services.chassis.keyring import Claim, Erased, Identified, Identity, Key, Keyring
from services.chassis.keyring.ring import REMEMBERED_FOR, REMEMBERED_KEYS, open_keyring, parse_master_key
from services.chassis.keyring.tables import KEYS
from services.chassis.migrating import migrate
from services.chassis.settings import SealedSettings
from services.chassis.sql import Database, open_database, sqlite_url
from services.chassis.sql_dialect import lock
from tests.support.clocks import ManualClock

MASTER = bytes(range(32))
TENANT = "default"
PARAMETERS = 32_767  # the most of both databases


@pytest.fixture
async def database(url: str, clock: ManualClock) -> AsyncIterator[Database]:
    async with open_database(url, durable=True) as opened:
        await migrate(opened, clock, "services.chassis.keyring")
        yield opened


@pytest.fixture
def ring(database: Database, clock: ManualClock) -> Keyring:
    return Keyring(database, MASTER, clock)


@pytest.fixture
async def elsewhere(url: str, database: Database, clock: ManualClock) -> AsyncIterator[Keyring]:
    """The same keyring, as another process has it."""
    async with open_database(url, durable=True) as opened:
        yield Keyring(opened, MASTER, clock)


async def _who(ring: Keyring, *names: str) -> Identified:
    """Somebody by customer id, e-mail and phone, told apart by their look."""
    identity = Identity(
        next((name for name in names if name.startswith("c-")), None),
        next((name for name in names if "@" in name), None),
        next((name for name in names if name.startswith("+")), None),
    )
    found = await ring.identify(TENANT, identity)
    assert found
    return found


async def _admit(ring: Keyring, *people: Identified) -> list[Key | Erased]:
    keys = await ring.admit([Claim(TENANT, one.subject, one) for one in people])
    return [keys[TENANT, one.subject] for one in people]


async def _key(ring: Keyring, *names: str) -> Key:
    (key,) = await _admit(ring, await _who(ring, *names))
    assert isinstance(key, Key)
    return key


async def _persons(ring: Keyring, *subjects: str) -> set[frozenset[str]]:
    return set((await ring.subjects_of(TENANT, subjects)).values())


async def test_what_is_sealed_opens_again(ring: Keyring, elsewhere: Keyring) -> None:
    sealed = ring.seal(await _key(ring, "c-1"), b"robin")
    assert await ring.open(sealed) == b"robin"
    assert await elsewhere.open_all([sealed, sealed]) == [b"robin", b"robin"]
    assert b"robin" not in sealed.model_dump_json().encode()


async def test_the_same_is_sealed_differently_every_time(ring: Keyring) -> None:
    key = await _key(ring, "c-1")
    assert ring.seal(key, b"robin") != ring.seal(key, b"robin")


async def test_who_comes_again_has_the_same_key(ring: Keyring, elsewhere: Keyring) -> None:
    assert await _key(ring, "c-1") == await _key(ring, "c-1") == await _key(elsewhere, "c-1")
    assert await _key(ring, "c-2") != await _key(ring, "c-1")


async def test_who_is_admitted_in_many_places_at_once_has_one_key(ring: Keyring, elsewhere: Keyring) -> None:
    people = [await _who(ring, f"c-{number}", f"{number}@example.org") for number in range(20)]
    found = await asyncio.gather(*(_admit(one, *people) for one in (ring, elsewhere, ring, elsewhere)))
    assert all(keys == found[0] for keys in found)


async def test_more_people_than_a_statement_takes_are_admitted(ring: Keyring) -> None:
    claims = [Claim(TENANT, f"response:{number}") for number in range(PARAMETERS + 1)]
    keys = await ring.admit(claims)
    assert len({key.kid for key in keys.values() if isinstance(key, Key)}) == PARAMETERS + 1


async def test_secrets_of_tenants_differ_and_never_change(ring: Keyring, elsewhere: Keyring) -> None:
    first, second = await asyncio.gather(ring.secret_of("acme"), elsewhere.secret_of("acme"))
    assert first == second
    assert await ring.secret_of("other") != first


async def test_nobody_has_a_subject_without_saying_who_he_is(ring: Keyring) -> None:
    assert await ring.identify(TENANT, Identity()) is None


async def test_what_is_erased_stays_erased(ring: Keyring) -> None:
    one, other = await _who(ring, "c-1"), await _who(ring, "c-2")
    sealed = [ring.seal(await _key(ring, name), b"robin") for name in ("c-1", "c-2")]
    assert await ring.erase(TENANT, [one.subject]) == {one.subject}
    assert await ring.open_all(sealed) == [Erased(), b"robin"]
    assert await _admit(ring, one, other) == [Erased(), await _key(ring, "c-2")]
    assert await ring.erase(TENANT, [one.subject]) == {one.subject}
    assert await ring.open_all(sealed) == [Erased(), b"robin"]


async def test_who_was_never_seen_can_be_erased_beforehand(ring: Keyring) -> None:
    one = await _who(ring, "c-1")
    await ring.erase(TENANT, [one.subject])
    assert await _admit(ring, one) == [Erased()]


async def test_erasing_forgets_every_subject_of_the_person(ring: Keyring) -> None:
    by_mail, whole = await _who(ring, "a@example.org"), await _who(ring, "c-1", "a@example.org", "+15550100")
    sealed = [ring.seal(key, b"robin") for key in await _admit(ring, by_mail, whole) if isinstance(key, Key)]
    assert len(sealed) == 2
    assert await ring.erase(TENANT, [by_mail.subject]) == {value for value, _ in whole.identifiers}
    assert await ring.open_all(sealed) == [Erased(), Erased()]


@pytest.mark.parametrize("order", ["answer, comment, erase", "comment, answer, erase"])
async def test_what_belongs_to_a_person_is_erased_with_them(ring: Keyring, order: str) -> None:
    one = await _who(ring, "c-1", "a@example.org")
    claims = {"answer": Claim(TENANT, one.subject, one, "response:r1"), "comment": Claim(TENANT, "response:r1")}
    sealed = []
    for step in order.split(", ")[:2]:
        key = (await ring.admit([claims[step]]))[TENANT, claims[step].owner]
        assert isinstance(key, Key)
        sealed.append(ring.seal(key, b"robin"))
    by_mail = await _who(ring, "a@example.org")
    assert await ring.erase(TENANT, [by_mail.subject]) == {value for value, _ in one.identifiers}
    assert await ring.open_all(sealed) == [Erased(), Erased()]
    assert await ring.admit([claims["comment"]]) == {(TENANT, "response:r1"): Erased()}


async def test_what_comes_beside_something_that_is_known_belongs_to_its_person_too(ring: Keyring) -> None:
    one = await _who(ring, "c-1")
    known, new = (Claim(TENANT, one.subject, one, f"response:r{number}") for number in (1, 2))
    await ring.admit([known])
    await ring.admit([known, new])
    await ring.erase(TENANT, [one.subject])
    assert await ring.admit([Claim(TENANT, "response:r2")]) == {(TENANT, "response:r2"): Erased()}


async def test_what_turns_out_to_belong_to_somebody_erased_is_erased_at_once(ring: Keyring) -> None:
    one, comment = await _who(ring, "c-1"), Claim(TENANT, "response:r1")
    key = (await ring.admit([comment]))[TENANT, "response:r1"]
    assert isinstance(key, Key)
    await ring.erase(TENANT, [one.subject])
    assert await ring.open(ring.seal(key, b"robin")) == b"robin"
    await ring.admit([Claim(TENANT, one.subject, one, "response:r1")])
    ring.forget()
    assert await ring.open(ring.seal(key, b"robin")) == Erased()
    assert await ring.admit([comment]) == {(TENANT, "response:r1"): Erased()}


async def test_tenants_are_erased_apart(ring: Keyring) -> None:
    claim = Claim("acme", "somebody")
    acme = (await ring.admit([claim]))["acme", "somebody"]
    assert isinstance(acme, Key)
    await ring.erase(TENANT, ["somebody"])
    assert await ring.open(ring.seal(acme, b"robin")) == b"robin"


async def test_a_key_is_remembered_for_thirty_seconds(ring: Keyring, elsewhere: Keyring, clock: ManualClock) -> None:
    one = await _who(ring, "c-1")
    sealed = ring.seal(await _key(ring, "c-1"), b"robin")
    await elsewhere.erase(TENANT, [one.subject])
    clock.advance(seconds=REMEMBERED_FOR.total_seconds())
    assert await ring.open(sealed) == b"robin"
    clock.advance(seconds=timedelta(milliseconds=1).total_seconds())
    assert await ring.open(sealed) == Erased()
    assert await _admit(ring, one) == [Erased()]


async def test_what_was_sealed_by_who_had_not_heard_opens_as_erased(
    ring: Keyring, elsewhere: Keyring, clock: ManualClock
) -> None:
    one, key = await _who(ring, "c-1"), await _key(ring, "c-1")
    await elsewhere.erase(TENANT, [one.subject])
    assert await elsewhere.open(ring.seal(key, b"robin")) == Erased()


async def test_a_key_that_is_neither_there_nor_marked_stops_the_service(ring: Keyring) -> None:
    sealed = Sealed(kid="0" * 32, nonce="AAAA", ciphertext="AAAA")
    with pytest.raises(Halt, match="neither in the keyring nor marked as erased"):
        await ring.open(sealed)


async def test_a_key_given_up_for_lost_counts_as_erased(ring: Keyring) -> None:
    kept = ring.seal(await _key(ring, "c-1"), b"robin")
    lost = Sealed(kid="0" * 32, nonce="AAAA", ciphertext="AAAA")
    assert await ring.mark_lost([lost.kid, kept.kid]) == 1
    assert await ring.mark_lost([lost.kid, kept.kid]) == 0
    assert await ring.open_all([lost, kept]) == [Erased(), b"robin"]


async def test_another_master_key_stops_the_service(ring: Keyring, database: Database, clock: ManualClock) -> None:
    sealed = ring.seal(await _key(ring, "c-1"), b"robin")
    other = Keyring(database, bytes(32), clock)
    with pytest.raises(Halt, match="NPS_MASTER_KEY is not the key"):
        await other.open(sealed)
    with pytest.raises(Halt, match="NPS_MASTER_KEY is not the key"):
        await other.secret_of(TENANT)


def _altered(text: str) -> str:
    content = bytearray(base64.b64decode(text))
    content[0] ^= 1
    return base64.b64encode(content).decode()


@pytest.mark.parametrize("how", ["ciphertext", "nonce", "another key", "cut", "no nonce", "no base64"])
async def test_what_was_altered_stops_the_service(ring: Keyring, how: str) -> None:
    sealed = ring.seal(await _key(ring, "c-1"), b"robin")
    altered = {
        "ciphertext": {"ciphertext": _altered(sealed.ciphertext)},
        "nonce": {"nonce": _altered(sealed.nonce)},
        "another key": {"kid": (await _key(ring, "c-2")).kid},
        "cut": {"ciphertext": sealed.ciphertext[:8]},
        "no nonce": {"nonce": ""},
        "no base64": {"nonce": "A"},
    }[how]
    with pytest.raises(Halt, match="it was altered"):
        await ring.open(sealed.model_copy(update=altered))


async def test_a_record_moved_to_another_owner_does_not_open(ring: Keyring) -> None:
    key = await _key(ring, "c-1")
    moved = Key(key.kid, key.tenant, "somebody else", key.secret)
    with pytest.raises(Halt, match="it was altered"):
        await ring.open(ring.seal(moved, b"robin"))


async def test_people_are_linked_across_answers(ring: Keyring, elsewhere: Keyring) -> None:
    by_mail = await _who(ring, "a@example.org")
    by_phone = await _who(ring, "+15550100")
    await _admit(ring, by_mail)
    await _admit(elsewhere, by_phone)
    assert len(await _persons(ring, by_mail.subject, by_phone.subject)) == 2
    both = await _who(ring, "a@example.org", "+15550100")
    await _admit(elsewhere, both)
    assert await _persons(ring, by_mail.subject, by_phone.subject) == {frozenset({by_mail.subject, by_phone.subject})}


async def test_two_customers_who_share_an_address_stay_two(ring: Keyring) -> None:
    one, other = await _who(ring, "c-1", "family@example.org"), await _who(ring, "c-2", "family@example.org")
    await _admit(ring, one)
    await _admit(ring, other)
    assert len(await _persons(ring, one.subject, other.subject)) == 2
    assert await ring.erase(TENANT, [other.subject]) == {other.subject}
    assert isinstance((await _admit(ring, one))[0], Key)


async def test_people_linked_in_two_places_at_once_lose_no_link(ring: Keyring, elsewhere: Keyring) -> None:
    """A chain a-b, b-c, ... in which every link is made by another process makes one person."""
    names = [f"{number}@example.org" for number in range(12)]
    chain = [await _who(ring, mail, f"+1555010{number}") for number, mail in enumerate(names)]
    chain += [await _who(ring, mail, f"+1555010{number}") for number, mail in enumerate(names[1:])]
    await asyncio.gather(*(_admit(one, who) for who, one in zip(chain, [ring, elsewhere] * 12, strict=False)))
    (person,) = await _persons(ring, *(who.subject for who in chain))
    assert len(person) == 24


async def test_who_is_linked_while_he_is_erased_is_erased_or_admitted_whole(ring: Keyring, elsewhere: Keyring) -> None:
    for number in range(5):
        known, linked = (
            await _who(ring, f"{number}@example.org"),
            await _who(ring, f"c-{number}", f"{number}@example.org"),
        )
        await _admit(ring, known)
        erased, keys = await asyncio.gather(ring.erase(TENANT, [known.subject]), _admit(elsewhere, linked))
        assert (linked.subject in erased) == ((await _reopened(elsewhere, linked)) == Erased())
        assert len(keys) == 1


async def test_who_erases_waits_for_who_links(ring: Keyring, elsewhere: Keyring) -> None:
    one = await _who(ring, "c-1")
    await _admit(ring, one)
    order: list[str] = []
    asked = asyncio.Event()

    async def erase() -> None:
        asked.set()
        await ring.erase(TENANT, [one.subject])
        order.append("erased")

    async with elsewhere._database.begin() as transaction:
        await transaction.run_sync(lock, [f"{TENANT}/people"])
        erasing = asyncio.create_task(erase())
        await asked.wait()
        for _ in range(20):
            await transaction.execute(select(KEYS))
        order.append("linked")
    await erasing
    assert order == ["linked", "erased"]


async def _reopened(ring: Keyring, one: Identified) -> Key | Erased:
    ring.forget()
    return (await _admit(ring, one))[0]


async def test_all_subjects_of_a_person_have_one_name(ring: Keyring) -> None:
    by_mail, whole = await _who(ring, "a@example.org"), await _who(ring, "c-1", "a@example.org")
    alone = await _who(ring, "c-2")
    await _admit(ring, by_mail, whole, alone)
    subjects = [by_mail.subject, whole.subject, alone.subject, "s"]
    named = await ring.names_of(TENANT, subjects)
    assert len({named.get(one, one) for one in subjects[:2]}) == 1
    assert not named.keys() & {alone.subject, "s"}


async def test_a_subject_nobody_knows_is_a_person_of_its_own(ring: Keyring) -> None:
    assert await ring.subjects_of(TENANT, ["s"]) == {"s": frozenset({"s"})}
    assert await ring.subjects_of(TENANT, []) == {}


async def test_a_letter_of_a_stranger_is_sealed_under_a_key_of_its_own(ring: Keyring) -> None:
    one, other = uuid4(), uuid4()
    first, second = await ring.seal_letter(one, b"robin"), await ring.seal_letter(other, b"kim")
    assert first
    assert second
    assert first.kid != second.kid
    assert await ring.open_letter(one, first) == b"robin"
    await ring.erase("-", [f"letter:{one}"])
    assert await ring.open_letter(one, first) is None
    assert await ring.seal_letter(one, b"again") is None
    assert await ring.open_letter(other, second) == b"kim"


async def test_no_more_keys_are_remembered_than_fit(ring: Keyring, database: Database) -> None:
    for key in range(REMEMBERED_KEYS + 1):
        ring._by_kid.put({key: Erased()})
    assert len(ring._by_kid._values) == 1


async def test_a_keyring_whose_database_is_away_does_not_answer(ring: Keyring, clock: ManualClock) -> None:
    await ring.probe()
    async with open_database(f"postgresql+asyncpg://nps@127.0.0.1:{free_port()}/nps") as away:
        with pytest.raises(Transient, match="database: "):
            await Keyring(away, MASTER, clock).probe()


@pytest.mark.parametrize(
    ("text", "reason"), [("?", "not base64"), ("AAAA", "3 bytes, must be 32"), ("", "0 bytes, must be 32")]
)
def test_a_master_key_is_32_bytes_in_base64(text: str, reason: str) -> None:
    with pytest.raises(Halt, match=f"NPS_MASTER_KEY: {reason}"):
        parse_master_key(text)


@pytest.mark.parametrize("held", ["a key", "a secret"])
async def test_a_keyring_is_not_opened_with_another_master_key(
    sealed_settings: SealedSettings, clock: ManualClock, held: str
) -> None:
    async with open_keyring(sealed_settings, clock) as ring:
        await (ring.seal_letter(UUID(int=0), b"robin") if held == "a key" else ring.secret_of(TENANT))
    other = sealed_settings.model_copy(update={"master_key": SecretStr(base64.b64encode(bytes(32)).decode())})
    with pytest.raises(Halt, match="NPS_MASTER_KEY is not the key"):
        async with open_keyring(other, clock):
            pass


@pytest.mark.sqlite
async def test_the_keyring_lies_in_the_state_folder(sealed_settings: SealedSettings, clock: ManualClock) -> None:
    async with open_keyring(sealed_settings, clock) as ring:
        assert await ring.seal_letter(UUID(int=0), b"robin")
        async with ring._database.read() as transaction:
            assert (await transaction.execute(select(func.count()).select_from(KEYS))).scalar_one() == 1
    assert (sealed_settings.state_dir / "keyring.sqlite3").exists()


async def test_no_group_of_answers_has_sqlite_read_all_of_a_tenant(tmp_path: Path, clock: ManualClock) -> None:
    executed: dict[str, Sequence[Any]] = {}  # values of a statement are of any type

    def note(_connection: object, _cursor: object, statement: str, values: Sequence[Any], *_: object) -> None:
        if statement.startswith("SELECT"):
            executed[statement] = values

    async with open_database(sqlite_url(tmp_path, "keyring"), durable=True) as database:
        await migrate(database, clock, "services.chassis.keyring")
        ring = Keyring(database, MASTER, clock)
        await _key(ring, "c-1", "a@example.org")
        event.listen(Engine, "before_cursor_execute", note)
        try:
            await _key(ring, "a@example.org", "+358401234567")
            await ring.subjects_of(TENANT, [(await _who(ring, "c-1")).subject])
        finally:
            event.remove(Engine, "before_cursor_execute", note)
    with closing(sqlite3.connect(tmp_path / "keyring.sqlite3")) as connection:
        steps = [
            step
            for statement, values in executed.items()
            for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    assert any("links_by_person" in step for step in steps)
    assert not [step for step in steps if step.startswith("SCAN") and "VIRTUAL TABLE" not in step]
    assert not [step for step in steps if step.endswith("(tenant=?)")]
