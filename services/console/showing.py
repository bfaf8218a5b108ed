"""How results are shown: tables for people, JSON for programs, one line for errors."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import typer
from pydantic import BaseModel
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from schemas.malformed import Malformed
from services.chassis.business import BadBusiness
from services.chassis.failures import Halt, Refused, Transient
from services.chassis.settings import BadSettings
from services.console.serving import Exit

T = TypeVar("T")

# where nobody reads on a terminal, lines are as long as they are
WIDE = 240
out = Console(soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True, soft_wrap=True)


def called() -> str:
    """How to call us again, to be copied: by name, or by path where the name would not be found."""
    path = sys.argv[0]
    return path if Path(path).name == "nps" and shutil.which("nps") is None else "nps"


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Runs a command's work; what goes wrong is one line and an exit code, never a traceback."""
    try:
        return asyncio.run(work)
    except (BadSettings, BadBusiness) as error:
        raise fail(str(error), Exit.CONFIGURATION) from error
    except (Malformed, Refused) as error:
        raise fail(str(error), Exit.REFUSED) from error
    except Halt as error:
        raise fail(str(error), Exit.HALT) from error
    except Transient as error:
        raise fail(str(error), Exit.UNAVAILABLE) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def fail(message: str, code: Exit) -> typer.Exit:
    """Says what went wrong, for the caller to raise."""
    err.print(message, style="red", markup=False, highlight=False)
    return typer.Exit(code)


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that tells how far something is, where somebody reads on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(what, total=None)

        def tell(done: int, of: int) -> None:
            progress.update(task, completed=done, total=of)

        yield tell


def show_json(found: object) -> None:
    """One JSON value on standard output; models as the contract writes them."""
    sys.stdout.write(json.dumps(_plain(found), ensure_ascii=False, indent=2) + "\n")


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def table_of(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table; cells are shown as text, never read as markup."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell).replace("[", r"\[") for cell in row))
    return table


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Shows a table, or that there is nothing in it."""
    table = table_of(title, columns, rows)
    if table.row_count:
        out.print(table)
    else:
        out.print(f"{title}: nothing there")
