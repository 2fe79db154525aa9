"""Compare: runs beside each other on the same rows, for the competition's metric, each with its own decision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit.console import table
from kit.inference import blend_weights
from kit.inference.blending.member import by as averaged_by
from kit.inference.loaded_run import load_run
from kit.metrics import defined, shown
from kit.pipeline.comparison import differing_rows, paired
from kit.pipeline.comparison.differing_rows import Group, Row
from kit.pipeline.comparison.judged import Judged, together
from kit.pipeline.comparison.paired import ByFold, Difference
from kit.storage import templates
from kit.storage.run_folder import Run
from kit.storage.templates import Table

ELSEWHERE = "compare two runs to see on which rows they differ"
SURE = 0.975  # the probability from which a difference is no chance: twice its noise


@dataclass(frozen=True)
class Pair:
    """The best run beside another one. `folds`: None where the runs have other folds; `correlation` of their predictions;
    `average`: the score of their plain average, `averaged` how much better it is than the best; `rows`, `groups`: where they
    differ, of two runs only."""

    better: str
    other: str
    difference: Difference
    folds: ByFold | None
    correlation: float
    average: float
    averaged: Difference
    rows: list[Row]
    groups: list[Group]


@dataclass(frozen=True)
class Comparison:
    """Runs on the rows that all of them have, the best first. `grouped`: what the groups are of, a column or the class."""

    metric: str
    higher_is_better: bool
    count: int
    scores: dict[str, float]
    pairs: list[Pair]
    grouped: str
    notes: list[str]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each run: its score, and how much worse it is than the best (in the metric's direction), with the noise."""
        told = {one.other: (one.difference.gain, one.difference.noise, one.correlation) for one in self.pairs}
        values = [(score, *told.get(name, (np.nan, np.nan, np.nan))) for name, score in self.scores.items()]
        columns = [self.metric, "behind", "noise", "correlation"]
        return pd.DataFrame(values, index=pd.Index(self.scores, name="run"), columns=columns)

    def json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @property
    def _head(self) -> str:
        return f"{len(self.scores)} runs on the same {self.count:,} rows, by {self.metric}"

    def text(self) -> str:
        """For people."""
        lines = [
            self._head,
            table(["run", self.metric], [[name, shown(score)] for name, score in self.scores.items()]),
            *self.notes,
        ]
        for pair in self.pairs:
            lines += ["", *_told(pair)]
        for one in self.where:
            lines += ["", *filter(None, [one.title]), table([*one.header], [[*row] for row in one.rows])]
        if len(self.pairs) > 1:
            lines += ["", ELSEWHERE]
        return "\n".join(lines)

    @property
    def where(self) -> list[Table]:
        """Of two runs: the groups and the rows in which they differ."""
        return _where(self.pairs[0], self.grouped, self.metric) if len(self.pairs) == 1 else []

    def _repr_html_(self) -> str:
        told = [line.strip() for pair in self.pairs for line in _told(pair)]
        notes = [*self.notes, *told, *([ELSEWHERE] if len(self.pairs) > 1 else [])]
        scores = Table(["run", self.metric], [[name, shown(score)] for name, score in self.scores.items()])
        return templates.card(self._head, notes, [scores, *self.where])


def compare(runs: Sequence[Run], column: str = "", data: str | Path | None = None) -> Comparison:
    """See `kit.compare`."""
    judged, notes = together(list(runs))
    metric = judged[0].facts.metric
    sign = 1 if metric.higher_is_better else -1
    best, *others = sorted(judged, key=lambda one: _order(sign * one.score()), reverse=True)
    labels, truth = best.labels, best.labels.truth(best.y)
    answers = [one.labels.harden(one.decided) for one in (best, *others)]
    answers += [labels.harden(_average(best, one)) for one in others]

    def score(rows: np.ndarray) -> list[float]:
        return [metric(truth[rows], one[rows]) for one in answers]

    where = _grouping(best, column, data)
    whole = score(np.arange(len(best.ids)))
    drawn = paired.bootstrap(score, len(best.ids), sum(one.size for one in answers))
    gain = partial(_gain, sign, whole, drawn)
    folds = [np.flatnonzero(best.fold == number) for number in np.unique(best.fold)]
    pairs = [
        Pair(
            better=best.name,
            other=other.name,
            difference=gain(0, i),
            folds=paired.by_fold(folds, score, 0, i, sign) if _same_folds(best, other) else None,
            correlation=correlation(best.decided, other.decided, averaged_by(best.facts) == "rank"),
            average=whole[len(others) + i],
            averaged=gain(len(others) + i, 0),
            rows=differing_rows.largest(best, other) if len(others) == 1 else [],
            groups=where(other) if len(others) == 1 else [],
        )
        for i, other in enumerate(others, 1)
    ]
    scores = {one.name: value for one, value in zip((best, *others), whole, strict=False)}
    return Comparison(
        metric.name, metric.higher_is_better, len(best.ids), scores=scores, pairs=pairs, grouped=column or "class", notes=notes
    )


