"""Labels: a class name, grades, probability columns, tags, numbers or a text, each with all that follows from its kind."""

import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
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
UNSAVED = ("compute",)  # of Reading: a function that comes from the adapter, see `like`


def to_json(labels: Labels) -> dict[str, Any]:
    """Labels as plain values, as checkpoints and `run.json` hold them; a class or function of an adapter's by its name.

    Raises Usage for a function without a name of its own at the top of a file.
    """
    kind = type(labels)
    known = KINDS.get(kind.__name__) is kind
    values = {one.name: getattr(labels, one.name) for one in fields(labels)} if is_dataclass(labels) else vars(labels)
    plain = {name: _plain(name, value) for name, value in values.items() if name not in UNSAVED}
    return {"type": kind.__name__ if known else _name(kind), **plain}


def from_json(plain: dict[str, Any], like: Labels | None = None) -> Labels:
    """Undoes `to_json`. `like`: the labels whose functions to take, for a kind that has some that are not saved.

    Raises Usage where a class or function is of an adapter that is not loaded.
    """
    kind: Any = KINDS.get(plain["type"]) or _named(plain["type"])
    values = {name: _restored(value) for name, value in plain.items() if name != "type"}
    values |= {name: getattr(like, name) for name in UNSAVED if hasattr(like, name)}
    if is_dataclass(kind):
        return cast(Any, kind)(**values)
    labels = kind.__new__(kind)
    labels.__dict__.update(values)
    return labels


def _plain(name: str, value: Any) -> Any:
    if callable(value):
        return {"named": _name(value)}
    return list(value) if isinstance(value, tuple) else value


def _restored(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"named"}:
        return _named(value["named"])
    return tuple(value) if isinstance(value, list) else value


def _name(thing: Callable[..., Any]) -> str:
    """Such as `competitions.mine:Focal`, by which another process finds it, once it has loaded the adapter."""
    module, name = getattr(thing, "__module__", ""), getattr(thing, "__qualname__", "")
    if not name or "<" in name:
        raise Usage(
            f"labels: {name or thing!r} has no name that a checkpoint could keep. "
            "Define it with `def` or `class` at the top of the adapter's file."
        )
    return f"{module}:{name}"


def _named(name: str) -> Any:
    module, _, path = name.partition(":")
    try:
        return attrgetter(path)(sys.modules[module])
    except (KeyError, AttributeError):
        raise Usage(f"labels: {name} is not there. It belongs to an adapter's file; is that file as it was?") from None
