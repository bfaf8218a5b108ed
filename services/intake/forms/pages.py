"""Turns what a page is about into HTML. Pure: templates and texts are read once, before the first page.

Nothing on a page comes from elsewhere, and its policy names the one style and the one script there are by their hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Final, Literal

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from services.intake.forms.words import Spoken, Words, shipped

LONGEST_COMMENT: Final = 5_000
Wrong = Literal["score", "comment"]
Trouble = Literal["expired", "unknown", "taken", "unavailable"]

_STYLE: Final = "form.css"
_SCRIPT: Final = "confirm.js"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The question. `confirming` is a number chosen in a mail, which the page may send once somebody is there."""

    action: str
    brand: str | None
    score: int | None = None
    comment: str = ""
    once: str | None = None
    kept: bool = False
    wrong: Wrong | None = None
    confirming: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Thanks:
    """It is in. `next` leads on to the answer of somebody else, `asking_why` to a comment on this one."""

    action: str
    score: int | None = None
    asking_why: bool = False
    next: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorry:
    """It is not in, and this is why."""

    kind: Trouble
    action: str = ""
    next: bool = False


class Pages:
    """Every page, in every language."""

    def __init__(self, sources: Mapping[str, str], words: Mapping[Spoken, Words]) -> None:
        self._words = words
        self._css, self._script = Markup(sources[_STYLE]), Markup(sources[_SCRIPT])  # noqa: S704 our own
        self._environment = Environment(
            loader=DictLoader(sources),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            auto_reload=False,
        )

    @classmethod
    def shipped(cls) -> Pages:
        """Those beside this module."""
        folder = files("services.intake.forms") / "templates"
        return cls({entry.name: entry.read_text("utf-8") for entry in folder.iterdir()}, shipped())

    def form(self, page: Form, language: Spoken) -> str:
        """The question, the numbers, and room for why."""
        return self._render("form.html", language, thanking=False, **asdict(page))

    def thanks(self, page: Thanks, language: Spoken) -> str:
        """What was answered, and what may follow."""
        return self._render("thanks.html", language, thanking=True, wrong=None, kept=False, comment="", **asdict(page))

    def sorry(self, page: Sorry, language: Spoken) -> str:
        """Why there is no form here."""
        return self._render("sorry.html", language, **asdict(page))

    def row(self, link: str, brand: str | None, language: Spoken) -> str:
        """The question and its numbers as part of a mail; each number is the link with the number behind it."""
        return self._render("row.html", language, link=link, brand=brand)

    def policy(self, *, confirming: bool = False) -> str:
        """What a browser may load and run (CSP Level 3)."""
        scripts = f"script-src '{_hash(self._script)}'; connect-src 'self'; " if confirming else ""
        return (
            f"default-src 'none'; style-src '{_hash(self._css)}'; img-src data:; {scripts}form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )

    def _render(self, name: str, language: Spoken, **context: object) -> str:
        template = self._environment.get_template(name)
        given = {"words": self._words[language], "css": self._css, "script": self._script, "longest": LONGEST_COMMENT}
        return template.render(given | context)


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
