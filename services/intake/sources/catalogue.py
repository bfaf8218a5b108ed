"""Every vendor there is an adapter for, by the name it has in the business file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import Field

from services.intake.sources import (
    asknicely,
    delighted,
    formbricks,
    google_forms,
    jotform,
    retently,
    satismeter,
    survicate,
    tally,
    typeform,
    wootric,
)
from services.intake.sources.source import Call, Said

AnyOptions = Annotated[
    asknicely.Options
    | delighted.Options
    | formbricks.Options
    | google_forms.Options
    | jotform.Options
    | retently.Options
    | satismeter.Options
    | survicate.Options
    | tally.Options
    | typeform.Options
    | wootric.Options,
    Field(discriminator="vendor"),
]
"""A source in the business file: `vendor` tells which kind."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """What one vendor's module does. Options are the module's own, and Any here."""

    verify: Callable[[Call, Any, str, datetime], None]
    parse: Callable[[Call, Any], list[Said]]


ADAPTERS: Final = {
    "asknicely": Adapter(asknicely.verify, asknicely.parse),
    "delighted": Adapter(delighted.verify, delighted.parse),
    "formbricks": Adapter(formbricks.verify, formbricks.parse),
    "google_forms": Adapter(google_forms.verify, google_forms.parse),
    "jotform": Adapter(jotform.verify, jotform.parse),
    "retently": Adapter(retently.verify, retently.parse),
    "satismeter": Adapter(satismeter.verify, satismeter.parse),
    "survicate": Adapter(survicate.verify, survicate.parse),
    "tally": Adapter(tally.verify, tally.parse),
    "typeform": Adapter(typeform.verify, typeform.parse),
    "wootric": Adapter(wootric.verify, wootric.parse),
}
