"""Making, finding, using and destroying keys.

A key is inserted or ignored, read back and committed before anything sealed with it is produced; so a key that is
neither there nor marked as erased means that the keyring itself was lost, and whoever meets it stops.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Row, delete, select, update

from schemas.sealed import Sealed
from services.chassis.clock import Clock
from services.chassis.failures import Halt
from services.chassis.keyring.identity import Identified, Identity, Links, identified, values_of
from services.chassis.keyring.tables import BELONGINGS, ERASED, KEYS, LINKS, SECRETS
from services.chassis.migrating import migrate
from services.chassis.settings import SealedSettings
from services.chassis.sql import Database, Transaction, open_database, sqlite_url
from services.chassis.sql_dialect import among, insert_all, insert_or_ignore, lock

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
FINGERPRINT: Final = b"fingerprint, version 1"
REMEMBERED_FOR: Final = timedelta(seconds=30)
REMEMBERED_KEYS: Final = 20_000
LOOKED_UP_AT_ONCE: Final = 5_000

STRANGERS: Final = "-"
"""Stands for the tenant where none can be told: no tenant may be named so."""

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Key:
    """One owner's key."""

    kid: str
    tenant: str
    owner: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Erased:
    """What is left of a key once its owner is erased."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Something to seal: the owner is the subject, or what it belongs to where nobody is known.

    `belonging` is an owner of what may come without saying whose it is: it is erased with the subject.
    """

    tenant: str
    owner: str
    identified: Identified | None = None
    belonging: str | None = None


