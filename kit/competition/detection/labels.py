"""Detection of labels from the cells of the training table and the columns of the sample submission.

One decision for all kinds: what a column holds follows from comparing them. Loads pandas, so the adapter
`csv`, which `kit list` loads, imports this file inside a function.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from kit.competition.detection.whole_numbers import are_classes
from kit.data import spelling_detection
from kit.data.blanks import is_blank
from kit.errors import BadData, Usage, listed, quoted
from kit.labels import Columns, Grade, Labels, Numbers, OneOf, Tags, answer_spelling
from kit.storage import frames

CLASSES = 20  # more different texts than these are classes only where they repeat
MOSTLY = 0.9  # a column of amounts has so many cells that are numbers; the others are then named as faults
GRADED = re.compile("diagnosis|grade|severity|rating|score|level|stage|stars|quality", re.I)  # what ordered classes are called
GRADES = range(3, 11)  # so many of them


def labels_of(train: pd.DataFrame, test: pd.DataFrame, sample: pd.DataFrame, target: str = "", task: str = "") -> Labels:
    """The Labels that fill a sample submission, from tables indexed by id.

    `target`: the column of answers, where the names do not tell. `task`: what answers are, see the knob; "": as found.
    Raises BadData where no column holds them, or one holds texts that hardly repeat.
    """
    asked = [str(name) for name in sample.columns]
    if target and target not in train:
        raise BadData(f"--target {target}: the training table has no such column; it has {listed(train.columns, 10)}.")
    own = [target] if target else [name for name in asked if name in train]
    unseen = [str(name) for name in train.columns if name not in test or (test[name].to_numpy() == "").all()]
    if len(asked) == 1 and not own:
        alike = [name for name in unseen if name.lower() == asked[0].lower()]
        own = alike or (unseen if len(unseen) == 1 else [])
    if len(asked) == len(own) == 1:
        cells = answers_in(train[own[0]], sample[asked[0]])
        return of_task(task, cells) if task else _single(cells, sample[asked[0]])
    if len(own) == len(asked):
        return _several(train, tuple(asked), unseen, task)
    if task not in ("", "probability"):
        raise Usage(
            f"--task {task}: the sample asks for {listed(asked)}, which are no columns of such answers in the training table."
        )
    classes = {str(name): _as_columns(set(filled(train[name])), asked) for name in (own if target else unseen)}
    for name, values in classes.items():
        for prefix in ("", *(one.removesuffix(end) for one in asked[:2] for end in values if one.endswith(end))):
            named = {prefix + one for one in values}
            if 2 * len(named & set(asked)) > max(len(asked), len(named), 2):  # the others are of one side only
                return Columns(column=name, prefix=prefix)
            if len(values) > 1 and named <= set(asked):
                return Columns(tuple(asked), column=name, prefix=prefix)
    raise BadData(
        f"the sample submission asks for {listed(asked)}; which column of the training table holds the answers?"
        f"\nIt has {listed(train.columns, 10)}: name one with --target."
    )


def filled(cells: pd.Series) -> pd.Series:
    """The cells that are not blank."""
    bare = pd.Series(frames.by_cell(cells, str.strip), index=cells.index, name=cells.name, dtype=object)
    return bare[bare != ""]


def answers_in(cells: pd.Series, sample: pd.Series) -> pd.Series:
    """The cells that are not blank, spelled as the sample's are."""
    cells = filled(cells)
    changes = answer_spelling.respelled(cells.unique(), sample.unique())
    return cells.map({cell: changes.get(cell, cell) for cell in cells.unique()}) if changes else cells


def of_task(task: str, cells: pd.Series) -> Labels:
    """The Labels of a column whose answers are as someone says (see the knob `task`). Raises Usage where they cannot be."""
    name, distinct = str(cells.name), sorted(set(cells))
    values = pd.to_numeric(pd.Series(distinct, dtype=object), errors="coerce")
    if task == "classes":
        return OneOf(name)
    if task == "tags":
        return Tags(name)
    if task == "numbers":
        return Numbers((name,))
    if task == "probability":
        if len(distinct) > 1 and (values.between(0, 1).all() or answer_spelling.indicators(distinct)):
            return Columns((name,))
        if len(distinct) == 2:
            return Columns((distinct[-1],), column=name)
        raise Usage(f"--task probability: {name!r} has {listed(distinct)}; one column is filled for one of two, or for 0 to 1.")
    if values.isna().any() or (values % 1 != 0).any() or values.min() == values.max():
        raise Usage(f"--task grades: {name!r} has {listed(distinct)}; several whole numbers are expected.")
    low, top = int(values.min()), int(values.max())
    return Grade(name, top) if low == 0 else Numbers((name,), True, (low,), (top,))


