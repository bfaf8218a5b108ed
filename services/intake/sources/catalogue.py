"""Every vendor there is an adapter for, by the name it has in the business file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import Field

from services.intake.sources import delighted, typeform
from services.intake.sources.source import Call, Said

AnyOptions = Annotated[delighted.Options | typeform.Options, Field(discriminator="vendor")]
"""A source in the business file: `vendor` tells which kind."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """What one vendor's module does. Options are the module's own, and Any here."""

    verify: Callable[[Call, Any, str, datetime], None]
    parse: Callable[[Call, Any], list[Said]]


ADAPTERS: Final = {
    "delighted": Adapter(delighted.verify, delighted.parse),
    "typeform": Adapter(typeform.verify, typeform.parse),
}
