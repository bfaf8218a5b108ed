"""Texts of conversations to telephones: which source of the business file sends them, and what is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from schemas.malformed import Malformed
from services.chassis.logs import logger
from services.intake.conversations.texter import Later, Outcome, PhoneText
from services.intake.conversations.texts import worded
from services.intake.sources import twilio

if TYPE_CHECKING:
    from services.chassis.frame import Frame
    from services.chassis.metrics import Metrics
    from services.intake.conversations.asked import Asked
    from services.intake.conversations.sql_conversations import Conversation
    from services.intake.conversations.talk import Line
    from services.intake.conversations.texter import Texter
    from services.intake.metrics import AnyMetric
    from services.intake.settings import IntakeSection, IntakeSettings

NAME_IN_TEMPLATE: Final = "1"
"""Templates of WhatsApp have the business's name in their first gap."""

_log = logger("conversations")


@dataclass(frozen=True, slots=True)
class Texting:
    """Sends the texts of conversations."""

    frame: Frame
    texter: Texter
    settings: IntakeSettings

    def sender_of(self, section: IntakeSection, asked: Asked) -> str | None:
        """The name of the source that texts go out through; none for bots.

        Raises:
            Malformed: if there is no such source, or nobody says which.
        """
        if not asked.on_phone:
            return None
        able = sorted(name for name, options in section.sources.items() if _can_send(options))
        chosen = asked.source or (able[0] if len(able) == 1 else None)
        if chosen is None:
            raise Malformed.of(
                "source", f"required: {', '.join(able)}" if able else "none in the business file can send"
            )
        if chosen not in able:
            raise Malformed.of("source", "not one in the business file with vendor twilio, account_sid and sender")
        return chosen

    async def send(self, section: IntakeSection, known: Conversation, phone: str, line: Line) -> Outcome:
        """Sends a line of a conversation to a telephone; tries once."""
        outcome = await self._tried(section, known, phone, line)
        ended = type(outcome).__name__.lower()
        metrics: Metrics[AnyMetric] = self.frame.metrics
        metrics.count("nps_texts_total", outcome=ended)
        _log.info(
            "text.tried",
            outcome=ended,
            line=line,
            tenant=known.tenant,
            conversation_id=known.conversation_id,
            detail=getattr(outcome, "detail", None),
        )
        return outcome

    async def _tried(self, section: IntakeSection, known: Conversation, phone: str, line: Line) -> Outcome:
        options = section.sources.get(known.source or "")
        secrets = self.settings.secrets_of(known.tenant, known.source or "")
        if not isinstance(options, twilio.Options) or not options.account_sid or not options.sender:
            return Later("its source is gone from the business file")
        if not secrets:
            return Later(f"NPS_SOURCE_SECRETS has none for {known.tenant}/{known.source}")
        name = section.conversations.name if section.conversations else ""
        mark = twilio.WHATSAPP if known.medium == "whatsapp" else ""
        templates: Mapping[Any, str] = (  # by one of our languages, which a conversation's is
            options.question_templates if line == "question" else options.reminder_templates
        )
        return await self.texter.send(
            PhoneText(
                account=options.account_sid,
                token=secrets[0],
                sender=f"{mark}{options.sender}" if options.sender.startswith("+") else options.sender,
                to=f"{mark}{phone}",
                body=worded(line, known.talk.language, name, known.medium),
                template=templates.get(known.talk.language) if mark else None,
                variables={NAME_IN_TEMPLATE: name},
            )
        )


def _can_send(options: object) -> bool:
    return isinstance(options, twilio.Options) and bool(options.account_sid and options.sender)
