"""Card: what a notebook shows of a competition: its facts, where its data is, and how many rows are to be answered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kit.errors import KitError
from kit.storage import templates
from kit.storage.templates import Table

if TYPE_CHECKING:
    from kit.competition.facts import Competition


def card(facts: Competition) -> str:
    """HTML; a line instead of what cannot be read. Reads the sample submission alone, and writes nothing."""
    place = next((one for one in facts.places() if facts.is_at(one)), None)
    way = "higher is better" if facts.metric.higher_is_better else "lower is better"
    columns = {"group": facts.group, "time": facts.time}
    rows = [
        ["input", facts.inputs.kind],
        ["labels", facts.labels.describe()],
        ["metric", f"{facts.metric.name} ({way})"],
        *([what, name] for what, name in columns.items() if name),
        ["data", str(place) if place else "built in" if facts.embedded else f"not here yet: kit download {facts.slug}"],
        *([["test rows", _asked(facts, place)]] if place else []),
    ]
    return templates.card(facts.slug, facts.questions, [Table(["", ""], rows, words=True)])


def _asked(facts: Competition, place: Path) -> str:
    """How many rows the sample submission has."""
    try:
        return f"{len(facts.test_tables(place).sample if facts.read_test else facts.sample_table(place)):,}"
    except KitError as fault:
        return str(fault).splitlines()[0]
