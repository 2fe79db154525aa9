"""Audit of drift: lines that say whether training and test rows look alike, and by what they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from scipy import sparse
from scipy.stats import binom
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from kit.reporting.drift import traits as traits_of
from kit.reporting.drift.auc import Auc, Split
from kit.reporting.drift.traits import Trait, Words

FEWEST = 30  # rows of each kind
MOST, FEW = 10_000, 1_000  # rows of each kind that are looked at; fewer where they have many columns, but so many
PICTURES = 5_000  # of each kind, whose files are read
CELLS = 2_000_000  # of the rows of each kind, together
CHANCE = 0.01  # of a false alarm by the classifier, and by all columns or words together
SHOWN = 5
BEYOND = 0.5  # share of test values outside the range of the training values
GROUPS, OVERLAP = 10, 0.05  # values that should be in both tables if dealt at random; of these, the share that is


@dataclass(frozen=True)
class Cause:
    """What alone tells the rows apart: as a message names it, and how surely."""

    name: str
    auc: float


@dataclass(frozen=True)
class Side:
    """Rows of one kind: positions int [n] in a `Loaded.look`, and their ids [n]; `file_facts`: see `Inputs`, of some ids."""

    look: Any
    rows: np.ndarray
    ids: np.ndarray
    file_facts: Callable[[np.ndarray], dict[str, np.ndarray]] = lambda ids: {}

    def sample(self, most: int, seed: int) -> np.ndarray:
        """At most so many positions in `rows`, in the order of the ids."""
        order = np.argsort(self.ids.astype(str), kind="stable")
        some = np.random.default_rng(seed).permutation(len(order))[:most]
        return order[np.sort(some)]


def audit(train: Side, test: Side, group: np.ndarray) -> Iterator[tuple[str, bool]]:
    """Lines on drift, each with whether it deserves attention.

    `group` int [n]: rows that stay together, those of `train` first. The order of the rows is immaterial.
    """
    counts = len(train.rows), len(test.rows)
    if min(counts) < FEWEST:
        yield f"{counts[0]:,} training and {counts[1]:,} test rows are too few to compare ({FEWEST} of each are needed)", False
        return
    table = hasattr(train.look, "names")
    most = min(MOST, max(FEW, CELLS // len(train.look.names))) if table else MOST
    if isinstance(train.look, np.ndarray):
        most = PICTURES
    if max(counts) > most:
        yield f"training and test rows are compared by a sample of {most:,} of each at most", False
    chosen = train.sample(most, 0), test.sample(most, 1)
    group = np.concatenate([group[: counts[0]][chosen[0]], group[counts[0] :][chosen[1]]])
    names = [f"train {one}" for one in train.ids[chosen[0]]] + [f"test {one}" for one in test.ids[chosen[1]]]
    asked = np.repeat([False, True], [len(one) for one in chosen])
    found, words = traits_of.of(_both(train.look, test.look, train.rows[chosen[0]], test.rows[chosen[1]]))
    facts = [side.file_facts(side.ids[rows]) for side, rows in zip((train, test), chosen, strict=True)]
    found += traits_of.of_files(*facts)
    yield from _compared(found, words, Split.deal(np.array(names, object), asked, group), table)


def _compared(found: list[Trait], words: Words | None, split: Split, table: bool) -> Iterator[tuple[str, bool]]:
    """The verdict on rows with these traits, and hints on columns of a table."""
    if not found:
        yield "training and test rows have no columns to be compared by", False
        return
    whole = split.by_scores(_by_words(found, words, split.asked) if words else _by_trees(found, split.asked))
    shown = [one for one in found if one.shown]
    alone = {one.name: _alone(one, split) for one in shown}
    limit = _limit(sum(one.values.shape[1] for one in shown))
    sure = {name: auc for name, auc in alone.items() if auc.surprise > limit}
    spoken = list(_words_alone(words, split)) if words else []
    best = max([whole, *sure.values()], key=lambda auc: auc.surprise)
    if best.surprise <= _limit(1) and not spoken:
        yield f"training and test rows look alike: a classifier tells them apart with AUC {_told(whole)}", False
    else:
        causes = [Cause(name, auc.value) for name, auc in sure.items()]
        parts = [_listed(causes, "column" if table else "")] if causes else []
        parts += [_listed(spoken, "word")] if spoken else []
        parts = parts or ["no column alone" if table else "nothing alone"]
        yield f"training and test rows differ: AUC {_told(best)}, by {' and '.join(parts)}", True
    for one in shown if table else []:
        yield from _hints(one, split.asked, one.name in sure)


def _limit(count: int) -> float:
    """Standard errors that the largest of so many AUCs of rows dealt at random hardly passes."""
    return NormalDist().inv_cdf(1 - CHANCE / count)


def _told(auc: Auc) -> str:
    return f"{auc.value:.3f} ± {auc.noise:.3f}"


def _listed(causes: list[Cause], unit: str) -> str:
    most = sorted(causes, key=lambda one: (-one.auc, one.name))
    before = f"the {unit}{'s' * (len(most) > 1)} " if unit else ""
    return before + ", ".join(f"{one.name} ({one.auc:.2f})" for one in most[:SHOWN]) + (", …" if len(most) > SHOWN else "")


def _both(train: Any, test: Any, first: np.ndarray, second: np.ndarray) -> Any:
    """These rows as one; pictures as two arrays, for their sizes may differ."""
    if isinstance(train, np.ndarray):
        return [train[first], test[second]]
    if hasattr(train, "texts"):
        return type(train)([*train[first], *test[second]])
    return train[first] + test[second]


def _alone(trait: Trait, split: Split) -> Auc:
    return max((split.by_bins(bins) for bins in trait.bins()), key=lambda auc: auc.surprise)


def _by_trees(found: list[Trait], asked: np.ndarray) -> Callable[[np.ndarray], Any]:
    values = np.concatenate([one.values for one in found], axis=1)
    category = np.concatenate([np.repeat(one.category, one.values.shape[1]) for one in found])
    leaf = max(2, min(20, len(asked) // 40))

    def fit(rows: np.ndarray) -> Any:
        trees = HistGradientBoostingClassifier(
            max_iter=50, max_leaf_nodes=15, min_samples_leaf=leaf, early_stopping=False,
            categorical_features=category if category.any() else None, random_state=0,
        )  # fmt: skip
        trees.fit(values[rows], asked[rows])
        return lambda others: trees.decision_function(values[others])

    return fit


def _by_words(found: list[Trait], words: Words, asked: np.ndarray) -> Callable[[np.ndarray], Any]:
    facts = np.concatenate([one.values for one in found], axis=1)
    scaled = (facts - facts.mean(axis=0)) / np.maximum(facts.std(axis=0), 1e-9)
    design = sparse.hstack([words.weighted, sparse.csr_matrix(scaled * 0.1)]).tocsr()

    def fit(rows: np.ndarray) -> Any:
        model = LogisticRegression(C=1.0, solver="liblinear", class_weight="balanced", random_state=0)
        model.fit(design[rows], asked[rows])
        return lambda others: model.decision_function(design[others])

    return fit


def _words_alone(words: Words, split: Split) -> Iterator[Cause]:
    """Words that are surely more frequent in the texts of one kind; of texts that repeat each other, one counts."""
    _, first = np.unique(split.group, return_index=True)
    asked, held = split.asked[first], words.held.tocsr()[first]
    test = np.asarray(held[asked].sum(axis=0)).ravel()
    both = np.asarray(held.sum(axis=0)).ravel()
    share = asked.mean()
    rare = np.minimum(binom.cdf(test, both, share), binom.sf(test - 1, both, share))
    for j in np.flatnonzero(rare < CHANCE / 2 / len(words.names)):
        distance = abs(test[j] / asked.sum() - (both[j] - test[j]) / (~asked).sum())
        yield Cause(repr(str(words.names[j])), 0.5 + distance / 2)


def _hints(trait: Trait, asked: np.ndarray, sure: bool) -> Iterator[tuple[str, bool]]:
    first = trait.values[:, 0]
    train, test = (some[np.isfinite(some)] for some in (first[~asked], first[asked]))
    if sure and not trait.category and len(train) and len(test):
        beyond = ((test < train.min()) | (test > train.max())).mean()
        if beyond >= BEYOND:
            yield f"{trait.name}: {beyond:.0%} of the test values lie beyond the training values: by time? see `time=`", True
            return
    if trait.codes is not None and _apart(trait.codes, asked):
        yield f"{trait.name}: training and test rows share hardly a value: a group? see `group=`", True


def _apart(codes: np.ndarray, asked: np.ndarray) -> bool:
    """Are far fewer values in both kinds of rows than there would be if rows were dealt at random?"""
    said = codes >= 0
    if not said.any():
        return False
    count = int(codes.max()) + 1
    train, test = (np.bincount(codes[said & one], minlength=count) for one in (~asked, asked))
    share, all_rows = asked[said].mean(), train + test
    expected = (1 - share**all_rows - (1 - share) ** all_rows)[all_rows > 0].sum()
    return bool(expected >= GROUPS and ((train > 0) & (test > 0)).sum() <= OVERLAP * expected)
