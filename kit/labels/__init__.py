"""Labels: a class name, grades, probability columns, tags or numbers, each with all that follows from its kind."""

from dataclasses import asdict
from typing import Any, cast

from kit.labels.base import Labels
from kit.labels.classes import Grade, OneOf
from kit.labels.columns import Columns, Tags
from kit.labels.numbers import Numbers

__all__ = ["Columns", "Grade", "Labels", "Numbers", "OneOf", "Tags", "from_json", "to_json"]


def to_json(labels: Labels) -> dict[str, Any]:
    """Labels as plain values, as checkpoints and `run.json` hold them."""
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(cast(Any, labels)).items()}
    return {"type": type(labels).__name__, **plain}


def from_json(plain: dict[str, Any]) -> Labels:
    """Undoes `to_json`."""
    kinds = {kind.__name__: kind for kind in (Columns, Grade, Numbers, OneOf, Tags)}
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in plain.items() if name != "type"
    }
    return kinds[plain["type"]](**fields)
