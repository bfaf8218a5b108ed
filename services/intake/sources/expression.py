"""Where a value lies in somebody's JSON, as a JMESPath expression of the business file."""

from __future__ import annotations

from typing import Annotated, Any

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator

from schemas.malformed import Malformed


def _compiles(text: str) -> str:
    try:
        jmespath.compile(text)
    except JMESPathError as error:
        raise ValueError(f"no JMESPath expression: {' '.join(str(error).split())}") from error
    return text


Expression = Annotated[str, AfterValidator(_compiles)]
"""A dotted path, `feedback.score`, or whatever else JMESPath knows. A name with spaces stands in quotes."""


def found(expression: str | None, told: Any, field: str) -> Any:  # JSON of any shape
    """What an expression finds; none where it finds nothing, and where there is no expression.

    Raises:
        Malformed: if a function in it cannot work on what is there, naming the field.
    """
    if expression is None:
        return None
    try:
        return jmespath.search(expression, told)
    except JMESPathError as error:
        raise Malformed.of(field, "the expression cannot be applied to what was sent") from error
