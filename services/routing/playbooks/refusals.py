"""What the model of a playbook refuses, all of it at once, with the place in each condition and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from services.routing.contact_policy import Budget, Cap, ContactPolicy, Grounds, HoldOut, QuietHours
from services.routing.playbooks.conditions import BLOCK, BadCondition, Condition, written_out
from services.routing.playbooks.files import faults_of
from services.routing.playbooks.findings import Finding, Path, about_rule
from services.routing.playbooks.playbook import PlaybookFile, Rule

Tree = Mapping[str, Any]  # YAML of any shape

_MODELS: Final[Mapping[Path, type[BaseModel]]] = {
    (): PlaybookFile,
    ("rules",): Rule,
    ("policy",): ContactPolicy,
    ("policy", "quiet_hours"): QuietHours,
    ("policy", "caps"): Cap,
    ("policy", "budgets"): Budget,
    ("policy", "hold_out"): HoldOut,
    ("policy", "grounds"): Grounds,
}

_OF_WORDS: Final[Mapping[str, str]] = {
    "required with action": "add it",
    "goes with action": "take it out, or choose such an action",
    "goes with notify": "take `then` out, or make it a notify",
    "is before holds_from": "exchange the two days",
    "two are named": "give one of them another name",
    "no time zone": "write a name such as Europe/Helsinki",
    "all seven are quiet": "leave a day of the week",
}
"""How to mend what our own validators refuse, by words of their messages."""

_OF_KINDS: Final[Mapping[str, str]] = {
    "literal_error": "write one of these",
    "enum": "write one of these",
    "string_pattern_mismatch": "write it in lower case letters, digits, hyphens and underscores, as in thank-promoters",
    "time_delta_parsing": "write a span such as PT30M, PT4H or P7D",
    "too_short": "add one",
    "too_long": "keep fewer",
    "string_too_short": "write a longer one",
    "string_too_long": "write a shorter one",
}
_BOUNDS: Final = frozenset({"greater_than", "greater_than_equal", "less_than", "less_than_equal"})
_FALLBACK: Final = "write it as docs/guides/playbooks.md shows"


def refused(tree: Tree) -> tuple[PlaybookFile | None, list[Finding]]:
    """The playbook of a tree; or, where the model refuses it, none and everything that is wrong."""
    try:
        return PlaybookFile.model_validate(tree), []
    except ValidationError as error:
        shape = [_finding(tree, one) for one in faults_of(error) if not _is_of_condition(one)]
        return None, [*shape, *_bad_conditions(tree)]


def _is_of_condition(error: ErrorDetails) -> bool:
    """Whether it is about a condition: these are told one by one."""
    message = error["msg"].removeprefix("Value error, ")
    told = message.startswith(("rule ", "block ", "policy: left_when"))
    return not error["loc"] and error["type"] == "value_error" and told


def _finding(tree: Tree, error: ErrorDetails) -> Finding:
    path = tuple(part for part in error["loc"] if part != "[key]")
    message = error["msg"].removeprefix("Value error, ")
    about, problem = _about(tree, path), message[:1].lower() + message[1:]
    for begins in (f"{about}: ", f"{about.partition(':')[0]}: "):
        problem = problem.removeprefix(begins)
    return Finding(_exact(tree, path, message), about, problem, _mend(path, error))


def _exact(tree: Tree, path: Path, message: str) -> Path:
    """The path of a message, where the model tells it of a whole and its words tell the part."""
    if "two are named" in message:
        key = ("policy", "budgets") if path else ("rules",)
        name = message.rpartition(" ")[2]
        items = [item.get("name") for item in _at(tree, key) or () if isinstance(item, dict)]
        return (*key, len(items) - 1 - items[::-1].index(name)) if name in items else key
    field = message.split(": ")[1] if path[:1] == ("rules",) and message.count(": ") > 1 else None
    return (*path, field) if field and len(path) == 2 else path


def _about(tree: Tree, path: Path) -> str:
    if path[:1] == ("rules",) and len(path) > 1:
        rule = _at(tree, path[:2])
        name = rule.get("name") if isinstance(rule, dict) else None
        called = about_rule(str(name or path[1]))
        return f"{called}: {'.'.join(map(str, path[2:]))}" if path[2:] else called
    return ".".join(map(str, path)) or "playbook"


def _mend(path: Path, error: ErrorDetails) -> str:
    kind, message = error["type"], error["msg"]
    if kind == "extra_forbidden":
        model = _MODELS.get(tuple(part for part in path[:-1] if isinstance(part, str)))
        near = get_close_matches(str(path[-1]), model.model_fields, 1) if model else []
        return f"write {near[0]}" if near else "take it out: nothing is called so"
    if kind == "missing":
        return f"add {path[-1]}"
    if kind in _BOUNDS:
        return "write a number within these bounds"
    ours = next((mend for words, mend in _OF_WORDS.items() if words in message), None)
    return ours or _OF_KINDS.get(kind, _FALLBACK)


def _bad_conditions(tree: Tree) -> Iterator[Finding]:
    """Conditions that are no CEL, or use blocks that are not there, with line and column of each."""
    blocks = _at(tree, ("blocks",))
    texts = {str(name): text for name, text in blocks.items()} if isinstance(blocks, dict) else {}
    plain: dict[str, str] = {}
    for name, text in texts.items():
        if isinstance(text, str):
            finding = _bad(("blocks", name), f"block {name}", text, plain) or _circular(name, text, texts, plain)
            if finding:
                yield finding
            plain[name] = "true" if finding else written_out(text, plain)
    for path, about, text in _conditions(tree):
        finding = _bad(path, about, text, plain) or _missing(path, about, text, plain)
        if finding:
            yield finding


def _conditions(tree: Tree) -> Iterator[tuple[Path, str, str]]:
    rules = _at(tree, ("rules",))
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict) and isinstance(rule.get("when"), str):
            yield ("rules", index, "when"), about_rule(str(rule.get("name", index)), "when"), rule["when"]
    left = _at(tree, ("policy", "left_when"))
    if isinstance(left, str):
        yield ("policy", "left_when"), "policy.left_when", left


def _bad(path: Path, about: str, text: str, plain: Mapping[str, str]) -> Finding | None:
    """What CEL says of a text by itself, and of its length once blocks are written out."""
    known = all(name in plain for name in BLOCK.findall(text))
    try:
        Condition.compiled(text)
        if known:
            Condition.compiled(written_out(text, plain))
    except BadCondition as error:
        mend = "split it into two rules" if "characters" in str(error) else "write it as CEL: https://cel.dev"
        return Finding(path, about, str(error), mend)
    return None


def _circular(name: str, text: str, texts: Mapping[str, str], plain: Mapping[str, str]) -> Finding | None:
    for used in BLOCK.findall(text):
        if used == name:
            return Finding(("blocks", name), f"block {name}", "uses itself", "write out what it means")
        if used not in plain and used in texts:
            return Finding(
                ("blocks", name), f"block {name}", f"uses {used}, which comes after it", f"put {used} above {name}"
            )
    return _missing(("blocks", name), f"block {name}", text, plain)


def _missing(path: Path, about: str, text: str, plain: Mapping[str, str]) -> Finding | None:
    try:
        written_out(text, plain)
    except BadCondition as error:
        wanted = next(name for name in BLOCK.findall(text) if name not in plain)
        near = get_close_matches(wanted, plain, 1)
        return Finding(
            path, about, str(error), f"write blocks.{near[0]}" if near else f"define it under blocks: {wanted}"
        )
    return None


def _at(tree: Any, path: Path) -> Any:  # YAML of any shape
    for part in path:
        try:
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            return None
    return tree
