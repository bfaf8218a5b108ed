"""What the form says, in each language it speaks, and which of them somebody reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, Literal, get_args

import yaml

Spoken = Literal["en", "cs", "pl", "fi", "ru", "zh"]
SPOKEN: Final[tuple[Spoken, ...]] = get_args(Spoken)

LONGEST_HEADER: Final = 500


@dataclass(frozen=True, slots=True)
class Words:
    """Every sentence in one language; `tag` is its name in BCP 47."""

    tag: str
    question: str
    question_us: str
    least: str
    most: str
    of_ten: str
    why: str
    optional: str
    send: str
    chosen: str
    noted: str
    thanks: str
    answered: str
    add_why: str
    change: str
    kept: str
    next: str
    close: str
    error: str
    choose: str
    too_long: str
    expired_title: str
    expired_text: str
    unknown_title: str
    unknown_text: str
    taken_title: str
    taken_text: str
    unavailable_title: str
    unavailable_text: str

    def asking(self, brand: str | None) -> str:
        """The question, about a brand or about us."""
        return self.question.replace("{brand}", brand) if brand else self.question_us


def shipped() -> Mapping[Spoken, Words]:
    """All there are."""
    folder = files("services.intake.forms") / "texts"
    return {name: Words(**yaml.safe_load((folder / f"{name}.yaml").read_text("utf-8"))) for name in SPOKEN}


def spoken(tag: str | None) -> Spoken | None:
    """The language that a tag such as `fi-FI` names, if it is one of ours."""
    primary = (tag or "").lower().partition("-")[0]
    return next((name for name in SPOKEN if name == primary), None)


def preferred(accept_language: str) -> Spoken | None:
    """The one of ours that a browser asks for most (RFC 9110 §12.5.4); none if it asks for none of them."""
    ranges = [_weighed(item) for item in accept_language[:LONGEST_HEADER].split(",")]
    wanted = sorted((one for one in ranges if one[0] > 0), key=lambda one: -one[0])
    return _first(spoken(tag) for _, tag in wanted)


def _weighed(item: str) -> tuple[float, str]:
    tag, _, weight = item.strip().partition(";")
    name, _, number = weight.strip().partition("=")
    try:
        return (float(number) if name.strip() == "q" else 1.0), tag.strip()
    except ValueError:
        return 0.0, tag


def _first(found: Iterable[Spoken | None]) -> Spoken | None:
    return next((name for name in found if name), None)
