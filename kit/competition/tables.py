"""Tables: a competition's files as frames indexed by id, made ready for training.

pandas is imported inside functions: `kit list` loads every competition, and none needs it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit.competition import answers, extra as extra_rows
from kit.competition.sample import EXCERPT, Sample
from kit.competition.sources import every, first_of
from kit.errors import BadData, listed, quoted
from kit.labels import Labels, missing
from kit.metrics import Metric
from kit.storage import frames

if TYPE_CHECKING:
    import pandas as pd

    from kit.competition.facts import Competition
    from kit.data.number_spelling import Spellings

FORMULAS = ("=", "+", "@")  # how what a spreadsheet computes begins
SHOWN = 10  # broken files named


@dataclass(frozen=True)
class Tables:
    """A competition's files as read: frames indexed by id (text), the sample in its own order.

    `spellings`: how columns of the files write numbers; these frames hold numbers, and plain text in columns of answers.
    `unused`: ids of training rows that are left out; `extra`: rows that train only, with the columns of `train`.
    """

    root: Path
    train: pd.DataFrame
    test: pd.DataFrame
    sample: Sample
    labels: Labels
    notes: tuple[str, ...] = ()
    solution: pd.DataFrame | None = None
    spellings: Spellings | None = None
    unused: tuple[str, ...] = ()
    extra: pd.DataFrame | None = None

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The training rows, and below them the extra ones."""
        import pandas as pd

        return self.train if self.extra is None else pd.concat([self.train, self.extra])

    def encoded(self) -> np.ndarray:
        """The answers of all `rows` as numbers: int64 [n] or float32 [n, c], in memory that may be written.

        Raises BadData for labels of an adapter that encode to anything else, and those of `Labels.encode`.
        """
        y = np.array(self.labels.encode(self.rows))
        good = (y.dtype == np.int64 and y.ndim == 1) or (y.dtype == np.float32 and y.ndim == 2)
        if not good or len(y) != len(self.rows):
            raise BadData(
                f"labels: `encode` gave {y.dtype} {list(y.shape)} for {len(self.rows)} rows; int64 [rows] or float32"
                " [rows, columns] is expected."
            )
        return y

    def held_out(self, labels: Labels, metric: Metric, predictions: pd.DataFrame) -> float | None:
        """The score of predictions by id on the test answers, where they are known (a `solution.csv`, say), else None."""
        if self.solution is None:
            return None
        known = labels.encode(labels.as_trained(self.solution))
        answers = predictions.loc[self.solution.index].to_numpy(np.float32)
        return metric(labels.truth(known), labels.harden(answers))


@dataclass(frozen=True)
class Asked:
    """What is to be answered: the test rows and the sample submission (frames by id serve), the answers where known."""

    test: pd.DataFrame
    sample: Sample
    solution: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "sample", Sample.of(self.sample))


def prepare(
    facts: Competition, root: Path, train: pd.DataFrame, asked: Asked, notes: list[str], extra: pd.DataFrame | None = None
) -> Tables:
    """Tables from frames indexed by id: binds the labels and leaves out training and `extra` rows that have none (noted).

    Raises BadData for a sample whose columns these labels do not fill, and for extra rows as `kit.competition.extra` does.
    """
    count = len(train)
    needed = [*facts.labels.train_columns, *filter(None, (facts.group, facts.time))]
    name = first_of(facts.train)
    frames.need_columns(train, needed, " with ".join(every(facts.train)))
    if extra is not None:
        train = extra_rows.below(train, asked.test, extra, needed, first_of(facts.extra))
    train, asked, spellings = _measured(facts, train, asked)
    train, asked, spelled = answers.spelled(facts, train, asked)
    blank = facts.labels.blank(train)
    lacking = list(missing.notes(facts.labels, train.iloc[:count], blank[:count], name))
    if extra is not None:
        lacking += missing.notes(facts.labels, train.iloc[count:], blank[count:], first_of(facts.extra))
    train, agreement = facts.inputs.agree(train, asked.test, facts.labels.train_columns)
    notes = [*notes, *asked.notes, *spellings.notes(), *spelled, *agreement, *lacking]
    more = None if extra is None else train.iloc[count:][~blank[count:]]
    train, blank = train.iloc[:count] if extra is not None else train, blank[:count]
    unused = tuple(train.index[blank])
    if blank.any():
        train = train[~blank]
    if not len(train):
        raise BadData(f"{name}: no training rows with an answer.")
    if more is not None and not len(more):
        raise BadData(f"{first_of(facts.extra)}: no extra rows with an answer.")
    labels = facts.labels.bind(train)
    labels.decode(np.zeros((0, len(labels.columns)), np.float32), list(asked.sample.columns))  # before hours of training
    notes += [*answers.strange(facts, labels, asked.sample.frame), *_formulas(asked.sample.index)]
    notes += labels.unequal(list(asked.sample.columns))
    return Tables(
        root=root,
        train=train,
        test=asked.test,
        sample=asked.sample,
        labels=labels,
        notes=tuple(notes),
        solution=asked.solution,
        spellings=spellings,
        unused=unused,
        extra=more,
    )


def _formulas(ids: pd.Index) -> list[str]:
    """A line on ids that a spreadsheet would take for formulas. The submission holds them as they are."""
    odd = ids[ids.astype(str).str.startswith(FORMULAS)]
    if not len(odd):
        return []
    shown = f"{len(odd):,} ids begin with '=', '+' or '@', such as {quoted(odd[0])}"
    return [f"{shown}: they stay as they are, but a spreadsheet would take them for formulas"]


