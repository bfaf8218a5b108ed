"""What is said, in the language of the conversation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final, Literal

import yaml

from services.intake.conversations.talk import Line

Medium = Literal["sms", "whatsapp", "chatbot", "voicebot"]
ON_PHONES: Final[frozenset[Medium]] = frozenset({"sms", "whatsapp"})

_PARTS: Final[Mapping[Line, tuple[str, ...]]] = {
    "question": ("question", "scale"),
    "reminder": ("reminder", "question", "scale"),
}
"""Lines that are made of several."""


def worded(line: Line, language: str, name: str, medium: Medium) -> str:
    """A line in words. Who is asked on a phone is told how to stop."""
    texts = _texts()[language]
    parts = _PARTS.get(line, (line,))
    if medium in ON_PHONES and line in _PARTS:
        parts = (*parts, "stop")
    glue = "" if language == "zh" else " "
    return glue.join(texts[part] for part in parts).replace("{name}", name)


@cache
def _texts() -> Mapping[str, Mapping[str, str]]:
    told: dict[str, dict[str, str]] = yaml.safe_load((files(__package__) / "texts.yaml").read_text(encoding="utf-8"))
    return told
