"""Intake's whole HTTP side and its door, without Kafka, database or keyring behind them: for calls by the thousand."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from pydantic import SecretStr
from starlette.types import ASGIApp

from schemas.sealed import Sealed
from services.chassis.business import Business
from services.chassis.frame import Frame
from services.chassis.health import Health
from services.chassis.kafka import Kafka
from services.chassis.keyring import Claim, Identified, Identity, Key
from services.chassis.keyring.identity import identified
from services.chassis.metrics import CHASSIS_METRICS, Metrics
from services.chassis.rate_limits import RateLimit
from services.chassis.records import Outgoing
from services.intake.api import Api
from services.intake.calls import Calls
from services.intake.conversations.asked import Asked
from services.intake.conversations.conversing import Message, Started, Told
from services.intake.conversations.http_conversations import HttpConversations
from services.intake.domain import Admitted, SegmentPair
from services.intake.door import Door
from services.intake.front import front
from services.intake.lookups import Lookups
from services.intake.metrics import INTAKE_METRICS
from services.intake.public_keys import PublicKeys
from services.intake.routes import web_app
from services.intake.settings import IntakeSection, IntakeSettings
from services.intake.sources.source import Access
from services.intake.sql_keys import SCOPES, ApiKey
from services.intake.sql_requests import Begun, Done, Refusal
from services.intake.webhooks import Webhooks
from tests.support.clocks import ManualClock
from tests.support.kits.kit import Kit

TOKEN = "nps_a-key-of-the-tenant-default"
SERVICES = frozenset({"intake", "scoring", "routing", "delivery", "outreach", "monitor"})
ORIGIN = "https://nps.example.org"


class FakeSegments:
    """Tells every segment apart."""

    async def admitted(self, _tenant: str, wanted: Collection[SegmentPair], _most: int) -> Admitted:
        """All of them."""
        return Admitted(frozenset(wanted), frozenset(key for key, _ in wanted))


class FakeSources:
    """Knows of none that numbers."""

    async def note(self, sources: Iterable[tuple[str, str]]) -> None:
        """Forgotten at once."""
        del sources

    async def numbering(self, _wanted: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """None."""
        return set()


class FakeKeyring:
    """Knows everybody and seals nothing."""

    async def secret_of(self, _tenant: str) -> bytes:
        """One for all."""
        return b"secret"

    async def identify(self, tenant: str, identity: Identity) -> Identified | None:
        """As the keyring does."""
        return identified(await self.secret_of(tenant), identity)

    async def admit(self, claims: Sequence[Claim]) -> dict[tuple[str, str], Key]:
        """A key for every claim."""
        return {(one.tenant, one.owner): Key("0" * 32, one.tenant, one.owner, b"") for one in claims}

    def seal(self, key: Key, _content: bytes) -> Sealed:
        """Nothing."""
        return Sealed(kid=key.kid, nonce="", ciphertext="")

    def seal_all(self, contents: Sequence[tuple[Key, bytes]]) -> list[Sealed]:
        """Nothing of any."""
        return [self.seal(key, content) for key, content in contents]


@dataclass
class FakePublisher:
    """Counts what is published."""

    published: int = 0

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Acknowledged at once."""
        self.published += len(records)


@dataclass
class FakeLetters:
    """Notes why something became a dead letter."""

    reasons: list[str] = field(default_factory=list)

    async def write(self, _raw: object, error: Exception, *, letter: UUID, **_: object) -> UUID:
        """Durable at once."""
        self.reasons.append(str(error))
        return letter


class FakeApi:
    """A vendor's API that answers whatever is asked what it answered once; and where its public keys stand, these."""

    def __init__(self, kit: Kit | None) -> None:
        self._kit = kit

    async def get(self, access: Access, path: str) -> bytes:
        """The recorded answer, or the keys."""
        assert self._kit is not None
        if f"{access.address}/{path}" == self._kit.adapter.keys(self._kit.parsed_options()):
            return self._kit.secret.encode()
        return next(iter(self._kit.api.values()))


class FakeAllowing:
    """Whom conversations may ask again."""

    async def allow(self, _tenant: str, _subjects: Sequence[str]) -> None:
        """Everybody."""


