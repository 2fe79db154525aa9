"""Regression: the weights of a stack from rows whose answers are known, drawn to the plain mean of the members by a penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kit.inference.blending.stack import LOGISTIC, MULTINOMIAL, RIDGE, unlinked

PENALTIES = (10.0, 1.0, 0.1, 0.01, 0.001, 0.0001)  # the strongest first: each fit begins where the one before ended
FREE = 1e-6  # the penalty of intercepts: as good as none, and one answer where several are as good
STEPS = 200


@dataclass(frozen=True)
class Design:
    """What is regressed on what. `inputs` [r, n, c]: the members' predictions, linked; `cells` [n, k]: columns in deviations;
    `answers` [n, c]: NaN where one is missing."""

    form: str
    inputs: np.ndarray
    cells: np.ndarray
    answers: np.ndarray

    def of(self, rows: np.ndarray) -> Design:
        """Some of the rows."""
        return Design(self.form, self.inputs[:, rows], self.cells[rows], self.answers[rows])

    @property
    def scale(self) -> float:
        """The deviation of the members' mean, in which changes of weights are counted; 1 where all rows are alike."""
        mean = self.inputs.mean(axis=0)
        return float((mean - mean.mean(axis=0)).std()) or 1.0

    def loss(self, weights: Weights) -> float:
        """The mean squared error, or log loss, of the answers that are there."""
        raw = weights.raw(self)
        if self.form == RIDGE:
            return float(np.nanmean((raw - self.answers) ** 2))
        p = unlinked(self.form, raw).clip(1e-15, 1)
        if self.form == MULTINOMIAL:
            return float(-(self.answers * np.log(p)).sum(axis=1).mean())
        return float(-np.nanmean(self.answers * np.log(p) + (1 - self.answers) * np.log((1 - p).clip(1e-15, 1))))


@dataclass(frozen=True)
class Weights:
    """`members` [r, c], `cells` [k, c], `intercepts` [c]."""

    members: np.ndarray
    cells: np.ndarray
    intercepts: np.ndarray

    def raw(self, design: Design) -> np.ndarray:
        """What they make of a design's rows, [n, c], still linked."""
        return np.einsum("rnc,rc->nc", design.inputs, self.members) + design.cells @ self.cells + self.intercepts


def path(design: Design, penalties: Sequence[float] = PENALTIES) -> list[Weights]:
    """The weights by each penalty. A very strong one leaves the plain mean of the members."""
    if design.form == RIDGE:
        return [_ridge(design, penalty) for penalty in penalties]
    found, start = [], None
    for penalty in penalties:
        start, weights = _logistic(design, penalty, start)
        found.append(weights)
    return found


def _ridge(design: Design, penalty: float) -> Weights:
    """In closed form, each column by itself."""
    members, _, columns = design.inputs.shape
    slopes, mean = design.cells.shape[1], design.inputs.mean(axis=0)
    strength = np.diag([penalty * design.scale**2] * members + [penalty] * slopes + [FREE])
    found = np.empty((members + slopes + 1, columns))
    for j in range(columns):
        known = ~np.isnan(design.answers[:, j])
        inputs = np.column_stack([design.inputs[:, known, j].T, design.cells[known], np.ones(known.sum())])
        gap = design.answers[known, j] - mean[known, j]
        count = max(known.sum(), 1)
        found[:, j] = np.linalg.solve(inputs.T @ inputs / count + strength, inputs.T @ gap / count)
    return Weights(found[:members] + 1 / members, found[members:-1], found[-1])


def _logistic(design: Design, penalty: float, start: np.ndarray | None) -> tuple[np.ndarray, Weights]:
    """By L-BFGS: the weights, and where they were found (`start` of the next fit). Members are weighed alike in all columns
    where these sum to one."""
    from scipy.optimize import minimize  # which takes a quarter of a second that who only predicts need not spend

    members, rows, columns = design.inputs.shape
    slopes, scale = design.cells.shape[1], design.scale
    known = ~np.isnan(design.answers)
    answers, count = np.where(known, design.answers, 0.0), np.maximum(known.sum(axis=0), 1)
    base, shared = design.inputs.mean(axis=0), design.form == MULTINOMIAL
    wide = 1 if shared else columns
    cuts = np.cumsum([members * wide, slopes * columns])

    def split(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        change, cells, intercepts = np.split(values, cuts)
        return change.reshape(members, wide) / scale, cells.reshape(slopes, columns), intercepts

    def cost(values: np.ndarray) -> tuple[float, np.ndarray]:
        change, cells, intercepts = split(values)
        each = np.broadcast_to(change, (members, columns))
        raw = base + np.einsum("rnc,rc->nc", design.inputs, each) + design.cells @ cells + intercepts
        if shared:
            top = raw.max(axis=1, keepdims=True)
            powers = np.exp(raw - top)
            total = powers.sum(axis=1, keepdims=True)
            value = float((np.log(total) + top - (answers * raw).sum(axis=1, keepdims=True)).mean())
            slope = (powers / total - answers) / rows
        else:
            terms = np.where(known, np.logaddexp(0, raw) - answers * raw, 0.0)
            value = float((terms.sum(axis=0) / count).sum())
            slope = np.where(known, unlinked(LOGISTIC, raw) - answers, 0.0) / count
        by_member = np.einsum("rnc,nc->rc", design.inputs, slope) / scale
        by_member = by_member.sum(axis=1) if shared else by_member.ravel()
        gradient = np.concatenate([by_member, (design.cells.T @ slope).ravel(), slope.sum(axis=0)])
        return value + float((strength * values**2).sum()) / 2, gradient + strength * values

    strength = np.repeat([penalty, penalty, FREE], [members * wide, slopes * columns, columns])
    first = np.zeros(len(strength)) if start is None else start
    ended = minimize(cost, first, jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "ftol": 1e-10, "gtol": 1e-6}).x
    change, cells, intercepts = split(ended)
    return ended, Weights(np.broadcast_to(change + 1 / members, (members, columns)).copy(), cells, intercepts)
