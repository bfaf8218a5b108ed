"""Turns what a mail is about into subject, HTML and text. Pure: templates are read once, before the first mail.

Each language has a folder under `templates/`; whoever's language is missing gets English. Data never becomes template:
a name that looks like one is text, a name that looks like a link is left out, and no subject breaks its line.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, Literal, get_args

from jinja2 import DictLoader, StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from services.chassis.failures import Malformed
from services.delivery.settings import Item, Sender

FALLBACK: Final = "en"
Kind = Literal["perk", "offer"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
LONGEST_SUBJECT: Final = 150
LONGEST_NAME: Final = 60

_LINK: Final = re.compile(r"://|www\.|@|[\w-]\.[a-z]{2,}", re.IGNORECASE)
_STYLE: Final = "page.css"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What one mail is about."""

    kind: Kind
    language: str | None
    name: str | None
    item: Item
    code: str
    sender: Sender
    unsubscribe_url: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail as it is read."""

    subject: str
    html: str
    text: str


class Templates:
    """Every template there is, by language."""

    def __init__(self, sources: dict[str, str]) -> None:
        self.languages: Final = frozenset(name.split("/")[0] for name in sources if "/" in name)
        self._environment = SandboxedEnvironment(
            loader=DictLoader(sources),
            autoescape=lambda name: name is None or not name.endswith(".txt"),
            undefined=StrictUndefined,
            trim_blocks=True,
            auto_reload=False,
        )
        self._css = sources[_STYLE]

    @classmethod
    def shipped(cls) -> Templates:
        """Those beside this module."""
        return cls(dict(_read(files("services.delivery") / "templates", "")))

    def render(self, letter: Letter) -> Rendered:
        """The mail for one letter.

        Raises:
            Malformed: if the template cannot be filled.
        """
        language = self.language(letter.language)
        context = {
            "language": language,
            "name": greeting_name(letter.name),
            "item": letter.item,
            "code": letter.code,
            "sender": letter.sender,
            "unsubscribe_url": letter.unsubscribe_url,
        }
        stem = f"{language}/{letter.kind}"
        try:
            subject = one_line(self._environment.get_template(f"{stem}.subject.txt").render(context))
            context["subject"] = subject
            return Rendered(
                subject,
                self._environment.get_template(f"{stem}.html").render(context),
                self._environment.get_template(f"{stem}.txt").render(context),
            )
        except TemplateError as error:
            raise Malformed.of("template", f"{stem}: {type(error).__name__}") from error

    def unsubscribe_page(self, stage: Literal["ask", "done", "unknown"], language: str | None, sender: Sender) -> str:
        """The page behind an unsubscribe link."""
        chosen = self.language(language)
        template = self._environment.get_template(f"{chosen}/unsubscribe.html")
        return template.render(language=chosen, stage=stage, sender=sender, css=Markup(self._css))  # noqa: S704 our own

    @property
    def style_hash(self) -> str:
        """The page's style as a source of its Content-Security-Policy."""
        return "sha256-" + base64.b64encode(hashlib.sha256(self._css.encode()).digest()).decode()

    def language(self, wanted: str | None) -> str:
        """The language there is that comes closest: `fi-FI`, else `fi`, else English."""
        tag = (wanted or "").lower()
        return next((name for name in (tag, tag.split("-")[0]) if name in self.languages), FALLBACK)


def one_line(text: str) -> str:
    """Text that cannot break out of a header: one line, no control characters, not too long."""
    visible = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(visible.split())[:LONGEST_SUBJECT]


def greeting_name(name: str | None) -> str | None:
    """A name to greet by; none if there is none, or if it is somebody's attempt to put a link into our mail."""
    line = one_line(name or "")
    return line if line and len(line) <= LONGEST_NAME and not _LINK.search(line) else None


def _read(folder: Traversable, prefix: str) -> list[tuple[str, str]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _read(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith((".html", ".txt", ".css")):
            found.append((prefix + entry.name, entry.read_text()))
    return found