def _measured(facts: Competition, train: pd.DataFrame, asked: Asked) -> tuple[pd.DataFrame, Asked, Spellings]:
    """The tables with amounts and dates as they are read, whatever way their columns write them, and these ways."""
    from kit.data import spelling_detection

    measured = facts.inputs.measured(train, asked.test)
    amounts = facts.labels.train_columns if facts.labels.continuous else ()
    dates = [name for name in measured if facts.inputs.stated_kind(name) == "date"]
    spellings = spelling_detection.learn(train, asked.test, measured, amounts, dates=dates, decimal=facts.decimal)
    train = spellings.read_answers(spellings.read_inputs(train))
    solution = None if asked.solution is None else spellings.read_answers(asked.solution)
    return train, replace(asked, test=spellings.read_inputs(asked.test), solution=solution), spellings


def matched(sample: Sample | pd.DataFrame, test: pd.DataFrame, facts: Competition) -> Sample:
    """The sample, which must ask for ids of the test. Raises BadData naming some that it lacks."""
    return asked_of(sample, test, facts).sample


def asked_of(sample: Sample | pd.DataFrame, test: pd.DataFrame, facts: Competition) -> Asked:
    """The test rows that the sample asks for, and the sample.

    A sample of the test's first few rows shows the form only: then all rows are asked for. Ids that are written otherwise in
    the two files (`200.0` and `200`) are taken as the sample writes them. Raises BadData naming ids that the test lacks.
    """
    sample = Sample.of(sample)
    notes = list(sample.notes)
    if not sample.index.isin(test.index).all():
        test, note = _spelled(test, sample.index)
        notes += note
    missing = sample.index[~sample.index.isin(test.index)]
    if len(missing):
        raise BadData(f"{facts.sample} asks for ids that {facts.test} does not have: {listed(missing)}.")
    extra = len(test) - len(sample)
    if extra and len(sample) <= min(EXCERPT, len(test) // 2) and list(test.index[: len(sample)]) == list(sample.index):
        notes.append(
            f"{facts.sample} is an excerpt, the first {len(sample)} rows of {facts.test}: all {len(test):,} are answered"
        )
        return Asked(test, sample.renamed(test.index), notes=tuple(notes))
    if extra:
        notes.append(f"{facts.sample} asks for {len(sample):,} of the {len(test):,} rows of {facts.test}: these are answered")
    strange = [name for name in sample.cells if name not in (sample.key, *sample.filled) and name not in test]
    if strange:
        raise BadData(
            f"the sample submission asks for {listed([*sample.columns, *strange])}; these labels are"
            f" {listed(facts.labels.asked)} ({listed(strange)}: no label)."
        )
    rows = test if test.index.equals(sample.index) else test.loc[sample.index]  # a wide table is copied by `loc`
    return Asked(rows, sample, notes=tuple(notes))


def _spelled(test: pd.DataFrame, wanted: pd.Index) -> tuple[pd.DataFrame, list[str]]:
    """The test rows under the ids of the sample, where the two differ in how they are written only; and a note."""
    for how, plain in SPELLINGS.items():
        ids, own = [plain(str(one)) for one in wanted], [plain(str(one)) for one in test.index]
        if len(set(ids)) == len(ids) and len(set(own)) == len(own) and set(ids) <= set(own):
            name = dict(zip(ids, wanted, strict=True))
            changed = test.set_axis([name.get(one, old) for one, old in zip(own, test.index, strict=True)]).rename_axis(
                wanted.name
            )
            example = next(one for one in test.index if one not in wanted)
            return changed, [
                f"ids of the test and the sample differ in {how} ({example!r}): they are written as the sample has them"
            ]
    return test, []


def _number(one: str) -> str:
    """A whole number as it is written plainly: `007` and `7.0` are 7."""
    bare = one.strip().removesuffix(".0")
    return str(int(bare)) if bare.isascii() and bare.isdecimal() else one.strip()


SPELLINGS: dict[str, Callable[[str], str]] = {
    "blanks around them": str.strip,
    "'.0' or zeros before a whole number": _number,
    "how accents are encoded": lambda one: unicodedata.normalize("NFC", one.strip()),
    "capital letters": lambda one: unicodedata.normalize("NFC", one.strip()).casefold(),
    "a suffix": lambda one: one.strip().rpartition(".")[0] or one.strip(),
}


def first(tables: Tables, count: int) -> Tables:
    """The tables with the first `count` training rows only."""
    return replace(tables, train=tables.train.iloc[:count])


def sound(tables: Tables, train_broken: Mapping[str, str], test_broken: Mapping[str, str]) -> tuple[Tables, list[str]]:
    """The tables without the training rows whose files are broken, and lines that name these and the test's."""
    notes = [f"left out of training: {fault}" for fault in list(train_broken.values())[:SHOWN]]
    if len(train_broken) > SHOWN:
        notes.append(f"left out of training: {len(train_broken) - SHOWN} more, {len(train_broken)} in all")
    notes += [f"answered by the training rows' prior: {fault}" for fault in list(test_broken.values())[:SHOWN]]
    if len(test_broken) > SHOWN:
        notes.append(f"answered by the training rows' prior: {len(test_broken) - SHOWN} more, {len(test_broken)} in all")
    if not train_broken:
        return tables, notes
    kept = ~tables.train.index.isin(list(train_broken))
    if tables.extra is not None:
        tables = replace(tables, extra=tables.extra[~tables.extra.index.isin(list(train_broken))])
    return replace(tables, train=tables.train[kept], unused=(*tables.unused, *tables.train.index[~kept])), notes
