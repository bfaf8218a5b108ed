"""Finds conditions that do not mean what they say: names of nothing, types that never meet, words nobody defined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from services.routing.playbooks.conditions import BLOCK
from services.routing.playbooks.findings import Finding, Path, about_rule
from services.routing.playbooks.keywords import Keywords
from services.routing.playbooks.mentions import Literal, Mention, line_and_column, read
from services.routing.playbooks.playbook import Playbook
from services.routing.playbooks.situation import variables
from services.routing.playbooks.trials import Trials
from services.routing.playbooks.witnesses import Scene

SHAPE: Final = variables(Scene({}, Keywords({})).situation({}))
"""What there is to ask about, with a value of each."""

OPEN: Final = frozenset({("answer", "segments"), ("person", "attributes")})
"""Maps whose entries depend on who sends."""

_KINDS: Final[Mapping[type, str]] = {str: "text", bool: "true or false", int: "a number", float: "a number"}
_WORDS: Final = {"str": "text", "int": "a number", "float": "a number", "list": "a list", "dict": "a map"}
_KEYWORDS: Final = ("comment", "keywords")


@dataclass(frozen=True, slots=True)
class Written:
    """A condition where it stands."""

    path: Path
    about: str
    text: str


def conditions_of(playbook: Playbook) -> list[Written]:
    """Every condition of a playbook, its blocks among them, as written."""
    found = [Written(("blocks", name), f"block {name}", text) for name, text in playbook.blocks.items()]
    found += [
        Written(("rules", index, "when"), about_rule(rule.name, "when"), rule.when)
        for index, rule in enumerate(playbook.rules)
    ]
    if playbook.policy.left_when:
        found.append(Written(("policy", "left_when"), "policy.left_when", playbook.policy.left_when))
    return found


def misread(playbook: Playbook) -> Iterator[Finding]:
    """Names of nothing, types that cannot be compared, keywords that are not defined; read off the text alone."""
    for written in conditions_of(playbook):
        for mention in read(written.text).paths:
            if mention.path[0] != "blocks":
                fault = _unknown(mention) or _unlike(mention) or _undefined(mention, playbook)
                if fault:
                    place = line_and_column(written.text, mention.at)
                    yield Finding(written.path, written.about, f"{place}: {fault[0]}", fault[1])


def unused(playbook: Playbook) -> Iterator[Finding]:
    """Blocks and keywords that no condition in use speaks of."""
    used = _blocks_in_use(playbook)
    for name in playbook.blocks:
        if name not in used:
            yield Finding(("blocks", name), f"block {name}", "nothing uses it", f"take it out, or write blocks.{name}")
    texts = [one.text for one in conditions_of(playbook) if one.path[0] != "blocks" or one.path[1] in used]
    spoken = [mention for text in texts for mention in read(text).paths if mention.path[:2] == _KEYWORDS]
    if any(not _keywords_in(mention) and not _through_elements(mention, spoken) for mention in spoken):
        return  # some condition asks for them all
    asked = {word for mention in spoken for word in _keywords_in(mention)}
    for name in playbook.keywords:
        if name not in asked:
            told = f'take it out, or ask for "{name}" in comment.keywords'
            yield Finding(("keywords", name), f"keyword {name}", "no condition asks for it", told)


def senseless(playbook: Playbook, trials: Trials, plain: Mapping[Path, str]) -> Iterator[Finding]:
    """Conditions that cannot be answered, or are not true or false; `plain` are those of rules with blocks written."""
    for written in conditions_of(playbook):
        if written.path not in plain:
            continue
        for part in trials.parts(plain[written.path]):
            flawed = [reason for reason, is_flaw in part.flaws.items() if is_flaw]
            if flawed or (part.exact and not part.answered):
                reason = _plainly((flawed or list(part.flaws))[0])
                problem = f"{_short(part.text)}: cannot be answered: {reason}"
                yield Finding(written.path, written.about, problem, _mended(reason))
                break


def _unknown(mention: Mention) -> tuple[str, str] | None:
    root, *rest = mention.path
    if root not in SHAPE:
        return f"{root}: there is no such thing", _instead(root, SHAPE)
    if rest and rest[0] not in SHAPE[root]:
        return f"{root}.{rest[0]}: there is no such thing", _instead(rest[0], SHAPE[root], f"{root}.")
    return None


def _instead(name: str, known: Mapping[str, Any], before: str = "") -> str:  # names are what matters
    near = get_close_matches(name, known, 1)
    there = ", ".join(known)
    return f"write {before}{near[0]}" if near else f"ask about one of: {there}"


def _unlike(mention: Mention) -> tuple[str, str] | None:
    """What it is compared with is of another type, so that they are never alike."""
    kind = _kind(mention)
    if kind is None:
        return None
    wrong = [value for value in mention.compared if not _alike(kind, value)]
    if not wrong:
        return None
    name, value = ".".join(mention.path), wrong[0]
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    if kind is str:
        number = mention.path[:2] in OPEN
        mend = f"write double({name}) to compare it as a number" if number else f'write "{value}" in quotes'
    elif kind is bool:
        mend = f"write {name} alone, or !{name}"
    else:
        mend = "write the number without quotes"
    return f"{name} is {_KINDS[kind]}, and cannot be compared with {shown}", mend


def _kind(mention: Mention) -> type | None:
    if mention.element or mention.path[:2] in OPEN:
        return str if len(mention.path) == 3 or mention.element else None
    value: Any = SHAPE
    for part in mention.path:
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    return type(value) if type(value) in _KINDS else None


def _alike(kind: type, value: Literal) -> bool:
    return isinstance(value, str) if kind is str else kind is not bool and not isinstance(value, str)


def _undefined(mention: Mention, playbook: Playbook) -> tuple[str, str] | None:
    if mention.path[:2] != _KEYWORDS:
        return None
    missing = [word for word in _keywords_in(mention) if word not in playbook.keywords]
    if not missing:
        return None
    near = get_close_matches(missing[0], playbook.keywords, 1)
    mend = f'write "{near[0]}"' if near else f"define it: keywords: {{{missing[0]}: [words that mean it]}}"
    return f'"{missing[0]}" is not defined under keywords', mend


def _keywords_in(mention: Mention) -> list[str]:
    return [str(value) for value in (*mention.members, *mention.compared, *mention.affixes)]


def _through_elements(mention: Mention, spoken: list[Mention]) -> bool:
    """Whether a macro goes through the keywords and compares each with something."""
    return not mention.element and any(other.element and _keywords_in(other) for other in spoken)


def _blocks_in_use(playbook: Playbook) -> set[str]:
    texts = [one.text for one in conditions_of(playbook) if one.path[0] != "blocks"]
    used: set[str] = set()
    while texts:
        for name in BLOCK.findall(texts.pop()):
            if name not in used and name in playbook.blocks:
                used.add(name)
                texts.append(playbook.blocks[name])
    return used


def _plainly(reason: str) -> str:
    if reason.startswith("No such overload"):
        return "types that do not go together"
    if reason.startswith("Undefined variable or function"):
        return f"{reason.partition(chr(39))[2].rpartition(chr(39))[0]}: there is no such function"
    for kind, word in _WORDS.items():
        reason = reason.replace(f"it is {kind},", f"it is {word},")
    return reason


def _mended(reason: str) -> str:
    if "not true or false" in reason:
        return "compare it with something, as in answer.score <= 6"
    if "no such function" in reason:
        return "use a function of CEL: size, contains, startsWith, endsWith, matches, exists, all"
    return "compare text with text and numbers with numbers; double(...) makes a number of text"


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"
