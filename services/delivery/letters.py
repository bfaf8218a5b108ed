"""Writes the mail for an entry of the ledger: the tenant's sender and catalogue, the code, the unsubscribe link."""

from __future__ import annotations

from dataclasses import dataclass

from services.chassis.business import Sections
from services.chassis.failures import Malformed
from services.chassis.keyring import Keyring
from services.delivery.domain import Entry
from services.delivery.going_live import sender_of
from services.delivery.mailer import Mail
from services.delivery.perk_code import perk_code
from services.delivery.recipients import Recipient
from services.delivery.rendering import Letter, Templates
from services.delivery.settings import DeliverySection
from services.delivery.unsubscribing import token_for


@dataclass(frozen=True, slots=True)
class Letters:
    """What mails are written with. `base` is the address unsubscribe links begin with."""

    sections: Sections[DeliverySection]
    keyring: Keyring
    templates: Templates
    base: str

    async def write(self, entry: Entry, recipient: Recipient) -> Mail:
        """One mail, ready to go.

        Raises:
            Malformed: if the business file no longer has what it is about.
        """
        section = self.sections.of(entry.tenant)
        item = section.item(entry.kind, entry.template)
        if entry.kind == "none" or item is None:
            raise Malformed.of("template", f"no {entry.kind} of that name in the business file any more")
        sender = sender_of(entry.tenant, section)
        token = token_for(await self.keyring.secret_of(entry.tenant), entry.tenant, entry.delivery_id)
        url = f"{self.base}/u/{token}"
        rendered = self.templates.render(
            Letter(
                kind=entry.kind,
                language=entry.language or recipient.locale,
                name=recipient.name,
                item=item,
                code=perk_code(entry.tenant, entry.response_id),
                sender=sender,
                unsubscribe_url=url,
            )
        )
        return Mail(
            delivery_id=entry.delivery_id,
            tenant=entry.tenant,
            category=entry.kind,
            sender_email=sender.email,
            sender_name=sender.name,
            recipient=recipient.email,
            subject=rendered.subject,
            html=rendered.html,
            text=rendered.text,
            unsubscribe_url=url,
        )
