"""Makes links: one, or one for each row of a file that a mailing is sent from.

The answer behind a link has an id of its own by chance. Where a survey and a person are named it is made from these
two, so that one person asked twice in one survey has one answer.
"""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

from pydantic_core import to_json

from schemas.malformed import Malformed
from schemas.response import Submission
from schemas.topic import decode_json
from services.chassis.business import Business
from services.chassis.clock import Clock
from services.chassis.keyring import open_keyring
from services.intake.domain import Arrival, check
from services.intake.forms.pages import Pages
from services.intake.forms.words import spoken
from services.intake.links import ABOUT_PEOPLE, PREFILLED, Link, answer_id, token_for
from services.intake.settings import IntakeSection, IntakeSettings

SEGMENT: Final = "segment."
AGENT: Final = "agent."
LINK: Final = "link"
ROW_LINK: Final = "row_link"
FORM: Final = "/f/"
ROW: Final = "/r/"

Chance = Callable[[], str]
"""A new id that nobody guesses."""

Asked = Mapping[str, Any]  # fields of a link, checked by its model


@dataclass(frozen=True, slots=True)
class Made:
    """One link: to the form, and the beginning of those behind the numbers of a row; none where it takes many."""

    form: str
    row: str | None


@dataclass(frozen=True, slots=True)
class Written:
    """A file of links: how many, which of its columns were used, and which passed over."""

    path: Path
    links: int
    used: list[str]
    passed_over: list[str]


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes links of one tenant. `section` is its part of the business file."""

    tenant: str
    section: IntakeSection
    secret: bytes
    base: str
    chance: Chance

    def make(self, asked: Asked, expires_at: datetime, *, many: bool = False) -> Made:
        """One link.

        Raises:
            Malformed: naming what cannot stand in it.
        """
        told = {name: value for name, value in asked.items() if value is not None}
        link = decode_json(Link, to_json({**told, "tenant": self.tenant, "expires_at": expires_at}))
        if many:
            self._nobody(link)
        else:
            link = link.model_copy(update={"response_id": self._named(link)})
        self._usable(link, expires_at)
        token = token_for(self.secret, link)
        return Made(f"{self.base}{FORM}{token}", None if many else f"{self.base}{ROW}{token}")

    def make_all(self, path: Path, into: Path, asked: Asked, expires_at: datetime) -> Written:
        """The file again, with a link behind each row; `asked` holds for rows that say nothing else.

        Raises:
            Malformed: naming the line; then nothing is written.
        """
        with path.open(encoding="utf-8-sig", newline="") as file:
            try:
                columns, rows = _read(file)
                written = [row | self._links(row, line, asked, expires_at) for line, row in rows]
            except (csv.Error, UnicodeDecodeError) as error:
                raise Malformed.of("file", "no CSV in UTF-8") from error
        with into.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [*columns, LINK, ROW_LINK])
            writer.writeheader()
            writer.writerows(written)
        used = [name for name in columns if _is_ours(name)]
        return Written(into, len(written), used, [name for name in columns if name not in used])

    def _links(self, row: Mapping[str, str], line: int, asked: Asked, expires_at: datetime) -> dict[str, str]:
        try:
            made = self.make(_over(asked, row), expires_at)
        except Malformed as error:
            raise Malformed.of(f"line {line}", str(error)) from error
        return {LINK: made.form, ROW_LINK: made.row or ""}

    def _named(self, link: Link) -> str:
        person = next(((name, value) for name in ABOUT_PEOPLE if (value := getattr(link, name))), None)
        if link.survey_id is None or person is None:
            return self.chance()
        return answer_id(self.secret, "survey", link.survey_id, link.touchpoint or "", *person)

    def _nobody(self, link: Link) -> None:
        named = next((name for name in ABOUT_PEOPLE if getattr(link, name)), None)
        if named:
            raise Malformed.of(named, "a link that takes many answers names nobody")

    def _usable(self, link: Link, now: datetime) -> None:
        """Whether an answer behind this link would be let in."""
        if link.language and spoken(link.language) is None:
            raise Malformed.of("language", "the form does not speak it")
        tried = {name: getattr(link, name) for name in PREFILLED} | {"score": 0}
        check(Arrival(Submission.model_validate(tried), self.tenant, link.channel, now, ""))


@asynccontextmanager
async def open_maker(
    settings: IntakeSettings, business: Business, clock: Clock, tenant: str, chance: Chance
) -> AsyncIterator[Maker]:
    """What it takes to make links; neither Kafka nor intake need be there.

    Raises:
        Malformed: if no such tenant is in the business file.
    """
    section = business.sections("intake", IntakeSection).of(tenant)
    async with open_keyring(settings, clock) as keyring:
        yield Maker(tenant, section, await keyring.secret_of(tenant), settings.forms_base, chance)


def row_html(link: str, brand: str | None, language: str | None) -> str:
    """The row for a mail. `link` is a link, or what a mailing program puts one in the place of.

    Raises:
        Malformed: if the form does not speak the language.
    """
    chosen = spoken(language or "en")
    if chosen is None:
        raise Malformed.of("language", "the form does not speak it")
    return Pages.shipped().row(link.replace(FORM, ROW).rstrip("/"), brand, chosen)


def _read(file: IO[str]) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    header = file.readline()
    file.seek(0)
    reader = csv.DictReader(file, delimiter=max(",;\t", key=header.count), strict=True)
    columns = list(reader.fieldnames or ())
    if not columns:
        raise Malformed.of("header", "the file is empty")
    taken = {LINK, ROW_LINK} & set(columns)
    if taken:
        raise Malformed.of("header", f"a column is called {min(taken)} already")
    if len(set(columns)) != len(columns):
        raise Malformed.of("header", "a column stands there twice")
    return columns, _rows(reader)


def _rows(reader: csv.DictReader[str]) -> Iterator[tuple[int, dict[str, str]]]:
    for row in reader:
        if None in row:
            raise Malformed.of(f"line {reader.line_num}", "more cells than there are columns")
        yield reader.line_num, {name: cell or "" for name, cell in row.items()}


def _is_ours(column: str) -> bool:
    fields = set(PREFILLED) - {"segments", "agent", "test"} | {"channel"}
    return column in fields or column.startswith(SEGMENT) or column in {"agent.id", "agent.team"}


def _over(asked: Asked, row: Mapping[str, str]) -> dict[str, Any]:
    """What is asked of a row: its own cells where they say something."""
    found: dict[str, Any] = dict(asked)
    for column, cell in row.items():
        text = cell.strip()
        if not text or not _is_ours(column):
            continue
        if column.startswith(SEGMENT):
            found["segments"] = {**found.get("segments", {}), column.removeprefix(SEGMENT): text}
        elif column.startswith(AGENT):
            found["agent"] = {**found.get("agent", {}), column.removeprefix(AGENT): text}
        else:
            found[column] = text
    return found