def _grouping(best: Judged, column: str, data: str | Path | None) -> Callable[[Judged], list[Group]]:
    """What groups the rows in which another run differs: the column, or the class."""
    if not column:
        return partial(differing_rows.by_class, best)
    whole = load_run(best.run, data)
    table = whole.facts.tables(whole.root).train
    return lambda other: differing_rows.by_column(best, other, table, column)


def _same_folds(one: Judged, other: Judged) -> bool:
    return len(np.unique(one.fold)) > 1 and np.array_equal(one.fold, other.fold)


def _order(score: float) -> float:
    return score if np.isfinite(score) else -np.inf


def _gain(sign: int, whole: list[float], drawn: np.ndarray, one: int, other: int) -> Difference:
    return Difference.of(sign * (whole[one] - whole[other]), sign * (drawn[:, one] - drawn[:, other]))


def _average(one: Judged, other: Judged) -> np.ndarray:
    """The plain average of two runs' predictions, of their ranks where the metric heeds the order alone."""
    both = [one.decided, other.decided]
    if averaged_by(one.facts) == "rank":
        both = [blend_weights.ranked(values, values) for values in both]
    return np.mean(both, axis=0).astype(np.float32)


def correlation(one: np.ndarray, other: np.ndarray, by_rank: bool = False) -> float:
    """The mean correlation of two predictions' [n, c] columns, of their ranks where asked; NaN where all are constant."""
    if by_rank:
        one, other = (blend_weights.ranked(values, values) for values in (one, other))
    deviations = [values.astype(np.float64) - values.mean(axis=0, dtype=np.float64) for values in (one, other)]
    spread = np.sqrt((deviations[0] ** 2).mean(axis=0) * (deviations[1] ** 2).mean(axis=0))
    known = spread > 0
    if not known.any():
        return float("nan")
    return float(((deviations[0] * deviations[1]).mean(axis=0)[known] / spread[known]).mean())


def strays(gain: Difference) -> str:
    """A difference with its noise, in words."""
    if defined(gain.noise) is None:
        return "undefined"
    return f"{gain.gain:+.5f} ± {gain.noise:.5f}"


def _told(pair: Pair) -> list[str]:
    """Lines on how much better the one is, and how surely."""
    gain = pair.difference
    sure = gain.probability >= SURE and gain.gain > 2 * gain.noise
    verdict = "more than chance" if sure else "no more than chance may make"
    lines = [f"{pair.better} is better than {pair.other} by {strays(gain)}: {verdict}"]
    if defined(gain.probability) is not None:
        lines.append(f"  by rows   better in {gain.probability:.1%} of the draws of these rows")
    if pair.folds is None:
        lines.append("  by folds  not told: the runs have other folds")
    elif pair.folds.gains:
        of, noise = pair.folds, "" if np.isnan(pair.folds.noise) else f" ± {pair.folds.noise:.5f}"
        lines.append(f"  by folds  better in {of.won} of {len(of.gains)}, by {of.mean:+.5f}{noise}")
    lines.append(f"  predictions correlate by {pair.correlation:.4f}")
    lines.append(f"  their plain average has {shown(pair.average)}, {strays(pair.averaged)} over the better run")
    return lines


def _where(pair: Pair, grouped: str, metric: str) -> list[Table]:
    """Tables of the groups and rows in which two runs differ."""
    tables = []
    names = [Path(pair.better).name, Path(pair.other).name]
    if names[0] == names[1]:
        names = [pair.better, pair.other]
    if pair.groups:
        what = "right" if grouped == "class" else metric
        header = [grouped, "rows", *(f"{name}, {what}" for name in names)]
        alone = pair.groups[0].better_alone is not None
        header += [f"{name} alone right" for name in names] if alone else []
        rows = [
            [one.name, f"{one.rows:,}", shown(one.better), shown(one.other)]
            + ([str(one.better_alone), str(one.other_alone)] if alone else [])
            for one in pair.groups
        ]
        tables.append(Table(header, rows))
    if pair.rows:
        rows = [[one.id, one.truth, one.better, one.other] for one in pair.rows]
        tables.append(Table(["id", "truth", *names], rows, words=True, title="the rows whose errors differ most"))
    return tables
