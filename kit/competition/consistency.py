"""Misfits: what an adapter states that cannot be meant, said when it is loaded rather than where it would break."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from kit.inputs import Inputs
from kit.labels import Labels
from kit.metrics import Metric

GIVEN_BY = {
    "one class": "OneOf",
    "grade": "Grade, or Numbers with whole=True",
    "probabilities": "Columns",
    "tags": "Tags",
    "numbers": "Numbers",
}
WANTED = (
    ("inputs", Inputs, 'made by one of kit.inputs, as Images("train/{id}.png")'),
    ("labels", Labels, 'made by one of kit.labels, as OneOf("label")'),
    ("metric", Metric, 'one of kit.metrics, or your own: Metric("name", function, higher_is_better)'),
)


def refuse(inputs: Any, labels: Any, metric: Any) -> None:
    """Raise TypeError or ValueError, with how to mend it, where these are not what a Competition is made of.

    A metric of the kit must score what the labels answer with: an AUC of class names, or the share of probabilities that
    are right to the last bit, would be a number that means nothing. Of labels of a kind of their own nothing is known.
    """
    for (what, kind, how), value in zip(WANTED, (inputs, labels, metric), strict=True):
        if not isinstance(value, kind):
            raise TypeError(f"{what}={_shown(value)}: it is {how}")
    for value in (inputs, labels):
        _refuse_loose_text(value)
    if metric.scores and labels.answers in GIVEN_BY and labels.answers not in metric.scores:
        able = "; ".join(f"{kind} ({GIVEN_BY[kind]})" for kind in metric.scores)
        raise ValueError(f"metric={metric.name} scores {able}: not {labels.answers} ({type(labels).__name__})")


def _refuse_loose_text(value: Any) -> None:
    """A tuple of names that is one text, or holds what is none: cells are text, as the files have them."""
    for field in fields(value) if is_dataclass(value) else ():
        given = getattr(value, field.name)
        if not str(field.type).startswith("tuple[str"):
            continue
        if isinstance(given, str):
            raise TypeError(f"{field.name}={given!r}: a tuple is wanted, as ({given!r},)")
        if not all(isinstance(one, str) for one in given):
            wanted = tuple(map(str, given))
            raise TypeError(f"{field.name}={tuple(given)!r}: texts are wanted, as the files have them: {wanted!r}")


def _shown(value: Any) -> str:
    return getattr(value, "__name__", None) or repr(value)
