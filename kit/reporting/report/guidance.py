"""Guidance: the sections of the report page that say in words what the score means and what to try next."""

from __future__ import annotations

import os
from pathlib import Path

import kit
from kit.reporting.advice import rules
from kit.reporting.report import meaning, sections
from kit.reporting.report.findings import Findings
from kit.reporting.report.parts import Hint, Section


def meant(found: Findings) -> Section | None:
    """The score in words."""
    words = in_words(found)
    return Section("What the score means", words, plain=True) if words else None


def in_words(found: Findings) -> str:
    """The score in whole sentences; empty where the run has none."""
    return meaning.meaning(found, list(sections.by_fold(found).values()))


def following(found: Findings) -> Section | None:
    """What to try next."""
    hints = [Hint(one.shows, one.do, _named(one.docs), _link(found, one.docs)) for one in rules.advice(found)]
    return Section("What to try next", "By what this run shows.", hints=hints) if hints else None


def _named(page: str) -> str:
    """A page of the documentation, and its heading, in words."""
    file, _, heading = page.partition("#")
    return f"Documentation: {', '.join(filter(None, [file.removesuffix('.md'), heading])).replace('-', ' ')}"


def _link(found: Findings, page: str) -> str:
    """The address of a page of the documentation from the run's folder; empty where it was not installed."""
    folder = Path(kit.__file__).resolve().parent.parent / "docs"
    if not (folder / page.partition("#")[0]).exists():
        return ""
    return Path(os.path.relpath(folder, found.run.path.resolve())).as_posix() + f"/{page}"
