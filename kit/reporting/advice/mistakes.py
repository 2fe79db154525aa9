"""Mistakes: advice on a pair of classes that is behind many wrong rows, and on folds that differ more than by chance."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from scipy import stats

from kit.config import KNOBS
from kit.reporting.advice.rule import Advice
from kit.reporting.report import findings
from kit.reporting.report.findings import Findings

PAIR, TIMES, LEAST = 0.2, 2.5, 10  # share of all wrong rows that a pair of classes has, times an even share, rows
CHANCE, UNEVEN = 0.005, 0.15  # probability of such folds by chance; difference of their errors, of the mean error


def confused(found: Findings, heeded: Collection[str] = KNOBS) -> Advice | None:
    """Is one pair of classes behind much of what is wrong? Neighbouring grades are, by nature."""
    classes = findings.classes(found)
    if classes is None or found.labels.answers == "grade" or (count := len(classes.names)) < 3:
        return None
    wrong = findings.confusion(classes) * (1 - np.eye(count, dtype=int))
    pairs = np.triu(wrong + wrong.T)
    i, j = np.unravel_index(pairs.argmax(), pairs.shape)
    rows, every = int(pairs[i, j]), int(wrong.sum())
    if rows < LEAST or rows < max(PAIR, TIMES / (count * (count - 1) / 2)) * every:
        return None
    first, second = classes.names[i], classes.names[j]
    shows = f"{first!r} and {second!r} are taken for each other in {rows:,} of {every:,} wrong rows ({rows / every:.0%})."
    knobs = tuple(name for name in ("size", "model") if name in heeded)
    do = "Look at them among the worst rows: are their labels right? " + (
        "A larger --size shows finer differences." if "size" in knobs else "Another --model may tell them apart."
    )
    return Advice("confused classes", shows, do, knobs, "reports.md")


def uneven(found: Findings) -> Advice | None:
    """Do the folds differ by more than the chance of their rows? By a one-way analysis of variance of the rows' errors."""
    if found.y is None:
        return None
    classes = findings.classes(found)
    errors = (
        found.labels.errors(found.y, found.decided) if classes is None else (classes.truth != classes.predicted).astype(float)
    )
    known = np.isfinite(errors) & (found.fold >= 0)
    folds = {int(fold): errors[known & (found.fold == fold)] for fold in np.unique(found.fold[known])}
    folds = {fold: one for fold, one in folds.items() if len(one) > 1}
    if len(folds) < 2 or errors[known].std() == 0:
        return None
    means = {fold: float(one.mean()) for fold, one in folds.items()}
    chance = float(stats.f_oneway(*folds.values()).pvalue)
    worst, best = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    if not chance < CHANCE or means[worst] - means[best] < UNEVEN * errors[known].mean():
        return None
    if classes is None:
        told = f"The mean loss is {means[worst]:.4g} in fold {worst} and {means[best]:.4g} in fold {best}"
    else:
        told = f"Of fold {worst} {means[worst]:.1%} of the rows are wrong, of fold {best} {means[best]:.1%}"
    shows = f"{told}: chance alone makes such folds {_rarely(chance)}."
    dealt: dict[str, Any] = found.run.info.get("dealt") or {}
    knobs: tuple[str, ...] = ("repeats",)
    do = "--repeats 3 deals the rows anew; where it stays so, state which rows belong together (group=)."
    if dealt.get("by_time"):
        knobs = ("split", "gap")
        do = "Rows change with time: go by the latest fold, and do not learn from rows that are too old."
    return Advice("uneven folds", shows, do, knobs, "folds-and-scores.md#folds")


def _rarely(chance: float) -> str:
    return f"once in {1 / chance:,.0f} times" if chance > 1e-6 else "less than once in a million times"
