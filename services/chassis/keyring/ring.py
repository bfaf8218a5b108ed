"""Making, finding, using and destroying keys.

A key is inserted or ignored, read back and committed before anything sealed with it is produced; so a key that is
neither there nor marked as erased means that the keyring itself was lost, and whoever meets it stops.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import io
import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, select

from schemas.sealed import Sealed
from services.chassis.clock import Clock
from services.chassis.failures import Halt
from services.chassis.keyring import sql_keyring
from services.chassis.keyring.identity import Identified, Identity, identified
from services.chassis.keyring.sql_keyring import Owner, Wrapped
from services.chassis.keyring.tables import KEYS, SECRETS
from services.chassis.migrating import migrate
from services.chassis.settings import SealedSettings
from services.chassis.sql import Database, open_database, sqlite_url
from services.chassis.sql_dialect import insert_or_ignore

KEY_BYTES: Final = 32
KID_BYTES: Final = 16
KID_OWN_BYTES: Final = 12
"""Of a key's id; the others are those of all keys made together."""

NONCE_BYTES: Final = 12
FINGERPRINT: Final = b"fingerprint, version 1"
REMEMBERED_FOR: Final = timedelta(seconds=30)
REMEMBERED_KEYS: Final = 20_000

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

    def __hash__(self) -> int:
        """Told apart well enough without the identifiers, of which the owner is one."""
        return hash((self.tenant, self.owner, self.belonging))


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
        self._by_claim: _Remembered[Key | Erased] = _Remembered(clock)
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
                row = {"tenant": tenant, "wrapped": self._new_secret(tenant)}
                await transaction.run_sync(insert_or_ignore, SECRETS, [row])
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

    async def admit(self, claims: Sequence[Claim]) -> dict[Owner, Key | Erased]:
        """Keys by tenant and owner, made where there is none; links what shares an identifier. Committed on return.

        An owner who was erased gets no new key.
        """
        found = {}
        fresh = []
        for claim in dict.fromkeys(claims):
            remembered = self._by_claim.get(claim)
            if remembered is None:
                # also where another claim of the same owner is remembered: this one may bring a belonging
                fresh.append(claim)
            else:
                found[claim.tenant, claim.owner] = remembered
        if fresh:
            made = await self._database.in_one_go(lambda connection: self._admit(connection, fresh))
            self._by_claim.put({claim: made[claim.tenant, claim.owner] for claim in fresh})
            self._by_kid.put({key.kid: key for key in made.values() if isinstance(key, Key)})
            found |= made
        return found

    def seal(self, key: Key, content: bytes) -> Sealed:
        """Content under a key, bound to its tenant and owner."""
        return self.seal_all([(key, content)])[0]

    def seal_all(self, contents: Collection[tuple[Key, bytes]]) -> list[Sealed]:
        """The same for many."""
        chance = _chance(NONCE_BYTES * len(contents))
        return [_sealed(key, content, chance.read(NONCE_BYTES)) for key, content in contents]

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
            return await transaction.run_sync(sql_keyring.people, tenant, subjects)

    async def names_of(self, tenant: str, subjects: Collection[str]) -> dict[str, str]:
        """One name for all subjects of a person, of those subjects that have another name than their own."""
        async with self._database.read() as transaction:
            persons = await transaction.run_sync(sql_keyring.persons, tenant, subjects)
        return {subject: person for subject, person in persons.items() if subject != person}

    async def erase(self, tenant: str, subjects: Collection[str]) -> frozenset[str]:
        """Destroys the keys of the persons these subjects belong to and marks each; returns all their subjects.

        Does the same again, and finds nothing left, when called again.
        """

        def work(connection: Connection) -> frozenset[str]:
            sql_keyring.hold(connection, [tenant])
            everyone = frozenset().union(*sql_keyring.people(connection, tenant, subjects).values())
            owners = everyone.union(sql_keyring.belongings_of(connection, tenant, everyone))
            sql_keyring.destroy(connection, tenant, owners, self._clock.now())
            return everyone

        everyone = await self._database.in_one_go(work)
        self.forget()
        return everyone

    async def mark_lost(self, kids: Collection[str]) -> int:
        """Marks keys that are gone for good, so that what they sealed counts as erased; returns how many were."""
        found = await self._look_up(kids, lost_allowed=True)
        lost: dict[str, str | None] = {f"lost:{kid}": kid for kid in kids if kid not in found}
        now = self._clock.now()
        return await self._database.in_one_go(lambda connection: sql_keyring.mark(connection, STRANGERS, lost, now))

    def forget(self) -> None:
        """Drops what is remembered of keys in this process."""
        self._by_claim.forget()
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
        owners, now = [_owner_of(letter_id)], self._clock.now()
        await self._database.in_one_go(lambda connection: sql_keyring.destroy(connection, STRANGERS, owners, now))
        self.forget()

    def _admit(self, connection: Connection, claims: Sequence[Claim]) -> dict[Owner, Key | Erased]:
        """Nobody else links or makes keys of these tenants meanwhile: what is not there now is ours to make."""
        owners = list(dict.fromkeys((claim.tenant, claim.owner) for claim in claims))
        tenants = sorted({tenant for tenant, _ in owners})
        sql_keyring.hold(connection, tenants)
        for tenant in tenants:
            identities = [claim.identified for claim in claims if claim.tenant == tenant and claim.identified]
            sql_keyring.link(connection, tenant, identities)
        stored = sql_keyring.stored(connection, owners)
        known: dict[Owner, Key | Erased] = {(key.tenant, key.owner): self._key(key) for key in stored.keys}
        known |= dict.fromkeys(stored.erased, Erased())
        made = self._new_keys([owner for owner in owners if owner not in known])
        new = {(key.tenant, key.owner): key for key in made}
        belonging = [(claim.tenant, claim.owner, claim.belonging) for claim in claims if claim.belonging]
        beside = {(tenant, owner): name for tenant, owner, name in belonging if (tenant, owner) in new}
        sql_keyring.add(connection, self._all_wrapped(made), beside, self._clock.now())
        others = [one for one in belonging if beside.get(one[:2]) != one[2]]
        sql_keyring.note_belongings(connection, others)
        return known | new | self._come_late(connection, others, known)

    def _come_late(
        self, connection: Connection, belonging: Sequence[tuple[str, str, str]], known: Mapping[Owner, Key | Erased]
    ) -> dict[Owner, Key | Erased]:
        """What is erased at once, since its subject was before it came."""
        late = {
            (tenant, owner) for tenant, subject, owner in belonging if isinstance(known.get((tenant, subject)), Erased)
        }
        for tenant in sorted({tenant for tenant, _ in late}):
            theirs = {owner for whose, owner in late if whose == tenant}
            sql_keyring.destroy(connection, tenant, theirs, self._clock.now())
        return dict.fromkeys(late, Erased())

    async def _look_up(self, kids: Collection[str], *, lost_allowed: bool = False) -> dict[str, Key | Erased]:
        async with self._database.read() as transaction:
            stored = await transaction.run_sync(sql_keyring.look_up, list(kids))
        found: dict[str, Key | Erased] = {key.kid: self._key(key) for key in stored.keys}
        found |= dict.fromkeys(stored.erased, Erased())
        lost = [kid for kid in kids if kid not in found]
        if lost and not lost_allowed:
            raise Halt(
                f"key {lost[0]} is neither in the keyring nor marked as erased: the keyring was lost or is another's. "
                "Restore it, or give it up with `nps recover --lost-keys`"
            )
        return found

    def _new_keys(self, owners: Sequence[Owner]) -> list[Key]:
        """Random ids that begin alike, so that keys made together stand together in the index of ids."""
        begins = secrets.token_hex(KID_BYTES - KID_OWN_BYTES)
        chance = _chance((KID_OWN_BYTES + KEY_BYTES) * len(owners))
        return [
            Key(begins + chance.read(KID_OWN_BYTES).hex(), tenant, owner, chance.read(KEY_BYTES))
            for tenant, owner in owners
        ]

    def _new_secret(self, tenant: str) -> bytes:
        return self._wrap(secrets.token_bytes(KEY_BYTES), tenant, secrets.token_bytes(NONCE_BYTES))

    def _all_wrapped(self, keys: Collection[Key]) -> list[Wrapped]:
        chance = _chance(NONCE_BYTES * len(keys))
        return [
            Wrapped(key.tenant, key.owner, key.kid, self._wrap(key.secret, key.kid, chance.read(NONCE_BYTES)))
            for key in keys
        ]

    def _key(self, stored: Wrapped) -> Key:
        return Key(stored.kid, stored.tenant, stored.owner, self._unwrap(stored.wrapped, stored.kid))

    def _opened(self, sealed: Sealed, key: Key | Erased | None) -> bytes | Erased:
        if not isinstance(key, Key):
            return Erased()
        try:
            nonce, ciphertext = base64.b64decode(sealed.nonce), base64.b64decode(sealed.ciphertext)
            return AESGCM(key.secret).decrypt(nonce, ciphertext, _bound_to(key.tenant, key.owner))
        except (InvalidTag, ValueError) as error:
            raise Halt(f"what is sealed under {sealed.kid} does not open with that key: it was altered") from error

    def _wrap(self, secret: bytes, name: str, nonce: bytes) -> bytes:
        return nonce + self._master.encrypt(nonce, secret, name.encode())

    def _unwrap(self, wrapped: bytes, name: str) -> bytes:
        try:
            return self._master.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], name.encode())
        except InvalidTag as error:
            raise Halt("NPS_MASTER_KEY is not the key this keyring was made with") from error


def _chance(size: int) -> io.BytesIO:
    """Random bytes for many to read from: a call of the system for each would take longer than what they are for."""
    return io.BytesIO(secrets.token_bytes(size))


def _sealed(key: Key, content: bytes, nonce: bytes) -> Sealed:
    ciphertext = AESGCM(key.secret).encrypt(nonce, content, _bound_to(key.tenant, key.owner))
    return Sealed.of_sound({"kid": key.kid, "nonce": _base64(nonce), "ciphertext": _base64(ciphertext)})


def _bound_to(tenant: str, owner: str) -> bytes:
    return f"{len(tenant)}:{tenant}{owner}".encode()


def _base64(content: bytes) -> str:
    return binascii.b2a_base64(content, newline=False).decode()


def _owner_of(letter_id: UUID) -> str:
    return f"letter:{letter_id}"


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
