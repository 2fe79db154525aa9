"""Stacking: a stack that is fitted without the fold it scores, its penalty chosen inside, kept where it beats the blend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kit.errors import Usage
from kit.inference.blend_weights import Gain, Score, gained
from kit.inference.blending.regression import PENALTIES, Design, Weights, path
from kit.inference.blending.stack import Stack, form_of, linked, standard, unlinked
from kit.inference.decisions.learning import WAVERING
from kit.labels import Labels
from kit.metrics import defined

MOST_CELLS = 6_000_000  # numbers that a stack learns from; of more, those of evenly spaced rows


@dataclass(frozen=True)
class Columns:
    """Numbers of the table [n, k] that a stack looks at too, by the names of their columns; NaN where one is missing."""

    names: tuple[str, ...]
    values: np.ndarray

    @classmethod
    def none(cls, rows: int) -> Columns:
        """No column of so many rows."""
        return cls((), np.zeros((rows, 0)))

    def measures(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of each; 0 and 1 of one that says nothing."""
        known = [column[~np.isnan(column)] for column in self.values.T]
        middle = tuple(float(one.mean()) if len(one) else 0.0 for one in known)
        return middle, tuple((float(one.std()) if len(one) else 0.0) or 1.0 for one in known)


@dataclass(frozen=True)
class Stacked:
    """A stack that was tried. `nested` [n, c]: each row by a stack that had not seen its fold; `gain`: of that over the blend
    that weights make; `over_best`: over the best single run."""

    stack: Stack
    nested: np.ndarray
    gain: Gain
    over_best: Gain

    @property
    def kept(self) -> bool:
        """Is it better than both by more than noise?"""
        return self.gain.pays and self.over_best.pays

    def json(self) -> dict[str, Any]:
        """What `run.json` says of it."""
        gain = {"gain": defined(self.gain.gain), "noise": defined(self.gain.noise)}
        return {"kept": self.kept, **gain, **self.stack.json()}


def refuse_unsuited(labels: Labels, folds: int) -> None:
    """Raise Usage for what no regression can answer."""
    if labels.reads:
        raise Usage("--by stack: what was read in pictures is voted on, which no regression can do. Leave --by out.")
    if folds < 2:
        raise Usage("--by stack: the runs have one fold, and no other could teach its stack. Leave --by out.")


def choose(
    labels: Labels,
    y: np.ndarray,
    parts: np.ndarray,
    fold: np.ndarray,
    score: Score,
    rivals: tuple[np.ndarray, np.ndarray],
    groups: Sequence[Sequence[int]],
    columns: Columns,
) -> Stacked:
    """The stack of parts [r, n, c] of rows with encoded answers `y` in these folds [n], and its gain over the `rivals` [n, c]:
    the blend by weights and the best single one. `groups`: whose mean each part is."""
    form, (middle, spread) = form_of(labels), columns.measures()
    cells = standard(columns.values, middle, spread)
    design = Design(form, linked(form, parts), cells, labels.certain(y).astype(np.float64)[:, : parts.shape[2]])
    nested, weights, penalty = _fitted(design, fold)
    told = [gained(nested, rival, score) for rival in rivals]
    gains = [Gain(one.gain, WAVERING * one.noise) for one in told]
    known: dict[str, Any] = {"groups": tuple(map(tuple, groups)), "columns": columns.names, "middle": middle, "spread": spread}
    return Stacked(Stack(form, penalty, weights.members, weights.intercepts, weights.cells, **known), nested, *gains)


def _fitted(design: Design, fold: np.ndarray) -> tuple[np.ndarray, Weights, float]:
    """Nested predictions [n, c], the weights that all rows teach, and the penalty that these were fitted with.

    What a fold's rows are predicted by was fitted on the others, with the penalty that did best where each of these in turn
    was left out too.
    """
    part = _inner(fold)
    every, paths = {int(one) for one in np.unique(part)}, dict[frozenset[int], list[Weights]]()

    def without(left_out: frozenset[int]) -> list[Weights]:
        if left_out not in paths:
            paths[left_out] = path(design.of(_spaced(np.flatnonzero(~np.isin(part, [*left_out])), design)))
        return paths[left_out]

    def best(left_out: frozenset[int]) -> int:
        losses = np.zeros(len(PENALTIES))
        for one in every - left_out:
            held = design.of(np.flatnonzero(part == one))
            losses += [held.loss(weights) * len(held.cells) for weights in without(left_out | {one})]
        return int(np.argmin(losses))

    nested = np.empty(design.inputs.shape[1:])
    for number in np.unique(fold):
        own = frozenset(int(one) for one in np.unique(part[fold == number]))
        rows = np.flatnonzero(fold == number)
        nested[rows] = unlinked(design.form, without(own)[best(own)].raw(design.of(rows)))
    chosen = best(frozenset())
    return nested, without(frozenset())[chosen], PENALTIES[chosen]


def _inner(fold: np.ndarray) -> np.ndarray:
    """The parts of the rows of which one at a time chooses a penalty: the folds, or where there are two only, their halves."""
    if len(np.unique(fold)) > 2:
        return fold
    return fold * 2 + np.random.default_rng(0).integers(0, 2, len(fold))


def _spaced(rows: np.ndarray, design: Design) -> np.ndarray:
    """As many of the rows, evenly spaced, as hold MOST_CELLS numbers."""
    members, _, columns = design.inputs.shape
    return rows[:: max(1, -(-len(rows) * members * columns // MOST_CELLS))]
