"""What one answer adds at present, for the count of each person's latest answer alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.contract import Contract, Identifier, Moment, Points, Subject, Tenant
from schemas.generation import GenerationName
from schemas.tally import Segment


class PersonAnswer(Contract):
    """An absolute fact about one answer of one subject: the last record of a key wins."""

    generation: GenerationName
    tenant: Tenant
    subject: Subject
    response_id: Identifier
    partition: int = Field(ge=0, description="partition of nps.responses it came from")
    offset: Annotated[int, Field(ge=0)] = Field(description="offset there after which this was true")
    answered_at: Moment
    score: Points | None = Field(default=None, description="none where the answer counts no more, or is another's now")
    segments: list[Segment] = Field(default_factory=list, description="every segment the answer belongs to")
