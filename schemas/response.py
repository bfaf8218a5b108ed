"""An answer: as senders publish it (`Submission`) and as intake settles it on `nps.responses` (`Response`)."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from schemas.contract import (
    Band,
    Channel,
    Contract,
    Digest,
    Identifier,
    Language,
    Moment,
    Points,
    Revision,
    Segments,
    SettledSegments,
    ShortText,
    Stranger,
    Subject,
    Tenant,
    Text,
    band_of,
)
from schemas.sealed import Sealed

Op = Literal["submitted", "updated", "commented", "retracted", "excluded"]
"""submitted and updated carry a whole answer, commented a late comment alone, retracted takes the answer back,
excluded keeps it out of every count and away from people until a higher revision brings it back."""

Metric = Literal["nps", "csat", "ces", "review"]
"""Only `nps` enters the score. The others may open tasks and never count."""

WHOLE: Final[frozenset[Op]] = frozenset({"submitted", "updated"})
"""The operations that carry a whole answer."""

Email = Annotated[str, StringConstraints(pattern=r"^[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,253}$")]
Phone = Annotated[str, StringConstraints(pattern=r"^[0-9+() ./-]{5,40}$")]


class Agent(Contract):
    """Who served the customer, so that a score can be read per person and team."""

    id: Identifier
    team: Identifier | None = None


class SubmittedAgent(Agent):
    """The same as a sender gives it: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Submission(Stranger):
    """An answer as a sender publishes it, with personal data in clear. Unknown fields are refused.

    `tenant`, `channel` and `response_id` may be left out where the way in tells them (design: Ids).
    """

    tenant: Tenant | None = None
    response_id: Identifier | None = None
    revision: Revision | None = Field(default=None, description="the sender's own number for this version")
    op: Op = "submitted"
    metric: Metric = "nps"
    score: Points | None = Field(default=None, description="0 to 10, for metric nps")
    rating: float | None = Field(default=None, description="stars, CSAT or CES, for the other metrics")
    language: Language | None = None
    channel: Channel | None = None
    source: Identifier | None = Field(default=None, description="the program that sends; ids are unique within it")
    survey_id: Identifier | None = None
    touchpoint: ShortText | None = Field(default=None, description="what the customer had just done")
    segments: Segments = Field(default_factory=dict)
    agent: SubmittedAgent | None = None
    callback_requested: bool = False
    solicited: bool = Field(default=True, description="whether the customer was asked")
    test: bool = Field(default=False, description="a trial: enters no count and reaches nobody")
    history: bool = Field(default=False, description="belongs to the past: counted, and nobody is contacted")
    answered_at: Moment | None = Field(default=None, description="when the customer answered; now, if left out")
    updated_at: Moment | None = Field(default=None, description="when the sender last changed it")
    customer_id: Identifier | None = None
    account_id: Identifier | None = None
    email: Email | None = None
    phone: Phone | None = None
    name: ShortText | None = None
    timezone: ShortText | None = None
    locale: Language | None = None
    attributes: dict[ShortText, Annotated[str, StringConstraints(max_length=500)]] = Field(
        default_factory=dict, max_length=30
    )
    comment: Text | None = None

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        if self.op == "submitted" and self.metric == "nps" and self.score is not None and self.rating is None:
            return self  # nearly all that ever comes
        reason = _contradiction(self)
        if reason:
            raise ValueError(reason)
        return self


class Response(Contract):
    """An answer as it stands on `nps.responses`, kept for ever. Personal data lies in `sealed`."""

    tenant: Tenant
    response_id: Identifier
    revision: Revision
    op: Op
    metric: Metric = "nps"
    score: Points | None = None
    rating: float | None = None
    language: Language | None = None
    channel: Channel | None = Field(default=None, description="none only where a retraction names nothing else")
    source: Identifier | None = None
    survey_id: Identifier | None = None
    touchpoint: ShortText | None = None
    subject: Subject | None = None
    segments: SettledSegments = Field(
        default_factory=dict, description="what was sent, with touchpoint, agent and team, within the tenant's bound"
    )
    agent: Agent | None = None
    callback_requested: bool = False
    solicited: bool = True
    test: bool = False
    history: bool = False
    answered_at: Moment = Field(description="event time")
    received_at: Moment = Field(description="the broker's time, or intake's clock at the first try")
    digest: Digest = Field(description="decides whether two of one revision are the same")
    sealed: Sealed | None = None

    def counts(self) -> bool:
        """Whether this revision, if it is the highest, is part of NPS."""
        return self.op in WHOLE and self.metric == "nps" and not self.test

    def band(self) -> Band | None:
        """The band of the score; none where there is no score."""
        return None if self.score is None else band_of(self.score)


def _contradiction(submission: Submission) -> str | None:
    """The reason why a submission means nothing, naming the field; none if it is sound."""
    if submission.op != "submitted" and not submission.response_id:
        return f"response_id: required when op is {submission.op}"
    if submission.op == "commented":
        return None if submission.comment else "comment: required when op is commented"
    return _wrong_answer(submission) if submission.op in WHOLE else None


def _wrong_answer(submission: Submission) -> str | None:
    """NPS has a score and no rating, the other metrics a rating and no score."""
    needed, other = ("score", "rating") if submission.metric == "nps" else ("rating", "score")
    if getattr(submission, other) is not None:
        return f"{other}: not allowed when metric is {submission.metric}; the answer is {needed}"
    missing = getattr(submission, needed) is None
    return f"{needed}: required when metric is {submission.metric}" if missing else None
