"""Routing's tables: how each answer stands, what people said, and the playbooks that were activated.

What an answer led to is the ledger of contacts as well: caps, budgets and history are looked up here.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

from services.chassis.sql import Utc
from services.chassis.suppressions import Suppressions
from services.routing.policy import Said

ROUTING: Final = MetaData()

ANSWERS: Final = Table(
    "answers",
    ROUTING,
    Column("tenant", String(63), primary_key=True),
    Column("response_id", String(200), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("digest", String(32)),
    Column("number", Integer, nullable=False),
    Column("past", Boolean, nullable=False),
    Column("answer", LargeBinary),
    Column("comment", LargeBinary),
    Column("mail", String(10)),
    Column("task", String(10)),
    Column("rule", String(63)),
    Column("first_decided_at", Utc),
    Column("received_at", Utc),
    Column("answered_at", Utc),
    Column("subject", String(32)),
    Column("account", String(32)),
    Column("channel", String(63)),
    Column("score", SmallInteger),
    Column("due_at", Utc),
    Column("mail_at", Utc),
    Column("mail_gone", Boolean, nullable=False),
    Column("task_at", Utc),
    Column("task_closed", Boolean, nullable=False),
    Column("survey_at", Utc),
    Column("told", Text, nullable=False),
)
"""`score` is that of an answer that counts; `told` names the rules that have told somebody, by spaces between them."""

_columns = ANSWERS.c
for _name, _held in {
    "due_at": (_columns.due_at,),
    "mail_at": (_columns.tenant, _columns.mail_at),
    "task_at": (_columns.tenant, _columns.task_at),
    "account": (_columns.tenant, _columns.account),
    "subject": (_columns.tenant, _columns.subject, _columns.answered_at),
}.items():
    _there = _columns[_name].is_not(None)
    Index(f"answers_by_{_name}", *_held, sqlite_where=_there, postgresql_where=_there)

SUPPRESSIONS: Final = Suppressions[Said](ROUTING)
"""About subjects: a bounce stays, an opt-out may be taken back and takes no bounce along."""

PLAYBOOKS: Final = Table(
    "playbooks",
    ROUTING,
    Column("tenant", String(63), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("name", String(63), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("made_at", Utc, nullable=False),
)

PLAYBOOK_CHANGES: Final = Table(
    "playbook_changes",
    ROUTING,
    Column("tenant", String(63), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("role", String(6), nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", Utc, nullable=False),
)
"""Of each role the change with the highest number holds; version 0 is the playbook of the business file."""
