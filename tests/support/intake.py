"""Intake on a real Kafka and a real database, and what a test wants to know of it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from schemas.personal_data import PersonalData
from schemas.response import Response
from schemas.topics import RESPONSES
from services.chassis.business import Business
from services.chassis.frame import Frame
from services.chassis.keyring import Erased, Keyring
from services.chassis.lifecycle import Assembly
from services.chassis.records import Outgoing
from services.intake import commands
from services.intake.app import intake
from services.intake.settings import IntakeSettings
from tests.support.clocks import ManualClock
from tests.support.topics import reading


@dataclass
class World:
    """What intake stands in."""

    frame: Frame
    keyring: Keyring
    clock: ManualClock
    settings: IntakeSettings
    business: Business
    token: str

    def intake(self) -> AbstractAsyncContextManager[Assembly]:
        """The service, ready to be hosted."""
        return intake(self.settings, self.business, self.clock)

    @property
    def auth(self) -> dict[str, str]:
        """Headers with the API key."""
        return {"Authorization": f"Bearer {self.token}"}

    async def publish(self, topic: str, *values: bytes, headers: tuple[tuple[str, bytes], ...] = ()) -> None:
        """Records for an inbound topic."""
        await self.frame.publisher.publish([Outgoing(topic, b"k", b"k", value, headers) for value in values])

    async def answers(self, number: int) -> list[Response]:
        """The first so many answers."""
        async with reading(self.frame.kafka, RESPONSES.name) as reader:
            records = await reader.count(number)
            return [RESPONSES.decode(raw.headers, raw.value) for raw in records]

    async def opened(self, answer: Response) -> PersonalData:
        """What is sealed in an answer."""
        assert answer.sealed
        content = await self.keyring.open(answer.sealed)
        assert not isinstance(content, Erased)
        return PersonalData.model_validate_json(content)

    async def channels(self, *names: str) -> None:
        """Makes inbound topics."""
        await commands.create_channels(self.settings, self.clock, names)

    def decided(self, folder: Path, section: str) -> None:
        """Lays intake's section for the tenant `default`, as YAML in flow style, over the business file that ships."""
        own = folder / "own.yaml"
        own.write_text(f"tenants:\n  default:\n    intake: {section}\n")
        self.business = Business.load(Path("schemas/nps.yaml"), own, frozenset(self.business._services))
