"""Every vendor there is an adapter for, by the name it has in the business file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import Field

from services.intake.sources import (
    asknicely,
    chatwoot,
    delighted,
    formbricks,
    generic,
    google_forms,
    google_reviews,
    helpscout,
    hubspot,
    intercom,
    jotform,
    posthog,
    qualtrics,
    retently,
    satismeter,
    surveymonkey,
    survicate,
    tally,
    trustpilot,
    twilio,
    typeform,
    wootric,
    zendesk,
)
from services.intake.sources.source import Access, Call, Said

AnyOptions = Annotated[
    asknicely.Options
    | chatwoot.Options
    | delighted.Options
    | formbricks.Options
    | generic.Options
    | google_forms.Options
    | google_reviews.Options
    | helpscout.Options
    | hubspot.Options
    | intercom.Options
    | jotform.Options
    | posthog.Options
    | qualtrics.Options
    | retently.Options
    | satismeter.Options
    | surveymonkey.Options
    | survicate.Options
    | tally.Options
    | trustpilot.Options
    | twilio.Options
    | typeform.Options
    | wootric.Options
    | zendesk.Options,
    Field(discriminator="vendor"),
]
"""A source in the business file: `vendor` tells which kind."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """What one vendor's module does. Options are the module's own, and Any here."""

    verify: Callable[[Call, Any, str, datetime], None]
    parse: Callable[[Call, Any], list[Said]]
    access: Callable[[Any, str], Access] | None = None
    """How a token of ours opens the vendor's API; only where calls do not carry the answers."""
    keys: Callable[[Any], str | None] = lambda _options: None
    """Where the vendor's public keys stand, which then take the place of a secret; none if it proves otherwise."""


ADAPTERS: Final = {
    "asknicely": Adapter(asknicely.verify, asknicely.parse),
    "chatwoot": Adapter(chatwoot.verify, chatwoot.parse),
    "delighted": Adapter(delighted.verify, delighted.parse),
    "formbricks": Adapter(formbricks.verify, formbricks.parse),
    "generic": Adapter(generic.verify, generic.parse),
    "google_forms": Adapter(google_forms.verify, google_forms.parse),
    "google_reviews": Adapter(google_reviews.verify, google_reviews.parse, google_reviews.access, google_reviews.keys),
    "helpscout": Adapter(helpscout.verify, helpscout.parse),
    "hubspot": Adapter(hubspot.verify, hubspot.parse),
    "intercom": Adapter(intercom.verify, intercom.parse),
    "jotform": Adapter(jotform.verify, jotform.parse),
    "posthog": Adapter(posthog.verify, posthog.parse),
    "qualtrics": Adapter(qualtrics.verify, qualtrics.parse, qualtrics.access),
    "retently": Adapter(retently.verify, retently.parse),
    "satismeter": Adapter(satismeter.verify, satismeter.parse),
    "surveymonkey": Adapter(surveymonkey.verify, surveymonkey.parse, surveymonkey.access),
    "survicate": Adapter(survicate.verify, survicate.parse),
    "tally": Adapter(tally.verify, tally.parse),
    "trustpilot": Adapter(trustpilot.verify, trustpilot.parse),
    "twilio": Adapter(twilio.verify, twilio.parse),
    "typeform": Adapter(typeform.verify, typeform.parse),
    "wootric": Adapter(wootric.verify, wootric.parse),
    "zendesk": Adapter(zendesk.verify, zendesk.parse),
}