class _Remembered(Generic[V]):
    """Values for thirty seconds each; a fresh look after that."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._values: dict[object, tuple[datetime, V]] = {}

    def get(self, key: object) -> V | None:
        found = self._values.get(key)
        if found is None or self._clock.now() - found[0] > REMEMBERED_FOR:
            return None
        return found[1]

    def put(self, values: Mapping[Any, V]) -> None:  # keys of any kind: a mapping is invariant in them
        if len(self._values) + len(values) > REMEMBERED_KEYS:
            self._values.clear()
        now = self._clock.now()
        self._values.update((key, (now, value)) for key, value in values.items())

    def forget(self) -> None:
        self._values.clear()


class Keyring:
    """The one thing services share besides topics."""

    def __init__(self, database: Database, master_key: bytes, clock: Clock) -> None:
        self._database = database
        self._master = AESGCM(master_key)
        self._clock = clock
        self._by_owner: _Remembered[Key | Erased] = _Remembered(clock)
        self._by_kid: _Remembered[Key | Erased] = _Remembered(clock)
        self._secrets: dict[str, bytes] = {}

    async def probe(self) -> None:
        """Whether the keyring answers.

        Raises:
            Transient: if not.
        """
        await self._database.probe()

    async def check_master_key(self) -> None:
        """Opens one of the secrets and keys there are, if any.

        Raises:
            Halt: if the master key is not the one they were made with.
        """
        async with self._database.read() as transaction:
            for named in (select(SECRETS.c.wrapped, SECRETS.c.tenant), select(KEYS.c.wrapped, KEYS.c.kid)):
                row = (await transaction.execute(named.limit(1))).one_or_none()
                if row:
                    self._unwrap(*row)

    async def secret_of(self, tenant: str) -> bytes:
        """The tenant's secret, made at first use and never changed: subjects depend on it.

        Raises:
            Halt: if the master key is not the one it was made with.
        """
        if tenant not in self._secrets:
            async with self._database.begin() as transaction:
                row = {"tenant": tenant, "wrapped": self._wrap(secrets.token_bytes(KEY_BYTES), tenant)}
                await insert_or_ignore(transaction, SECRETS, [row])
                found = await transaction.execute(select(SECRETS.c.wrapped).where(SECRETS.c.tenant == tenant))
                wrapped = found.scalar_one()
            self._secrets[tenant] = self._unwrap(wrapped, tenant)
        return self._secrets[tenant]

    async def secret_made_of(self, tenant: str) -> bytes | None:
        """The tenant's secret if there is one: what a stranger names makes none.

        Raises:
            Halt: if the master key is not the one it was made with.
        """
        if tenant not in self._secrets:
            async with self._database.read() as transaction:
                found = await transaction.execute(select(SECRETS.c.wrapped).where(SECRETS.c.tenant == tenant))
                wrapped = found.scalar_one_or_none()
            if wrapped is None:
                return None
            self._secrets[tenant] = self._unwrap(wrapped, tenant)
        return self._secrets[tenant]

    async def fingerprint_of(self, tenant: str) -> str:
        """What tells whether the tenant's secret is still the same, and nothing else of it."""
        return hmac.digest(await self.secret_of(tenant), FINGERPRINT, hashlib.sha256)[:16].hex()

    async def identify(self, tenant: str, identity: Identity) -> Identified | None:
        """Hashes of an identity; none if nothing is known of it."""
        return identified(await self.secret_of(tenant), identity)

    async def admit(self, claims: Sequence[Claim]) -> dict[tuple[str, str], Key | Erased]:
        """Keys by tenant and owner, made where there is none; links what shares an identifier. Committed on return.

        An owner who was erased gets no new key.
        """
        found = {}
        for claim in claims:
            remembered = self._by_owner.get(claim)
            if remembered is not None:
                found[claim.tenant, claim.owner] = remembered
        fresh = [claim for claim in dict.fromkeys(claims) if (claim.tenant, claim.owner) not in found]
        if fresh:
            made = await self._admit(fresh)
            self._by_owner.put({claim: made[claim.tenant, claim.owner] for claim in fresh})
            self._by_kid.put({key.kid: key for key in made.values() if isinstance(key, Key)})
            found |= made
        return found

    def seal(self, key: Key, content: bytes) -> Sealed:
        """Content under a key, bound to its tenant and owner."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        ciphertext = AESGCM(key.secret).encrypt(nonce, content, _bound_to(key.tenant, key.owner))
        return Sealed.of_sound({"kid": key.kid, "nonce": _base64(nonce), "ciphertext": _base64(ciphertext)})

    async def open(self, sealed: Sealed) -> bytes | Erased:
        """What is sealed, or Erased if its owner was.

        Raises:
            Halt: if the key is neither there nor marked as erased, or does not fit.
        """
        return (await self.open_all([sealed]))[0]

    async def open_all(self, sealed: Sequence[Sealed]) -> list[bytes | Erased]:
        """The same for many, with one look into the database."""
        keys = {item.kid: self._by_kid.get(item.kid) for item in sealed}
        unknown = [kid for kid, key in keys.items() if key is None]
        if unknown:
            looked_up = await self._look_up(unknown)
            self._by_kid.put(looked_up)
            keys |= looked_up
        return [self._opened(item, keys[item.kid]) for item in sealed]

    async def subjects_of(self, tenant: str, subjects: Collection[str]) -> dict[str, frozenset[str]]:
        """All subjects of each subject's person, itself among them. Never remembered: decisions depend on it."""
        async with self._database.read() as transaction:
            return await self._groups(transaction, tenant, subjects)

    async def _groups(
        self, transaction: Transaction, tenant: str, subjects: Collection[str]
    ) -> dict[str, frozenset[str]]:
        mine = select(LINKS.c.identifier, LINKS.c.person).where(
            LINKS.c.tenant == tenant, LINKS.c.identifier.in_(subjects)
        )
        persons = {row.identifier: row.person for row in await transaction.execute(mine)}
        theirs = select(LINKS.c.identifier, LINKS.c.person).where(
            LINKS.c.tenant == tenant, LINKS.c.person.in_(set(persons.values()))
        )
        members = defaultdict(set)
        for row in await transaction.execute(theirs):
            members[row.person].add(row.identifier)
        return {
            subject: frozenset({subject} | (members[persons[subject]] if subject in persons else set()))
            for subject in subjects
        }

    async def erase(self, tenant: str, subjects: Collection[str]) -> frozenset[str]:
        """Destroys the keys of the persons these subjects belong to and marks each; returns all their subjects.

        Does the same again, and finds nothing left, when called again.
        """
        async with self._database.begin() as transaction:
            await lock(transaction, [_people_of(tenant)])
            groups = await self._groups(transaction, tenant, subjects)
            everyone = frozenset().union(*groups.values()) if groups else frozenset()
            theirs = select(BELONGINGS.c.owner).where(BELONGINGS.c.tenant == tenant, BELONGINGS.c.subject.in_(everyone))
            belongings = (await transaction.execute(theirs)).scalars()
            await self._destroy(transaction, tenant, everyone.union(belongings))
        self.forget()
        return everyone

    async def _destroy(self, transaction: Transaction, tenant: str, owners: Collection[str]) -> None:
        now = self._clock.now()
        for some in _portions(sorted(owners)):
            mine = (KEYS.c.tenant == tenant) & KEYS.c.owner.in_(some)
            kids = {row.owner: row.kid for row in await transaction.execute(select(KEYS).where(mine))}
            markers = [{"tenant": tenant, "owner": owner, "kid": kids.get(owner), "erased_at": now} for owner in some]
            await insert_or_ignore(transaction, ERASED, markers)
            await transaction.execute(delete(KEYS).where(mine))

    async def mark_lost(self, kids: Collection[str]) -> int:
        """Marks keys that are gone for good, so that what they sealed counts as erased; returns how many were."""
        found = await self._look_up(kids, lost_allowed=True)
        lost = [kid for kid in kids if kid not in found]
        now = self._clock.now()
        async with self._database.begin() as transaction:
            rows = [{"tenant": STRANGERS, "owner": f"lost:{kid}", "kid": kid, "erased_at": now} for kid in lost]
            return await insert_or_ignore(transaction, ERASED, rows)

    def forget(self) -> None:
        """Drops what is remembered of keys in this process."""
        self._by_owner.forget()
        self._by_kid.forget()

    async def seal_letter(self, letter_id: UUID, content: bytes) -> Sealed | None:
        """Seals what a stranger sent, under a key of its own; none if that has been erased."""
        claim = Claim(STRANGERS, _owner_of(letter_id))
        key = (await self.admit([claim]))[claim.tenant, claim.owner]
        return self.seal(key, content) if isinstance(key, Key) else None

    async def open_letter(self, letter_id: UUID, sealed: Sealed) -> bytes | None:
        """What a stranger sent; none if it has been erased."""
        del letter_id  # the key tells its owner
        content = await self.open(sealed)
        return None if isinstance(content, Erased) else content

    async def erase_letter(self, letter_id: UUID) -> None:
        """Destroys the key of a dead letter: nobody can read any more what the stranger sent."""
        async with self._database.begin() as transaction:
            await self._destroy(transaction, STRANGERS, [_owner_of(letter_id)])
        self.forget()

    async def _admit(self, claims: Sequence[Claim]) -> dict[tuple[str, str], Key | Erased]:
        """Nobody else links or makes keys of these tenants meanwhile: what is not there now is ours to make."""
        owners = list(dict.fromkeys((claim.tenant, claim.owner) for claim in claims))
        async with self._database.begin() as transaction:
            await lock(transaction, {_people_of(claim.tenant) for claim in claims})
            for tenant in sorted({claim.tenant for claim in claims}):
                known_of = [claim.identified for claim in claims if claim.tenant == tenant and claim.identified]
                await self._link(transaction, tenant, known_of)
            known = await self._stored(transaction, owners)
            made = self._new_keys(owner for owner in owners if owner not in known)
            if made:
                await transaction.execute(KEYS.insert(), self._rows(made))
            known |= {(key.tenant, key.owner): key for key in made}
            known |= await self._keep_belongings(transaction, claims, known)
        return known

    async def _keep_belongings(
        self, transaction: Transaction, claims: Sequence[Claim], known: Mapping[tuple[str, str], Key | Erased]
    ) -> dict[tuple[str, str], Key | Erased]:
        """Notes what belongs to whom; returns what is erased at once, since its subject was before it came."""
        rows = [
            {"tenant": claim.tenant, "subject": claim.owner, "owner": claim.belonging}
            for claim in claims
            if claim.belonging
        ]
        await insert_all(transaction, BELONGINGS, rows)
        late = {
            (claim.tenant, claim.belonging)
            for claim in claims
            if claim.belonging and isinstance(known[claim.tenant, claim.owner], Erased)
        }
        for tenant in sorted({tenant for tenant, _ in late}):
            await self._destroy(transaction, tenant, {owner for whose, owner in late if whose == tenant})
        return dict.fromkeys(late, Erased())

    async def _stored(
        self, transaction: Transaction, owners: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], Key | Erased]:
        """Keys and markers of these owners; a marker comes before a key."""
        found: dict[tuple[str, str], Key | Erased] = {}
        for tenant in sorted({tenant for tenant, _ in owners}):
            theirs = [owner for whose, owner in owners if whose == tenant]
            keys = select(KEYS).where(KEYS.c.tenant == tenant, among(transaction, KEYS.c.owner, theirs))
            found |= {(tenant, row.owner): self._key(row) for row in await transaction.execute(keys)}
            marks = select(ERASED.c.owner).where(ERASED.c.tenant == tenant, among(transaction, ERASED.c.owner, theirs))
            found |= {(tenant, row.owner): Erased() for row in await transaction.execute(marks)}
        return found

    async def _link(self, transaction: Transaction, tenant: str, identities: Sequence[Identified]) -> None:
        several = [one for one in identities if len(one.identifiers) > 1]
        if not several:
            return
        links = await self._links(transaction, tenant, values_of(several))
        for one in several:
            links.join(one)
        for person, others in links.merged:
            same = (LINKS.c.tenant == tenant) & LINKS.c.person.in_(others)
            await transaction.execute(update(LINKS).where(same).values(person=person))
        added = [
            {"tenant": tenant, "identifier": value, "kind": kind, "person": links.person_of[value]}
            for value, kind in links.added.items()
        ]
        await insert_all(transaction, LINKS, added)

    async def _links(self, transaction: Transaction, tenant: str, values: Collection[str]) -> Links:
        """What is on record of these identifiers and the persons they belong to."""
        columns = select(LINKS.c.identifier, LINKS.c.person)
        found = columns.where(LINKS.c.tenant == tenant, among(transaction, LINKS.c.identifier, values))
        persons = {row.identifier: row.person for row in await transaction.execute(found)}
        theirs = among(transaction, LINKS.c.person, set(persons.values()))
        found = columns.where(LINKS.c.tenant == tenant, theirs, LINKS.c.kind == "customer")
        customers = {row.person: row.identifier for row in await transaction.execute(found)}
        return Links(persons, customers)

    async def _look_up(self, kids: Collection[str], *, lost_allowed: bool = False) -> dict[str, Key | Erased]:
        found: dict[str, Key | Erased] = {}
        async with self._database.read() as transaction:
            for some in _portions(list(kids)):
                keys = await transaction.execute(select(KEYS).where(KEYS.c.kid.in_(some)))
                found |= {row.kid: self._key(row) for row in keys}
                marks = await transaction.execute(select(ERASED.c.kid).where(ERASED.c.kid.in_(some)))
                found |= {row.kid: Erased() for row in marks}
        lost = [kid for kid in kids if kid not in found]
        if lost and not lost_allowed:
            raise Halt(
                f"key {lost[0]} is neither in the keyring nor marked as erased: the keyring was lost or is another's. "
                "Restore it, or give it up with `nps recover --lost-keys`"
            )
        return found

    def _new_keys(self, owners: Iterable[tuple[str, str]]) -> list[Key]:
        """Random ids that begin alike, so that keys made together stand together in the index of ids."""
        begins = secrets.token_hex(4)
        return [
            Key(begins + secrets.token_hex(12), tenant, owner, secrets.token_bytes(KEY_BYTES))
            for tenant, owner in owners
        ]

    def _rows(self, keys: Iterable[Key]) -> list[dict[str, object]]:
        now = self._clock.now()
        return [
            {
                "tenant": key.tenant,
                "owner": key.owner,
                "kid": key.kid,
                "wrapped": self._wrap(key.secret, key.kid),
                "created_at": now,
            }
            for key in keys
        ]

    def _key(self, row: Row[tuple[object, ...]]) -> Key:
        return Key(row.kid, row.tenant, row.owner, self._unwrap(row.wrapped, row.kid))

    def _opened(self, sealed: Sealed, key: Key | Erased | None) -> bytes | Erased:
        if not isinstance(key, Key):
            return Erased()
        try:
            nonce, ciphertext = base64.b64decode(sealed.nonce), base64.b64decode(sealed.ciphertext)
            return AESGCM(key.secret).decrypt(nonce, ciphertext, _bound_to(key.tenant, key.owner))
        except (InvalidTag, ValueError) as error:
            raise Halt(f"what is sealed under {sealed.kid} does not open with that key: it was altered") from error

    def _wrap(self, secret: bytes, name: str) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._master.encrypt(nonce, secret, name.encode())

    def _unwrap(self, wrapped: bytes, name: str) -> bytes:
        try:
            return self._master.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], name.encode())
        except InvalidTag as error:
            raise Halt("NPS_MASTER_KEY is not the key this keyring was made with") from error