class FakeConversing:
    """Conversations that never end."""

    async def start(self, _tenant: str, _asked: Asked) -> Started:
        """Begun."""
        return Started("c", Told("How likely?", over=False), new=True)

    async def session_party(self, _tenant: str, session: str) -> str:
        """Whoever it is."""
        return session

    async def phone_party(self, _tenant: str, phone: str) -> str:
        """Whoever it is."""
        return phone

    async def hear(self, _tenant: str, _party: str, message: Message) -> Told | None:
        """Heard, unless nothing was said."""
        return Told("Why?", over=False) if message.text else None

    async def stop(self, *_: object) -> None:
        """Stopped."""


class FakeKeys:
    """One key, for everything."""

    async def of(self, token: str) -> ApiKey | None:
        """The key of that one token."""
        made = ManualClock().now()
        return ApiKey("k", "default", "test", SCOPES, made, None, None) if token == TOKEN else None


class FakeRequests:
    """Requests under an Idempotency-Key, in memory."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[str, Done | None]] = {}

    async def begin(self, tenant: str, key: str, fingerprint: str, now: datetime) -> Begun | Done | Refusal:
        """As SQL has it."""
        known = self._known.setdefault((tenant, key), (fingerprint, None))
        return "another_body" if known[0] != fingerprint else known[1] or Begun(now)

    async def finish(self, tenant: str, key: str, done: Done) -> None:
        """Kept for ever."""
        self._known[tenant, key] = self._known[tenant, key][0], done

    async def give_up(self, tenant: str, key: str, now: datetime) -> None:
        """As if nothing had come."""


@dataclass
class FakeIntake:
    """The application, and what it stands on."""

    web: ASGIApp
    publisher: FakePublisher
    letters: FakeLetters
    clock: ManualClock


def fake_intake(folder: Path, kit: Kit | None = None) -> FakeIntake:
    """Intake with the source of a kit, if any, of the tenant `default`."""
    settings = _settings(folder, kit)
    own = folder / "sources.yaml"
    configured = {name_of(kit): {"vendor": kit.vendor, **kit.options}} if kit else {}
    own.write_text(json.dumps({"tenants": {"default": {"intake": {"sources": configured}}}}))
    business = Business.load(Path(str(files("schemas"))) / "nps.yaml", own, SERVICES)
    clock, publisher, letters, keyring = ManualClock(), FakePublisher(), FakeLetters(), cast("Any", FakeKeyring())
    metrics = Metrics(CHASSIS_METRICS, INTAKE_METRICS)
    frame = Frame("intake", settings, clock, Health(clock), metrics, Kafka(settings), cast("Any", publisher))
    segments, sources = cast("Any", FakeSegments()), cast("Any", FakeSources())
    door = Door(business.sections("intake", IntakeSection), segments, sources, keyring, frame.publisher, metrics)
    api = Api(
        frame,
        door,
        cast("Any", FakeKeys()),
        RateLimit("key", 0),
        cast("Any", FakeRequests()),
        cast("Any", FakeAllowing()),
    )
    conversations = HttpConversations(cast("Any", FakeConversing()), api.tenant_of)
    vendor = FakeApi(kit)
    calls = Calls(
        frame, door, cast("Any", letters), settings, Lookups(settings, vendor), PublicKeys(vendor), conversations
    )
    described = web_app(api, Webhooks(frame, keyring, settings), calls, conversations, ())
    return FakeIntake(front(described, api, settings), publisher, letters, clock)


def name_of(kit: Kit) -> str:
    """What the source is called: as in the address that is signed, else after its vendor."""
    return kit.url.rpartition("/")[2] or kit.vendor


def _settings(folder: Path, kit: Kit | None) -> IntakeSettings:
    name = f"default/{name_of(kit)}" if kit else ""
    return IntakeSettings(
        master_key=SecretStr(base64.b64encode(bytes(32)).decode()),
        source_secrets=SecretStr(json.dumps({name: kit.secret} if kit else {})),
        source_tokens=SecretStr(json.dumps({name: "a token of theirs"} if kit else {})),
        public_url=ORIGIN,
        rate_limit_per_key=0,
        rate_limit_per_address=0,
        state_dir=folder,
    )
