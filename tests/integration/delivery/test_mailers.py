"""What every mailer promises, held against the fake and, over HTTP, against SendGrid's sandbox."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest

from services.delivery.mailer import Accepted, Ambiguous, Later, Mail, Mailer, Outcome, Refused
from services.delivery.sendgrid_mailer import open_sendgrid_mailer
from services.delivery.settings import DeliverySettings
from tests.support.clocks import ManualClock
from tests.support.fake_mailer import FakeMailer, Fault
from tests.support.mail_sandbox import MailSandbox, mail_sandbox
from tests.support.mails import MAIL


class Provider(Protocol):
    """A mailer and what is behind it."""

    @property
    def mailer(self) -> Mailer:
        """What is tried."""
        ...

    async def fail(self, fault: Fault) -> None:
        """The next request fails so."""

    async def taken(self) -> list[str]:
        """To whom mails were taken, in order."""


@dataclass
class FakeProvider:
    mailer: FakeMailer

    async def fail(self, fault: Fault) -> None:
        self.mailer.faults = deque([fault])

    async def taken(self) -> list[str]:
        return [mail.recipient for mail in self.mailer.taken]


@dataclass
class SandboxProvider:
    mailer: Mailer
    sandbox: MailSandbox
    unreachable: Mailer

    async def fail(self, fault: Fault) -> None:
        if fault == "unreached":
            self.mailer = self.unreachable
        else:
            await self.sandbox.behave({"fault": fault, "times": 1, "seconds": 20})

    async def taken(self) -> list[str]:
        return [mail["recipient"] for mail in reversed(await self.sandbox.mails())]


@pytest.fixture(params=["fake", "sandbox"])
async def provider(request: pytest.FixtureRequest, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Provider]:
    if request.param == "fake":
        yield FakeProvider(FakeMailer(clock))
        return
    async with mail_sandbox(tmp_path, clock, sandbox_sendgrid_key="SG.test") as sandbox:
        nobody = replace(sandbox, url="http://127.0.0.1:1")
        async with sendgrid(sandbox, clock) as mailer, sendgrid(nobody, clock) as unreachable:
            yield SandboxProvider(mailer, sandbox, unreachable)


async def sent(provider: Provider, mail: Mail = MAIL) -> Outcome:
    return await provider.mailer.send(mail, lambda: True)


async def test_a_mail_that_is_taken_is_accepted_and_has_an_id(provider: Provider) -> None:
    outcome = await sent(provider)
    assert isinstance(outcome, Accepted)
    assert outcome.message_id
    assert await provider.taken() == ["ada@example.org"]


async def test_a_mail_whose_moment_has_passed_does_not_leave(provider: Provider) -> None:
    outcome = await provider.mailer.send(MAIL, lambda: False)
    assert isinstance(outcome, Later)
    assert not outcome.everyone
    assert await provider.taken() == []
    assert isinstance(await sent(provider), Accepted)


async def test_whether_it_may_leave_is_not_asked_before_the_connection_stands(provider: Provider) -> None:
    asked = 0

    def may_leave() -> bool:
        nonlocal asked
        asked += 1
        return True

    await provider.fail("unreached")
    outcome = await provider.mailer.send(MAIL, may_leave)
    assert isinstance(outcome, Later)
    assert outcome.everyone
    assert asked == 0


@pytest.mark.parametrize(
    ("fault", "kind", "taken"),
    [
        ("400", Refused, 0),
        ("401", Later, 0),
        ("429", Later, 0),
        ("500", Later, 0),
        ("malformed", Ambiguous, 0),
        ("no-message-id", Accepted, 1),
        ("timeout", Ambiguous, 0),
        ("hang", Ambiguous, 1),
        ("drop", Ambiguous, 1),
    ],
)
async def test_each_way_to_fail_says_whether_the_provider_has_the_mail(
    provider: Provider, fault: Fault, kind: type[Outcome], taken: int
) -> None:
    await provider.fail(fault)
    assert isinstance(await sent(provider), kind)
    assert len(await provider.taken()) == taken


async def test_a_429_names_the_moment_to_come_back(provider: Provider, clock: ManualClock) -> None:
    await provider.fail("429")
    outcome = await sent(provider)
    assert isinstance(outcome, Later)
    assert outcome.not_before == clock.now() + timedelta(seconds=20)


async def test_after_a_failure_the_next_mail_goes_out(provider: Provider) -> None:
    for fault in ("drop", "hang", "malformed"):
        await provider.fail(fault)
        await sent(provider)
    assert isinstance(await sent(provider, replace(MAIL, recipient="bob@example.org")), Accepted)
    assert (await provider.taken())[-1] == "bob@example.org"


@asynccontextmanager
async def sendgrid(sandbox: MailSandbox, clock: ManualClock) -> AsyncIterator[Mailer]:
    settings = DeliverySettings(
        sendgrid_url=sandbox.url, sendgrid_key="SG.test", master_key="A" * 43 + "=", sendgrid_timeout_s=0.3
    )
    async with open_sendgrid_mailer(settings, clock) as mailer:
        yield mailer


async def test_a_wrong_key_is_not_the_mails_fault(clock: ManualClock, tmp_path: Path) -> None:
    async with (
        mail_sandbox(tmp_path, clock, sandbox_sendgrid_key="SG.other") as sandbox,
        sendgrid(sandbox, clock) as it,
    ):
        outcome = await it.send(MAIL, lambda: True)
    assert isinstance(outcome, Later)
    assert outcome.everyone


async def test_an_address_is_never_taken_apart(clock: ManualClock, tmp_path: Path) -> None:
    async with mail_sandbox(tmp_path, clock) as sandbox, sendgrid(sandbox, clock) as it:
        outcome = await it.send(replace(MAIL, recipient="Ada <ada@example.org>, bob@example.org"), lambda: True)
        assert outcome == Refused(detail="400 personalizations.0.to.0.email", quota=outcome.quota)
        assert await sandbox.mails() == []


async def test_neither_name_nor_address_stands_beside_the_mail(clock: ManualClock, tmp_path: Path) -> None:
    async with mail_sandbox(tmp_path, clock) as sandbox, sendgrid(sandbox, clock) as it:
        await it.send(MAIL, lambda: True)
        mail = await sandbox.mail(1)
    assert mail["custom_args"] == {"delivery_id": str(MAIL.delivery_id), "tenant": "default"}
    assert mail["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
