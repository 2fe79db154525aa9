"""Templates: pages, notebooks' cards, drawings' styles, rendered by Jinja from the files beside the code that fills them in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

SHARED = Path(__file__).parent / "html"  # templates that several folders' use


@dataclass(frozen=True)
class Table:
    """Header and rows of text. `words`: the cells are no figures, and stand at the left; `title`: a line above it."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: bool = False
    title: str = ""


def render(folder: Path, template: str, **values: Any) -> str:
    """The template of this file name with its values. What stands in an HTML template is escaped unless it is `Markup`."""
    return _environment(folder).get_template(template).render(values)


def card(title: str, notes: Sequence[str], tables: Sequence[Table]) -> str:
    """HTML for a notebook's cell: a title, lines about it, and tables."""
    return render(SHARED, "card.html.j2", title=title, notes=notes, tables=tables)


def printable(text: str) -> str:
    """Text without the characters that neither HTML nor UTF-8 can hold."""
    kept = "".join(c for c in text if c.isprintable() or c in "\n\t ")
    return kept.encode("utf-8", "replace").decode()


def code(text: str) -> str:
    """Text as a code span of Markdown, which holds whatever the text is: its marks are longer than any in it."""
    line = " ".join(printable(text).split())
    marks = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    return f"{marks} {line} {marks}" if "`" in line else f"{marks}{line}{marks}"


@cache
def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([folder, SHARED]),
        autoescape=lambda name: ".html" in (name or ""),
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["code"] = code
    return environment


def _finalize(value: Any) -> Any:
    return printable(value) if type(value) is str else value