def _bound_to(tenant: str, owner: str) -> bytes:
    return f"{len(tenant)}:{tenant}{owner}".encode()


def _base64(content: bytes) -> str:
    return binascii.b2a_base64(content, newline=False).decode()


def _owner_of(letter_id: UUID) -> str:
    return f"letter:{letter_id}"


def _people_of(tenant: str) -> str:
    """One lock a tenant: linking moves whole persons, so locks of single identifiers would not hold others off."""
    return f"{tenant}/people"


def _portions(items: Sequence[V]) -> Iterable[Sequence[V]]:
    return (items[start : start + LOOKED_UP_AT_ONCE] for start in range(0, len(items), LOOKED_UP_AT_ONCE))


def parse_master_key(text: str) -> bytes:
    """The master key from its setting.

    Raises:
        Halt: if it is not 32 bytes in base64.
    """
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Halt("NPS_MASTER_KEY: not base64") from error
    if len(key) != KEY_BYTES:
        raise Halt(f"NPS_MASTER_KEY: {len(key)} bytes, must be {KEY_BYTES}")
    return key


def keyring_url(settings: SealedSettings) -> str:
    """Where the keyring lies."""
    if settings.keyring_url:
        return settings.keyring_url.get_secret_value()
    return sqlite_url(settings.state_dir, "keyring")


@asynccontextmanager
async def open_keyring(settings: SealedSettings, clock: Clock) -> AsyncIterator[Keyring]:
    """The keyring for the life of a process; its database is made at first use.

    Raises:
        Halt: if the master key is none, or not the one this keyring was made with.
    """
    async with open_database(keyring_url(settings), durable=True) as database:
        await migrate(database, clock, "services.chassis.keyring")
        keyring = Keyring(database, parse_master_key(settings.master_key.get_secret_value()), clock)
        await keyring.check_master_key()
        yield keyring