def of_column(cells: pd.Series, sample: pd.Series | None = None) -> Labels:
    """Amounts; a probability, where the cells are 0 and 1 and the sample has fractions; else classes.

    Raises BadData for texts that hardly repeat.
    """
    name = str(cells.name)
    cells = spelling_detection.plainly(cells)
    codes, spelled = pd.factorize(cells.to_numpy(dtype=object), use_na_sentinel=False)  # a million rows have few different ones
    number = pd.to_numeric(pd.Series(spelled, dtype=object), errors="coerce")
    values = number.take(codes)
    odd = number.isna() & ~np.array([is_blank(cell) for cell in spelled], bool)  # rows that say nan are left out of numbers
    strange = cells[odd.to_numpy(dtype=bool)[codes]]
    numeric = values.notna().any() and values.notna().sum() >= MOSTLY * (values.notna().sum() + len(strange))
    asked = [] if sample is None else list(sample.unique())
    if numeric and (
        (values.dropna() % 1 != 0).any()
        or not are_classes(name, values.dropna().to_numpy(float), spelled=list(spelled), asked=asked)
    ):
        return Numbers((name,))
    if set(spelled) == {"0", "1"} and _has_fractions(asked):
        return Columns((name,))
    if not numeric and len(spelled) > max(CLASSES, len(cells) // 2):
        raise BadData(
            f"{len(spelled):,} different texts in the column {name!r} of {len(cells):,} rows: no classes,"
            f" and no numbers ({quoted(strange.iloc[0])}).\nIs it the right --target?"
        )
    return OneOf(name)


def _single(cells: pd.Series, sample: pd.Series) -> Labels:
    name, distinct = str(cells.name), set(cells)
    fractions = _has_fractions(sample.unique())
    if not fractions and GRADED.search(name) and len(distinct) in GRADES and all(map(str.isdecimal, distinct)):
        grades = sorted(map(int, distinct))
        if {str(one) for one in range(grades[0], grades[-1] + 1)} == distinct:
            return Grade(name, top=grades[-1]) if grades[0] == 0 else Numbers((name,), True, (grades[0],), (grades[-1],))
    if set(pd.to_numeric(pd.Series(list(distinct), dtype=object), errors="coerce")) == {0, 1}:
        cells = cells.astype(float).astype(int).astype(str)  # 0.0 and 1.0 too may be probabilities
    if _are_tags(distinct):
        return Tags(name)
    labels = of_column(cells, sample)
    if labels.exclusive and len(distinct) == 2 and fractions:
        return Columns(
            (max(distinct),), column=name
        )  # yes, True, Presence: the later of two is mostly the one that is asked for
    return labels


def _are_tags(distinct: set[str]) -> bool:
    """Are cells of several words made of fewer words than there are cells, none twice in one?"""
    split = [one.split() for one in distinct]
    words = {word for one in split for word in one}
    once = all(len(set(one)) == len(one) for one in split)
    return once and len(words) < len(distinct) and not any("." in word and word.replace(".", "").isdecimal() for word in words)


def _has_fractions(asked: Iterable[str]) -> bool:
    return bool((pd.to_numeric(pd.Series(list(asked), dtype=object), errors="coerce") % 1 > 0).any())


def _as_columns(classes: set[str], asked: list[str]) -> set[str]:
    """Classes spelled as the sample's columns are (after what those begin with), where a spelling is found for all of them."""
    first, last = min(asked), max(asked)
    begun = next(first[:end] for end in range(len(first), -1, -1) if last.startswith(first[:end]))
    for prefix in ("", begun, re.sub("[A-Za-z0-9]*$", "", begun)):
        changes = answer_spelling.respelled(classes, [name.removeprefix(prefix) for name in asked], complete=True)
        spelled = {changes.get(one, one) for one in classes}
        if len(spelled) > 1 and {prefix + one for one in spelled} <= set(asked):
            return spelled
    return classes


def _several(train: pd.DataFrame, names: tuple[str, ...], unseen: list[str], task: str = "") -> Labels:
    """Labels of several columns. `unseen`: columns that the test does not have, among them classes that the sample lacks."""
    if task in ("classes", "tags"):
        raise Usage(f"--task {task}: the sample has several columns of answers, {listed(names)}; such answers fill one.")
    if task in ("numbers", "grades"):
        return Numbers(names, whole=task == "grades")
    train = answer_spelling.written(train, Columns(names).respelled(train, train))
    values = train[list(names)].apply(spelling_detection.plainly).apply(pd.to_numeric, errors="coerce")
    known, filled_in = values.notna(), ~train[list(names)].map(is_blank)
    texts = [name for name in names if not known[name].any() or known[name].sum() < MOSTLY * filled_in[name].sum()]
    if texts:
        raise BadData(f"column {listed(texts)}: no numbers in most of the training rows: which columns hold the answers?")
    if not (values.isin([0, 1]) | ~known).all(axis=None):
        return Numbers(names)
    whole = values.dropna()
    most = len(whole) >= MOSTLY * known.any(axis=1).sum()  # rows that lack some are learned from where columns may be alone
    if most and (whole.sum(axis=1) == 1).all():
        return Columns(names, exclusive=True)
    others = [name for name in unseen if name not in names and set(train[name]) == {"0", "1"}]
    count = values.sum(axis=1)
    others = [name for name in others if not count[train[name] == "1"].any()]
    every = count + (train[others] == "1").sum(axis=1)
    if others and len(whole) == len(train) and (every == 1).all():
        return Columns((*names, *others), exclusive=True)
    return Columns(names)
