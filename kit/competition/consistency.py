"""Consistency: facts of an adapter that contradict each other are refused when it is loaded, not where they would break."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from kit.inputs import Inputs
from kit.labels import KINDS, Labels, to_json
from kit.metrics import Metric

WANTED = (
    ("inputs", Inputs, 'made by one of kit.inputs, as Images("train/{id}.png")'),
    ("labels", Labels, 'made by one of kit.labels, as OneOf("label")'),
    ("metric", Metric, 'one of kit.metrics, or your own: Metric("name", function, higher_is_better)'),
)


def refuse(inputs: Any, labels: Any, metric: Any) -> None:
    """Raise an error that tells how to write it, where these are not what a Competition is made of.

    TypeError for objects of the wrong type, Usage for a loss that no checkpoint could name, ValueError for a metric of the
    kit that does not score what the labels answer with: an AUC of class names, or the share of probabilities that are right
    to the last bit, would mean nothing. Labels that answer with something of their own take any metric.
    """
    for (what, kind, how), value in zip(WANTED, (inputs, labels, metric), strict=True):
        if not isinstance(value, kind):
            raise TypeError(f"{what}={_shown(value)}: it is {how}")
    for value in (inputs, labels):
        _refuse_loose_text(value)
    if labels.loss is not None and not callable(labels.loss):
        raise TypeError(f"loss={_shown(labels.loss)}: a function `loss(logits, y)` is expected")
    to_json(labels)
    made_by = constructors()
    if metric.scores and labels.answers in made_by and labels.answers not in metric.scores:
        able = "; ".join(f"{answers} ({made_by[answers]})" for answers in metric.scores)
        raise ValueError(f"metric={metric.name} scores {able}: not {labels.answers} ({type(labels).__name__})")


def constructors() -> dict[str, str]:
    """How an adapter states labels, by what they answer with."""
    made_by: dict[str, list[str]] = {}
    for kind in sorted(KINDS.values(), key=lambda kind: kind.__name__):
        for answers, how in kind.constructors().items():
            made_by.setdefault(answers, []).append(how)
    return {answers: ", or ".join(how) for answers, how in made_by.items()}


def _refuse_loose_text(value: Any) -> None:
    """Refuse a tuple of names that is a single text, or that holds numbers: cells are text, as the files have them."""
    for field in fields(value) if is_dataclass(value) else ():
        given = getattr(value, field.name)
        if not str(field.type).startswith("tuple[str"):
            continue
        if isinstance(given, str):
            raise TypeError(f"{field.name}={given!r}: a tuple is expected, as ({given!r},)")
        if not all(isinstance(one, str) for one in given):
            wanted = tuple(map(str, given))
            raise TypeError(f"{field.name}={tuple(given)!r}: texts are expected, as the files have them: {wanted!r}")


def _shown(value: Any) -> str:
    return getattr(value, "__name__", None) or repr(value)
