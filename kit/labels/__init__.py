"""Labels: a class name, grades, probability columns, tags, numbers or a text, each with all that follows from its kind."""

from dataclasses import asdict
from typing import Any, cast

from kit.labels.base import Labels
from kit.labels.classes import Grade, OneOf
from kit.labels.columns import Columns, Tags
from kit.labels.numbers import Numbers
from kit.labels.reading import Reading

__all__ = ["Columns", "Grade", "Labels", "Numbers", "OneOf", "Reading", "Tags", "from_json", "to_json"]


CODE = ("compute",)  # fields that hold functions: never saved, they come from the adapter


def to_json(labels: Labels) -> dict[str, Any]:
    """Labels as plain values, as checkpoints and `run.json` hold them."""
    fields = {name: value for name, value in asdict(cast(Any, labels)).items() if name not in CODE}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
    return {"type": type(labels).__name__, **plain}


def from_json(plain: dict[str, Any], like: Labels | None = None) -> Labels:
    """Undoes `to_json`. `like`: the labels whose functions to take, for a kind that has some."""
    kinds = {kind.__name__: kind for kind in (Columns, Grade, Numbers, OneOf, Reading, Tags)}
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in plain.items() if name != "type"
    }
    return kinds[plain["type"]](**fields, **{name: getattr(like, name) for name in CODE if hasattr(like, name)})
