"""The catalogue: every topic there is, in flow order."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from schemas.alert import Alert
from schemas.consent import Consent
from schemas.contract import Contract
from schemas.decision import Decision
from schemas.delivery import Delivery
from schemas.erasure import Erasure
from schemas.generation import Generation
from schemas.message import Message
from schemas.notice import Notice
from schemas.outreach_request import OutreachRequest
from schemas.person_answer import PersonAnswer
from schemas.playbook_change import PlaybookChange
from schemas.provider_event import ProviderEvent
from schemas.response import Response
from schemas.score import Score
from schemas.shadow_decision import ShadowDecision
from schemas.survey_request import SurveyRequest
from schemas.tally import Tally
from schemas.task import Task
from schemas.task_update import TaskUpdate
from schemas.topic import RESPONSES_NAME, Service, Topic

_RESPONSE: Final = ("tenant", "response_id")

RESPONSES: Final = Topic(
    name=RESPONSES_NAME,
    payload=Response,
    key=_RESPONSE,
    writer="intake",
    readers=frozenset({"scoring", "routing", "monitor", "console"}),
    meaning="every accepted answer and each of its revisions, personal data sealed; never compacted",
)
TALLIES: Final = Topic(
    name="nps.tallies",
    payload=Tally,
    key=("generation", "tenant", "segment", "series", "day", "partition"),
    meets_by=("tenant", "segment"),
    writer="scoring",
    readers=frozenset({"scoring", "monitor", "console"}),
    meaning="exact counts a cell, absolute: the last record of a key wins; written in fenced transactions",
    compacted=True,
)
GENERATIONS: Final = Topic(
    name="nps.generations",
    payload=Generation,
    key=("generation", "series", "partition"),
    writer="scoring",
    readers=frozenset({"scoring", "console"}),
    meaning="how far each generation of tallies stands; a tombstone ends one",
    scaled=False,
    compacted=True,
)
PEOPLE: Final = Topic(
    name="nps.people",
    payload=PersonAnswer,
    key=("generation", "tenant", "subject", "response_id"),
    meets_by=("tenant", "subject"),
    writer="scoring",
    readers=frozenset({"scoring"}),
    meaning="what each answer of a person adds, absolute, where each person's latest answer is counted as well",
    compacted=True,
    # whoever takes a partition over must see what its predecessor had published of facts that are no more
    kept_whole_for=timedelta(days=1),
)
SCORES: Final = Topic(
    name="nps.scores",
    payload=Score,
    key=("tenant", "segment", "window.name"),
    meets_by=("tenant", "segment"),
    writer="scoring",
    readers=frozenset({"scoring", "monitor", "console", "outside"}),
    meaning="NPS with its interval a tenant, segment and window, whenever it changes",
    compacted=True,
    compaction_lag=timedelta(hours=1),
)
ALERTS: Final = Topic(
    name="nps.alerts",
    payload=Alert,
    key=("tenant", "alert_id"),
    writer="scoring",
    readers=frozenset({"scoring", "monitor", "outside"}),
    meaning="how each alert about the score stands",
    scaled=False,
    compacted=True,
)
DECISIONS: Final = Topic(
    name="nps.decisions",
    payload=Decision,
    key=_RESPONSE,
    writer="routing",
    readers=frozenset({"monitor", "console"}),
    meaning="what is done about an answer, or why nothing is; one for each change of mind",
)
MESSAGES: Final = Topic(
    name="nps.messages",
    payload=Message,
    key=_RESPONSE,
    writer="routing",
    readers=frozenset({"delivery", "console"}),
    meaning="the mail an answer should lead to",
)
OUTREACH: Final = Topic(
    name="nps.outreach",
    payload=OutreachRequest,
    key=_RESPONSE,
    writer="routing",
    readers=frozenset({"outreach", "console"}),
    meaning="the task an answer should lead to",
)
NOTICES: Final = Topic(
    name="nps.notices",
    payload=Notice,
    key=_RESPONSE,
    writer="routing",
    readers=frozenset({"outreach", "console", "outside"}),
    meaning="what a rule tells a team, and which customers it wants asked again",
    retention=timedelta(days=30),
)
SHADOW_DECISIONS: Final = Topic(
    name="nps.shadow-decisions",
    payload=ShadowDecision,
    key=_RESPONSE,
    writer="routing",
    readers=frozenset({"monitor", "console"}),
    meaning="what a playbook on trial would have done about an answer",
    retention=timedelta(days=30),
)
PLAYBOOKS: Final = Topic(
    name="nps.playbooks",
    payload=PlaybookChange,
    key=("tenant", "number"),
    writer="routing",
    readers=frozenset({"monitor", "console"}),
    meaning="which playbook decides, each change of it, and every playbook as it was written",
    scaled=False,
    compacted=True,
)
DELIVERIES: Final = Topic(
    name="nps.deliveries",
    payload=Delivery,
    key=_RESPONSE,
    writer="delivery",
    readers=frozenset({"routing", "delivery", "monitor", "console", "outside"}),
    meaning="each change in how a mail stands",
)
TASKS: Final = Topic(
    name="nps.tasks",
    payload=Task,
    key=("tenant", "task_id"),
    writer="outreach",
    readers=frozenset({"routing", "outreach", "monitor", "console", "outside"}),
    meaning="each task as it stands, in clear for the CRM; a tombstone erases it",
    compacted=True,
    compaction_lag=timedelta(hours=1),
)
PROVIDER_EVENTS: Final = Topic(
    name="nps.provider-events",
    payload=ProviderEvent,
    key=("tenant", "delivery_id"),
    writer="intake",
    readers=frozenset({"delivery", "console"}),
    meaning="what the mail provider said about a mail",
    retention=timedelta(days=30),
)
TASK_UPDATES: Final = Topic(
    name="nps.task-updates",
    payload=TaskUpdate,
    key=("tenant", "task_id"),
    writer="intake",
    readers=frozenset({"outreach", "console"}),
    meaning="what a CRM said about a task",
    retention=timedelta(days=30),
)
SURVEY_REQUESTS: Final = Topic(
    name="nps.survey-requests",
    payload=SurveyRequest,
    key=("tenant", "request_id"),
    writer="outreach",
    readers=frozenset({"outside"}),
    meaning="customers to ask again, for the survey apps upstream",
    retention=timedelta(days=30),
)
CONSENTS: Final = Topic(
    name="nps.consents",
    payload=Consent,
    key=("tenant", "subject"),
    writer="intake",
    readers=frozenset({"routing", "delivery"}),
    meaning="what people allow, and what they no longer want",
)
ERASURES: Final = Topic(
    name="nps.erasures",
    payload=Erasure,
    key=("tenant", "erasure_id"),
    writer="console",
    readers=frozenset({"intake", "outreach"}),
    meaning="persons to forget, kept so that it can be done again after a restore",
    scaled=False,
    compacted=True,
)

CATALOGUE: Final[tuple[Topic[Contract], ...]] = (
    RESPONSES,
    TALLIES,
    GENERATIONS,
    PEOPLE,
    SCORES,
    ALERTS,
    DECISIONS,
    MESSAGES,
    OUTREACH,
    NOTICES,
    SHADOW_DECISIONS,
    PLAYBOOKS,
    DELIVERIES,
    TASKS,
    PROVIDER_EVENTS,
    TASK_UPDATES,
    SURVEY_REQUESTS,
    CONSENTS,
    ERASURES,
)  # type: ignore[assignment]  # Topic is invariant in its payload; the catalogue only reads it


def written_by(service: Service) -> tuple[Topic[Contract], ...]:
    """The topics of which a service is the one writer."""
    return tuple(topic for topic in CATALOGUE if topic.writer == service)


def read_by(service: Service) -> tuple[Topic[Contract], ...]:
    """The topics a service reads."""
    return tuple(topic for topic in CATALOGUE if service in topic.readers)
