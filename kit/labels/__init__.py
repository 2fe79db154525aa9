"""Labels: a class name, grades, probability columns, tags, numbers or a text, each with all that follows from its kind."""

from dataclasses import fields
from typing import Any, cast

from kit.labels.base import Labels
from kit.labels.classes import Grade, OneOf
from kit.labels.columns import Columns
from kit.labels.decision import Decision
from kit.labels.numbers import Numbers
from kit.labels.reading import Reading
from kit.labels.tags import Tags
from kit.parts import reference, resolve

__all__ = ["Columns", "Grade", "Labels", "Numbers", "OneOf", "Reading", "Tags", "from_json", "to_json"]

KINDS: dict[str, type[Labels]] = {kind.__name__: kind for kind in (Columns, Grade, Numbers, OneOf, Reading, Tags)}
DECISION = "decision"  # the key of what a run learned after its folds
UNSAVED = ("compute",)  # functions of Reading that always come from the adapter, see `like`


def to_json(labels: Labels) -> dict[str, Any]:
    """Labels as plain values, as checkpoints and `run.json` hold them; a class or function of an adapter by its name.

    Fields of a dataclass that are None are left out; a decision is written where there is one. Raises Usage for a function
    that is not defined at the top of a file.
    """
    kind = type(labels)
    values = {name: getattr(labels, name) for name in _fields(kind)}
    values = {name: value for name, value in values.items() if value is not None} or vars(labels)
    plain = {name: _plain(value) for name, value in values.items() if name not in (*UNSAVED, DECISION)}
    decided = {} if labels.decision is None else {DECISION: labels.decision.json()}
    return {"type": kind.__name__ if KINDS.get(kind.__name__) is kind else reference(kind), **plain, **decided}


def from_json(plain: dict[str, Any], like: Labels | None = None) -> Labels:
    """Undoes `to_json`. `like`: labels that have the functions which are not saved, for the kinds that use some.

    Raises Usage where a class or function belongs to an adapter that is not loaded.
    """
    kind: Any = KINDS.get(plain["type"]) or resolve(plain["type"])
    values = {name: _restored(value) for name, value in plain.items() if name not in ("type", DECISION)}
    values |= {name: getattr(like, name) for name in UNSAVED if hasattr(like, name)}
    if _fields(kind):
        labels = cast(Labels, kind(**values))
    else:
        labels = kind.__new__(kind)  # its `__init__` may take anything
        labels.__dict__.update(values)
    return labels.changed(decision=Decision.from_json(plain[DECISION])) if DECISION in plain else labels


def _fields(kind: Any) -> list[str]:
    """The names of all that a dataclass holds; none for a subclass that is no dataclass itself and may hold more."""
    return [field.name for field in fields(kind)] if "__dataclass_fields__" in vars(kind) else []


def _plain(value: Any) -> Any:
    if callable(value):
        return {"named": reference(value)}
    return list(value) if isinstance(value, tuple) else value


def _restored(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"named"}:
        return resolve(value["named"])
    return tuple(value) if isinstance(value, list) else value
