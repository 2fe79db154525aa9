"""Answers: how the files spell them, and what the sample submission and the training table leave open about them."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kit.competition.detection.whole_numbers import could_be_classes
from kit.errors import BadData, listed
from kit.labels import Labels, answer_spelling

if TYPE_CHECKING:
    import pandas as pd

    from kit.competition.facts import Competition
    from kit.competition.tables import Asked

SHOWN = 10  # classes that are named
PARTS = 8  # columns that the test lacks, of which some are tried as the parts of a sum
SEVERAL = 3  # different answers in a sample that are no placeholder
TAIL = 1.0  # skewness of amounts whose logarithms are asked about


def spelled(facts: Competition, train: pd.DataFrame, asked: Asked) -> tuple[pd.DataFrame, Asked, list[str]]:
    """The training table (and known answers to the test) spelled as the sample, or as the stated classes; and notes.

    Raises BadData where classes are stated in another spelling than the sample's: the submission would have theirs.
    """
    labels, sample = facts.labels, asked.sample.frame
    changes = {name: of for name, of in labels.respelled(train, sample).items() if of}
    stated = labels.columns if labels.named else ()
    if stated and facts.sample:
        other = answer_spelling.respelled(stated, answer_spelling.cells_of(sample))
        if other:
            classes = json.dumps([other.get(name, name) for name in stated], ensure_ascii=False)[1:-1]
            raise BadData(
                f"{facts.sample} spells answers as {listed(answer_spelling.cells_of(sample))}, the adapter as {listed(stated)}."
                f"\nState them as the sample has them: ({classes})"
            )
    how = "as the adapter has them" if stated else "as the sample has them" if facts.sample else "alike"
    found = answer_spelling.notes(train, changes, how)
    known = asked.solution
    if known is not None and changes:
        of = dict.fromkeys(known.columns, next(iter(changes.values()))) if known.shape[1] == 1 else changes
        asked = replace(asked, solution=answer_spelling.written(known, of))
    return answer_spelling.written(train, changes), asked, [*found, *sums(train, asked.test, labels)]


def strange(facts: Competition, labels: Labels, sample: pd.DataFrame) -> list[str]:
    """A question about a sample's answers that these labels cannot give (a placeholder, most likely).

    Raises BadData where a sample has several of them, and they are most of its answers: no submission would be as it is.
    """
    if not (facts.sample and labels.named):
        return []
    cells = answer_spelling.cells_of(sample)
    faults = {cell: fault for cell in cells if (fault := labels.fault(cell))}
    names = listed(labels.columns, SHOWN)
    if len(faults) > 1 and 2 * len(faults) >= len(cells):
        raise BadData(
            f"{facts.sample}: its answers {listed(faults)} are none of the classes {names}, in no spelling.\n"
            "State labels that answer as the sample does (`kit new --task …`), or correct the sample."
        )
    if not faults:
        return []
    taken = "it is taken for a placeholder" if len(cells) == 1 else f"such are {len(faults)} of {len(cells)} different ones"
    return [
        f"? the sample has other answers: {next(iter(faults.values()))}, and {taken}; the classes are {names}."
        " What does the competition's page ask for?"
    ]


def sums(train: pd.DataFrame, test: pd.DataFrame, labels: Labels) -> list[str]:
    """That an amount is the sum of columns that the test does not have."""
    if not labels.continuous:
        return []
    spare = [name for name in train.columns if name not in test.columns and name not in labels.train_columns]
    parts = {str(name): values for name in spare if (values := _numbers(train[name])) is not None and values.any()}
    found = []
    for answer in labels.train_columns:
        whole = _numbers(train[answer])
        names = next(iter(_summands(whole, parts)), ()) if whole is not None and len(parts) <= PARTS else ()
        if names:
            found.append(f"{answer!r} is the sum of {' and '.join(map(repr, names))}, which the test does not have")
    return found


def _summands(whole: np.ndarray, parts: dict[str, np.ndarray]) -> list[tuple[str, ...]]:
    sets = itertools.chain.from_iterable(itertools.combinations(parts, n) for n in range(2, len(parts) + 1))
    return [
        names for names in sets if np.allclose(np.sum([parts[name] for name in names], axis=0), whole, rtol=1e-6, atol=1e-6)
    ][:1]


def _numbers(cells: pd.Series) -> np.ndarray | None:
    """Cells as float64 [n]; None where one is no number."""
    try:
        values = cells.to_numpy(dtype=np.float64)
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def questions(labels: Labels, train: pd.DataFrame, sample: pd.DataFrame | None) -> list[str]:
    """What is open about labels that were detected in these files (bound to them), and what to state instead.

    `sample`: None where there is none, so that two classes raise no question.
    """
    asked = labels.doubts() if sample is not None or len(labels.columns) > 2 else []
    if not labels.continuous or labels.log:
        return asked
    for name in labels.train_columns:
        values = _numbers(train[name])
        if values is not None and len(values):
            asked += _of_amounts(labels, name, values, sample)
    return asked


def _of_amounts(labels: Labels, name: str, values: np.ndarray, sample: pd.DataFrame | None) -> list[str]:
    column = json.dumps(name, ensure_ascii=False)
    names = ", ".join(json.dumps(one, ensure_ascii=False) for one in labels.train_columns)
    fields = f"({names}{',' * (len(labels.train_columns) == 1)})"
    asked, rounded = [], getattr(labels, "whole", False)
    if could_be_classes(values) and len(labels.train_columns) == 1 and not rounded:
        asked.append(
            f"whole numbers ({len(np.unique(values))} different ones) are read as amounts: if they name classes, state"
            f" OneOf({column}) (--task classes)"
        )
    shown = None if sample is None or sample.shape[1] > 1 else _numbers(sample.iloc[:, 0])
    if shown is not None and not rounded and not (np.concatenate([values, shown]) % 1).any() and len(set(shown)) >= SEVERAL:
        asked.append(f"the sample's answers are whole numbers, as those to train on: to round, state Numbers({fields}, True)")
    if values.min() >= 0 and _skewness(values) > max(TAIL, abs(_skewness(np.log1p(values)))):
        asked.append(
            f"{name!r} has a long tail ({values.min():g} to {values.max():g}, half of them up to {np.median(values):g}): if"
            f" errors count by ratio (of counts, prices), state Numbers({fields}, log=True) and the metric rmsle"
        )
    return asked


def _skewness(values: np.ndarray) -> float:
    spread = values.std()
    return float((((values - values.mean()) / spread) ** 3).mean()) if spread > 0 else 0.0
