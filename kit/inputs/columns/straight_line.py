"""Straight line: whether one through the rows of a table answers other rows better than boosted trees do.

Where it does, as where the answer follows from a sum of the columns, a perceptron learns more than trees: the kit's has such a
line beside its layers. Loads pandas and needs LightGBM.
"""

from __future__ import annotations

import numpy as np

from kit.inputs.cells import Cells
from kit.inputs.column_encoding import Encoding

ROWS, PARTS = 3000, 3  # rows that are looked at, at most; parts of them, each answered by the other ones
FEWEST, WIDEST = 100, 500  # rows that tell at least; numbers and categories at most: more would take ten seconds
CLEARLY = 0.85  # the line's squared error beside the trees' is below this, in each part
CATEGORIES = 40  # of a column, the most frequent ones
PENALTY = 10.0  # of the line's squared slopes, for columns of deviation 1
FAR = 4.0  # deviations beyond which a number counts as so far
TREES = {
    "objective": "regression", "num_leaves": 15, "num_threads": 1, "deterministic": True, "force_col_wise": True, "seed": 0,
    "verbosity": -1,
}  # fmt: skip
ROUNDS = (5, 10, 20, 40, 80)  # the best of these counts: trees of too many rounds learn noise


def is_better(cells: Cells, y: np.ndarray) -> bool:
    """Does a line through rows [n] and their answers `y` float [n] have clearly less error on other rows than trees?

    Of answers that are all above zero, a line of their logarithm is tried too. False where there are too few rows to tell, or
    very many columns.
    """
    if len(y) < FEWEST or len(cells.names) > WIDEST:
        return False
    lines, trees, part = np.zeros((2, len(y))), np.zeros((len(ROUNDS), len(y))), np.arange(len(y)) % PARTS
    for number in range(PARTS):
        asked = part == number
        encoding = Encoding.learn(cells, np.flatnonzero(~asked), CATEGORIES)
        if encoding.width + sum(encoding.sizes) > WIDEST:
            return False
        numbers, codes = encoding.encode(cells)
        x = _columns(numbers, codes, encoding.sizes, ~asked)
        lines[:, asked] = _by_lines(x[~asked], y[~asked], x[asked])
        table = np.concatenate([np.where(codes > 0, codes, np.nan), numbers], axis=1)
        trees[:, asked] = _by_trees(table[~asked], y[~asked], table[asked], codes.shape[1])
    line, other = (np.bincount(part, min((guess - y) ** 2, key=np.mean)) for guess in (lines, trees))
    return bool((line < CLEARLY * other).all())


def _columns(numbers: np.ndarray, codes: np.ndarray, sizes: list[int], learned: np.ndarray) -> np.ndarray:
    """Rows as a line takes them [n, columns]: scaled by those `learned`, missing ones at the mean, a column a category."""
    blank = np.isnan(numbers)
    known = np.where(blank, 0.0, numbers)
    count = np.maximum(1, (~blank[learned]).sum(axis=0))
    mean = known[learned].sum(axis=0) / count
    spread = np.sqrt((np.where(blank, 0.0, known - mean)[learned] ** 2).sum(axis=0) / count)
    scaled = np.where(blank, 0.0, (known - mean) / np.where(spread > 0, spread, 1.0)).clip(-FAR, FAR)
    kinds = [codes[:, [j]] == np.arange(size) for j, size in enumerate(sizes)]
    return np.concatenate([scaled, blank[:, blank.any(axis=0)], *kinds], axis=1).astype(np.float64)


def _by_lines(x: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """What a line answers to the rows `asked`, and one of the logarithm, brought to the same mean, [2, n].

    The latter is the former where the logarithm is not defined.
    """
    here, there = x - x.mean(axis=0), asked - x.mean(axis=0)
    inverse = np.linalg.inv(here.T @ here + PENALTY * np.eye(x.shape[1]))

    def line(y: np.ndarray, at: np.ndarray) -> np.ndarray:
        return y.mean() + at @ (inverse @ (here.T @ (y - y.mean())))

    plain = line(y, there)
    if y.min() <= 0:
        return np.stack([plain, plain])
    logs, top = np.log(y), np.log(y).max() + 1
    ratio = y.sum() / np.exp(line(logs, here).clip(max=top)).sum()
    return np.stack([plain, ratio * np.exp(line(logs, there).clip(max=top))])


def _by_trees(x: np.ndarray, y: np.ndarray, asked: np.ndarray, categories: int) -> np.ndarray:
    """What LightGBM answers to the rows `asked` after each of ROUNDS, [ROUNDS, n]; the first columns are `categories`."""
    import lightgbm

    data = lightgbm.Dataset(x, y, categorical_feature=list(range(categories)), params=TREES)
    grown = lightgbm.train(TREES, data, max(ROUNDS))
    return np.stack([np.asarray(grown.predict(asked, num_iteration=rounds)) for rounds in ROUNDS])
