"""Labels: a class name, grades, probability columns, tags, numbers or a text, each with all that follows from its kind."""

import sys
from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any, cast

from kit.errors import Usage
from kit.labels.base import Labels
from kit.labels.classes import Grade, OneOf
from kit.labels.columns import Columns, Tags
from kit.labels.numbers import Numbers
from kit.labels.reading import Reading

__all__ = ["Columns", "Grade", "Labels", "Numbers", "OneOf", "Reading", "Tags", "from_json", "to_json"]

KINDS: dict[str, type[Labels]] = {kind.__name__: kind for kind in (Columns, Grade, Numbers, OneOf, Reading, Tags)}
UNSAVED = ("compute",)  # functions of Reading that always come from the adapter, see `like`


def to_json(labels: Labels) -> dict[str, Any]:
    """Labels as plain values, as checkpoints and `run.json` hold them; a class or function of an adapter by its name.

    Fields of a dataclass that are None are left out. Raises Usage for a function that is not defined at the top of a file.
    """
    kind = type(labels)
    values = {name: getattr(labels, name) for name in _fields(kind)}
    values = {name: value for name, value in values.items() if value is not None} or vars(labels)
    plain = {name: _plain(value) for name, value in values.items() if name not in UNSAVED}
    return {"type": kind.__name__ if KINDS.get(kind.__name__) is kind else _name(kind), **plain}


def from_json(plain: dict[str, Any], like: Labels | None = None) -> Labels:
    """Undoes `to_json`. `like`: labels that have the functions which are not saved, for the kinds that use some.

    Raises Usage where a class or function belongs to an adapter that is not loaded.
    """
    kind: Any = KINDS.get(plain["type"]) or _named(plain["type"])
    values = {name: _restored(value) for name, value in plain.items() if name != "type"}
    values |= {name: getattr(like, name) for name in UNSAVED if hasattr(like, name)}
    if _fields(kind):
        return cast(Any, kind)(**values)
    labels = kind.__new__(kind)  # its `__init__` may take anything
    labels.__dict__.update(values)
    return labels


def _fields(kind: Any) -> list[str]:
    """The names of all that a dataclass holds; none for a subclass that is no dataclass itself and may hold more."""
    return [field.name for field in fields(kind)] if "__dataclass_fields__" in vars(kind) else []


def _plain(value: Any) -> Any:
    if callable(value):
        return {"named": _name(value)}
    return list(value) if isinstance(value, tuple) else value


def _restored(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"named"}:
        return _named(value["named"])
    return tuple(value) if isinstance(value, list) else value


def _name(function: Callable[..., Any]) -> str:
    """Such as `competitions.mine:Focal`, by which another process finds a class or function once the adapter is loaded."""
    module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
    if not name or "<" in name:
        raise Usage(
            f"labels: a checkpoint saves functions by name, and {name or function!r} has none that could be found again. "
            "Define it with `def` (or `class`) at the top of the adapter's file."
        )
    return f"{module}:{name}"


def _named(name: str) -> Any:
    module, _, path = name.partition(":")
    try:
        return attrgetter(path)(sys.modules[module])
    except (KeyError, AttributeError):
        raise Usage(f"labels: the adapter's file no longer defines {path} ({name}), which this run was made with.") from None
